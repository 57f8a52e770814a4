// SPDX-License-Identifier: Apache-2.0

/// The two to fourteen bytes in front of a frame's payload.
///
/// - Source: RFC 6455 §5.2.
struct FrameHeader: Equatable {
    /// The longest there is: two bytes, eight of length, four of masking key.
    static let maximumSize = 14

    /// The bits FIN, RSV1, RSV2 and RSV3, in the upper half, and the opcode.
    var first: UInt8
    /// The masking key, its first byte lowest; nil if the payload is not masked.
    var mask: UInt32?
    /// Bytes of payload.
    var length: UInt64
    /// Whether the length was written in as few bytes as it can be.
    var isMinimal = true

    var isFinal: Bool { self.first & 0x80 != 0 }
    var isCompressed: Bool { self.first & 0x40 != 0 }
    var hasUnknownReservedBits: Bool { self.first & 0x30 != 0 }
    var opcode: Opcode? { Opcode(rawValue: self.first & 0x0F) }

    /// Reads a header from the front of `bytes`.
    ///
    /// - Returns: The header and how many bytes it takes, or nil if they are not all there.
    static func read(_ bytes: UnsafeRawBufferPointer) -> (header: FrameHeader, size: Int)? {
        guard bytes.count >= 2 else { return nil }
        let second = bytes[1]
        let short = second & 0x7F
        let extended = short == 126 ? 2 : short == 127 ? 8 : 0
        let isMasked = second & 0x80 != 0
        let size = 2 + extended + (isMasked ? 4 : 0)
        guard bytes.count >= size else { return nil }
        var header = FrameHeader(first: bytes[0], length: UInt64(short))
        if extended == 2 {
            header.length = UInt64(UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self)))
            header.isMinimal = header.length > 125
        } else if extended == 8 {
            header.length = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt64.self))
            header.isMinimal = header.length > 0xFFFF
        }
        if isMasked {
            header.mask = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 2 + extended, as: UInt32.self))
        }
        return (header, size)
    }

    /// How many bytes the header of a frame with `length` bytes of payload takes.
    static func size(length: Int, isMasked: Bool) -> Int {
        (length < 126 ? 2 : length <= 0xFFFF ? 4 : 10) + (isMasked ? 4 : 0)
    }

    /// Writes the header to the front of `bytes`, which has room for it.
    func write(to bytes: UnsafeMutableRawBufferPointer) {
        let maskBit: UInt8 = self.mask == nil ? 0 : 0x80
        bytes[0] = self.first
        var size = 2
        if self.length < 126 {
            bytes[1] = maskBit | UInt8(self.length)
        } else if self.length <= 0xFFFF {
            bytes[1] = maskBit | 126
            bytes.storeBytes(of: UInt16(self.length).bigEndian, toByteOffset: 2, as: UInt16.self)
            size = 4
        } else {
            bytes[1] = maskBit | 127
            bytes.storeBytes(of: self.length.bigEndian, toByteOffset: 2, as: UInt64.self)
            size = 10
        }
        if let mask = self.mask {
            bytes.storeBytes(of: mask.littleEndian, toByteOffset: size, as: UInt32.self)
        }
    }
}
