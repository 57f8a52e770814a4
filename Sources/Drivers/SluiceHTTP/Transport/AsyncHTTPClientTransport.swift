// SPDX-License-Identifier: Apache-2.0
import AsyncHTTPClient
public import HTTPTypes
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
public import Sluice
import Synchronization

/// The transport on AsyncHTTPClient: HTTP/1.1 and HTTP/2, connections kept for the next request.
///
/// The address of every connection is checked once it stands and before a request is sent on it, so no name, redirect or change
/// of DNS leads a request past the ``AddressRules``.
public final class AsyncHTTPClientTransport: HTTPTransport {
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

    /// What to trust beside the system's certificates; nil if that is nothing.
    private static func trust(_ settings: HTTPTransportSettings) throws -> TLSConfiguration? {
        guard let file = settings.trustedCertificates else { return nil }
        var tls = TLSConfiguration.makeClientConfiguration()
        do {
            tls.additionalTrustRoots = [.certificates(try NIOSSLCertificate.fromPEMFile(file))]
        } catch {
            throw APIClientError(.untrusted, message: "the certificates in \(file) cannot be read", cause: error)
        }
        return tls
    }

    private static func configuration(
        _ settings: HTTPTransportSettings, _ http2: SharedFlag
    ) -> HTTPClient.Configuration {
        var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
        configuration.timeout.connect = .nanoseconds(settings.connectTimeout.clampedNanoseconds)
        configuration.timeout.read = .nanoseconds(settings.readTimeout.clampedNanoseconds)
        configuration.timeout.write = .nanoseconds(settings.writeTimeout.clampedNanoseconds)
        configuration.connectionPool.idleTimeout = .nanoseconds(settings.idleTimeout.clampedNanoseconds)
        // The gate lets no more through than this, so nobody waits within the pool.
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = settings.maximumConnectionsPerHost
        // One place tries again: our own retry, which knows the deadline and the budget.
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.httpVersion = settings.usesHTTP2 ? .automatic : .http1Only
        configuration.proxy = settings.proxy.map(Self.proxy)
        let rules = settings.rules
        let isProxied = settings.proxy != nil
        let check: @Sendable (any Channel) -> EventLoopFuture<Void> = { channel in
            guard !isProxied, !rules.allows(channel.remoteAddress) else {
                return channel.eventLoop.makeSucceededVoidFuture()
            }
            channel.close(promise: nil)
            return channel.eventLoop.makeFailedFuture(APIClientError(.addressNotAllowed, message: "a private address"))
        }
        configuration.http1_1ConnectionDebugInitializer = { channel in
            check(channel).flatMap { Self.addWatch(to: channel) }
        }
        configuration.http2ConnectionDebugInitializer = { channel in
            http2.set()
            return check(channel).flatMap { LeavingServer.add(to: channel) }
        }
        configuration.http2StreamChannelDebugInitializer = { LeftStream.add(to: $0) }
        return configuration
    }

    /// Where bytes are HTTP: right after TLS, if there is TLS.
    private static func addWatch(to channel: any Channel) -> EventLoopFuture<Void> {
        channel.eventLoop.submit {
            let pipeline = channel.pipeline.syncOperations
            let tls = try? pipeline.handler(type: NIOSSLClientHandler.self)
            try pipeline.addHandler(
                ConnectionWatch(), position: tls.map { .after($0) } ?? .first)
        }
    }

    private static func proxy(_ proxy: HTTPProxy) -> HTTPClient.Configuration.Proxy {
        switch (proxy.kind, proxy.username) {
        case (.socks, _): .socksServer(host: proxy.host, port: proxy.port)
        case (.http, nil): .server(host: proxy.host, port: proxy.port)
        case (.http, let username?):
            .server(
                host: proxy.host, port: proxy.port,
                authorization: .basic(username: username, password: proxy.password?.reveal() ?? ""))
        }
    }

