// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceSQL
import SluiceTesting

/// A server that counts its connections, and opens, answers and closes as the test says.
final class FakeServer: Sendable {
    struct State: Sendable {
        var open: Set<Int> = []
        var mostOpen = 0
        var openedEver = 0
        var attempts = 0
        var pings = 0
        /// What connecting ends in, if not in a connection.
        var failure: SQLError?
        /// Connections that do not answer.
        var dead: Set<Int> = []
    }

    private let state = Locked(State())
    /// What connecting, pinging and closing wait for, if anything.
    let connectGate: Gate?
    let pingGate: Gate?
    let closeGate: Gate?

    init(connectGate: Gate? = nil, pingGate: Gate? = nil, closeGate: Gate? = nil) {
        self.connectGate = connectGate
        self.pingGate = pingGate
        self.closeGate = closeGate
    }

    var seen: State { self.state.withLock { $0 } }

    func fail(with error: SQLError?) { self.state.withLock { $0.failure = error } }
    func kill(_ connections: FakeConnection...) {
        self.state.withLock { state in for connection in connections { state.dead.insert(connection.poolID) } }
    }

    @Sendable func connect(_ id: Int) async throws -> FakeConnection {
        self.state.withLock { $0.attempts += 1 }
        try await self.connectGate?.pass()
        let failure = self.state.withLock { state -> SQLError? in
            if let failure = state.failure { return failure }
            state.open.insert(id)
            state.openedEver += 1
            state.mostOpen = max(state.mostOpen, state.open.count)
            return nil
        }
        if let failure { throw failure }
        return FakeConnection(id, self)
    }

    fileprivate func ping(_ id: Int) async -> Bool {
        self.state.withLock { $0.pings += 1 }
        try? await self.pingGate?.pass()
        return self.state.withLock { !$0.dead.contains(id) }
    }

    fileprivate func close(_ id: Int) async {
        try? await self.closeGate?.pass()
        self.state.withLock { _ = $0.open.remove(id) }
    }
}

final class FakeConnection: PooledConnection {
    let poolID: Int
    private let server: FakeServer
    let borrowers = Locked(0)

    init(_ id: Int, _ server: FakeServer) {
        self.poolID = id
        self.server = server
    }

    func ping() async -> Bool { await self.server.ping(self.poolID) }
    func close() async { await self.server.close(self.poolID) }
}

extension ConnectionPool<FakeConnection> {
    /// Returns once the pool is as `condition` says, or the test's time is over.
    func reaches(_ condition: (PoolStatus) -> Bool) async {
        while !condition(self.status), !Task.isCancelled { await Task.yield() }
    }
}

/// Runs `body` as an operation on `time`, under no policy.
func asOperation<Value>(
    _ name: String, on time: any TimeSource, observer: (any PolicyObserver)? = nil,
    _ body: () async throws -> Value
) async throws -> Value {
    let context = OperationContext(name: name, time: time, observer: observer)
    return try await OperationContext.$current.withValue(context) { try await body() }
}
