// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluicePostgres
import SluiceSQL
import SluiceTesting
import Testing

extension Reliability {
    @Suite("Being let in")
    struct AccessTests {
        /// The error that opening a database ends with: who had waited for a connection until his time was over got one of another kind.
        private func refusal(_ url: String) async -> SQLError? {
            await failure { try await withDatabase(url) { _ in } } as? SQLError
        }

        @Test("a wrong password is refused at once, and the message does not tell it")
        func password() async throws {
            try await PrivatePostgres.run(access: ["host all guarded 127.0.0.1/32 scram-sha-256"]) { server in
                try await withDatabase(server.url()) { database in
                    _ = try await database.execute("CREATE ROLE guarded LOGIN PASSWORD 'r1ght/p@ss:word?&'")
                    _ = try await database.execute("CREATE ROLE barred NOLOGIN")
                }
                let host = "127.0.0.1:\(server.port)/postgres"
                for password in ["wr0ng-pass", "wr0ng%2Fp%40ss", "r1ght/p@ss".prefix(5) + "wr0ng"] {
                    let error = await self.refusal("postgres://guarded:\(password)@\(host)")
                    #expect(error?.kind == .authentication)
                    #expect(error?.description.contains("wr0ng") == false, "\(error as Any)")
                }
                for user in ["guarded", "barred", "nobody%20knows"] {
                    let error = await self.refusal("postgres://\(user)@\(host)")
                    #expect(error?.kind == .authentication, "\(error as Any)")
                }
                let right = "postgres://guarded:r1ght%2Fp%40ss%3Aword%3F%26@\(host)"
                let user = try await withDatabase(right) {
                    try await $0.scalar("SELECT current_user::text", as: String.self)
                }
                #expect(user == "guarded")
            }
        }

        @Test("a role that may open no more connections waits, and is not turned away for ever")
        func limit() async throws {
            try await PrivatePostgres.run { server in
                try await withDatabase(server.url()) {
                    _ = try await $0.execute("CREATE ROLE narrow LOGIN CONNECTION LIMIT 2")
                }
                let url = "postgres://narrow@127.0.0.1:\(server.port)/postgres"
                let pool = PoolSettings(size: 6, overflow: 0, maximumConnectBackoff: .milliseconds(100))
                try await withDatabase(url, pool: pool) { database in
                    try await withThrowingTaskGroup(of: Int.self) { group in
                        for number in 0..<30 {
                            group.addTask { try await database.read { try await $0.scalar("SELECT \(number)::int8") } }
                        }
                        let sum = try await group.reduce(0, +)
                        #expect(sum == 435)
                    }
                }
            }
        }

        @Test("a database, a host or a parameter that there is not is refused at once")
        func unknown() async throws {
            let (host, port) = try sharedAddress()
            for url in [
                "postgres://sluice@\(host):\(port)/nothing", "postgres://sluice@no-such-host.invalid/postgres",
                "postgres://sluice@\(host):\(port)/postgres?sslmode=perhaps",
                "postgres://sluice:s3cret@\(host):\(port)/postgres?colour=blue",
            ] {
                let error = await self.refusal(url)
                #expect(error?.kind == .authentication, "\(error as Any)")
                #expect(error?.description.contains("s3cret") == false)
            }
        }

        @Test("a port that nobody listens on is an error of the connection, at the deadline, with the reason")
        func nobody() async throws {
            let port = try PostgresPrograms.freePort()
            let error = await failure {
                let pool = PoolSettings(size: 1, overflow: 0, acquireTimeout: .seconds(1))
                try await withDatabase("postgres://sluice@127.0.0.1:\(port)/postgres", pool: pool) { _ in }
            }
            #expect((error as? SQLError)?.kind == .pool)
            #expect((error as? SQLError)?.message.contains("Connection refused") == true, "\(error as Any)")
        }
    }
}
