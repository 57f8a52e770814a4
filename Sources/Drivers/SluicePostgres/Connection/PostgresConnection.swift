// SPDX-License-Identifier: Apache-2.0
import CPQ
import DequeModule
import Sluice
import SluiceSQL
import Synchronization

/// One connection to PostgreSQL, in libpq's pipeline mode: any number of requests may be under way, each answered in its turn.
///
/// Whoever asks writes, on its own thread and under the lock; the reactor's thread reads, and decoding is left to whoever reads the
/// rows.
///
/// - Note: Unchecked, because libpq's handle is a C pointer; it is touched under `state`'s lock alone, but for its cancelling,
///   which libpq allows from any thread.
final class PostgresConnection: PooledConnection, SQLConnection, ReactorHandler, @unchecked Sendable {
    struct State {
        /// Sent and not answered, in order; those given up among them, whose answers come all the same.
        var requests = Deque<PostgresRequest>()
        /// Why the connection is of no use any more.
        var failure: SQLError?
        /// Whether bytes wait for room in the socket.
        var waitsForRoom = false
        var token: UInt64 = 0
        /// What is prepared here.
        var prepared = PreparedStatements()
        /// Whether a borrower has left something in the session that is not the next one's.
        var isMarked = false
        /// How many cursors lie one inside the other.
        var cursorCount = 0
        /// How many statements the server may still be at that this side has given up.
        var leftBehind = 0
    }

    /// How long a connection that was told to stop may take to say so: a tenth of the deadline that calls have by default, so that
    /// nobody waits longer than that beyond it, whatever the network does.
    static let grace: Duration = .seconds(3)

    let poolID: Int
    let reactor: PostgresReactor
    let statements: PostgresStatements
    let time: any TimeSource
    let handle: OpaquePointer
    let cancel: PostgresCancel
    let state = Mutex(State())
    /// Whether several borrowers may be using it: then nothing on it is ever stopped, since that could hit another's.
    let isShared = Atomic(false)
    /// The limit of the transaction's statements while a copy suspends it; touched by whoever copies alone.
    var timeoutBeforeCopy: String?
    /// Whether ``close()`` was called.
    let isClosed = Atomic(false)
    /// Told of what the server notifies, and of the connection's end.
    let listener: Mutex<(@Sendable (Result<PostgresNotification, SQLError>) -> Void)?> = Mutex(nil)

    /// Takes over an open handle.
    init(
        poolID: Int, handle: OpaquePointer, reactor: PostgresReactor, statements: PostgresStatements,
        time: any TimeSource
    ) {
        self.poolID = poolID
        self.handle = handle
        self.reactor = reactor
        self.statements = statements
        self.time = time
        self.cancel = PostgresCancel(handle)
        let token = reactor.add(self, socket: PQsocket(handle))
        self.state.withLock { $0.token = token }
    }

    var dialect: SQLDialect { .postgres }

    /// Whether it can still be used.
    var isUsable: Bool { self.state.withLock { $0.failure == nil } }

    /// What a connection is fit for.
    enum Condition {
        case free
        /// The server is at statements whose answers nobody waits for.
        case busy
        /// A transaction is open, so that it cannot be lent to another.
        case inTransaction
        /// Its session is not as it was opened.
        case marked
        case lost
    }

    /// What it is fit for, once its borrower is done with it.
    var condition: Condition {
        self.state.withLock { state in
            if state.failure != nil { return .lost }
            if state.requests.contains(where: \.isDone) { return .busy }
            if Self.isInTransaction(self.handle) { return .inTransaction }
            return state.isMarked ? .marked : .free
        }
    }

    /// Whether a transaction is open.
    var isInTransaction: Bool { self.state.withLock { _ in Self.isInTransaction(self.handle) } }

    private static func isInTransaction(_ handle: OpaquePointer) -> Bool {
        let status = PQtransactionStatus(handle)
        return status == PQTRANS_INTRANS || status == PQTRANS_INERROR
    }

    // MARK: Asking

    /// Sends a request and waits for its answer.
    ///
    /// - Parameters:
    ///   - isShielded: Whether neither cancellation nor the deadline ends the wait.
    ///   - send: Writes the request but for its synchronisation point, under the lock; says what is wrong if it cannot.
    func ask(
        isShielded: Bool = false, _ request: PostgresRequest, _ send: (inout State) -> SQLError?
    ) async throws {
        if isShielded {
            let limit = self.time.now.advanced(by: .seconds(30))
            let alarm = self.time.schedule(at: limit) { self.fail(.unanswered) }
            await self.exchange(request, send)
            self.time.cancel(alarm)
            return
        }
        try Task.checkCancellation()
        let context = OperationContext.current
        var alarm: TimerToken?
        if let context, context.deadline < .distantFuture {
            alarm = context.time.schedule(at: context.deadline) { self.abandon(request, .deadline) }
        }
        await withTaskCancellationHandler {
            await self.exchange(request, send)
        } onCancel: {
            self.abandon(request, .cancelled)
        }
        if let alarm { context?.time.cancel(alarm) }
        guard let abandonment = request.abandonment else { return }
        if let stopping = request.stopping { await self.settle(after: stopping) }
        switch abandonment {
        case .cancelled: throw CancellationError()
        case .deadline: throw SQLError(.timeout, message: "the statement was stopped at its deadline")
        }
    }

