// SPDX-License-Identifier: Apache-2.0
import Sluice
import Synchronization

// What the pool does by itself. Its tasks are detached, since a connection belongs to the pool and not to the caller whose need
// was the occasion: it must outlive that caller's deadline and cancellation. None is lost: each holds a place in the machine until
// it has reported how it went, and `close()` waits until every place is free.
extension PoolCore {
    /// The operation that the pool's own events belong to.
    var context: OperationContext { OperationContext(name: self.name, time: self.time, observer: self.observer) }

    func report(_ kind: PolicyEventKind, outcome: String? = nil) {
        guard self.observer != nil else { return }
        self.context.record(PolicyEvent(kind, policy: self.name, outcome: outcome))
    }

    /// Does what a decision under the lock came to.
    func perform(_ work: Work) {
        // First, so that the alarm is set when whoever is served goes on.
        if let token = work.oldAlarm { self.time.cancel(token) }
        if let (number, instant) = work.alarm { self.setAlarm(number, instant) }
        for (waiter, connection) in work.lent { waiter.settle(.lent(connection)) }
        for (waiter, error) in work.refused { waiter.settle(.refused(error ?? self.refusal)) }
        for id in work.connect { self.open(id) }
        for connection in work.ping { self.ping(connection) }
        for (connection, reason) in work.close { self.close(connection, reason) }
        for closer in work.closers { closer.resume() }
    }

    private func open(_ id: Int) {
        let task = Task.detached { await self.openNow(id) }
        let isUnwanted = self.state.withLock { state in
            // It may have ended already.
            if state.machine.isConnecting(id) { state.connects[id] = task }
            return state.machine.isClosed
        }
        if isUnwanted { task.cancel() }
    }

    private func openNow(_ id: Int) async {
        let result: Result<any PooledConnection, any Error>
        do {
            let connection = try await OperationContext.$current.withValue(self.context) {
                try await withOperation(self.connectName, limit: self.settings.connectTimeout) { _ in
                    try await self.connect(id)
                }
            }
            precondition(connection.poolID == id, "connection \(id) says that it is \(connection.poolID)")
            result = .success(connection)
        } catch {
            result = .failure(error)
        }
        // A pool that is being closed cancels what it no longer needs.
        if case .failure(let error) = result, !(error is CancellationError) { self.report(.poolConnectFailed) }
        let isPermanent = if case .failure(let error) = result { self.isPermanent(error) } else { false }
        let (now, fraction) = (self.time.now, self.randomness.fraction())
        let work = self.state.withLock { state in
            state.connects[id] = nil
            switch result {
            case .success(let connection):
                state.connections[ConnectionPoolMachine.place(of: id)] = connection
                state.connectError = nil
                return state.resolve(state.machine.connected(id, at: now, fraction: fraction), at: now)
            case .failure(let error):
                state.connectError = error
                return state.resolve(
                    state.machine.connectFailed(id, isPermanent: isPermanent, at: now, fraction: fraction), at: now)
            }
        }
        if let work { self.perform(work) }
    }

    private func ping(_ connection: any PooledConnection) {
        Task.detached {
            let isAlive = await connection.ping()
            let now = self.time.now
            let (isNews, work) = self.state.withLock { state in
                state.noting(at: now) { $0.pinged(connection.poolID, isAlive: isAlive, at: now) }
            }
            if isNews { self.report(.poolInvalidated) }
            if let work { self.perform(work) }
        }
    }

    private func close(_ connection: any PooledConnection, _ reason: PoolCloseReason) {
        Task.detached {
            await connection.close()
            self.report(.poolConnectionClosed, outcome: reason.description)
            let now = self.time.now
            let work = self.state.withLock { state in
                state.resolve(state.machine.closed(connection.poolID, at: now), at: now)
            }
            if let work { self.perform(work) }
        }
    }

    // MARK: The alarm

    /// Weak, so that an alarm minutes ahead does not keep a pool that nobody has any more.
    private func setAlarm(_ number: UInt64, _ instant: Instant) {
        let token = self.time.schedule(at: instant) { [weak self] in self?.ring(number) }
        let isWanted = self.state.withLock { $0.alarm.note(token, for: number) }
        if !isWanted { self.time.cancel(token) }
    }

    private func ring(_ number: UInt64) {
        let now = self.time.now
        let (overdue, work) = self.state.withLock { state in
            state.alarm.ring(number)
            let overdue = state.leases.overdue(at: now)
            return (overdue, state.resolve(state.machine.tick(at: now), at: now))
        }
        for lease in overdue {
            let context = lease.context ?? self.context
            context.record(
                PolicyEvent(.poolLeaseOverdue, policy: self.name, duration: lease.since.duration(to: now)))
        }
        if let work { self.perform(work) }
    }
}
