// SPDX-License-Identifier: Apache-2.0
import DequeModule
import Sluice
import SluiceSQL
import Synchronization

/// The single statements that wait for a connection, and the connections that run them one after the other.
///
/// A connection is not borrowed for each statement: once lent it is a lane, which takes statements off one queue until that is empty,
/// or for ``turn`` statements, so that those who wait in the pool get theirs. Many threads that ask a pool for each statement spend a
/// third of their time at its lock.
final class MySQLLanes: Sendable {
    /// How many statements a lane runs, and for how long, before it asks the pool again.
    private static let turn = (count: 64, time: Duration.milliseconds(10))

    private struct State {
        var queue = Deque<MySQLCall>()
        /// Connections that run statements of the queue.
        var laneCount = 0
        /// Connections that the pool was asked for and has not lent yet.
        var askedCount = 0
        var alarm: (token: TimerToken, instant: Instant)?

        /// Takes those out whose time is over.
        mutating func removeLate(_ now: Instant) -> [MySQLCall] {
            let late = Array(self.queue.filter { $0.limit <= now })
            if !late.isEmpty { self.queue.removeAll { $0.limit <= now } }
            return late
        }

        /// Whether one more connection has something to do.
        mutating func mustAsk(_ capacity: Int) -> Bool {
            guard self.askedCount < self.queue.count, self.askedCount + self.laneCount < capacity else { return false }
            self.askedCount += 1
            return true
        }
    }

    private let pool: ConnectionPool<MySQLConnection>
    private let time: any TimeSource
    private let state = Mutex(State())

    init(_ pool: ConnectionPool<MySQLConnection>, time: any TimeSource) {
        self.pool = pool
        self.time = time
    }

    /// How many statements wait.
    var waitingCount: Int { self.state.withLock { $0.queue.count { !$0.hasEnded } } }

    /// Runs a statement on whatever connection is next.
    func execute(_ query: SQLQuery) async throws -> SQLResult {
        try Task.checkCancellation()
        let now = self.time.now
        let call = MySQLCall(query, start: now, limit: self.limit(from: now))
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                if call.suspend(continuation) { self.add(call) }
            }
        } onCancel: {
            call.cancel()
        }
    }

    private func limit(from now: Instant) -> Instant {
        let limit = now.advanced(by: self.pool.settings.acquireTimeout)
        guard let context = OperationContext.current, context.time === self.time else { return limit }
        return min(limit, context.deadline)
    }

    private func add(_ call: MySQLCall) {
        let settings = self.pool.settings
        let (isFull, mustAsk) = self.state.withLock { state -> (Bool, Bool) in
            // Those that were cancelled stay where they are until it matters.
            if state.queue.count >= settings.maximumWaiting { state.queue.removeAll { $0.hasEnded } }
            guard state.queue.count < settings.maximumWaiting else { return (true, false) }
            state.queue.append(call)
            self.setAlarm(for: call.limit, in: &state)
            return (false, state.mustAsk(settings.capacity))
        }
        if isFull {
            call.end(
                .failure(
                    SQLError(
                        .pool,
                        message: "\(self.pool.name): \(settings.maximumWaiting) wait already; \(self.pool.status)",
                        hasRun: false)))
        }
        if mustAsk { self.ask() }
    }

    private func ask() {
        _ = self.pool.acquire(.exclusive) { claim in
            switch claim {
            case .success(let connection): self.open(connection)
            case .failure(let error): self.refused(error)
            }
        }
    }

    private func open(_ connection: MySQLConnection) {
        self.state.withLock { state in
            state.askedCount -= 1
            state.laneCount += 1
        }
        if connection.thread.call({ self.serve(on: connection) }) { return }
        self.close(connection)
    }

    /// No connection is to be had: those who waited for it to no avail hear why.
    private func refused(_ error: any Error) {
        let now = self.time.now
        let isFull = self.pool.status.waiting >= self.pool.settings.maximumWaiting
        let (ended, mustAsk) = self.state.withLock { state -> ([MySQLCall], Bool) in
            state.askedCount -= 1
            let isLate = (error as? SQLError)?.kind == .pool
            var ended: [MySQLCall] = []
            if isLate {
                // The time of one is not that of the others.
                ended = state.removeLate(now)
                // Or as many wait in the pool as may: then each refusal is somebody's.
                if ended.isEmpty, isFull, let last = state.queue.popLast() { ended = [last] }
            } else if state.laneCount == 0, state.askedCount == 0 {
                ended = Array(state.queue)
                state.queue.removeAll()
            }
            return (ended, isLate && state.mustAsk(self.pool.settings.capacity))
        }
        for call in ended { call.end(.failure(error)) }
        if mustAsk { self.ask() }
    }

    // MARK: On a connection's thread

    private func serve(on connection: MySQLConnection) {
        let end = SystemTime.shared.now.advanced(by: Self.turn.time)
        for _ in 0..<Self.turn.count {
            guard connection.isUsable, !connection.isMarked, SystemTime.shared.now < end, let call = self.next() else {
                break
            }
            guard call.begin(on: connection) else { continue }
            let result = connection.executeHere(call.query, call.run)
            if connection.isDirty { connection.resetHere() }
            call.end(result)
        }
        self.close(connection)
    }

    private func next() -> MySQLCall? { self.state.withLock { $0.queue.popFirst() } }

    /// Gives the connection back, and asks for another one if there is more to do.
    private func close(_ connection: MySQLConnection) {
        let mustAsk = self.state.withLock { state in
            state.laneCount -= 1
            return state.mustAsk(self.pool.settings.capacity)
        }
        self.pool.takeBack(connection)
        if mustAsk { self.ask() }
    }

    // MARK: The alarm

    /// How much later than the pool's own alarm this one rings: what the pool says of the same wait says more.
    private static let patience: Duration = .milliseconds(5)

    /// Sets the alarm under the lock; a time source calls back outside every lock of its own.
    private func setAlarm(for limit: Instant, in state: inout State) {
        let limit = limit.advanced(by: Self.patience)
        if let alarm = state.alarm {
            if alarm.instant <= limit { return }
            self.time.cancel(alarm.token)
        }
        state.alarm = (self.time.schedule(at: limit) { [weak self] in self?.ring() }, limit)
    }

    private func ring() {
        let now = self.time.now
        let late = self.state.withLock { state -> [MySQLCall] in
            if let alarm = state.alarm, now < alarm.instant { return [] }
            state.alarm = nil
            let late = state.removeLate(now)
            if let next = state.queue.lazy.map(\.limit).min() { self.setAlarm(for: next, in: &state) }
            return late
        }
        for call in late { call.end(.failure(self.pool.shortage(after: call.start.duration(to: now)))) }
    }
}

extension ConnectionPool where Connection == MySQLConnection {
    /// Takes a connection back whose transactions have ended; one whose session was changed is closed.
    ///
    /// If it was lost, those opened before it are closed too, since what ended it will have ended them.
    func takeBack(_ connection: MySQLConnection) {
        if !connection.isUsable, !connection.wasCutOff { self.invalidate(because: connection) }
        self.release(connection, isReusable: connection.isUsable && !connection.wasCutOff && !connection.isMarked)
    }
}
