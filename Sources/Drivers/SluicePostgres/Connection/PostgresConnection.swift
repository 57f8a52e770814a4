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

    func flush(_ state: inout State) -> SQLError? {
        let status = PQflush(self.handle)
        if status < 0 { return .lost(self.handle) }
        if state.waitsForRoom != (status == 1) {
            state.waitsForRoom = status == 1
            self.reactor.watch(state.token, socket: PQsocket(self.handle), forRoom: state.waitsForRoom)
        }
        return nil
    }
}

extension SQLError {
    /// The connection is closed; the statement never began.
    static let notSent = SQLError(.connection, message: "the connection is closed", hasRun: false)
    /// The server did not answer in time, and is not waited for any more.
    static let unanswered = SQLError(.connection, message: "the server did not answer and the connection was given up")

    /// The connection was lost before the statement could be sent.
    static func notSent(because error: SQLError) -> SQLError {
        var error = error
        error.hasRun = false
        return error
    }
}
