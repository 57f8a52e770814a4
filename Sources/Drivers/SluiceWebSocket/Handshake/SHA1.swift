// SPDX-License-Identifier: Apache-2.0

/// The digest that a WebSocket handshake proves with that a server has understood it; nothing is kept secret by it.
///
/// - Source: FIPS 180-4 §6.1.
enum SHA1 {
    static func digest(_ message: [UInt8]) -> [UInt8] {
        var state: [UInt32] = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0]
        var padded = message + [0x80]
        while padded.count % 64 != 56 { padded.append(0) }
        let bits = UInt64(message.count) * 8
        padded += (0..<8).map { UInt8(truncatingIfNeeded: bits >> (56 - 8 * UInt64($0))) }
        for start in stride(from: 0, to: padded.count, by: 64) { self.mix(padded[start..<start + 64], into: &state) }
        return state.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (24 - 8 * UInt32($0))) } }
    }

    private static func mix(_ block: ArraySlice<UInt8>, into state: inout [UInt32]) {
        var words = [UInt32](repeating: 0, count: 80)
        for index in 0..<16 {
            let start = block.startIndex + index * 4
            words[index] = block[start..<start + 4].reduce(0) { $0 << 8 | UInt32($1) }
        }
        for index in 16..<80 {
            words[index] = self.rotate(words[index - 3] ^ words[index - 8] ^ words[index - 14] ^ words[index - 16], 1)
        }
        var (a, b, c, d, e) = (state[0], state[1], state[2], state[3], state[4])
        for index in 0..<80 {
            let (function, constant): (UInt32, UInt32)
            switch index {
            case 0..<20: (function, constant) = (b & c | ~b & d, 0x5A82_7999)
            case 20..<40: (function, constant) = (b ^ c ^ d, 0x6ED9_EBA1)
            case 40..<60: (function, constant) = (b & c | b & d | c & d, 0x8F1B_BCDC)
            default: (function, constant) = (b ^ c ^ d, 0xCA62_C1D6)
            }
            let next = self.rotate(a, 5) &+ function &+ e &+ constant &+ words[index]
            (a, b, c, d, e) = (next, a, self.rotate(b, 30), c, d)
        }
        for (index, value) in [a, b, c, d, e].enumerated() { state[index] &+= value }
    }

    private static func rotate(_ word: UInt32, _ count: UInt32) -> UInt32 {
        word << count | word >> (32 - count)
    }
}

/// The two headers by which client and server know that they speak WebSocket to each other.
///
/// - Source: RFC 6455 §1.3 and §4.
enum HandshakeKey {
    private static let suffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    /// Sixteen random bytes in base64.
    static func make() -> String {
        var generator = SystemRandomNumberGenerator()
        return self.base64((0..<16).map { _ in UInt8.random(in: .min ... .max, using: &generator) })
    }

    /// What the server answers to `key`.
    static func accept(_ key: String) -> String {
        self.base64(SHA1.digest(Array((key + self.suffix).utf8)))
    }

    /// Whether it is sixteen bytes in base64.
    static func isValid(_ key: String) -> Bool {
        let bytes = Array(key.utf8)
        return bytes.count == 24 && bytes[22...] == [0x3D, 0x3D] && bytes[..<22].allSatisfy(self.alphabet.contains)
    }

    private static func base64(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            let bits = group.reduce(UInt32(0)) { $0 << 8 | UInt32($1) } << UInt32(8 * (3 - group.count))
            for index in 0..<4 {
                let isPadding = index > group.count
                text.append(isPadding ? 0x3D : self.alphabet[Int(bits >> UInt32(18 - 6 * index) & 63)])
            }
        }
        return String(decoding: text, as: UTF8.self)
    }
}
