// SPDX-License-Identifier: Apache-2.0
import DequeModule
import Sluice

/// Which connection there is, and which commands wait for one: decides, and does nothing.
struct RedisStateMachine<Connection: AnyObject> {
    private enum Link {
        /// There is no connection, and nobody needs one. May become `connecting`.
        case idle
        /// One is being made, as soon as it is there. Becomes `open` or `resting`.
        case connecting(Connection?)
        /// Commands are written to it. Becomes `idle`, `connecting` or `resting`.
        case open(Connection)
        /// None could be made; until the instant commands fail at once. Becomes `connecting`.
        case resting(until: Instant, RedisError)
        /// For good.
        case closed
    }

    /// What is to be done about a command, or about those that wait.
    enum Action {
        case nothing
        /// Make a connection.
        case connect
        /// Have the connection take what waits.
        case flush(Connection)
        case fail([RedisRequest], RedisError)
        /// The connection is not wanted any more.
        case discard
    }

    private let maximumWaiting: Int
    private let backoff: Backoff
    private var link = Link.idle
    private var waiting = Deque<RedisRequest>()
    /// Those of `waiting` that were given up.
    private var abandonedCount = 0
    private var isFlushDue = false
    /// Connections in a row of which nothing came.
    private var failures = 0
    private var previousRest = Duration.zero
    /// Connections that are open or being made, those included that are given up but not gone.
    private var liveCount = 0
    private var closers: [Suspension<Void>] = []

    init(maximumWaiting: Int, backoff: Backoff) {
        self.maximumWaiting = maximumWaiting
        self.backoff = backoff
    }

    var waitingCount: Int { self.waiting.count }

    // MARK: Commands

    /// Takes a command to be sent.
    mutating func admit(_ request: RedisRequest, at now: Instant) -> Action {
        if case .closed = self.link { return .fail([request], .clientClosed) }
        if case .resting(let until, var error) = self.link, now < until {
            error.retryAfter = now.duration(to: until)
            return .fail([request], error)
        }
        guard self.waiting.count < self.maximumWaiting else {
            return .fail(
                [request],
                RedisError(.overloaded, message: "\(self.maximumWaiting) commands wait already", hasRun: false))
        }
        self.waiting.append(request)
        switch self.link {
        case .idle, .resting: return self.connect()
        case .open(let connection) where !self.isFlushDue:
            self.isFlushDue = true
            return .flush(connection)
        case .open, .connecting, .closed: return .nothing
        }
    }

    /// A command was given up before it was sent.
    ///
    /// It is not looked for, which would cost as much as there are; but when half of them are of this kind, all are dropped.
    mutating func noteAbandoned() {
        self.abandonedCount += 1
        guard self.abandonedCount > 32, self.abandonedCount * 2 > self.waiting.count else { return }
        self.waiting.removeAll { $0.isSettled }
        self.abandonedCount = 0
    }

    /// The commands that a connection is to write now, in order.
    mutating func take(_ room: Int, for connection: Connection) -> [RedisRequest] {
        guard case .open(let current) = self.link, current === connection else { return [] }
        self.isFlushDue = false
        var taken: [RedisRequest] = []
        while taken.count < room, let request = self.waiting.popFirst() {
            if request.markSent() { taken.append(request) }
        }
        if self.waiting.isEmpty { self.abandonedCount = 0 }
        return taken
    }

    // MARK: Connections

    private mutating func connect() -> Action {
        self.link = .connecting(nil)
        self.liveCount += 1
        return .connect
    }

    private mutating func connectIfNeeded() -> Action {
        self.link = .idle
        self.isFlushDue = false
        return self.waiting.isEmpty ? .nothing : self.connect()
    }

    /// A connection is about to be made.
    ///
    /// - Returns: False if it is not wanted any more.
    mutating func begin(_ connection: Connection) -> Bool {
        guard case .connecting = self.link else { return false }
        self.link = .connecting(connection)
        return true
    }

    /// A connection has been made.
    mutating func opened(_ connection: Connection) -> Action {
        guard case .connecting = self.link else { return .discard }
        self.link = .open(connection)
        self.isFlushDue = true
        return .flush(connection)
    }

    /// None could be made.
    mutating func connectFailed(_ error: RedisError, at now: Instant, fraction: Double) -> Action {
        guard case .connecting = self.link else { return .nothing }
        return self.rest(error, at: now, fraction: fraction)
    }

    private mutating func rest(_ error: RedisError, at now: Instant, fraction: Double) -> Action {
        self.failures += 1
        self.previousRest =
            self.backoff.delay(beforeRetry: self.failures, fraction: fraction, previous: self.previousRest)
            ?? self.previousRest
        self.link = .resting(until: now.advanced(by: self.previousRest), error)
        self.isFlushDue = false
        self.abandonedCount = 0
        defer { self.waiting.removeAll() }
        return .fail(Array(self.waiting), error)
    }

    /// A connection has ended.
    ///
    /// What waits was not sent, so it waits for the next one; unless this one has never answered anything, as where a proxy
    /// accepts connections for a server that is down: then it counts as one that could not be made.
    mutating func lost(_ connection: Connection, hasAnswered: Bool, at now: Instant, fraction: Double) -> Action {
        guard case .open(let current) = self.link, current === connection else { return .nothing }
        guard hasAnswered else {
            let error = RedisError(.unreachable, message: "the server closes its connections at once", hasRun: false)
            return self.rest(error, at: now, fraction: fraction)
        }
        (self.failures, self.previousRest) = (0, .zero)
        return self.connectIfNeeded()
    }

    /// A connection is doubtful: nothing more is sent on it.
    mutating func retired(_ connection: Connection) -> Action {
        guard case .open(let current) = self.link, current === connection else { return .nothing }
        return self.connectIfNeeded()
    }

    /// A connection, or the attempt to make one, is gone.
    ///
    /// - Returns: Who waited for that.
    mutating func gone() -> [Suspension<Void>] {
        self.liveCount -= 1
        guard self.liveCount == 0 else { return [] }
        defer { self.closers = [] }
        return self.closers
    }

    // MARK: Closing

    /// Lets nothing in any more.
    ///
    /// - Returns: What was waiting, the connection to end, and whether nothing is left to wait for.
    mutating func close(
        _ closed: Suspension<Void>
    ) -> (waiting: [RedisRequest], connection: Connection?, isDone: Bool) {
        var connection: Connection?
        switch self.link {
        case .open(let current): connection = current
        case .connecting(let current): connection = current
        case .idle, .resting, .closed: break
        }
        self.link = .closed
        defer { self.waiting.removeAll() }
        if self.liveCount > 0 { self.closers.append(closed) }
        return (Array(self.waiting), connection, self.liveCount == 0)
    }

    /// The connection that commands are written to, if there is one.
    var current: Connection? {
        if case .open(let connection) = self.link { connection } else { nil }
    }
}
