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
        /// What is prepared here, by the query's text, and when each was last used.
        var prepared: [[String]: (statement: PostgresStatement, lastUse: Int)] = [:]
        var useCount = 0
    }

    /// How long a connection that was told to stop may take to say so.
    static let grace: Duration = .seconds(5)

    let poolID: Int
    let reactor: PostgresReactor
    let statements: PostgresStatements
    let time: any TimeSource
    let handle: OpaquePointer
    private let cancelHandle: OpaquePointer?
    let state = Mutex(State())
    /// Whether several borrowers may be using it: then nothing on it is ever stopped, since that could hit another's.
    let isShared = Atomic(false)
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
        self.cancelHandle = PQgetCancel(handle)
        let token = reactor.add(self, socket: PQsocket(handle))
        self.state.withLock { $0.token = token }
    }

    var dialect: SQLDialect { .postgres }

    /// Whether it can still be used.
    var isUsable: Bool { self.state.withLock { $0.failure == nil } }

    /// Whether a transaction is open, so that the connection cannot be lent to another.
    var isInTransaction: Bool {
        self.state.withLock { _ in
            let status = PQtransactionStatus(self.handle)
            return status == PQTRANS_INTRANS || status == PQTRANS_INERROR
        }
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
            let isOver = self.state.withLock { state in
                request.failure = state.failure ?? (request.abandonment == nil ? nil : .notSent)
                if request.failure == nil { request.failure = send(&state) ?? self.synchronise(&state) }
                guard request.failure == nil else {
                    request.isDone = true
                    return true
                }
                request.isSent = true
                request.continuation = continuation
                state.requests.append(request)
                return false
            }
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

    // MARK: Giving up

    private func abandon(_ request: PostgresRequest, _ reason: PostgresRequest.Abandonment) {
        let continuation = self.state.withLock { state -> UnsafeContinuation<Void, Never>? in
            guard !request.isDone, request.abandonment == nil else { return nil }
            request.abandonment = reason
            guard request.isSent else { return nil }
            // Somebody else's statement could be the one that is stopped; this one's answer is thrown away when it comes.
            if self.isShared.load(ordering: .relaxed) { return request.finish() }
            // Unstructured, since a cancellation handler cannot wait; whoever gave up waits for it before the connection is
            // used again.
            request.stopping = Task { await self.stopServer(request) }
            return nil
        }
        continuation?.resume()
    }

    /// Tells the server to stop what it is doing, and gives the connection up if it does not.
    ///
    /// - Returns: The alarm for the latter, to be called off once the answer is there.
    private func stopServer(_ request: PostgresRequest) async -> TimerToken {
        let alarm = self.time.schedule(at: self.time.now.advanced(by: Self.grace)) {
            if self.state.withLock({ _ in !request.isDone }) { self.fail(.unanswered) }
        }
        let cancel = CancelHandle(pointer: self.cancelHandle)
        // Blocks while it connects; of no use to us if it fails, and then the grace ends.
        _ = try? await offload { cancel.send() }
        return alarm
    }

    /// Waits until the server has been told to stop and has nothing left to stop: a request of its own takes what comes late.
    private func settle(after stopping: Task<TimerToken, Never>) async {
        self.time.cancel(await stopping.value)
        let probe = PostgresRequest()
        try? await self.ask(isShielded: true, probe) { _ in
            PQsendQueryParams(self.handle, "SELECT 1", 0, nil, nil, nil, nil, 0) == 1 ? nil : .lost(self.handle)
        }
    }

    /// Calls `body` when everything sent so far has been answered, those given up among it; with false if that takes longer than a
    /// second: then something of it runs on that nobody wants.
    ///
    /// Until then the connection is not to be lent alone.
    func afterAnswers(_ body: @escaping @Sendable (Bool) -> Void) {
        let isFirst = Once()
        let last = self.state.withLock { $0.requests.last }
        guard let last else { return body(true) }
        let alarm = self.time.schedule(at: self.time.now.advanced(by: .seconds(1))) {
            if isFirst.take() { body(false) }
        }
        let isAnswered = self.state.withLock { state in
            guard state.requests.contains(where: { $0 === last }) else { return true }
            last.followUps.append {
                self.time.cancel(alarm)
                if isFirst.take() { body(true) }
            }
            return false
        }
        guard isAnswered else { return }
        self.time.cancel(alarm)
        if isFirst.take() { body(true) }
    }

    /// Ends everything under way, and lets nothing be sent any more.
    func fail(_ error: SQLError) {
        let (waiting, followUps) = self.state.withLock { state in
            state.failure = state.failure ?? error
            defer { state.requests = [] }
            return (state.requests.compactMap { $0.finish(error) }, state.requests.flatMap(\.followUps))
        }
        for continuation in waiting { continuation.resume() }
        for followUp in followUps { followUp() }
        self.listener.withLock { $0 }?(.failure(error))
    }

    // MARK: Answers

    func socketIsReady() {
        var done: [PostgresRequest] = []
        var waiting: [UnsafeContinuation<Void, Never>] = []
        var notifications: [PostgresNotification] = []
        let lost = self.state.withLock { state -> SQLError? in
            if let failure = state.failure { return failure }
            let isOpen = self.consume()
            self.collect(&state, &done)
            waiting = done.compactMap { $0.finish() }
            while let notification = PQnotifies(self.handle) {
                notifications.append(PostgresNotification(notification))
                PQfreemem(notification)
            }
            return isOpen ? self.flush(&state) : .lost(self.handle)
        }
        for continuation in waiting { continuation.resume() }
        for request in done where !request.followUps.isEmpty { for followUp in request.followUps { followUp() } }
        if !notifications.isEmpty, let listener = self.listener.withLock({ $0 }) {
            for notification in notifications { listener(.success(notification)) }
        }
        if let lost {
            self.unwatch()
            self.fail(lost)
        }
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

    private func collect(_ state: inout State, _ done: inout [PostgresRequest]) {
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
                done.append(state.requests.removeFirst())
            case PGRES_PIPELINE_ABORTED:
                PQclear(result)
            default:
                if request.isDone { PQclear(result) } else { request.append(result) }
            }
        }
    }

    /// Takes the socket from the reactor, which would otherwise report its end for ever, and then calls `body`.
    func unwatch(then body: @escaping @Sendable () -> Void = {}) {
        let token = self.state.withLock { state in
            defer { state.token = 0 }
            return state.token
        }
        guard token != 0 else { return body() }
        self.reactor.remove(token, socket: PQsocket(self.handle), then: body)
    }

    func sendCancel() { CancelHandle(pointer: self.cancelHandle).send() }

    func freeCancel() { PQfreeCancel(self.cancelHandle) }
}

/// What stops a connection's statement from another thread.
///
/// Unchecked, because it is a C pointer, which libpq allows any thread to use.
private struct CancelHandle: @unchecked Sendable {
    let pointer: OpaquePointer?

    func send() {
        guard let pointer = self.pointer else { return }
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
            _ = PQcancel(pointer, buffer.baseAddress, 256)
        }
    }
}

extension SQLError {
    /// The connection is closed; the statement never began.
    static let notSent = SQLError(.connection, message: "the connection is closed", hasRun: false)
    /// The server did not answer in time, and is not waited for any more.
    static let unanswered = SQLError(.connection, message: "the server did not answer and the connection was given up")
}
