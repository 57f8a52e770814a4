// SPDX-License-Identifier: Apache-2.0
package import HTTPTypes

/// What a client asks for, and what it takes for an answer to it.
///
/// - Source: RFC 6455 §4.1.
package struct ClientHandshake: Sendable {
    package let key: String
    package let request: HTTPHead
    private let subprotocols: [String]
    private let compression: WebSocketCompression?

    /// - Parameters:
    ///   - authority: For the `Host` header.
    ///   - target: Path and query.
    ///   - headers: The caller's; those of the handshake itself are not taken from there.
    ///   - key: Drawn anew for each handshake.
    package init(
        authority: String, target: String, headers: HTTPFields, subprotocols: [String],
        compression: WebSocketCompression?, key: String = HandshakeKey.make()
    ) {
        self.key = key
        self.subprotocols = subprotocols
        self.compression = compression
        var fields = HTTPFields()
        fields.append(HTTPField(name: .hostHeader, value: authority))
        fields.append(HTTPField(name: .upgrade, value: "websocket"))
        fields.append(HTTPField(name: .connection, value: "Upgrade"))
        fields.append(HTTPField(name: .secWebSocketKey, value: key))
        fields.append(HTTPField(name: .secWebSocketVersion, value: "13"))
        if !subprotocols.isEmpty {
            fields.append(HTTPField(name: .secWebSocketProtocol, value: subprotocols.joined(separator: ", ")))
        }
        if let compression {
            fields.append(HTTPField(name: .secWebSocketExtensions, value: AgreedCompression.offer(compression)))
        }
        for field in headers where !Self.own.contains(field.name) { fields.append(field) }
        self.request = HTTPHead(startLine: "GET \(target) HTTP/1.1", fields: fields)
    }

    private static let own: Set<HTTPField.Name> = [
        .hostHeader, .upgrade, .connection, .secWebSocketKey, .secWebSocketVersion, .secWebSocketProtocol,
        .secWebSocketExtensions, .contentLength, .transferEncoding,
    ]

    /// What is agreed on if `answer` is the one to our request.
    ///
    /// - Throws: ``WebSocketError`` of kind `refused` for another status, else of kind `invalidHandshake`.
    package func check(_ answer: HTTPHead) throws(WebSocketError) -> Agreement {
        guard let status = answer.status else { throw Self.invalid("the answer is not HTTP/1.1") }
        guard status == 101 else {
            throw WebSocketError(
                .refused, message: "the server answered with status \(status)", status: status,
                retryAfter: Self.retryAfter(answer.fields[.retryAfter]))
        }
        let fields = answer.fields
        guard fields[values: .upgrade].count == 1, fields[.upgrade]?.lowercased() == "websocket" else {
            throw Self.invalid("the answer does not upgrade to WebSocket")
        }
        guard HTTPText.list(fields[values: .connection]).contains(where: { $0.lowercased() == "upgrade" }) else {
            throw Self.invalid("the answer's Connection header does not say Upgrade")
        }
        guard fields[values: .secWebSocketAccept] == [HandshakeKey.accept(self.key)] else {
            throw Self.invalid("the answer's Sec-WebSocket-Accept does not fit the key that was sent")
        }
        return Agreement(
            subprotocol: try self.subprotocol(fields), compression: try self.compression(fields))
    }

    private func subprotocol(_ fields: HTTPFields) throws(WebSocketError) -> String? {
        let chosen = fields[values: .secWebSocketProtocol]
        guard let one = chosen.first else { return nil }
        guard chosen.count == 1, self.subprotocols.contains(one) else {
            throw Self.invalid("the server chose a subprotocol that was not offered")
        }
        return one
    }

    private func compression(_ fields: HTTPFields) throws(WebSocketError) -> AgreedCompression? {
        guard let answers = ExtensionOffer.parse(fields[values: .secWebSocketExtensions]) else {
            throw Self.invalid("the answer's Sec-WebSocket-Extensions is malformed")
        }
        guard let answer = answers.first else { return nil }
        guard answers.count == 1, let offered = self.compression, answer.name == AgreedCompression.name else {
            throw Self.invalid("the server chose an extension that was not offered")
        }
        guard let agreed = AgreedCompression.accept(answer, offered: offered) else {
            throw Self.invalid("the server's parameters of permessage-deflate do not fit the offer")
        }
        return agreed
    }

    private static func invalid(_ message: String) -> WebSocketError {
        WebSocketError(.invalidHandshake, message: message)
    }

    /// No server is left alone for longer because it says so: a day.
    private static let maximumRetryAfter: Int64 = 86_400

    /// The seconds of `Retry-After`; a date, which a server sends seldom, is not looked at.
    private static func retryAfter(_ value: String?) -> Duration? {
        guard let value, let seconds = UInt32(value) else { return nil }
        return .seconds(min(Int64(seconds), Self.maximumRetryAfter))
    }
}
