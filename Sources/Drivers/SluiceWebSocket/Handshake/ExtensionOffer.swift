// SPDX-License-Identifier: Apache-2.0

/// One extension as a `Sec-WebSocket-Extensions` header names it, its parameters in order.
///
/// - Source: RFC 6455 §9.1.
package struct ExtensionOffer: Equatable {
    package let name: String
    package let parameters: [(name: String, value: String?)]

    package static func == (left: ExtensionOffer, right: ExtensionOffer) -> Bool {
        left.name == right.name && left.parameters.elementsEqual(right.parameters) { $0 == $1 }
    }

    /// Reads the values of all headers of that name, in their order.
    ///
    /// - Returns: Nil if one is malformed.
    package static func parse(_ headers: [String]) -> [ExtensionOffer]? {
        var offers: [ExtensionOffer] = []
        for header in headers {
            guard let parts = self.split(header, at: UInt8(ascii: ",")) else { return nil }
            for part in parts where !part.isEmpty {
                guard let offer = self.parse(one: part) else { return nil }
                offers.append(offer)
            }
        }
        return offers
    }

    private static func parse(one text: String) -> ExtensionOffer? {
        guard let parts = self.split(text, at: UInt8(ascii: ";")), let name = parts.first, HTTPText.isToken(name)
        else { return nil }
        var parameters: [(name: String, value: String?)] = []
        for part in parts.dropFirst() {
            guard let sign = part.utf8.firstIndex(of: UInt8(ascii: "=")) else {
                guard HTTPText.isToken(part) else { return nil }
                parameters.append((part.lowercased(), nil))
                continue
            }
            let key = HTTPText.trimmed(part[..<sign])
            var value = HTTPText.trimmed(part[part.utf8.index(after: sign)...])
            if value.utf8.count >= 2, value.first == "\"", value.last == "\"" {
                value = String(value.dropFirst().dropLast())
            }
            // A quoted value must be a token, too, once it is unquoted.
            guard HTTPText.isToken(key), HTTPText.isToken(value) else { return nil }
            parameters.append((key.lowercased(), value))
        }
        return ExtensionOffer(name: name.lowercased(), parameters: parameters)
    }

    /// The trimmed parts between separators that are not in quotes; nil if a quote does not end.
    private static func split(_ text: String, at separator: UInt8) -> [String]? {
        var parts: [String] = []
        var isQuoted = false
        var start = text.utf8.startIndex
        for index in text.utf8.indices {
            let byte = text.utf8[index]
            if byte == UInt8(ascii: "\"") { isQuoted.toggle() }
            if byte == separator, !isQuoted {
                parts.append(HTTPText.trimmed(text[start..<index]))
                start = text.utf8.index(after: index)
            }
        }
        parts.append(HTTPText.trimmed(text[start...]))
        return isQuoted ? nil : parts
    }
}

/// What the handshake needs of HTTP's grammar.
///
/// - Source: RFC 9110 §5.6.
enum HTTPText {
    /// Whether it is a token: a name without spaces and separators.
    static func isToken(_ text: some StringProtocol) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"):
                    true
                default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
                }
            }
    }

    /// Without the spaces and tabs around it.
    static func trimmed(_ text: some StringProtocol) -> String {
        let isSpace: (Character) -> Bool = { $0 == " " || $0 == "\t" }
        let head = text.drop(while: isSpace)
        guard let last = head.lastIndex(where: { !isSpace($0) }) else { return "" }
        return String(head[...last])
    }

    /// The trimmed elements of comma-separated lists, without empty ones.
    static func list(_ values: [String]) -> [String] {
        values.flatMap { $0.split(separator: ",").map(self.trimmed) }.filter { !$0.isEmpty }
    }
}
