// SPDX-License-Identifier: Apache-2.0
import AsyncHTTPClient
public import HTTPTypes
import NIOCore
import NIOHTTP1
import NIOHTTP2
import NIOPosix
import NIOSSL
public import Sluice

/// The transport on AsyncHTTPClient: HTTP/1.1 and HTTP/2, connections kept for the next request.
///
/// The address of every connection is checked once it stands and before a request is sent on it, so no name, redirect or change
/// of DNS leads a request past the ``AddressRules``.
public final class AsyncHTTPClientTransport: DeadlineWatchingTransport {
    private let client: HTTPClient
    /// For http through a proxy that is spoken to by HTTP; nil without one.
    private let forward: ForwardProxy?
    private let resolver: AddressCheck
    private let gate: ConnectionGate
    /// Whether a connection ever spoke HTTP/2: then what a lost connection means is less certain.
    private let hasSpokenHTTP2: SharedFlag
    private let hasClosed = SharedFlag()

    /// Creates a transport with connections of its own.
    ///
    /// - Parameters:
    ///   - settings: How it makes, keeps and gives up connections.
    ///   - time: The time line of waits for a connection; the other timeouts are the network library's.
    /// - Throws: ``APIClientError`` of kind `untrusted` if the file of trusted certificates cannot be read.
    public convenience init(settings: HTTPTransportSettings, time: any TimeSource = SystemTime.shared) throws {
        try self.init(settings: settings, check: AddressCheck(rules: settings.rules), time: time)
    }

    /// Creates a transport with connections of its own.
    ///
    /// - Parameters:
    ///   - rules: Which addresses it may talk to.
    ///   - connectTimeout: The longest making one connection may take.
    public convenience init(rules: AddressRules = AddressRules(), connectTimeout: Duration = .seconds(3)) {
        let settings = HTTPTransportSettings(rules: rules, connectTimeout: connectTimeout)
        self.init(settings, trust: nil, AddressCheck(rules: rules), SystemTime.shared)
    }

    /// Creates a transport whose look-up before connecting goes by rules of its own, for tests of the check on connections.
    convenience init(
        settings: HTTPTransportSettings, check resolver: AddressCheck, time: any TimeSource = SystemTime.shared
    ) throws {
        self.init(settings, trust: try Self.trust(settings), resolver, time)
    }

    private init(
        _ settings: HTTPTransportSettings, trust: TLSConfiguration?, _ resolver: AddressCheck, _ time: any TimeSource
    ) {
        let flag = SharedFlag()
        var configuration = Self.configuration(settings, flag)
        configuration.tlsConfiguration = trust
        self.forward = settings.proxy.flatMap { proxy in
            guard proxy.kind == .http else { return nil }
            var direct = configuration
            direct.proxy = nil
            // One proxy stands for all hosts, and the gate keeps to each host's share.
            direct.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = settings.maximumConnections
            return ForwardProxy(proxy, direct)
        }
        self.client = HTTPClient(eventLoopGroup: .singletonMultiThreadedEventLoopGroup, configuration: configuration)
        self.resolver = resolver
        self.gate = ConnectionGate(settings, time: time)
        self.hasSpokenHTTP2 = flag
    }

    /// How many exchanges are under way.
    package var running: Int { self.gate.running }

    /// Sends a request.
    public func send(_ request: HTTPRequest, body: HTTPBody?) async throws -> HTTPTransportResponse {
        let origin = try await self.checkedOrigin(of: request)
        let place = try await self.gate.enter(origin)
        do {
            let way = self.way(of: request, to: origin)
            var outgoing = HTTPClientRequest(url: way.url)
            outgoing.method = HTTPMethod(rawValue: request.method.rawValue)
            outgoing.headers = way.headers
            outgoing.body = try body.map(HTTPClientRequest.Body.body)
            let response = try await way.client.execute(outgoing, deadline: .distantFuture)
            self.note(response.version, of: origin)
            return HTTPTransportResponse(
                head: Self.head(response.status, response.headers),
                body: TransportBody(base: response.body, place: place, transport: self))
        } catch {
            place.leave()
            throw await self.translated(error, origin)
        }
    }

