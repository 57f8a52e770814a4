// SPDX-License-Identifier: Apache-2.0

/// The exclusive-or that a client's payloads are sent under, eight bytes at a time.
///
/// - Source: RFC 6455 §5.3.
enum Masking {
    /// Copies `source` to the front of `target`, masked or unmasked, which is the same.
    ///
    /// - Parameters:
    ///   - key: The masking key, its first byte lowest.
    ///   - offset: How many bytes of the payload came before `source`.
    @inline(__always)
    static func copy(
        _ source: UnsafeRawBufferPointer, to target: UnsafeMutableRawBufferPointer, key: UInt32, offset: Int = 0
    ) {
        precondition(target.count >= source.count, "the target is too small")
        guard let from = source.baseAddress, let to = target.baseAddress else { return }
        // The key as it meets the first byte of `source`.
        let turn = UInt32(offset & 3) * 8
        let turned = turn == 0 ? key : key >> turn | key << (32 - turn)
        let wide = UInt64(turned) | UInt64(turned) << 32
        let count = source.count
        var index = 0
        while index + 8 <= count {
            let word = UInt64(littleEndian: from.loadUnaligned(fromByteOffset: index, as: UInt64.self))
            to.storeBytes(of: (word ^ wide).littleEndian, toByteOffset: index, as: UInt64.self)
            index += 8
        }
        var rest = wide
        while index < count {
            let byte = from.load(fromByteOffset: index, as: UInt8.self) ^ UInt8(truncatingIfNeeded: rest)
            to.storeBytes(of: byte, toByteOffset: index, as: UInt8.self)
            rest >>= 8
            index += 1
        }
    }
}

/// Draws masking keys that a page's script cannot foresee.
///
/// Two to a call of the system's generator, since each costs a system call.
struct MaskingKeys {
    private var generator = SystemRandomNumberGenerator()
    private var spare: UInt32?

    mutating func next() -> UInt32 {
        if let key = self.spare.take() { return key }
        let bits = self.generator.next()
        self.spare = UInt32(truncatingIfNeeded: bits >> 32)
        return UInt32(truncatingIfNeeded: bits)
    }
}
