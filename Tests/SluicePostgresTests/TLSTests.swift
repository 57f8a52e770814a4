// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluicePostgres
import SluiceSQL
import SluiceTesting
import Testing

extension Reliability {
    @Suite("TLS")
    struct TLSTests {
        @Test("results that fill records of 16 KiB, or nearly, or many, do not stall; statements are stopped, too")
        func records() async throws {
            try await PrivatePostgres.run(
                access: ["hostssl all all 127.0.0.1/32 trust", "hostnossl all all 127.0.0.1/32 reject"], hasTLS: true
            ) { server in
                try await FaultProxy.run(upstream: "127.0.0.1", port: server.port) { proxy in
                    let url = "postgres://sluice@127.0.0.1:\(proxy.port)/postgres?sslmode=require"
                    try await withDatabase(url) { database in
                        let isEncrypted: Bool = try await database.scalar(
                            "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
                        #expect(isEncrypted)
                        try await self.sizes(database)
                        try await self.mixture(database)
                        try await self.large(database)
                        try await self.stop(database)
                    }
                }
                let error = await failure { try await withDatabase(server.url("?sslmode=disable")) { _ in } }
                #expect((error as? SQLError)?.kind == .authentication)
                let unsigned = await failure { try await withDatabase(server.url("?sslmode=verify-full")) { _ in } }
                #expect((unsigned as? SQLError)?.kind == .authentication)
            }
        }

        /// Around the ends of records, of libpq's buffer and of ours.
        private func sizes(_ database: Database) async throws {
            for multiple in [1, 2, 3, 8, 64] {
                for difference in stride(from: -90, through: 10, by: 5) {
                    let size = multiple * 16_384 + difference
                    let text: String = try await database.scalar("SELECT repeat('x', \(size)::int)")
                    #expect(text.utf8.count == size)
                }
            }
        }

        /// Many at once, so that answers lie together in records.
        private func mixture(_ database: Database) async throws {
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for number in 0..<400 {
                    group.addTask {
                        let size = number * 97
                        let row = try await database.first(
                            "SELECT \(number)::int8 AS n, repeat('x', \(size)::int) AS s")
                        return try row?.decode("n") == number && row?.decode("s", as: String.self).utf8.count == size
                    }
                }
                for try await isRight in group { #expect(isRight) }
            }
        }

        private func large(_ database: Database) async throws {
            for size in [100_000, 1_000_000, 10_000_000] {
                let text: String = try await database.scalar("SELECT repeat('x', \(size)::int)")
                #expect(text.utf8.count == size)
                let rows = try await database.rows(
                    "SELECT repeat('y', 100) AS s FROM generate_series(1, \(size / 100)::int)")
                #expect(rows.count == size / 100)
                let count: Int = try await database.scalar("SELECT length(\(text)::text)")
                #expect(count == size)
            }
        }

        private func stop(_ database: Database) async throws {
            for _ in 0..<20 {
                let task = Task { try await database.read { try await $0.rows("SELECT pg_sleep(1000)") } }
                for _ in 0..<100 { await Task.yield() }
                task.cancel()
                await #expect(throws: CancellationError.self) { try await task.value }
            }
            #expect(try await database.scalar("SELECT 1::int8", as: Int.self) == 1)
        }
    }
}