    /// Sends a request and gathers its answer where it arrives.
    ///
    /// By AsyncHTTPClient's delegate, whose task is woken once, and not for each part.
    public func fetch(_ request: HTTPRequest, body: HTTPBody?, upTo limit: Int) async throws -> HTTPTransportResponse {
        if let body, body.bytes == nil { return try await self.send(request, body: body) }
        let origin = try await self.checkedOrigin(of: request)
        let place = try await self.gate.enter(origin)
        defer { place.leave() }
        let way = self.way(of: request, to: origin)
        let outgoing: HTTPClient.Request
        do {
            outgoing = try HTTPClient.Request(
                url: way.url, method: HTTPMethod(rawValue: request.method.rawValue), headers: way.headers,
                body: body?.bytes.map { .byteBuffer($0) })
        } catch {
            throw await self.translated(error, origin)
        }
        let end = await WholeAnswer(upTo: request.method == .head ? .max : limit).run(outgoing, by: way.client)
        guard let head = end.head, !(end.error is CancellationError), !(end.error is DeadlineReached) else {
            throw await self.translated(end.error ?? HTTPClientError.remoteConnectionClosed, origin)
        }
        self.note(head.version, of: origin)
        let answer = Self.head(head.status, head.headers)
        guard let error = end.error else { return HTTPTransportResponse(head: answer, bytes: end.body) }
        let reason =
            error is WholeAnswer.TooLarge ? HTTPTransportResponse.tooLarge(limit) : TransportErrors.translated(error)
        return HTTPTransportResponse(head: answer, body: FailedBody(bytes: end.body, error: reason))
    }

    /// Scheme and authority, once that host may be talked to.
    private func checkedOrigin(of request: HTTPRequest) async throws -> String {
        guard let scheme = request.scheme, scheme == "https" || scheme == "http", let authority = request.authority
        else { throw APIClientError(.urlNotAllowed, message: "only http and https URLs with a host are fetched") }
        try await self.resolver.check(authority: authority)
        return "\(scheme)://\(authority)"
    }

    /// Tells the gate what an origin speaks; most never speak HTTP/2, and cost nothing.
    private func note(_ version: HTTPVersion, of origin: String) {
        guard self.hasSpokenHTTP2.isSet else { return }
        self.gate.note(origin, isMultiplexed: version.major >= 2)
    }

    /// What takes a request to its origin, and how it is to be put: http goes through a proxy in a form of its own.
    private func way(of request: HTTPRequest, to origin: String) -> (
        client: HTTPClient, url: String, headers: HTTPHeaders
    ) {
        var headers = HTTPHeaders()
        headers.reserveCapacity(request.headerFields.count + 2)
        for field in request.headerFields { headers.add(name: field.name.rawName, value: field.value) }
        let path = request.path ?? "/"
        guard let forward = self.forward, request.scheme == "http" else { return (self.client, origin + path, headers) }
        headers.replaceOrAdd(name: "host", value: request.authority ?? "")
        return (forward.client, forward.origin + path, headers)
    }

    private static func head(_ status: HTTPResponseStatus, _ headers: HTTPHeaders) -> HTTPResponse {
        var head = HTTPResponse(status: .init(code: Int(status.code)))
        head.headerFields.reserveCapacity(headers.count)
        for (name, value) in headers {
            if let name = HTTPField.Name(name) { head.headerFields.append(HTTPField(name: name, value: value)) }
        }
        return head
    }

    /// Says in our terms what went wrong.
    ///
    /// Returns when every event loop has ended its turn if a stream was refused: a server that leaves refuses streams a moment before
    /// the pool hears that it leaves, and what is sent again then must not go there.
    private func translated(_ error: any Error, _ origin: String) async -> any Error {
        if TransportErrors.isRefusedStream(error) { await MultiThreadedEventLoopGroup.finishTurns() }
        return TransportErrors.translated(
            error, mayBeHTTP2: self.hasSpokenHTTP2.isSet && origin.hasPrefix("https:"))
    }

    /// Closes every connection.
    public func close() async {
        self.hasClosed.set()
        // Fails only if it was closed before, and then there is nothing left to do.
        try? await self.client.shutdown()
        try? await self.forward?.client.shutdown()
    }

    // One that nobody holds any more closes its connections by itself; AsyncHTTPClient would stop the program.
    deinit {
        guard !self.hasClosed.isSet else { return }
        self.client.shutdown { _ in }
        self.forward?.client.shutdown { _ in }
    }
}
