// SPDX-License-Identifier: Apache-2.0
import NIOCore

extension MessageReader {
    /// A data message of which at least one frame has begun.
    struct Message {
        let isText: Bool
        let isCompressed: Bool
        var bytes = ByteBuffer()
        var validator = UTF8Validator()

        /// Looks at the last `count` bytes.
        mutating func checkText(last count: Int) throws(ProtocolFailure) {
            guard self.isText, count > 0 else { return }
            let isValid = self.bytes.withUnsafeReadableBytes { bytes in
                self.validator.feed(UnsafeRawBufferPointer(rebasing: bytes[(bytes.count - count)...]))
            }
            guard isValid else { throw .notText }
        }
    }
}

extension ByteBuffer {
    /// Appends `piece`, unmasked if it is masked.
    mutating func append(_ piece: UnsafeRawBufferPointer, mask: UInt32?, offset: Int) {
        guard !piece.isEmpty else { return }
        guard let mask else {
            self.writeBytes(piece)
            return
        }
        self.writeWithUnsafeMutableBytes(minimumWritableBytes: piece.count) { target in
            Masking.copy(piece, to: target, key: mask, offset: offset)
            return piece.count
        }
    }

    static func unmasked(_ piece: UnsafeRawBufferPointer, mask: UInt32?, offset: Int) -> ByteBuffer {
        var bytes = ByteBufferAllocator().buffer(capacity: piece.count)
        bytes.append(piece, mask: mask, offset: offset)
        return bytes
    }
}
