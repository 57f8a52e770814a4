// SPDX-License-Identifier: Apache-2.0
import AsyncHTTPClient
public import HTTPTypes
import NIOCore
import NIOHTTP1
import NIOPosix
import Sluice

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The transport on AsyncHTTPClient: HTTP/1.1 and HTTP/2, connections kept for the next request.
///
/// The address of every connection is checked once it stands and before a request is sent on it, so no name, redirect or change
/// of DNS leads a request past the ``AddressRules``.
public final class AsyncHTTPClientTransport: HTTPTransport {
    private let client: HTTPClient
    private let resolver: AddressCheck

    /// Creates a transport with connections of its own.
    ///
    /// - Parameters:
    ///   - rules: Which addresses it may talk to.
    ///   - connectTimeout: The longest making one connection may take.
    public convenience init(rules: AddressRules = AddressRules(), connectTimeout: Duration = .seconds(3)) {
        self.init(rules: rules, check: AddressCheck(rules: rules), connectTimeout: connectTimeout)
    }

    /// Creates a transport whose look-up before connecting goes by rules of its own, for tests of the check on connections.
    init(rules: AddressRules, check resolver: AddressCheck, connectTimeout: Duration) {
        var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
        configuration.timeout.connect = .nanoseconds(connectTimeout.clampedNanoseconds)
        // One place tries again: our own retry, which knows the deadline and the budget.
        configuration.connectionPool.retryConnectionEstablishment = false
        let check: @Sendable (any Channel) -> EventLoopFuture<Void> = { channel in
            guard !rules.allows(channel.remoteAddress) else { return channel.eventLoop.makeSucceededVoidFuture() }
            channel.close(promise: nil)
            return channel.eventLoop.makeFailedFuture(APIClientError(.addressNotAllowed, message: "a private address"))
        }
        configuration.http1_1ConnectionDebugInitializer = check
        configuration.http2ConnectionDebugInitializer = check
        self.client = HTTPClient(eventLoopGroup: .singletonMultiThreadedEventLoopGroup, configuration: configuration)
        self.resolver = resolver
    }

    /// Sends a request.
    public func send(_ request: HTTPRequest, body: HTTPBody?) async throws -> HTTPTransportResponse {
        guard let scheme = request.scheme, let authority = request.authority else {
            throw APIClientError(.urlNotAllowed, message: "the URL has no host")
        }
        try await self.resolver.check(authority: authority)
        var outgoing = HTTPClientRequest(url: "\(scheme)://\(authority)\(request.path ?? "/")")
        outgoing.method = HTTPMethod(rawValue: request.method.rawValue)
        for field in request.headerFields { outgoing.headers.add(name: field.name.rawName, value: field.value) }
        outgoing.body = try body.map(Self.outgoing)
        do {
            let response = try await self.client.execute(outgoing, deadline: .distantFuture)
            var head = HTTPResponse(status: .init(code: Int(response.status.code)))
            for (name, value) in response.headers {
                if let name = HTTPField.Name(name) { head.headerFields.append(HTTPField(name: name, value: value)) }
            }
            return HTTPTransportResponse(head: head, body: TranslatingBody(base: response.body))
        } catch {
            throw Self.translated(error)
        }
    }

    private static func outgoing(_ body: HTTPBody) throws -> HTTPClientRequest.Body {
        if let bytes = body.bytes { return .bytes(bytes) }
        func stream(_ parts: some AsyncSequence<ByteBuffer, any Error> & Sendable) -> HTTPClientRequest.Body {
            .stream(parts, length: body.length.map { .known($0) } ?? .unknown)
        }
        return stream(try body.parts())
    }

    /// Closes every connection.
    public func close() async {
        // Fails only if it was closed before, and then there is nothing left to do.
        try? await self.client.shutdown()
    }

    /// Says in our terms what AsyncHTTPClient and NIO report.
    static func translated(_ error: any Error) -> any Error {
        switch error {
        case is CancellationError, is APIClientError:
            error
        case let error as HTTPClientError:
            Self.translated(error)
        case let error as NIOConnectionError:
            APIClientError(.unreachable, message: Self.reason(error), cause: error)
        case let error as IOError where Self.connectFailures.contains(error.errnoCode):
            APIClientError(.unreachable, message: "no connection could be made", cause: error)
        case let error as ChannelError where Self.isConnectTimeout(error):
            APIClientError(.unreachable, message: "no connection within the connect timeout", cause: error)
        case is IOError:
            APIClientError(.connectionLost, message: "the connection broke", cause: error)
        case let error as HTTPParserError where error == .invalidEOFState:
            APIClientError(
                .connectionLost, message: "the server closed the connection before its answer was complete",
                cause: error)
        case is HTTPParserError:
            APIClientError(.invalidResponse, message: "the answer is not HTTP", cause: error)
        default:
            // TLS: a bad certificate or a failed handshake.
            APIClientError(.unreachable, message: "no connection could be made", cause: error)
        }
    }

    private static func translated(_ error: HTTPClientError) -> any Error {
        switch error {
        case .cancelled:
            CancellationError()
        case .remoteConnectionClosed, .uncleanShutdown:
            APIClientError(
                .connectionLost, message: "the server closed the connection before its answer was complete",
                cause: error)
        case .connectTimeout, .tlsHandshakeTimeout:
            APIClientError(.unreachable, message: "no connection within the connect timeout", cause: error)
        default:
            APIClientError(.invalidResponse, message: error.shortDescription, cause: error)
        }
    }

    /// Failures of `connect` itself; any other comes from a connection that stood.
    private static let connectFailures = [ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EADDRNOTAVAIL]

    private static func isConnectTimeout(_ error: ChannelError) -> Bool {
        if case .connectTimeout = error { true } else { false }
    }

    private static func reason(_ error: NIOConnectionError) -> String {
        if error.connectionErrors.isEmpty { return "the host \(error.host) is not known" }
        return "no address of \(error.host) accepts connections on port \(error.port)"
    }
}

/// A body whose errors are ours.
private struct TranslatingBody: AsyncSequence, Sendable {
    let base: HTTPClientResponse.Body

    struct Iterator: AsyncIteratorProtocol {
        // Unsafe only for the compiler: this iterator is the one owner of the other, and is itself not sendable.
        nonisolated(unsafe) var base: HTTPClientResponse.Body.AsyncIterator

        mutating func next() async throws -> ByteBuffer? {
            do {
                return try await self.base.next()
            } catch {
                throw AsyncHTTPClientTransport.translated(error)
            }
        }
    }

    func makeAsyncIterator() -> Iterator {
        Iterator(base: self.base.makeAsyncIterator())
    }
}
