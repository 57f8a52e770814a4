// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluicePostgres
import SluiceSQL
import SluiceTesting
import Testing

extension Reliability {
    @Suite("Money")
    struct BankTests {
        @Test("none is lost or made while the server is killed five times")
        func killedServer() async throws {
            try await PrivatePostgres.run { server in
                let pool = PoolSettings(size: 10, overflow: 6, maximumConnectBackoff: .milliseconds(200))
                try await withDatabase(server.url(), pool: pool) { database in
                    let bank = try await Bank(database)
                    try await bank.open(tellers: 16) {
                        for _ in 0..<5 {
                            try await bank.progress(50)
                            await server.kill()
                            try await server.start()
                        }
                        try await bank.progress(50)
                    }
                    try await bank.audit()
                    try await untilNothingIsLent(database)
                }
            }
        }

        @Test("none is lost or made while sessions are ended at random, and the pool is whole again after it")
        func terminatedSessions() async throws {
            let name = uniqueName("bank")
            let pool = PoolSettings(size: 10, overflow: 6)
            try await withPostgres { other in
                try await withPostgres(name, pool: pool) { database in
                    let bank = try await Bank(database)
                    try await bank.open(tellers: 16) {
                        for _ in 0..<20 {
                            try await bank.progress(20)
                            let count = try await other.rows(
                                """
                                SELECT pg_terminate_backend(pid) FROM
                                    (SELECT pid FROM pg_stat_activity WHERE application_name = \(name)
                                     ORDER BY random() LIMIT 3) AS victims
                                """
                            ).count
                            #expect(count > 0)
                        }
                        try await bank.progress(100)
                    }
                    try await bank.audit()
                    try await untilNothingIsLent(database)
                    #expect(try await sessionCount(name, on: other) <= pool.capacity)
                }
            }
        }
    }
}
