// SPDX-License-Identifier: Apache-2.0
public import NIOCore
public import NIOPosix
public import NIOSSL
public import Sluice
import Synchronization

/// A Redis server, over one connection that everybody shares.
///
/// Commands are written as they come and answered in order, so that a hundred tasks need no more round trips than one. The
/// connection is made when it is first needed, and again after it was lost.
///
/// ```swift
/// let redis = try Redis("redis://localhost:6379")
/// async let a = redis.get("a")
/// async let b = redis.get("b")  // both in one write
/// print(try await a as Any, try await b as Any)
/// await redis.close()
/// ```
///
/// Every command runs under a deadline (10 s unless the caller's is earlier). It is tried again only if it certainly has not run, or
/// is idempotent. Cancellation ends the wait at once; an answer that comes afterwards is read and dropped.
///
/// There is no publishing and subscribing, no blocking command, no `MULTI`, no cluster and no cache on this side: a script is how
/// several steps are one.
public final class Redis: Sendable {
    /// What it keeps to.
    public let configuration: RedisConfiguration
    let target: RedisURL
    let time: any TimeSource
    private let connector: RedisConnector
    private let randomness: Randomness
    private let machine: Mutex<RedisStateMachine<RedisConnection>>
    private let commands: Pipeline<Nested<WatchedDeadline, Retry>>

    /// Creates a client, to be closed by the caller; it connects with the first command.
    ///
    /// - Parameters:
    ///   - url: `redis://user:password@host:6379/0`, or `rediss:` for TLS; all but the host can be left out.
    ///   - configuration: What it keeps to.
    ///   - tls: For `rediss`; by default the server's certificate and name are verified against the system's roots.
    ///   - time: The time line of timeouts and waits.
    ///   - randomness: Where jitter is drawn from.
    ///   - observer: Who is told of every command.
    ///   - group: Where the connection lives.
    /// - Throws: ``RedisError`` of kind `configuration`.
    public convenience init(
        _ url: String, configuration: RedisConfiguration = RedisConfiguration(),
        tls: TLSConfiguration = .makeClientConfiguration(), time: any TimeSource = SystemTime.shared,
        randomness: Randomness = .shared, observer: (any PolicyObserver)? = nil,
        group: any EventLoopGroup = .singletonMultiThreadedEventLoopGroup
    ) throws(RedisError) {
        try self.init(url, configuration, tls, time, randomness, observer, group: group, resolver: nil)
    }

    /// Creates a client whose host is looked up in a way of its own, for tests.
    init(
        _ url: String, _ configuration: RedisConfiguration, _ tls: TLSConfiguration = .makeClientConfiguration(),
        _ time: any TimeSource = SystemTime.shared, _ randomness: Randomness = .shared,
        _ observer: (any PolicyObserver)? = nil,
        group: any EventLoopGroup = .singletonMultiThreadedEventLoopGroup, resolver: (any Resolver & Sendable)?
    ) throws(RedisError) {
        configuration.validate()
        self.configuration = configuration
        self.target = try RedisURL(url)
        self.time = time
        self.randomness = randomness
        self.connector = try RedisConnector(
            self.target, timeout: configuration.connectTimeout, group: group, tls: tls, resolver: resolver)
        self.machine = Mutex(
            RedisStateMachine(maximumWaiting: configuration.maximumWaiting, backoff: configuration.backoff))
        let backoff = Backoff.exponential(from: .milliseconds(10)).capped(at: .milliseconds(250)).jittered()
        self.commands = Pipeline("redis.command", time: time, observer: observer) {
            WatchedDeadline(configuration.timeout)
            Retry(
                maximumAttempts: configuration.maximumAttempts, backoff: backoff, budget: nil, randomness: randomness
            ) { ($0 as? RedisError)?.retryAdvice ?? .never }
        }
    }

    /// Sends a command and waits for its answer.
    ///
    /// - Parameters:
    ///   - name: One word, such as `HSET`; what it is made of, as in `CLIENT ID`, comes as arguments.
    ///   - arguments: Sent as they are.
    ///   - isIdempotent: Whether running it twice does no more than once, so that it may be tried again after its connection was lost.
    /// - Throws: ``RedisError``; `RejectionError` if the caller's deadline has passed already; `CancellationError`.
    @discardableResult
    public func send(
        _ name: String, _ arguments: [RedisArgument] = [], isIdempotent: Bool = false
    ) async throws -> RedisValue {
        let isScript = try SharedConnection.check(name, arguments)
        let bytes = RESPWriter.command(name, arguments)
        return try await self.commands.outcome(isIdempotent: isIdempotent) {
            (context: OperationContext) async throws in
            try await self.exchange(RedisRequest(bytes, isScript: isScript), context)
        }.get()
    }

