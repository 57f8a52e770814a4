// SPDX-License-Identifier: Apache-2.0
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle
import Sluice
import SluiceHTTP
import UnixSignals

/// A reverse proxy that has a cache and nothing else.
struct CachedProxy: Sendable {
    /// How long one exchange with the origin may take until its head is there.
    private static let timeout = Duration.seconds(60)

    /// Where requests go.
    struct Origin: Sendable {
        let url: String
        let scheme: String
        let authority: String

        /// - Throws: `APIClientError` if it is no http or https URL, or has a path.
        init(_ text: String) throws {
            _ = try HTTPOrigin(text)
            guard let components = URLComponents(string: text), ["", "/"].contains(components.path),
                components.query == nil, components.fragment == nil, let scheme = components.scheme,
                let host = components.encodedHost
            else {
                throw APIClientError(.urlNotAllowed, message: "an origin is a URL without a path")
            }
            self.scheme = scheme.lowercased()
            self.authority = host + (components.port.map { ":\($0)" } ?? "")
            self.url = "\(self.scheme)://\(self.authority)"
        }
    }

    let origin: Origin
    let cache: HTTPCache
    let transport: any HTTPTransport

    /// Serves until SIGTERM or SIGINT.
    func serve(
        host: String, port: Int, logger: Logger, onServing: @escaping @Sendable (_ port: Int) async -> Void
    ) async throws {
        // Not an `Application`, which would put a date of its own into every answer.
        let server = try HTTPServerBuilder.http1().buildServer(
            configuration: ServerConfiguration(address: .hostname(host, port: port)),
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton, logger: logger
        ) { request, writer, _ in
            let response = await self.answer(request)
            try await writer.write(response: response.head, body: response.body)
        } onServerRunning: { channel in
            await onServing(channel.localAddress?.port ?? port)
        }
        var configuration = ServiceGroupConfiguration(
            services: [.init(service: server)], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        configuration.maximumGracefulShutdownDuration = .seconds(5)
        try await ServiceGroup(configuration: configuration).run()
    }

    private func answer(_ request: Request) async -> Response {
        let (transport, cache) = (self.transport, self.cache)
        let (head, body) = self.forwarded(request)
        do {
            let response = try await withTimeout(Self.timeout) {
                try await cache.intercept(head, body: body) { try await transport.send($0, body: $1) }
            }
            return Self.response(response, isHead: request.method == .head)
        } catch {
            return Self.failure(error)
        }
    }

    /// The request as the origin gets it: RFC 9110 §7.6.
    private func forwarded(_ request: Request) -> (HTTPRequest, HTTPBody?) {
        let fields = Self.withoutHop(request.headers)
        var head = HTTPRequest(
            method: request.method, scheme: self.origin.scheme, authority: self.origin.authority,
            path: request.head.path ?? "/", headerFields: fields)
        head.headerFields.append(HTTPField(name: .via, value: "1.1 sluice"))
        let length = request.headers[.contentLength].flatMap(Int64.init)
        head.headerFields[.contentLength] = nil
        guard (length ?? 0) > 0 || request.headers.contains(.transferEncoding) else { return (head, nil) }
        return (head, .stream(length: length, once: request.body))
    }

    private static func response(_ response: HTTPTransportResponse, isHead: Bool) -> Response {
        var fields = Self.withoutHop(response.head.headerFields)
        let length = fields[.contentLength].flatMap(Int.init)
        let status = response.head.status
        let hasBody = !isHead && status != .noContent && status != .notModified
        if !hasBody { return Response(status: status, headers: fields, body: ResponseBody()) }
        // The server writes the length that the body has.
        fields[.contentLength] = nil
        let parts = response.body
        return Response(
            status: status, headers: fields,
            body: ResponseBody(contentLength: length) { writer in
                for try await part in parts { try await writer.write(part) }
                try await writer.finish(nil)
            })
    }

    /// No answer from the origin: 504, since RFC 9111 §5.2.2.2 wants that where nothing stale may stand in.
    private static func failure(_ error: any Error) -> Response {
        let text = (error as? APIClientError).map { "\($0.kind): \($0.message)" } ?? "the origin did not answer in time"
        return Response(
            status: .gatewayTimeout, headers: [.contentType: "text/plain; charset=utf-8", .cacheControl: "no-store"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text + "\n")))
    }

    private static let hopByHop: Set<String> = [
        "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te",
        "transfer-encoding", "upgrade", "host",
    ]

    private static func withoutHop(_ fields: HTTPFields) -> HTTPFields {
        var unwanted = Self.hopByHop
        for name in (fields[.connection] ?? "").split(separator: ",") {
            unwanted.insert(name.trimmingCharacters(in: .whitespaces).lowercased())
        }
        var kept = HTTPFields()
        for field in fields where !unwanted.contains(field.name.canonicalName) { kept.append(field) }
        return kept
    }
}

extension HTTPField.Name {
    // A valid name in the source code cannot fail to be one.
    // swift-format-ignore: NeverForceUnwrap
    fileprivate static let via = HTTPField.Name("Via")!
}
