// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceSQL
import SluiceTesting
import Testing

@Suite("Health of pooled connections", .timeLimit(.minutes(5)))
struct ConnectionPoolHealthTests {
    let time = VirtualTime()
    let observer = RecordingObserver()
    let server = FakeServer()

    private func pool(_ settings: PoolSettings = PoolSettings()) -> ConnectionPool<FakeConnection> {
        ConnectionPool(
            "db", settings: settings, time: self.time, observer: self.observer, connect: self.server.connect)
    }

    @Test("asks a connection that was idle whether it is alive, and one that was not idle for long does not")
    func ping() async throws {
        let pool = self.pool()
        let first = try await pool.withConnection { $0 }
        self.time.advance(by: .seconds(1))
        try await pool.withConnection { _ in }
        #expect(self.server.seen.pings == 0)
        self.time.advance(by: .milliseconds(1_001))
        #expect(pool.tryAcquire() == nil)
        let second = try await pool.withConnection { $0 }
        #expect(self.server.seen.pings == 1)
        #expect(second === first)
        await pool.close()
    }

    @Test("after a restart of the server nobody gets a connection from before it")
    func restart() async throws {
        let pool = self.pool(PoolSettings(size: 3, overflow: 0))
        let old = [try await pool.acquire(), try await pool.acquire(), try await pool.acquire()]
        pool.release(old[0])
        pool.release(old[1])
        self.server.kill(old[0], old[1], old[2])
        self.time.advance(by: .seconds(2))
        let new = try await pool.acquire()
        #expect(!old.contains { $0 === new })
        #expect(self.server.seen.pings == 1, "one that does not answer speaks for all")
        pool.release(old[2])
        await pool.reaches { $0.size == 1 }
        #expect(self.server.seen.open == [new.poolID])
        pool.release(new)
        #expect(self.observer.names.filter { $0 == "pool.invalidated" }.count == 1)
        let reasons = self.observer.events.filter { $0.kind == .poolConnectionClosed }.compactMap(\.outcome)
        #expect(reasons.sorted() == ["invalidated", "invalidated", "pingFailed"])
        await pool.close()
    }

    @Test("who is cancelled while its connection is pinged leaves at once, and the connection stays")
    func cancelledPing() async throws {
        let server = FakeServer(pingGate: Gate())
        let pool = ConnectionPool("db", time: self.time, connect: server.connect)
        try await pool.withConnection { _ in }
        self.time.advance(by: .seconds(2))
        let waiter = Task { try await pool.acquire() }
        await server.pingGate?.waitForArrivals(1)
        waiter.cancel()
        await #expect(throws: CancellationError.self) { try await waiter.value }
        #expect(pool.status.lent == 1)
        server.pingGate?.open()
        await pool.reaches { $0.idle == 1 }
        #expect(pool.status.leases == 0)
        await pool.close()
    }

    @Test("after a report of a death closes what is idle now and what is lent when it comes back")
    func invalidate() async throws {
        let pool = self.pool()
        let (first, second) = (try await pool.acquire(), try await pool.acquire())
        try await pool.withConnection { _ in }
        pool.invalidate(because: first)
        pool.release(first, isReusable: false)
        await pool.reaches { $0.size == 1 }
        let new = try await pool.acquire()
        pool.invalidate(because: second)
        pool.release(second)
        pool.release(new)
        await pool.reaches { $0.size == 1 }
        #expect(self.server.seen.open == [new.poolID], "a late report covers nothing that was opened in between")
        #expect(self.observer.names.filter { $0 == "pool.invalidated" }.count == 1)
        pool.invalidate()
        await pool.reaches { $0.size == 0 }
        await pool.close()
    }

    @Test("a lease that lasts too long is reported once, to the observer of the operation that holds it")
    func leak() async throws {
        let pool = self.pool(PoolSettings(leakWarning: .seconds(30)))
        let holders = RecordingObserver()
        let held = try await asOperation("import", on: self.time, observer: holders) { try await pool.acquire() }
        let nameless = try await pool.acquire()
        try await pool.withConnection { _ in }
        self.time.advance(by: .seconds(29))
        #expect(!holders.names.contains("pool.leaseOverdue"))
        self.time.advance(by: .seconds(1))
        let reports = holders.events.filter { $0.kind == .poolLeaseOverdue }
        #expect(reports == [PolicyEvent(.poolLeaseOverdue, policy: "db", duration: .seconds(30))])
        #expect(self.observer.names.filter { $0 == "pool.leaseOverdue" }.count == 1, "the one without an operation")
        // Another lease makes the pool look again.
        try await pool.withConnection { _ in }
        self.time.advance(by: .seconds(300))
        #expect(holders.names.filter { $0 == "pool.leaseOverdue" }.count == 1)
        pool.release(held)
        pool.release(nameless)
        await pool.close()
    }

    @Test("lending what is at hand sets no alarm")
    func noAlarms() async throws {
        let pool = self.pool()
        try await pool.withConnection { _ in }
        let before = self.time.alarmsEverSet
        for _ in 0..<1_000 { try await pool.withConnection { _ in } }
        #expect(self.time.alarmsEverSet == before)
        await pool.close()
    }

    @Test("a pool that nobody has any more is not kept by its alarm")
    func forgotten() async throws {
        weak var forgotten: ConnectionPool<FakeConnection>?
        do {
            let pool = self.pool()
            try await pool.withConnection { _ in }
            forgotten = pool
        }
        while forgotten != nil { await Task.yield() }
        #expect(self.time.alarmCount > 0)
    }
}
