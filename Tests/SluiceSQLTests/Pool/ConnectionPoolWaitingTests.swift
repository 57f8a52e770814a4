// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceTesting
import Testing

@testable import SluiceSQL

/// A caller whose tasks run only when it lets them.
private actor Caller {
    let pool: ConnectionPool<FakeConnection>

    init(_ pool: ConnectionPool<FakeConnection>) {
        self.pool = pool
    }

    func acquire() async throws -> FakeConnection { try await self.pool.acquire() }

    /// Hands a connection over to `waiter`, and cancels it before it can take note.
    func handOver(_ connection: FakeConnection, cancelling waiter: Task<FakeConnection, any Error>) {
        self.pool.release(connection)
        waiter.cancel()
    }
}

@Suite("Waiting for a connection", .timeLimit(.minutes(5)))
struct ConnectionPoolWaitingTests {
    let time = VirtualTime()

    private func pool(
        _ server: FakeServer, _ settings: PoolSettings = PoolSettings(), observer: (any PolicyObserver)? = nil
    ) -> ConnectionPool<FakeConnection> {
        ConnectionPool("db", settings: settings, time: self.time, observer: observer, connect: server.connect)
    }

    /// What a caller is told that gets no connection in time.
    private func message(_ waiter: Task<FakeConnection, any Error>) async throws -> String {
        let result = await waiter.result
        guard case .failure(let error) = result else { return "got one" }
        let failure = try #require(error as? SQLError, "\(error)")
        #expect(failure.kind == .pool)
        return failure.message
    }

    // MARK: Why there was none

