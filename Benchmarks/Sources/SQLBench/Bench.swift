// SPDX-License-Identifier: Apache-2.0
import Foundation
import Sluice
import SluiceMySQL
import SluicePostgres
import SluiceSQL
import SluiceSQLite
import Synchronization

/// The database under test, and how to call it.
struct Bench: Sendable {
    let database: Database
    let tasks: Int
    let connections: Int
    let seconds: Double

    init(url: String, tasks: Int, connections: Int, seconds: Double) async throws {
        var pool = PoolSettings()
        pool.size = connections
        pool.overflow = 0
        self.database = try await Database.open(
            url.replacing("?socket=", with: "?host="),
            drivers: [PostgresDriver.self, MySQLDriver.self, SQLiteDriver.self], pool: pool)
        self.tasks = tasks
        self.connections = connections
        self.seconds = seconds
    }

    // MARK: Operations

    private func query(_ id: Int64) -> SQLQuery { "SELECT * FROM users WHERE id = \(id)" }

    func row(_ id: Int64) async throws {
        let rows = try await self.database.rows(self.query(id))
        let user = try User(rows[0])
        precondition(rows.count == 1 && user.id == id)
        if id == 4_711 { user.check() }
    }

    func rowAlone(_ id: Int64) async throws {
        try await self.database.driver.withConnection(.read) { connection in
            let rows = try await connection.rows(self.query(id))
            let user = try User(rows[0])
            precondition(rows.count == 1 && user.id == id)
        }
    }

    func rows100(_ id: Int64) async throws {
        let rows = try await self.database.rows("SELECT * FROM users WHERE id >= \(id) ORDER BY id LIMIT 100")
        let users = try rows.map(User.init)
        precondition(users.count == 100 && users[0].id == id && users[99].id == id + 99)
        if id == 4_711 { for user in users { user.check() } }
    }

    func manyInOneVisit() async throws {
        try await self.row(4_711)
        let count = try await self.database.read { transaction in
            let warm = Counter(self.seconds)
            while true {
                let id = warm.nextID()
                let rows = try await transaction.rows(self.query(id))
                let user = try User(rows[0])
                precondition(rows.count == 1 && user.id == id)
                if !warm.count() { return warm.result }
            }
        }
        print(count)
    }

    // MARK: Measuring

    /// Calls `operation` from all tasks, first for a while that does not count, and prints what came of it.
    ///
    /// - Parameter isOnExecutor: Whether the tasks run on the driver's own threads.
    func measure(
        onExecutor isOnExecutor: Bool = false, _ operation: @escaping @Sendable (Int64) async throws -> Void
    ) async throws {
        let executor = isOnExecutor ? self.database.driver.executor : nil
        try await operation(4_711)
        let progress = Progress()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for task in 0..<self.tasks {
                group.addTask(executorPreference: executor) {
                    var dice = Dice(UInt64(task + 1))
                    var count = 0
                    while !progress.mustStop.load(ordering: .relaxed) {
                        try await operation(dice.id())
                        if progress.counts.load(ordering: .relaxed) { count += 1 }
                    }
                    progress.total.wrappingAdd(count, ordering: .relaxed)
                }
            }
            try await Task.sleep(for: .milliseconds(300))
            let (start, used) = (ContinuousClock.now, cpuSeconds())
            progress.counts.store(true, ordering: .relaxed)
            try await Task.sleep(for: .seconds(self.seconds))
            let (elapsed, spent) = ((ContinuousClock.now - start) / .seconds(1), cpuSeconds() - used)
            progress.mustStop.store(true, ordering: .relaxed)
            try await group.waitForAll()
            print(Self.line(progress.total.load(ordering: .relaxed), elapsed, spent))
        }
    }

    static func line(_ operations: Int, _ seconds: Double, _ cpuSeconds: Double) -> String {
        #"{"operations": \#(operations), "seconds": \#(seconds), "cpuSeconds": \#(cpuSeconds), "checked": true}"#
    }
}

/// What the tasks of a measurement share.
private final class Progress: Sendable {
    let mustStop = Atomic(false)
    let counts = Atomic(false)
    let total = Atomic(0)
}

/// Random ids, cheaply.
struct Dice {
    private var state: UInt64

    init(_ seed: UInt64) { self.state = seed &* 0x9E37_79B9_7F4A_7C15 }

    mutating func id() -> Int64 {
        self.state ^= self.state << 13
        self.state ^= self.state >> 7
        self.state ^= self.state << 17
        return Int64(self.state % 99_901) + 1
    }
}

/// Counts what one task does: at first for a while that does not count, and then for the time that does.
final class Counter {
    private var dice = Dice(1)
    private var operations = 0
    private var start = ContinuousClock.now
    private var used = cpuSeconds()
    private var isCounting = false
    private let seconds: Double

    init(_ seconds: Double) { self.seconds = seconds }

    func nextID() -> Int64 { self.dice.id() }

    /// - Returns: Whether there is more to do. Asks the clock once in a hundred times.
    func count() -> Bool {
        self.operations += 1
        guard self.operations % 100 == 0 else { return true }
        let elapsed = (ContinuousClock.now - self.start) / .seconds(1)
        if self.isCounting { return elapsed < self.seconds }
        if elapsed >= 0.3 {
            self.isCounting = true
            (self.operations, self.start, self.used) = (0, .now, cpuSeconds())
        }
        return true
    }

    var result: String {
        Bench.line(self.operations, (ContinuousClock.now - self.start) / .seconds(1), cpuSeconds() - self.used)
    }
}

/// User and system time of this process.
func cpuSeconds() -> Double {
    var usage = rusage()
    #if canImport(Glibc)
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    #else
        getrusage(RUSAGE_SELF, &usage)
    #endif
    func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
    return seconds(usage.ru_utime) + seconds(usage.ru_stime)
}
