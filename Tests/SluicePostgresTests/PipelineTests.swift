// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluicePostgres
import SluiceSQL
import SluiceTesting
import Testing

extension Reliability {
    @Suite("Pipelines")
    struct PipelineTests {
        @Test("of fifty statements the one that is wrong fails, wherever it stands, and no other")
        func oneFails() async throws {
            try await withPostgres(pool: PoolSettings(size: 1, overflow: 0)) { database in
                for (wrong, state): (SQLQuery, String) in [
                    ("SELECT 1 / \(0)::int8", "22012"), ("SELECT nothing FROM nowhere", "42P01"), ("SELEKT", "42601"),
                ] {
                    for position in 0..<50 {
                        let queries = (0..<50).map { $0 == position ? wrong : "SELECT \($0)::int8" as SQLQuery }
                        let results = try await database.pipeline(queries)
                        #expect(results.count == 50)
                        for (index, result) in results.enumerated() {
                            switch result {
                            case .success(let result): #expect(result.rows.first?[0] == .integer(Int64(index)))
                            case .failure(let error):
                                #expect(index == position)
                                #expect(error.sqlState == state)
                            }
                        }
                        #expect(results.count { (try? $0.get()) == nil } == 1)
                    }
                }
            }
        }

        @Test("what comes before and after the wrong one takes effect")
        func effects() async throws {
            try await withPostgres { database in
                try await withTable(database, "id int PRIMARY KEY") { table in
                    for _ in 0..<2 {
                        let numbers = [1, 2, 2, 3, 3, 4]
                        let results = try await database.pipeline(numbers.map { "INSERT INTO \(table) VALUES (\($0))" })
                        #expect(results.map { (try? $0.get())?.changeCount } == [1, 1, nil, 1, nil, 1])
                        #expect(try await database.scalar("SELECT count(*) FROM \(table)", as: Int.self) == 4)
                        _ = try await database.execute("DELETE FROM \(table)")
                    }
                }
            }
        }

        @Test("on a connection that was lost there is an answer for each, and it is that")
        func lost() async throws {
            try await withPostgres { other in
                try await withPostgres(pool: PoolSettings(size: 1, overflow: 0, pingAfterIdle: .seconds(3_600))) {
                    database in
                    for _ in 0..<10 {
                        let process: Int = try await database.scalar("SELECT pg_backend_pid()::int8")
                        _ = try await other.rows("SELECT pg_terminate_backend(\(process)::int4)")
                        let results = try await database.pipeline(["SELECT 1", "SELECT 2", "SELECT 3"])
                        #expect(results.count == 3)
                        for case .failure(let error) in results { #expect(error.kind == .connection) }
                    }
                }
            }
        }

        @Test("none is no round trip, a refused value sends nothing, and many thousands go through")
        func bounds() async throws {
            try await withPostgres(timeout: .seconds(300)) { database in
                #expect(try await database.pipeline([]).isEmpty)
                try await withTable(database, "name text") { table in
                    let error = await failure {
                        _ = try await database.pipeline([
                            "INSERT INTO \(table) VALUES ('a')", "INSERT INTO \(table) VALUES (\("zero\0"))",
                        ])
                    }
                    #expect((error as? SQLError)?.kind == .statement)
                    let fault = await failure {
                        _ = try await database.pipeline([
                            "INSERT INTO \(table) VALUES ('a')", "SELECT 'a\0b'", "INSERT INTO \(table) VALUES ('b')",
                        ])
                    }
                    #expect((fault as? SQLError)?.kind == .statement)
                    let count: Int = try await database.scalar("SELECT count(*) FROM \(table)")
                    #expect(count == 0)
                }
                // More than the sockets between hold, in both directions: neither side may wait for the other.
                let filler = String(repeating: "x", count: 5_000)
                let results = try await database.pipeline((0..<5_000).map { "SELECT \($0)::int8, \(filler)::text" })
                for (index, result) in results.enumerated() {
                    let row = try #require(try result.get().rows.first)
                    #expect(try row.decode(at: 0) == index)
                    #expect(try row.decode(at: 1) == filler)
                }
            }
        }
    }
}