    private func exchange(_ request: PostgresRequest, _ send: (inout State) -> SQLError?) async {
        await withUnsafeContinuation { continuation in
            var broken: SQLError?
            let isOver = self.state.withLock { state -> Bool in
                request.failure =
                    state.failure.map { .notSent(because: $0) } ?? (request.abandonment == nil ? nil : .notSent)
                if request.failure == nil {
                    request.failure = send(&state) ?? self.synchronise(&state)
                    broken = request.failure.flatMap { $0.kind == .connection ? $0 : nil }
                }
                guard request.failure == nil else {
                    request.isDone = true
                    return true
                }
                request.isSent = true
                request.continuation = continuation
                state.requests.append(request)
                return false
            }
            // Part of it may have been written, and whatever came next would be taken for the rest.
            if let broken { self.fail(broken) }
            if isOver { continuation.resume() }
        }
    }

    /// Ends what was written with a synchronisation point, which keeps its errors apart from others', and sends it off.
    func synchronise(_ state: inout State) -> SQLError? {
        guard PQpipelineSync(self.handle) == 1 else { return .lost(self.handle) }
        return self.flush(&state)
    }

    private func flush(_ state: inout State) -> SQLError? {
        let status = PQflush(self.handle)
        if status < 0 { return .lost(self.handle) }
        if state.waitsForRoom != (status == 1) {
            state.waitsForRoom = status == 1
            self.reactor.watch(state.token, socket: PQsocket(self.handle), forRoom: state.waitsForRoom)
        }
        return nil
    }

    // MARK: Answers

    func socketIsReady() {
        var done: [UnsafeContinuation<Void, Never>] = []
        var answered: [Suspension<Bool>] = []
        var notifications: [PostgresNotification] = []
        let lost = self.state.withLock { state -> SQLError? in
            guard state.failure == nil else { return nil }
            let isOpen = self.consume()
            let confusion = self.collect(&state, &done, &answered)
            while let notification = PQnotifies(self.handle) {
                notifications.append(PostgresNotification(notification))
                PQfreemem(notification)
            }
            return confusion ?? (isOpen ? self.flush(&state) : .lost(self.handle))
        }
        for continuation in done { continuation.resume() }
        for watcher in answered { watcher.settle(true) }
        if !notifications.isEmpty, let listener = self.listener.withLock({ $0 }) {
            for notification in notifications { listener(.success(notification)) }
        }
        if let lost { self.fail(lost) }
    }

    /// Ends everything under way, and lets nothing be sent any more.
    func fail(_ error: SQLError) {
        let waiting = self.state.withLock { state -> [(UnsafeContinuation<Void, Never>?, [Suspension<Bool>])] in
            state.failure = state.failure ?? error
            state.leftBehind += state.requests.count
            defer { state.requests = [] }
            return state.requests.map { ($0.finish(error), $0.watchers) }
        }
        // Nobody reads the socket any more, which would have the reactor told of it again and again.
        self.unwatch()
        for (continuation, watchers) in waiting {
            continuation?.resume()
            for watcher in watchers { watcher.settle(false) }
        }
        self.listener.withLock { $0 }?(.failure(error))
    }

    /// Reads what the socket has.
    ///
    /// Under TLS up to one record, of 16 KiB, can lie in the library's own buffer, where no socket tells of it, and libpq reads 8 KiB
    /// or more at a time: so until the socket is empty, and three times more.
    ///
    /// - Returns: False if the server has closed the connection.
    private func consume() -> Bool {
        guard PQconsumeInput(self.handle) == 1 else { return false }
        guard PQsslInUse(self.handle) == 1 else { return true }
        var left = 3
        while left > 0 {
            if !PostgresSocket.hasBytes(PQsocket(self.handle)) { left -= 1 }
            guard PQconsumeInput(self.handle) == 1 else { return false }
        }
        return true
    }

    private func collect(
        _ state: inout State, _ done: inout [UnsafeContinuation<Void, Never>], _ answered: inout [Suspension<Bool>]
    ) -> SQLError? {
        // Two commands' results are separated by a nil; more of them in a row than there are commands means that there is nothing.
        var nils = 0
        while let request = state.requests.first, PQisBusy(self.handle) == 0, nils < 8 {
            guard let result = PQgetResult(self.handle) else {
                nils += 1
                continue
            }
            nils = 0
            switch PQresultStatus(result) {
            case PGRES_PIPELINE_SYNC:
                PQclear(result)
                state.requests.removeFirst()
                answered += request.watchers
                if let continuation = request.finish() { done.append(continuation) }
            case PGRES_PIPELINE_ABORTED:
                PQclear(result)
            case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH:
                // libpq would give it again and again.
                PQclear(result)
                return .copyBegun
            default:
                if PQresultStatus(result) == PGRES_FATAL_ERROR, let statement = request.unprepared {
                    state.prepared.remove(statement)
                    request.hasRun = false
                }
                if request.isDone { PQclear(result) } else { request.append(result) }
                request.answerCount += 1
            }
        }
        return nil
    }

    /// Takes the socket from the reactor, and then calls `body`, on the reactor's thread or, once that has ended, here.
    ///
    /// Behind every earlier removal, even if it has none to do itself: the socket's number may only be given away after that.
    func unwatch(then body: @escaping @Sendable () -> Void = {}) {
        let token = self.state.withLock { state in
            defer { state.token = 0 }
            return state.token
        }
        guard token != 0 else { return self.reactor.call(body) }
        self.reactor.remove(token, socket: PQsocket(self.handle), then: body)
    }
}

extension SQLError {
    /// The connection is closed; the statement never began.
    static let notSent = SQLError(.connection, message: "the connection is closed", hasRun: false)
    /// The server did not answer in time, and is not waited for any more.
    static let unanswered = SQLError(.connection, message: "the server did not answer and the connection was given up")

    /// The server waits for rows, or sends them, and nobody has asked for that.
    fileprivate static let copyBegun = SQLError(.connection, message: "the server began a copy that was not asked for")

    /// The connection was lost before the statement could be sent.
    static func notSent(because error: SQLError) -> SQLError {
        var error = error
        error.hasRun = false
        return error
    }
}
