// SPDX-License-Identifier: Apache-2.0
public import HTTPTypes
public import NIOCore

/// A client's wish to speak WebSocket, as the server sees it.
public struct WebSocketRequest: Sendable {
    /// Path and query as they were sent.
    public let target: String
    /// The headers.
    public let headers: HTTPFields
    /// The client's address.
    public let remoteAddress: SocketAddress?
    /// The subprotocols that the client offers, most wanted first.
    public let subprotocols: [String]

    /// Creates a request.
    public init(target: String, headers: HTTPFields, remoteAddress: SocketAddress?) {
        self.target = target
        self.headers = headers
        self.remoteAddress = remoteAddress
        self.subprotocols = HTTPText.list(headers[values: .secWebSocketProtocol])
    }

    /// The target without its query.
    public var path: String { String(self.target.prefix { $0 != "?" }) }
}

/// Which pages may open connections: those of browsers say where they come from, and any page may try to use the cookies that a
/// browser has for us.
public struct WebSocketOrigins: Sendable, Hashable {
    private let allowed: Set<String>?

    private init(_ allowed: Set<String>?) {
        self.allowed = allowed
    }

    /// Pages from the host that the request names; the default.
    public static let same = WebSocketOrigins([])
    /// Every page; right only where nothing depends on who the browser's user is.
    public static let any = WebSocketOrigins(nil)

    /// Pages from the same host and from these origins, each `scheme://host` with a port unless it is the scheme's own.
    public static func same(and origins: Set<String>) -> WebSocketOrigins {
        WebSocketOrigins(Set(origins.map(self.canonical)))
    }

    /// Whether a request with these headers may come from where it comes from; programs other than browsers name no origin.
    func allow(_ headers: HTTPFields) -> Bool {
        guard let allowed = self.allowed else { return true }
        let origins = headers[values: .origin]
        guard let first = origins.first else { return true }
        guard origins.count == 1 else { return false }
        let origin = Self.canonical(first)
        if allowed.contains(origin) { return true }
        guard let host = headers[.hostHeader]?.lowercased(), let mark = origin.firstRange(of: "://") else {
            return false
        }
        let scheme = String(origin[..<mark.lowerBound])
        return origin == Self.canonical("\(scheme)://\(host)")
    }

    /// In lower case and without the port that the scheme has anyway.
    private static func canonical(_ origin: String) -> String {
        let origin = origin.lowercased()
        for (scheme, port) in [("http://", ":80"), ("https://", ":443")]
        where origin.hasPrefix(scheme) && origin.hasSuffix(port) {
            return String(origin.dropLast(port.count))
        }
        return origin
    }
}
