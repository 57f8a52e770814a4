// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Text that nobody can guess.
enum RandomText {
    /// Bytes of the system's random numbers, which are fit for secrets, in the URL-safe letters of base 64.
    static func make(bytes: Int) -> String {
        var numbers = SystemRandomNumberGenerator()
        return Self.base64URL((0..<bytes).map { _ in UInt8.random(in: 0...255, using: &numbers) })
    }

    /// RFC 4648 §5, without padding.
    static func base64URL(_ bytes: some Sequence<UInt8>) -> String {
        var text = Data(bytes).base64EncodedString()
        while text.hasSuffix("=") { text.removeLast() }
        return text.replacing("+", with: "-").replacing("/", with: "_")
    }
}
