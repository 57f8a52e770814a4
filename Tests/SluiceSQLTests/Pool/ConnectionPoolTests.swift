// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceTesting
import Testing

@testable import SluiceSQL

@Suite("Connection pool", .timeLimit(.minutes(5)))
struct ConnectionPoolTests {
    let time = VirtualTime()

    private func pool(
        _ server: FakeServer, _ settings: PoolSettings = PoolSettings(), observer: (any PolicyObserver)? = nil
    ) -> ConnectionPool<FakeConnection> {
        ConnectionPool("db", settings: settings, time: self.time, observer: observer, connect: server.connect)
    }

    // MARK: Lending

    @Test("opens a connection when the first is asked for, and lends it again")
    func reuse() async throws {
        let server = FakeServer()
        let pool = self.pool(server)
        #expect(pool.tryAcquire() == nil)
        let first = try await pool.acquire()
        pool.release(first)
        let second = try #require(pool.tryAcquire())
        #expect(second === first)
        #expect(pool.tryAcquire() == nil)
        pool.release(second)
        let value = try await pool.withConnection { $0.poolID }
        #expect(value == first.poolID)
        #expect(pool.status.idle == 1)
        await pool.close()
        #expect(server.seen.open.isEmpty)
    }

    @Test("gives the connection back when the body throws, and closes it if it must not be used again")
    func bodyThrows() async throws {
        let server = FakeServer()
        let pool = self.pool(server)
        await #expect(throws: SQLError(.statement, message: "no")) {
            try await pool.withConnection { _ in throw SQLError(.statement, message: "no") }
        }
        #expect(pool.status.idle == 1)
        try await pool.withConnection(isReusable: { _ in false }) { _ in }
        await pool.reaches { $0.size == 0 }
        #expect(server.seen.open.isEmpty)
        await pool.close()
    }

    @Test("serves those who wait in order of arrival")
    func order() async throws {
        let pool = self.pool(FakeServer(), PoolSettings(size: 1, overflow: 0))
        let order = Locked<[Int]>([])
        let held = try await pool.acquire()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<20 {
                group.addTask { try await pool.withConnection { _ in order.withLock { $0.append(number) } } }
                await pool.reaches { $0.waiting > number }
            }
            pool.release(held)
            try await group.waitForAll()
        }
        #expect(order.withLock { $0 } == Array(0..<20))
        await pool.close()
    }

    @Test("statements share a connection once none is idle")
    func sharing() async throws {
        let server = FakeServer()
        let pool = self.pool(server, PoolSettings(size: 1, overflow: 0, statementsPerConnection: 3))
        let first = try await pool.acquire(.shared)
        let second = try #require(pool.tryAcquire(.shared))
        let third = try await pool.acquire(.shared)
        #expect(second === first)
        #expect(third === first)
        #expect(pool.tryAcquire(.shared) == nil)
        #expect(pool.tryAcquire(.exclusive) == nil)
        pool.release(first, isReusable: false)
        #expect(pool.status.lent == 1, "closed only when nobody uses it")
        #expect(pool.tryAcquire(.shared) == nil, "and shared with nobody else")
        pool.release(first)
        pool.release(first)
        await pool.reaches { $0.size == 0 }
        #expect(server.seen.open.isEmpty)
        await pool.close()
    }

    @Test("closes what was opened beyond size when it comes back and nobody waits")
    func overflow() async throws {
        let server = FakeServer()
        let pool = self.pool(server, PoolSettings(size: 1, overflow: 2))
        let lent = [try await pool.acquire(), try await pool.acquire(), try await pool.acquire()]
        #expect(server.seen.open.count == 3)
        for connection in lent { pool.release(connection) }
        await pool.reaches { $0.size == 1 }
        #expect(pool.status.idle == 1)
        #expect(server.seen.open.count == 1)
        await pool.close()
    }

    @Test("opens no connection in the place of one that is not closed yet")
    func places() async throws {
        let server = FakeServer(closeGate: Gate())
        let pool = self.pool(server, PoolSettings(size: 1, overflow: 1))
        let lent = [try await pool.acquire(), try await pool.acquire()]
        for connection in lent { pool.release(connection, isReusable: false) }
        await server.closeGate?.waitForArrivals(2)
        let waiter = Task { try await pool.acquire() }
        await pool.reaches { $0.waiting == 1 }
        #expect(pool.status.closing == 2)
        #expect(server.seen.attempts == 2)
        server.closeGate?.open()
        pool.release(try await waiter.value)
        #expect(server.seen.mostOpen == 2)
        await pool.close()
    }

    @Test("closes what nobody uses for long, without being asked")
    func idleTimeout() async throws {
        let server = FakeServer()
        let pool = self.pool(server, PoolSettings(idleTimeout: .seconds(10), leakWarning: .seconds(3_600)))
        try await pool.withConnection { _ in }
        self.time.advance(by: .seconds(9))
        #expect(pool.status.idle == 1)
        self.time.advance(by: .seconds(1))
        await pool.reaches { $0.size == 0 }
        #expect(server.seen.open.isEmpty)
        await pool.close()
    }

    // MARK: The end

    @Test("closing turns away who waits and who comes, and waits for what is lent and what is being opened")
    func closing() async throws {
        let server = FakeServer(connectGate: Gate())
        let observer = RecordingObserver()
        let pool = self.pool(server, PoolSettings(size: 2, overflow: 0, maximumConnecting: 1), observer: observer)
        let first = Task { try await pool.acquire() }
        await server.connectGate?.waitForArrivals(1)
        let second = Task { try await pool.acquire() }
        await pool.reaches { $0.waiting == 2 }
        await pool.close()
        for task in [first, second] {
            await #expect(throws: RejectionError(policy: "db", reason: .closed)) {
                try await task.value
            }
        }
        await #expect(throws: RejectionError(policy: "db", reason: .closed)) {
            try await pool.acquire()
        }
        #expect(pool.status == PoolStatus())
        #expect(server.seen.openedEver == 0, "what was being opened is cancelled")
        #expect(!observer.names.contains("pool.connectFailed"), "and that is no failure")
        #expect(self.time.alarmCount == 0)
    }

    @Test("closing waits until what is lent has come back and been closed")
    func closingWaits() async throws {
        let server = FakeServer(closeGate: Gate())
        let pool = self.pool(server)
        let held = try await pool.acquire()
        let hasClosed = Locked(false)
        let closing = Task {
            await pool.close()
            hasClosed.withLock { $0 = true }
        }
        while pool.tryAcquire() != nil { await Task.yield() }
        pool.release(held)
        await server.closeGate?.waitForArrivals(1)
        #expect(!hasClosed.withLock { $0 })
        server.closeGate?.open()
        await closing.value
        #expect(server.seen.open.isEmpty)
        #expect(self.time.alarmCount == 0)
    }

    @Test("settings are read and changed by name, and wrong ones say what would be right")
    func settings() throws {
        let changed = try PoolSettings().applying([
            "size": "5", "acquireTimeout": "2s", "statementsPerConnection": "16",
        ])
        #expect(changed == PoolSettings(size: 5, acquireTimeout: .seconds(2), statementsPerConnection: 16))
        #expect(throws: InvalidSettingError("size", "must be 1 to 10000 (is 0)")) {
            try PoolSettings().applying(["size": "0"])
        }
    }
}
