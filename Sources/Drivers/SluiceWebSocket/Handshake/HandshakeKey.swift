// SPDX-License-Identifier: Apache-2.0
import Crypto
import Foundation

/// The two headers by which client and server know that they speak WebSocket to each other; nothing is kept secret by them.
///
/// - Source: RFC 6455 §1.3 and §4.
enum HandshakeKey {
    private static let suffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

    /// Sixteen random bytes in base64.
    static func make() -> String {
        var generator = SystemRandomNumberGenerator()
        return Data((0..<16).map { _ in UInt8.random(in: .min ... .max, using: &generator) }).base64EncodedString()
    }

    /// What the server answers to `key`.
    static func accept(_ key: String) -> String {
        Data(Insecure.SHA1.hash(data: Data((key + self.suffix).utf8))).base64EncodedString()
    }

    /// Whether it is sixteen bytes in base64.
    static func isValid(_ key: String) -> Bool { key.utf8.count == 24 && Data(base64Encoded: key)?.count == 16 }
}
