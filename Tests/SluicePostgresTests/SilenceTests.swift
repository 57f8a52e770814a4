// SPDX-License-Identifier: Apache-2.0
import Foundation
import Sluice
import SluicePostgres
import SluiceSQL
import SluiceTesting
import Testing

extension Reliability {
    @Suite("A network that has gone silent")
    struct SilenceTests {
        /// Far apart, so that time can be moved on in small steps as often as may be between two of them.
        private static func deadline(of caller: Int) -> Duration { .seconds(100_000 * (caller + 1)) }

        @Test("each of ten callers fails by its own deadline, nothing is left over, and what comes later succeeds")
        func blackhole() async throws {
            let name = uniqueName("silence")
            let time = VirtualTime(onStandstill: { _ in })
            let pool = PoolSettings(size: 6, overflow: 0)
            try await withPostgres { other in
                try await withProxy(name, pool: pool, timeout: .seconds(1_500_000), time: time) { database, proxy in
                    let driver = try #require(database.postgres)
                    let ended = Locked<[Int: String]>([:])
                    try await withThrowingTaskGroup(of: Void.self) { group in
                        // Else, if something here fails, the callers would wait for a time that nobody moves on.
                        defer {
                            proxy.set(.pass)
                            proxy.disconnectAll(.reset)
                        }
                        try await Self.askInSilence(database, proxy, time, ended, &group)
                        let start = time.now
                        for caller in 0..<10 {
                            let limit = start.advanced(by: Self.deadline(of: caller))
                            time.advance(by: time.now.duration(to: limit) - .milliseconds(1))
                            #expect(ended.withLock { $0.count } == caller)
                            time.advance(by: .milliseconds(1))
                            try await until("caller \(caller) has failed") {
                                time.advance(by: .milliseconds(1))
                                return ended.withLock { $0[caller] != nil }
                            }
                        }
                        try await group.waitForAll()
                    }
                    #expect(ended.withLock { $0.values.filter { $0 != "late" } } == [])
                    #expect(try Self.cancellingThreads() <= 16)
                    // The network is there again, and knows nothing of what was before.
                    proxy.set(.pass)
                    try await until("what was given up is closed") {
                        time.advance(by: .milliseconds(1))
                        return driver.poolStatus.leases == 0 && driver.poolStatus.closing == 0
                    }
                    for number in 0..<20 {
                        #expect(try await database.scalar("SELECT \(number)::int8", as: Int.self) == number)
                        #expect(try await database.read { try await $0.scalar("SELECT 1::int8", as: Int.self) } == 1)
                    }
                    // No socket is left over, here or there.
                    try await until("only the pool's connections are left") {
                        proxy.connectionCount == driver.poolStatus.size
                    }
                    try await until("only the pool's sessions are left") {
                        try await sessionCount(name, on: other) == driver.poolStatus.size
                    }
                }
            }
        }

        /// Has five callers, the last, ask on connections of their own and five on one that they share, and none get an answer.
        private static func askInSilence(
            _ database: Database, _ proxy: FaultProxy, _ time: VirtualTime, _ ended: Locked<[Int: String]>,
            _ group: inout ThrowingTaskGroup<Void, any Error>
        ) async throws {
            let gate = Gate()
            func ask(_ caller: Int, _ body: @escaping @Sendable () async throws -> Void) {
                group.addTask {
                    let call = Pipeline("caller", time: time) { Deadline(Self.deadline(of: caller)) }
                    let error = await failure { try await call { try await body() } }
                    let isLate = error is TimeoutError || (error as? SQLError)?.kind == .timeout
                    ended.withLock { $0[caller] = isLate ? "late" : "\(error as Any)" }
                }
            }
            for caller in 5..<10 {
                ask(caller) {
                    try await database.read { transaction in
                        try await gate.pass()
                        _ = try await transaction.rows(Self.question(caller))
                    }
                }
            }
            await gate.waitForArrivals(5)
            _ = try await database.rows("SELECT 1")
            let before = proxy.bytesRead(.toUpstream)
            proxy.set(.blackhole)
            gate.open()
            for caller in 0..<5 { ask(caller) { _ = try await database.rows(Self.question(caller)) } }
            // 88 bytes each, or one or two more if the statements' numbers are long.
            try await until("ten statements are under way") { proxy.bytesRead(.toUpstream) - before > 850 }
            let driver = try #require(database.postgres)
            #expect(driver.poolStatus.leases == 10)
        }

        /// A statement of each caller's own, so that each is prepared.
        private static func question(_ caller: Int) -> SQLQuery {
            "SELECT \(caller)::int8 AS \(identifier: "so_that_there_is_something_to_be_counted_\(caller)")"
        }

        /// How many threads there are that tell servers to stop.
        private static func cancellingThreads() throws -> Int {
            try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").count { thread in
                let name = try? String(contentsOfFile: "/proc/self/task/\(thread)/comm", encoding: .utf8)
                return name?.hasPrefix("postgres-cancel") == true
            }
        }

        @Test("a statement that has its connection to itself ends no later than a tenth after the usual deadline")
        func grace() async throws {
            let time = VirtualTime(onStandstill: { _ in })
            try await withProxy(pool: PoolSettings(size: 1, overflow: 0), time: time) { database, proxy in
                let gate = Gate()
                let task = Task {
                    try await database.read { transaction in
                        try await gate.pass()
                        _ = try await transaction.rows("SELECT 1")
                    }
                }
                await gate.waitForArrivals(1)
                let before = proxy.bytesRead(.toUpstream)
                defer {
                    proxy.set(.pass)
                    proxy.disconnectAll(.reset)
                }
                proxy.set(.blackhole)
                gate.open()
                try await until("the statement is under way") { proxy.bytesRead(.toUpstream) - before > 20 }
                let alarms = time.alarmsEverSet
                time.advance(by: .seconds(30))
                try await until("the server is being told to stop") { time.alarmsEverSet > alarms }
                time.advance(by: .seconds(3))
                let error = await failure { try await task.value }
                #expect(error is TimeoutError || (error as? SQLError)?.kind == .timeout, "\(error as Any)")
            }
        }
    }
}