    @Test("a timeout says that all were lent, for how long, and to whom")
    func allLent() async throws {
        let pool = self.pool(FakeServer(), PoolSettings(size: 1, overflow: 0, acquireTimeout: .seconds(5)))
        let held = try await asOperation("import", on: self.time) { try await pool.acquire() }
        self.time.advance(by: .seconds(2))
        let waiter = Task { try await pool.acquire() }
        await pool.reaches { $0.waiting == 1 }
        await self.time.waitForAlarms(2)
        self.time.advance(by: .seconds(5))
        let message = try await self.message(waiter)
        #expect(
            message
                == "db: no connection within 5s, spent waiting for a free connection; 0 idle, 1 lent, 0 connecting, "
                + "0 closing, 0 waiting (size 1 + 0); oldest lease 7s by import")
        #expect(pool.status.waiting == 0)
        pool.release(held)
        await pool.close()
    }

    @Test("a timeout says that connecting took the time, and what connecting failed with last")
    func connecting() async throws {
        let server = FakeServer()
        server.fail(with: SQLError(.connection, message: "refused"))
        let pool = self.pool(server, PoolSettings(acquireTimeout: .seconds(5)))
        let waiter = Task { try await pool.acquire() }
        await pool.reaches { $0.waiting == 1 }
        let message = try await self.time.runUntilIdle { try await self.message(waiter) }
        #expect(message.contains("within 5s, spent connecting;"))
        #expect(message.hasSuffix("last connect error: database connection: refused"))
        #expect(server.seen.attempts > 3)
        await pool.close()
    }

    @Test("a timeout says that pinging took the time")
    func pinging() async throws {
        let server = FakeServer(pingGate: Gate())
        let pool = self.pool(server, PoolSettings(acquireTimeout: .seconds(5)))
        try await pool.withConnection { _ in }
        self.time.advance(by: .seconds(2))
        let waiter = Task { try await pool.acquire() }
        await server.pingGate?.waitForArrivals(1)
        await self.time.waitForAlarms(2)
        self.time.advance(by: .seconds(5))
        let message = try await self.message(waiter)
        #expect(message.contains("within 5s, spent pinging;"))
        #expect(pool.status.lent == 1)
        server.pingGate?.open()
        await pool.reaches { $0.idle == 1 }
        await pool.close()
    }

    @Test("a caller that holds a connection already is told that it may be waiting for itself")
    func nested() async throws {
        let pool = self.pool(FakeServer(), PoolSettings(size: 1, overflow: 0, acquireTimeout: .seconds(5)))
        let waiter = Task {
            try await asOperation("transfer", on: self.time) {
                try await pool.withConnection { _ in
                    try await withOperation("audit") { _ in try await pool.acquire() }
                }
            }
        }
        await pool.reaches { $0.waiting == 1 && $0.lent == 1 }
        await self.time.waitForAlarms(2)
        self.time.advance(by: .seconds(5))
        #expect(try await self.message(waiter).contains("hint: this operation holds 1 connection(s) already"))
        await pool.close()
    }

    @Test("the operation's deadline bounds the wait, and the reason is told all the same")
    func deadline() async throws {
        let pool = self.pool(FakeServer(), PoolSettings(size: 1, overflow: 0))
        let held = try await pool.acquire()
        let pipeline = Pipeline("p", time: self.time) { Deadline(.seconds(3)) }
        let waiter = Task { try await pipeline { try await pool.acquire() } }
        await pool.reaches { $0.waiting == 1 }
        await self.time.waitForAlarms(3)
        self.time.advance(by: .seconds(3))
        #expect(try await self.message(waiter).contains("no connection within 3s, spent waiting"))
        pool.release(held)
        await pool.close()
    }

    @Test("more than may wait are turned away at once")
    func full() async throws {
        let pool = self.pool(FakeServer(), PoolSettings(size: 1, overflow: 0, maximumWaiting: 1))
        let held = try await pool.acquire()
        let waiter = Task { try await pool.acquire() }
        await pool.reaches { $0.waiting == 1 }
        let another = Task { try await pool.acquire() }
        #expect(try await self.message(another).hasPrefix("db: 1 wait already; 0 idle, 1 lent"))
        pool.release(held)
        pool.release(try await waiter.value)
        await pool.close()
    }

    // MARK: Failing to connect

    @Test("a failure that does not pass fails everybody at once, and newcomers until it may be tried again")
    func permanent() async throws {
        let wrong = SQLError(.authentication, message: "wrong password")
        let server = FakeServer(connectGate: Gate())
        server.fail(with: wrong)
        let pool = self.pool(server, PoolSettings(maximumConnecting: 1))
        let waiters = (0..<3).map { _ in Task { try await pool.acquire() } }
        await pool.reaches { $0.waiting == 3 }
        server.connectGate?.open()
        for waiter in waiters { await #expect(throws: wrong) { try await waiter.value } }
        await #expect(throws: wrong) { try await pool.acquire() }
        #expect(server.seen.attempts == 1)
        server.fail(with: nil)
        self.time.advance(by: .milliseconds(100))
        pool.release(try await pool.acquire())
        #expect(server.seen.attempts == 2)
        await pool.close()
    }

    @Test("while the server is away tries again, one at a time, and serves everybody when it is back")
    func comesBack() async throws {
        let server = FakeServer()
        server.fail(with: SQLError(.connection, message: "refused"))
        let pool = self.pool(server)
        let waiters = (0..<10).map { _ in Task { try await pool.withConnection { $0.poolID } } }
        // How many are tried at first depends on when the first of them fails.
        await pool.reaches { $0.waiting == 10 && $0.connecting == 0 }
        let before = server.seen.attempts
        for attempt in 1...4 {
            // Each caller's limit and the pool's next attempt.
            await self.time.waitForAlarms(11)
            self.time.advance(by: .seconds(5))
            await pool.reaches { _ in server.seen.attempts == before + attempt }
            await pool.reaches { $0.connecting == 0 }
        }
        await self.time.waitForAlarms(11)
        server.fail(with: nil)
        self.time.advance(by: .seconds(5))
        for waiter in waiters { _ = try await waiter.value }
        await pool.close()
    }

    @Test("connecting is cancelled at its own limit, whoever waits")
    func connectTimeout() async throws {
        let server = FakeServer(connectGate: Gate())
        let observer = RecordingObserver()
        let pool = self.pool(server, PoolSettings(connectTimeout: .seconds(10)), observer: observer)
        let waiter = Task { try await pool.acquire() }
        await server.connectGate?.waitForArrivals(1)
        await self.time.waitForAlarms(2)
        server.connectGate?.open()
        pool.release(try await waiter.value)
        let stuck = FakeServer(connectGate: Gate())
        let other = self.pool(stuck, PoolSettings(connectTimeout: .seconds(10)), observer: observer)
        let loser = Task { try await other.acquire() }
        await stuck.connectGate?.waitForArrivals(1)
        await self.time.waitForAlarms(3)
        self.time.advance(by: .seconds(10))
        await other.reaches { $0.connecting == 0 }
        #expect(observer.names.contains("pool.connectFailed"))
        loser.cancel()
        await #expect(throws: CancellationError.self) { try await loser.value }
        await other.close()
        await pool.close()
    }

    // MARK: Cancellation

    @Test("a connection that was handed over to somebody who is cancelled goes back")
    func handedOver() async throws {
        let pool = self.pool(FakeServer(), PoolSettings(size: 1, overflow: 0))
        let caller = Caller(pool)
        let held = try await pool.acquire()
        let waiter = Task { try await caller.acquire() }
        await pool.reaches { $0.waiting == 1 }
        await caller.handOver(held, cancelling: waiter)
        let result = await waiter.result
        #expect(throws: CancellationError.self) { pool.release(try result.get()) }
        #expect(pool.status.idle == 1)
        await pool.close()
    }

    @Test("who is cancelled leaves the queue at once")
    func cancelled() async throws {
        let pool = self.pool(FakeServer(), PoolSettings(size: 1, overflow: 0))
        let held = try await pool.acquire()
        let waiter = Task { try await pool.acquire() }
        await pool.reaches { $0.waiting == 1 }
        waiter.cancel()
        #expect(pool.status.waiting == 0)
        await #expect(throws: CancellationError.self) { try await waiter.value }
        pool.release(held)
        #expect(pool.status.idle == 1)
        let late = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await pool.acquire()
        }
        await #expect(throws: CancellationError.self) { try await late.value }
        #expect(pool.status.idle == 1)
        await pool.close()
    }

    @Test("loses no connection and opens no more than it may, over ten thousand tasks of which half are cancelled")
    func storm() async throws {
        let server = FakeServer()
        let settings = PoolSettings(
            size: 4, overflow: 3, acquireTimeout: .seconds(240), statementsPerConnection: 3)
        let pool = ConnectionPool("db", settings: settings, connect: server.connect)
        let served = Locked(0)
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<10_000 {
                group.addTask {
                    let kind: LeaseKind = number % 3 == 0 ? .exclusive : .shared
                    let task = Task {
                        try await pool.withConnection(kind, isReusable: { _ in number % 50 != 0 }) { connection in
                            let users = connection.borrowers.withLock { users in
                                users += 1
                                return users
                            }
                            if kind == .exclusive { #expect(users == 1) } else { #expect(users <= 3) }
                            await Task.yield()
                            connection.borrowers.withLock { $0 -= 1 }
                            served.withLock { $0 += 1 }
                        }
                    }
                    if number % 2 == 0 {
                        if number % 4 == 0 { await Task.yield() }
                        task.cancel()
                    }
                    _ = await task.result
                }
            }
        }
        #expect(pool.status.leases == 0)
        #expect(pool.status.lent == 0)
        #expect(pool.status.waiting == 0)
        #expect(served.withLock { $0 } >= 5_000)
        #expect(server.seen.mostOpen <= 7)
        await pool.close()
        #expect(server.seen.open.isEmpty)
        #expect(pool.status == PoolStatus())
    }
}
