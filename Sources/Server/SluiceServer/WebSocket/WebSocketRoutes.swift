// SPDX-License-Identifier: Apache-2.0
public import HummingbirdCore
public import SluiceWebSocket

/// The paths of an HTTP server that speak WebSocket.
///
/// ```swift
/// var sockets = WebSocketRoutes()
/// sockets.add("/live") { connection in
///     for try await message in connection.messages { try await connection.send(message) }
/// }
/// let app = Application(router: router, server: .http1(webSockets: sockets))
/// ```
public struct WebSocketRoutes: Sendable {
    struct Route: Sendable {
        let options: WebSocketServer.Options
        let accept: @Sendable (WebSocketRequest) async throws -> WebSocketAcceptance
        let serve: @Sendable (WebSocketConnection) async throws -> Void
    }

    private var routes: [String: Route] = [:]

    /// None.
    public init() {}

    /// Adds a path.
    ///
    /// - Parameters:
    ///   - path: The whole path, without its query.
    ///   - options: What its connections keep to. Their number and TLS are the HTTP server's business.
    ///   - accept: Decides about a handshake that is in order; if it throws, the answer is 500.
    ///   - serve: Runs for each connection, which is closed when it returns (with 1000) or throws (with 1011).
    public mutating func add(
        _ path: String, options: WebSocketServer.Options = WebSocketServer.Options(),
        accept: @escaping @Sendable (WebSocketRequest) async throws -> WebSocketAcceptance = { _ in .accept() },
        serve: @escaping @Sendable (WebSocketConnection) async throws -> Void
    ) {
        precondition(self.routes[path] == nil, "there is a WebSocket at \(path) already")
        self.routes[path] = Route(options: options, accept: accept, serve: serve)
    }

    func route(for target: String) -> Route? { self.routes[String(target.prefix { $0 != "?" })] }
}

extension HTTPServerBuilder {
    /// HTTP/1.1, and WebSocket on some paths.
    ///
    /// - Parameters:
    ///   - configuration: Of HTTP.
    ///   - webSockets: The paths that speak WebSocket; a handshake for any other is an ordinary request.
    public static func http1(
        configuration: HTTP1Channel.Configuration = .init(), webSockets: WebSocketRoutes
    ) -> HTTPServerBuilder {
        HTTPServerBuilder { responder in
            WebSocketHTTPChannel(
                http: HTTP1Channel(responder: responder, configuration: configuration), routes: webSockets)
        }
    }
}
