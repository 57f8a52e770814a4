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
        let context = waiter.context ?? self.context
        context.record(PolicyEvent(.poolWaiting, policy: self.name))
        switch await waiter.wait(on: self.time, leave: { self.leave(waiter) }) {
        case .lent(let connection):
            guard !Task.isCancelled else {
                self.release(connection.poolID, true)
                throw CancellationError()
            }
            return connection
        case .refused(let error): throw error
        case .cancelled: throw CancellationError()
        case .late(let shortage):
            context.record(PolicyEvent(.poolTimedOut, policy: self.name, duration: shortage.waited))
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
            let oldest = state.leases.oldest
            let shortage = PoolShortage(
                pool: self.name, phase: phase, waited: waiter.start.duration(to: now), status: state.machine.status,
                settings: self.settings,
                oldestLease: oldest.map { ($0.since.duration(to: now), $0.context?.name) },
                lastConnectError: state.connectError,
                ownLeases: waiter.context.map { state.leases.count(of: $0.id) } ?? 0)
            return (.late(shortage), work)
        }
        guard let (end, work) = left else { return }
        waiter.settle(end)
        if let work { self.perform(work) }
    }

    /// What a caller gets where nothing is lent any more.
    var refusal: RejectionError { RejectionError(policy: self.name, reason: .closed) }

    /// What a caller gets where as many wait as may.
    var fullQueue: SQLError {
        SQLError(.pool, message: "\(self.name): \(self.settings.maximumWaiting) wait already; \(self.status)")
    }
}
