// SPDX-License-Identifier: Apache-2.0
import Crypto
import HTTPTypes

/// Tells apart the answers that one URI has for different requests.
///
/// - Source: RFC 9111 §4.1.
enum CacheVariant {
    /// The names in `Vary`, in lower case and in order, each once.
    static func varyingFields(_ head: HTTPResponse) -> [String] {
        guard head.headerFields.contains(.vary) else { return [] }
        return Set(FieldList.members(head.headerFields[values: .vary]).map { $0.lowercased() }).sorted()
    }

    /// What a request selects by the named fields, within a scope.
    ///
    /// Lines of one field are one list, and the space between its members does not count. A digest, since the fields
    /// may be
    /// credentials.
    static func id(scope: String, _ names: [String], of request: HTTPRequest) -> String {
        if names.isEmpty { return scope }
        var hash = SHA256()
        for name in names {
            hash.update(data: Array(name.utf8))
            let lines = HTTPField.Name(name).map { request.headerFields[values: $0] } ?? []
            // Absent is another thing than empty.
            hash.update(data: [lines.isEmpty ? 0 : 1])
            for member in FieldList.members(lines) {
                hash.update(data: Array(member.utf8))
                hash.update(data: [0x2C])
            }
            hash.update(data: [0x0A])
        }
        return "\(scope)#\(Hexadecimal.text(hash.finalize()))"
    }

    /// The scope that credentials in a request make.
    static func scope(_ names: [HTTPField.Name], of request: HTTPRequest) -> String {
        guard names.contains(where: { request.headerFields.contains($0) }) else { return "" }
        return self.id(scope: "", names.map(\.canonicalName), of: request)
    }
}

/// Bytes as text.
package enum Hexadecimal {
    private static let digits = Array("0123456789abcdef".utf8)

    /// The SHA-256 of a text: 64 digits.
    package static func digest(_ text: String) -> String { self.text(SHA256.hash(data: Array(text.utf8))) }

    /// Two digits for each byte.
    static func text(_ bytes: some Sequence<UInt8>) -> String {
        var text: [UInt8] = []
        for byte in bytes { text += [self.digits[Int(byte >> 4)], self.digits[Int(byte & 15)]] }
        return String(decoding: text, as: UTF8.self)
    }
}
