// SPDX-License-Identifier: Apache-2.0

/// Says, at the first byte that cannot belong to any text, that bytes are not UTF-8; they may come in any number of pieces.
///
/// - Source: RFC 3629 §4; overlong forms, surrogates and what lies beyond U+10FFFF are excluded by the range of the second byte.
package struct UTF8Validator: Sendable {
    /// Continuation bytes still owed to the character begun.
    private var owed: UInt8 = 0
    /// What the next continuation byte may be.
    private var lowest: UInt8 = 0x80
    private var highest: UInt8 = 0xBF

    /// Whether the text could end here.
    package var isAtBoundary: Bool { self.owed == 0 }

    package init() {}

    /// Looks at more bytes.
    ///
    /// - Returns: Whether all so far are, or could become, valid.
    package mutating func feed(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var index = 0
        let count = bytes.count
        while index < count {
            if self.owed == 0 {
                // Eight bytes at a time as long as all are ASCII.
                while index + 8 <= count,
                    bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self) & 0x8080_8080_8080_8080 == 0
                {
                    index += 8
                }
                guard index < count else { return true }
            }
            guard self.step(bytes[index]) else { return false }
            index += 1
        }
        return true
    }

    @inline(__always)
    private mutating func step(_ byte: UInt8) -> Bool {
        if self.owed > 0 {
            guard byte >= self.lowest, byte <= self.highest else { return false }
            self.owed -= 1
            self.lowest = 0x80
            self.highest = 0xBF
            return true
        }
        switch byte {
        case 0x00...0x7F: return true
        case 0xC2...0xDF: self.owed = 1
        case 0xE0...0xEF:
            self.owed = 2
            if byte == 0xE0 { self.lowest = 0xA0 }
            if byte == 0xED { self.highest = 0x9F }
        case 0xF0...0xF4:
            self.owed = 3
            if byte == 0xF0 { self.lowest = 0x90 }
            if byte == 0xF4 { self.highest = 0x8F }
        default: return false
        }
        return true
    }
}