    /// Sends a request.
    public func send(_ request: HTTPRequest, body: HTTPBody?) async throws -> HTTPTransportResponse {
        guard let scheme = request.scheme, let authority = request.authority else {
            throw APIClientError(.urlNotAllowed, message: "the URL has no host")
        }
        try await self.resolver.check(authority: authority)
        let origin = "\(scheme)://\(authority)"
        let place = try await self.gate.enter(origin)
        do {
            let forward = scheme == "http" ? self.forward : nil
            var outgoing = try Self.outgoing(request, to: forward?.origin ?? origin, body)
            if forward != nil { outgoing.headers.replaceOrAdd(name: "host", value: authority) }
            let response = try await (forward?.client ?? self.client).execute(outgoing, deadline: .distantFuture)
            if response.version.major >= 2 { self.gate.noteMultiplexed(origin) }
            return HTTPTransportResponse(
                head: response.translatedHead, body: TransportBody(base: response.body, place: place))
        } catch {
            place.leave()
            if TransportErrors.isRefusedStream(error) { await Self.finishTurns() }
            throw TransportErrors.translated(error, mayBeHTTP2: scheme == "https" && self.hasSpokenHTTP2.isSet)
        }
    }

    /// Returns when every event loop has ended its turn: a server that leaves refuses streams a moment before the pool hears that it
    /// leaves, and what is sent again then must not go there.
    private static func finishTurns() async {
        for loop in MultiThreadedEventLoopGroup.singleton.makeIterator() { try? await loop.submit {}.get() }
    }

    private static func outgoing(_ request: HTTPRequest, to origin: String, _ body: HTTPBody?) throws
        -> HTTPClientRequest
    {
        var outgoing = HTTPClientRequest(url: origin + (request.path ?? "/"))
        outgoing.method = HTTPMethod(rawValue: request.method.rawValue)
        outgoing.headers.reserveCapacity(request.headerFields.count + 2)
        for field in request.headerFields { outgoing.headers.add(name: field.name.rawName, value: field.value) }
        guard let body else { return outgoing }
        if let bytes = body.bytes {
            outgoing.body = .bytes(bytes)
            return outgoing
        }
        func stream(_ parts: some AsyncSequence<ByteBuffer, any Error> & Sendable) -> HTTPClientRequest.Body {
            .stream(UploadBody(base: parts), length: body.length.map { .known($0) } ?? .unknown)
        }
        outgoing.body = stream(try body.parts())
        return outgoing
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

/// Something that happened at least once.
private final class SharedFlag: Sendable {
    private let value = Atomic(false)

    var isSet: Bool { self.value.load(ordering: .relaxed) }
    func set() { self.value.store(true, ordering: .relaxed) }
}

extension HTTPClientResponse {
    fileprivate var translatedHead: HTTPResponse {
        var head = HTTPResponse(status: .init(code: Int(self.status.code)))
        head.headerFields.reserveCapacity(self.headers.count)
        for (name, value) in self.headers {
            if let name = HTTPField.Name(name) { head.headerFields.append(HTTPField(name: name, value: value)) }
        }
        return head
    }
}

/// A body that gives its place back when it ends, and whose errors are ours.
private struct TransportBody: AsyncSequence, Sendable {
    let base: HTTPClientResponse.Body
    let place: ConnectionPlace

    struct Iterator: AsyncIteratorProtocol {
        // Unsafe only for the compiler: this iterator is the one owner of the other, and is itself not sendable.
        nonisolated(unsafe) var base: HTTPClientResponse.Body.AsyncIterator
        let place: ConnectionPlace

        mutating func next() async throws -> ByteBuffer? {
            do {
                if let part = try await self.base.next() { return part }
                self.place.leave()
                return nil
            } catch {
                self.place.leave()
                throw TransportErrors.translated(error, mayBeHTTP2: true)
            }
        }
    }

    func makeAsyncIterator() -> Iterator { Iterator(base: self.base.makeAsyncIterator(), place: self.place) }
}

/// A request's body, its error told from the network's.
private struct UploadBody<Base: AsyncSequence<ByteBuffer, any Error> & Sendable>: AsyncSequence, Sendable {
    let base: Base

    struct Iterator: AsyncIteratorProtocol {
        var base: Base.AsyncIterator

        mutating func next() async throws -> ByteBuffer? {
            do {
                return try await self.base.next(isolation: #isolation)
            } catch {
                throw error is CancellationError
                    ? error : APIClientError(.bodyFailed, message: "the request's body threw an error", cause: error)
            }
        }
    }

    func makeAsyncIterator() -> Iterator { Iterator(base: self.base.makeAsyncIterator()) }
}
