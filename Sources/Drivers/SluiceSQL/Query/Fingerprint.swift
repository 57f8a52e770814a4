// SPDX-License-Identifier: Apache-2.0

/// A short name for a text: FNV-1a, 64 bits, in hexadecimal.
///
/// - Source: IETF draft-eastlake-fnv-21, section 2.
package enum Fingerprint {
    package static func hash(_ text: String) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        return hash
    }

    static func hexadecimal(_ text: String) -> String { String(self.hash(text), radix: 16) }
}
