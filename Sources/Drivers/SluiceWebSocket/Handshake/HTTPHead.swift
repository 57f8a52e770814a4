// SPDX-License-Identifier: Apache-2.0
package import HTTPTypes
package import NIOCore

/// The first line and the headers of an HTTP/1.1 message, read strictly, as only a handshake's are.
///
/// - Source: RFC 9112 §2 to §5.
package struct HTTPHead: Equatable {
    package let startLine: String
    package let fields: HTTPFields

    package enum Outcome: Equatable {
        case head(HTTPHead)
        /// Its end has not come.
        case incomplete
        /// It is longer than `limit`, or no HTTP.
        case malformed
    }

    /// The longest head there may be, in bytes.
    package static let limit = 1 << 14

    /// Takes a head from the front of `input`; what follows it stays there.
    package static func read(_ input: inout ByteBuffer) -> Outcome {
        let view = input.readableBytesView.prefix(self.limit)
        guard let end = self.end(of: view) else {
            return input.readableBytes >= self.limit ? .malformed : .incomplete
        }
        guard let text = input.readString(length: end), let head = self.parse(text) else { return .malformed }
        return .head(head)
    }

    /// How many bytes there are up to and with the empty line.
    private static func end(of bytes: ByteBufferView) -> Int? {
        var index = bytes.startIndex
        while let line = bytes[index...].firstIndex(of: 0x0A) {
            index = line + 1
            if bytes.count - (index - bytes.startIndex) >= 2, bytes[index] == 0x0D, bytes[index + 1] == 0x0A {
                return index + 2 - bytes.startIndex
            }
        }
        return nil
    }

    private static func parse(_ text: String) -> HTTPHead? {
        var lines = text.split(separator: "\r\n", omittingEmptySubsequences: false)
        // The empty line, and the nothing behind it.
        lines.removeLast(2)
        guard let start = lines.first, !start.isEmpty else { return nil }
        var fields = HTTPFields()
        for line in lines.dropFirst() {
            guard let colon = line.utf8.firstIndex(of: UInt8(ascii: ":")) else { return nil }
            // A space before the colon, or a line that continues another, hides headers from one of two readers.
            guard let name = HTTPField.Name(String(line[..<colon])) else { return nil }
            let value = HTTPText.trimmed(line[line.utf8.index(after: colon)...])
            guard HTTPField.isValidValue(value) else { return nil }
            fields.append(HTTPField(name: name, value: value))
        }
        return HTTPHead(startLine: String(start), fields: fields)
    }

    package init(startLine: String, fields: HTTPFields) {
        self.startLine = startLine
        self.fields = fields
    }

    /// Appends the head to `output`.
    package func write(to output: inout ByteBuffer) {
        output.writeString(self.startLine)
        output.writeString("\r\n")
        for field in self.fields {
            output.writeString(field.name.rawName)
            output.writeString(": ")
            output.writeString(field.value)
            output.writeString("\r\n")
        }
        output.writeString("\r\n")
    }

    /// The status, if it is an answer.
    package var status: Int? {
        let parts = self.startLine.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count >= 2, parts[0] == "HTTP/1.1" || parts[0] == "HTTP/1.0", parts[1].utf8.count == 3 else {
            return nil
        }
        return Int(parts[1])
    }

    /// Method and target, if it is a request of HTTP/1.1.
    package var request: (method: String, target: String)? {
        let parts = self.startLine.split(separator: " ", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[2] == "HTTP/1.1", HTTPText.isToken(parts[0]), !parts[1].isEmpty else {
            return nil
        }
        return (String(parts[0]), String(parts[1]))
    }
}

extension HTTPField.Name {
    /// The header `Host`, which HTTPTypes keeps as a request's authority.
    ///
    /// It is a token, so the name is there.
    static let hostHeader = Self("Host") ?? .connection
}
