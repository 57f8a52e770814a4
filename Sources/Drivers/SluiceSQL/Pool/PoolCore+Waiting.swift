// SPDX-License-Identifier: Apache-2.0
import Sluice
import Synchronization

extension PoolCore {
    /// When a wait that begins now ends in any case.
    func limit(from now: Instant, _ context: OperationContext?) -> Instant {
        let limit = now.advanced(by: self.settings.acquireTimeout)
        guard let context, context.time === self.time else { return limit }
        return min(limit, context.deadline)
    }

    /// Waits for a turn.
    func wait(_ waiter: Waiter) async throws -> any PooledConnection {
        (waiter.context ?? self.context).record(PolicyEvent(.poolWaiting, policy: self.name))
        let end = await waiter.wait(on: self.time) { self.leave(waiter) }
        if case .lent(let connection) = end, Task.isCancelled {
            self.release(connection.poolID, true)
            throw CancellationError()
        }
        return try self.connection(waiter, end)
    }

    /// Borrows a connection for a caller that is no task: `body` is called with it, at once or from whoever gives one back.
    ///
    /// - Returns: What takes the caller out of the queue, if it waits: then `body` is called with a `CancellationError`.
    func acquire(
        _ kind: LeaseKind, then body: @escaping @Sendable (Result<any PooledConnection, any Error>) -> Void
    ) -> (@Sendable () -> Void)? {
        let now = self.time.now
        let context = OperationContext.current
        let (claim, work) = self.state.withLock { $0.ask(kind, at: now, self.limit(from: now, context), context) }
        if let work { self.perform(work) }
        switch claim {
        case .lent(let connection): body(.success(connection))
        case .refused(let error): body(.failure(error ?? self.refusal))
        case .full: body(.failure(self.fullQueue))
        case .waiting(let waiter):
            (context ?? self.context).record(PolicyEvent(.poolWaiting, policy: self.name))
            let leave: @Sendable () -> Void = { self.leave(waiter) }
            waiter.receive(on: self.time, leave: leave) { end in
                body(Result { try self.connection(waiter, end) })
            }
            return leave
        }
        return nil
    }

    private func connection(_ waiter: Waiter, _ end: Waiter.End) throws -> any PooledConnection {
        switch end {
        case .lent(let connection): return connection
        case .refused(let error): throw error
        case .cancelled: throw CancellationError()
        case .late(let shortage):
            (waiter.context ?? self.context)
                .record(PolicyEvent(.poolTimedOut, policy: self.name, duration: shortage.waited))
            throw shortage.error
        }
    }

    /// Takes a caller out of the queue, at its limit or because it was cancelled, unless its turn has come.
    private func leave(_ waiter: Waiter) {
        let now = self.time.now
        let left = self.state.withLock { state -> (Waiter.End, Work?)? in
            guard let (phase, work) = state.giveUp(waiter, at: now) else { return nil }
            // Whoever set an earlier deadline enforces it by cancellation, at the same moment: the reason is the same.
            guard now >= waiter.limit else { return (.cancelled, work) }
            let waited = waiter.start.duration(to: now)
            return (.late(self.shortage(phase, after: waited, waiter.context, state, now)), work)
        }
        guard let (end, work) = left else { return }
        waiter.settle(end)
        if let work { self.perform(work) }
    }

    private func shortage(
        _ phase: PoolShortage.Phase, after waited: Duration, _ context: OperationContext?, _ state: borrowing State,
        _ now: Instant
    ) -> PoolShortage {
        PoolShortage(
            pool: self.name, phase: phase, waited: waited, status: state.machine.status, settings: self.settings,
            oldestLease: state.leases.oldest.map { ($0.since.duration(to: now), $0.context?.name) },
            lastConnectError: state.connectError,
            ownLeases: context.map { state.leases.count(of: $0.id) } ?? 0)
    }

    /// What somebody gets who has waited in a queue of his own for connections that are all lent.
    func shortage(after waited: Duration) -> SQLError {
        let now = self.time.now
        return self.state.withLock { self.shortage(.waiting, after: waited, nil, $0, now).error }
    }

    /// What a caller gets where nothing is lent any more.
    var refusal: RejectionError { RejectionError(policy: self.name, reason: .closed) }

    /// What a caller gets where as many wait as may.
    var fullQueue: SQLError {
        SQLError(.pool, message: "\(self.name): \(self.settings.maximumWaiting) wait already; \(self.status)")
    }
}