    private func exchange(_ request: RedisRequest, _ context: OperationContext) async throws -> RedisValue {
        try Task.checkCancellation()
        var alarm: TimerToken?
        if context.deadline < .distantFuture {
            alarm = context.time.schedule(at: context.deadline) { self.expire(request) }
        }
        defer { if let alarm { context.time.cancel(alarm) } }
        return try await withTaskCancellationHandler {
            self.perform(self.machine.withLock { $0.admit(request, at: self.time.now) })
            return try await request.value()
        } onCancel: {
            let wasSent = self.abandon(request) { _ in CancellationError() }
            // An operation that has come to its deadline cancels what is within it.
            if wasSent, context.deadline <= context.time.now { self.suspect(request) }
        }
    }

    /// The wait for a command's answer has come to its deadline.
    private func expire(_ request: RedisRequest) {
        let wasSent = self.abandon(request) {
            RedisError(.timedOut, message: "no answer came in time", hasRun: $0)
        }
        if wasSent { self.suspect(request) }
    }

    /// Has the connection looked at on which a command was given no answer in time.
    private func suspect(_ request: RedisRequest) {
        guard let connection = self.machine.withLock({ $0.current }) else { return }
        connection.eventLoop.execute { connection.suspect(request) }
    }

    @discardableResult
    private func abandon(_ request: RedisRequest, _ error: (_ hasRun: Bool?) -> any Error) -> Bool {
        let wasSent = request.abandon(error)
        if !wasSent { self.machine.withLock { $0.noteAbandoned() } }
        return wasSent
    }

    private func perform(_ action: RedisStateMachine<RedisConnection>.Action) {
        switch action {
        case .nothing, .discard: break
        case .connect: self.connect()
        case .flush(let connection): connection.eventLoop.execute { connection.flush() }
        case .fail(let requests, let error):
            for request in requests { request.abandon { _ in error } }
        }
    }

    private func connect() {
        let connection = RedisConnection(client: self, eventLoop: self.connector.group.next())
        if self.machine.withLock({ $0.begin(connection) }) {
            self.connector.start(connection, at: self.time.now)
        } else {
            connection.eventLoop.execute { connection.end(.clientClosed) }
        }
    }

    /// Waits for commands that are sent and closes the connection; other commands, and later ones, are turned away.
    ///
    /// It waits no longer than commands may take, and is not ended by cancellation. It may be called again.
    public func close() async {
        let closed = Suspension<Void>()
        let (waiting, connection, isDone) = self.machine.withLock { $0.close(closed) }
        for request in waiting { request.abandon { _ in RedisError.clientClosed } }
        if let connection { connection.eventLoop.execute { connection.retire() } }
        if !isDone { await closed.value() }
    }
}

extension Redis: CustomStringConvertible {
    /// Its URL without the password.
    public var description: String { self.target.description }
}

// What connections ask and tell, on their event loops.
extension Redis {
    /// The commands that a connection is to write now.
    func take(_ room: Int, for connection: RedisConnection) -> [RedisRequest] {
        self.machine.withLock { $0.take(room, for: connection) }
    }

    func opened(_ connection: RedisConnection) {
        let action = self.machine.withLock { $0.opened(connection) }
        if case .discard = action { return connection.retire() }
        self.perform(action)
    }

    func connectFailed(_ error: RedisError) {
        let fraction = self.randomness.fraction()
        self.perform(self.machine.withLock { $0.connectFailed(error, at: self.time.now, fraction: fraction) })
    }

    func lost(_ connection: RedisConnection, hasAnswered: Bool) {
        let fraction = self.randomness.fraction()
        self.perform(
            self.machine.withLock {
                $0.lost(connection, hasAnswered: hasAnswered, at: self.time.now, fraction: fraction)
            })
    }

    func retired(_ connection: RedisConnection) {
        self.perform(self.machine.withLock { $0.retired(connection) })
    }

    func gone() {
        for closer in self.machine.withLock({ $0.gone() }) { closer.settle(()) }
    }
}
