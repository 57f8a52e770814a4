// SPDX-License-Identifier: Apache-2.0
import Foundation
public import HTTPTypes
import NIOCore
import NIOFoundationCompat
public import Sluice
import Synchronization

#if canImport(FoundationNetworking)
    import FoundationNetworking
#endif

/// The transport on Foundation's URLSession, for where TLS, proxies and certificates must be the system's.
///
/// A session waits for a connection within its read timeout, so ``HTTPTransportSettings/connectTimeout`` and
/// ``HTTPTransportSettings/writeTimeout`` do not apply; nor do ``HTTPTransportSettings/proxy`` and
/// ``HTTPTransportSettings/trustedCertificates``, which are the system's. Addresses are checked by looking the host up before, and not
/// on the connection. A body given as a stream is written to a temporary file first, since a session asks for it on the thread
/// that all its connections share. On Linux a server is not held up by who reads slowly: past ``maximumUnread`` bytes the answer ends
/// with an error.
///
/// - Warning: On Linux, the Foundation of Swift 6.3.1 stops the process (a trap in its transfer state, which nothing can catch) when
///   a server closes the connection within an answer's head, or answers with what is not HTTP. So any server, and anybody on the
///   way to one, can end a program that uses it there. ``AsyncHTTPClientTransport`` has no such weakness, and is the one to take
///   unless the program runs on Apple's systems, or every server and the network between are your own. Of the checks in
///   SluiceTesting's `HTTPTransportContract`, those that need `cutHeads` and `backPressure` do not hold on Linux; all others do.
public final class URLSessionTransport: HTTPTransport {
    /// How many bytes of an answer may wait to be read where a session cannot be held up: 16 MiB.
    public static let maximumUnread = 16 << 20

    private let session: URLSession
    /// Closing and beginning an exchange exclude each other: a session that is closed stops the program if it is asked for a task.
    private let isClosed = Mutex(false)
    private let delegate: SessionDelegate
    private let gate: ConnectionGate
    private let resolver: AddressCheck

    /// Creates a transport with a session of its own.
    public init(settings: HTTPTransportSettings = HTTPTransportSettings(), time: any TimeSource = SystemTime.shared) {
        let configuration = URLSessionConfiguration.ephemeral
        configuration.httpCookieStorage = nil
        configuration.httpShouldSetCookies = false
        configuration.urlCache = nil
        configuration.httpMaximumConnectionsPerHost = settings.maximumConnectionsPerHost
        configuration.timeoutIntervalForRequest = settings.readTimeout / .seconds(1)
        self.delegate = SessionDelegate()
        self.session = URLSession(configuration: configuration, delegate: self.delegate, delegateQueue: nil)
        self.gate = ConnectionGate(settings, time: time)
        self.resolver = AddressCheck(rules: settings.rules)
    }

    /// Sends a request.
    public func send(_ request: HTTPRequest, body: HTTPBody?) async throws -> HTTPTransportResponse {
        guard let scheme = request.scheme, scheme == "https" || scheme == "http", let authority = request.authority,
            let url = URL(string: "\(scheme)://\(authority)\(request.path ?? "/")")
        else { throw APIClientError(.urlNotAllowed, message: "only http and https URLs with a host are fetched") }
        try await self.resolver.check(authority: authority)
        let place = try await self.gate.enter("\(scheme)://\(authority)")
        var outgoing = URLRequest(url: url)
        outgoing.httpMethod = request.method.rawValue
        for field in request.headerFields { outgoing.addValue(field.value, forHTTPHeaderField: field.name.rawName) }
        let upload = try await Upload(body)
        if case .bytes(let data) = upload.content { outgoing.httpBody = data }
        let exchange = SessionExchange(place: place, upload: upload)
        try self.begin(exchange, outgoing, upload)
        return try await exchange.response()
    }

    private func begin(_ exchange: SessionExchange, _ request: URLRequest, _ upload: Upload) throws {
        try self.isClosed.withLock { isClosed in
            guard !isClosed else { throw APIClientError(.unreachable, message: "the client is closed") }
            let task: URLSessionTask
            switch upload.content {
            case .none, .bytes: task = self.session.dataTask(with: request)
            case .file(let url): task = self.session.uploadTask(with: request, fromFile: url)
            }
            exchange.begin(task)
            self.delegate.register(exchange, for: task)
            task.resume()
        }
    }

    /// Closes every connection.
    public func close() async {
        let wasClosed = self.isClosed.withLock { isClosed in
            defer { isClosed = true }
            return isClosed
        }
        if !wasClosed { self.session.invalidateAndCancel() }
    }

    // A session that is not closed lives for ever, and its delegate with it; answers under way are read to their end.
    deinit {
        if !self.isClosed.withLock({ $0 }) { self.session.finishTasksAndInvalidate() }
    }
}

/// A request's body as a session takes it.
final class Upload: Sendable {
    enum Content: Sendable {
        case none
        case bytes(Data)
        case file(URL)
    }

    let content: Content

    init(_ body: HTTPBody?) async throws {
        guard let body else {
            self.content = .none
            return
        }
        if let bytes = body.bytes {
            self.content = .bytes(Data(buffer: bytes))
            return
        }
        let url = FileManager.default.temporaryDirectory.appendingPathComponent("sluice-upload-\(UUID().uuidString)")
        self.content = .file(url)
        guard FileManager.default.createFile(atPath: url.path, contents: nil, attributes: [.posixPermissions: 0o600])
        else { throw APIClientError(.bodyFailed, message: "no temporary file can be made for the request's body") }
        try await Self.write(body, to: try FileHandle(forWritingTo: url))
    }

    deinit {
        if case .file(let url) = self.content { try? FileManager.default.removeItem(at: url) }
    }

    private static func write(_ body: HTTPBody, to file: FileHandle) async throws {
        defer { try? file.close() }
        var length: Int64 = 0
        func copy(_ parts: some AsyncSequence<ByteBuffer, any Error>) async throws {
            for try await part in parts {
                length += Int64(part.readableBytes)
                try file.write(contentsOf: Data(buffer: part))
            }
        }
        do {
            try await copy(try body.parts())
        } catch {
            if error is CancellationError || error is APIClientError { throw error }
            throw APIClientError(.bodyFailed, message: "the request's body threw an error", cause: error)
        }
        guard body.length ?? length == length else {
            throw APIClientError(.bodyFailed, message: "the request's body is not as long as it said")
        }
    }
}
