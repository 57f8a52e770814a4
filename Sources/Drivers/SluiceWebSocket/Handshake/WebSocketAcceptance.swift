// SPDX-License-Identifier: Apache-2.0
public import HTTPTypes

/// What a server says to a request that is in order.
public struct WebSocketAcceptance: Sendable {
    enum Verdict: Sendable {
        case accept(HTTPFields)
        case refuse(status: Int, message: String, HTTPFields)
    }

    let verdict: Verdict

    /// Speak.
    ///
    /// - Parameter headers: To be added to the answer.
    public static func accept(headers: HTTPFields = [:]) -> WebSocketAcceptance {
        WebSocketAcceptance(verdict: .accept(headers))
    }

    /// Do not.
    ///
    /// - Parameters:
    ///   - status: An HTTP status of 400 to 599.
    ///   - message: The answer's body, for people.
    ///   - headers: To be added to the answer.
    public static func refuse(
        status: Int, message: String = "", headers: HTTPFields = [:]
    ) -> WebSocketAcceptance {
        precondition((400...599).contains(status), "status must be in 400...599 (is \(status))")
        return WebSocketAcceptance(verdict: .refuse(status: status, message: message, headers))
    }
}

/// What a server wants of a handshake, and what it answers.
///
/// - Source: RFC 6455 §4.2.
package struct ServerHandshake: Sendable {
    /// The answer to a handshake.
    package enum Answer: Sendable {
        /// Switch over.
        case upgrade(HTTPFields, Agreement)
        /// Do not; `message` becomes the body.
        case refuse(status: Int, message: String, HTTPFields)
    }

    private let compression: WebSocketCompression?
    private let subprotocols: [String]
    private let origins: WebSocketOrigins

    /// - Parameters:
    ///   - subprotocols: Those spoken here, most wanted first.
    ///   - origins: Which pages may connect.
    package init(compression: WebSocketCompression?, subprotocols: [String], origins: WebSocketOrigins) {
        self.compression = compression
        self.subprotocols = subprotocols
        self.origins = origins
    }

    /// Whether the headers ask for WebSocket at all, rightly or not.
    package static func isAsked(_ headers: HTTPFields) -> Bool {
        HTTPText.list(headers[values: .upgrade]).contains { $0.lowercased() == "websocket" }
    }

    /// What is wrong with a request, if anything.
    package func refusal(method: String, _ request: WebSocketRequest) -> Answer? {
        let headers = request.headers
        guard method == "GET" else { return .refuse(status: 405, message: "a handshake is a GET", [.allow: "GET"]) }
        guard Self.isAsked(headers),
            HTTPText.list(headers[values: .connection]).contains(where: { $0.lowercased() == "upgrade" })
        else {
            return .refuse(status: 426, message: "this speaks WebSocket only", [.upgrade: "websocket"])
        }
        guard headers[values: .hostHeader].count == 1 else { return Self.bad("there must be one Host header") }
        guard headers[values: .secWebSocketVersion] == ["13"] else {
            return .refuse(status: 426, message: "the version must be 13", [.secWebSocketVersion: "13"])
        }
        let keys = headers[values: .secWebSocketKey]
        guard keys.count == 1, HandshakeKey.isValid(keys[0]) else { return Self.bad("the key is malformed") }
        guard (headers[.contentLength] ?? "0") == "0", headers[.transferEncoding] == nil else {
            return Self.bad("a handshake has no body")
        }
        guard request.subprotocols.allSatisfy(HTTPText.isToken) else { return Self.bad("a subprotocol is malformed") }
        guard ExtensionOffer.parse(headers[values: .secWebSocketExtensions]) != nil else {
            return Self.bad("Sec-WebSocket-Extensions is malformed")
        }
        guard self.origins.allow(headers) else {
            return .refuse(status: 403, message: "pages from there may not connect", [:])
        }
        return nil
    }

    /// The answer to a request that is in order.
    package func answer(_ request: WebSocketRequest, _ acceptance: WebSocketAcceptance) -> Answer {
        switch acceptance.verdict {
        case .refuse(let status, let message, let headers): return .refuse(status: status, message: message, headers)
        case .accept(let more):
            var fields: HTTPFields = [.upgrade: "websocket", .connection: "Upgrade"]
            fields[.secWebSocketAccept] = HandshakeKey.accept(request.headers[.secWebSocketKey] ?? "")
            var agreement = Agreement()
            if let chosen = self.subprotocols.first(where: request.subprotocols.contains) {
                fields[.secWebSocketProtocol] = chosen
                agreement.subprotocol = chosen
            }
            let offers = ExtensionOffer.parse(request.headers[values: .secWebSocketExtensions]) ?? []
            if let compression = self.compression,
                let (header, agreed) = AgreedCompression.answer(to: offers, compression)
            {
                fields[.secWebSocketExtensions] = header
                agreement.compression = agreed
            }
            for field in more where !fields.contains(field.name) { fields.append(field) }
            return .upgrade(fields, agreement)
        }
    }

    private static func bad(_ message: String) -> Answer { .refuse(status: 400, message: message, [:]) }
}
