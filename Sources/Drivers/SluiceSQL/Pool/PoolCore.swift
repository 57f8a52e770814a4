// SPDX-License-Identifier: Apache-2.0
import Sluice
import Synchronization

/// A ``ConnectionPool`` of connections of whatever type: one lock around one ``ConnectionPoolMachine``.
final class PoolCore: Sendable {
    let name: String
    let settings: PoolSettings
    let state: Mutex<State>
    let time: any TimeSource
    let connect: @Sendable (Int) async throws -> any PooledConnection
    let isPermanent: @Sendable (any Error) -> Bool
    let observer: (any PolicyObserver)?
    let connectName: String
    let randomness: Randomness

    init(
        _ name: String, _ settings: PoolSettings, time: any TimeSource, observer: (any PolicyObserver)?,
        randomness: Randomness, isPermanent: @escaping @Sendable (any Error) -> Bool,
        connect: @escaping @Sendable (Int) async throws -> any PooledConnection
    ) {
        self.name = name
        self.connectName = name + ".connect"
        self.settings = settings
        self.time = time
        self.observer = observer
        self.randomness = randomness
        self.isPermanent = isPermanent
        self.connect = connect
        self.state = Mutex(State(settings))
    }

    var status: PoolStatus { self.state.withLock { $0.machine.status } }

    func acquire(_ kind: LeaseKind) async throws -> any PooledConnection {
        try Task.checkCancellation()
        let now = self.time.now
        let context = OperationContext.current
        let (claim, work) = self.state.withLock { $0.ask(kind, at: now, self.limit(from: now, context), context) }
        if let work { self.perform(work) }
        switch claim {
        case .lent(let connection): return connection
        case .refused(let error): throw error ?? self.refusal as any Error
        case .full: throw self.fullQueue
        case .waiting(let waiter): return try await self.wait(waiter)
        }
    }

    func tryAcquire(_ kind: LeaseKind) -> (any PooledConnection)? {
        let now = self.time.now
        let context = OperationContext.current
        let (connection, work) = self.state.withLock { $0.take(kind, at: now, context) }
        if let work { self.perform(work) }
        return connection
    }

    func release(_ id: Int, _ isReusable: Bool) {
        let now = self.time.now
        if let work = self.state.withLock({ $0.release(id, isReusable, at: now) }) { self.perform(work) }
    }

    func invalidate(because id: Int?) {
        let now = self.time.now
        let (isNews, work) = self.state.withLock { state in
            state.noting(at: now) { $0.invalidate(because: id, at: now) }
        }
        if isNews { self.report(.poolInvalidated) }
        if let work { self.perform(work) }
    }

    func close() async {
        let now = self.time.now
        let (work, connects) = self.state.withLock { state in
            (state.resolve(state.machine.close(), at: now), Array(state.connects.values))
        }
        if let work { self.perform(work) }
        for task in connects { task.cancel() }
        await withCheckedContinuation { continuation in
            let isDrained = self.state.withLock { state in
                if !state.machine.isDrained { state.closers.append(continuation) }
                return state.machine.isDrained
            }
            if isDrained { continuation.resume() }
        }
    }
}
