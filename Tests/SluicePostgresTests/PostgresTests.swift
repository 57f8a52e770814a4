// SPDX-License-Identifier: Apache-2.0
import Foundation
import Sluice
import SluicePostgres
import SluiceSQL
import SluiceTesting
import Testing

@Suite("PostgreSQL", .timeLimit(.minutes(5)))
struct PostgresTests {
    @Test("reads back what was written, of every type")
    func types() async throws {
        try await withPostgres { database in
            let row = try #require(
                try await database.first(
                    """
                    SELECT \(Int64.min)::int8 AS i, \(0.1)::float8 AS r, \("Málaga🏟")::text AS s, \(true)::bool AS b,
                        \(String?.none)::text AS n, \([UInt8](0...255))::bytea AS y, 12345.6789::numeric AS d,
                        '-0.00001200'::numeric AS e, 100000000::numeric AS f, '2026-11-21'::date AS day,
                        '2026-11-21 10:00:00.123456+01'::timestamptz AS at, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid AS u,
                        '{"a": 1}'::jsonb AS j, 7::int2 AS small, 'NaN'::numeric AS nan, '10:20:30.5'::time AS t
                    """))
            #expect(try row.decode("i") == Int64.min)
            #expect(try row.decode("r") == 0.1)
            #expect(try row.decode("s") == "Málaga🏟")
            #expect(try row.decode("b") == true)
            #expect(try row.decode("n", as: String?.self) == nil)
            #expect(try row.decode("y") == [UInt8](0...255))
            #expect(try row.decode("d") == "12345.6789")
            #expect(try row.decode("e") == "-0.00001200")
            #expect(try row.decode("f") == "100000000")
            #expect(try row.decode("day") == "2026-11-21")
            #expect(try row.decode("at", as: Date.self) == Date(timeIntervalSince1970: 1_795_251_600.123456))
            #expect(try row.decode("u", as: UUID.self).uuidString == "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11")
            #expect(try row.decode("j") == #"{"a": 1}"#)
            #expect(try row.decode("small") == 7)
            #expect(try row.decode("nan") == "NaN")
            #expect(try row.decode("t") == "10:20:30.5")
        }
    }

    @Test("many at once, each gets its own answer")
    func concurrent() async throws {
        try await withPostgres { database in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<2_000 {
                    group.addTask {
                        let value: Int = try await database.scalar("SELECT \(number)::int8")
                        #expect(value == number)
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test("results of many sizes come whole", arguments: [1, 100, 300, 1_000, 30_000])
    func sizes(count: Int) async throws {
        try await withPostgres { database in
            let rows = try await database.rows(
                "SELECT i, repeat('x', 300) AS s FROM generate_series(1, \(count)::int8) AS i")
            #expect(rows.count == count)
            #expect(try rows.enumerated().allSatisfy { try $1.decode("i", as: Int.self) == $0 + 1 })
        }
    }

    @Test("cancelling stops a statement that is running, and no other")
    func cancel() async throws {
        try await withPostgres { database in
            for moment in 0..<40 {
                // With time enough that on a busy machine the deadline does not come before the cancellation.
                let task = Task {
                    try await database.read(timeout: .seconds(600)) { try await $0.rows("SELECT pg_sleep(1000)") }
                }
                for _ in 0..<moment * moment { await Task.yield() }
                task.cancel()
                await #expect(throws: CancellationError.self) { try await task.value }
            }
            for number in 0..<100 {
                let value = try await database.read { try await $0.scalar("SELECT \(number)::int8", as: Int.self) }
                #expect(value == number)
            }
        }
    }

    @Test("a statement given up beside others holds none of them up, and runs on nowhere")
    func givenUp() async throws {
        try await withPostgres { database in
            let mark = "given up \(UUID().uuidString)"
            let task = Task { try await database.rows("SELECT pg_sleep(1000), \(mark)::text") }
            while try await Self.running(mark, on: database) == 0 { await Task.yield() }
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            while try await Self.running(mark, on: database) > 0 { await Task.yield() }
        }
    }

    private static func running(_ mark: String, on database: Database) async throws -> Int {
        try await database.read { transaction in
            // A parameter is no part of the text that the server shows, so what is looked for is the sleeping.
            try await transaction.scalar(
                """
                SELECT count(*) FROM pg_stat_activity
                WHERE state = 'active' AND pid <> pg_backend_pid() AND query LIKE '%pg_sleep(1000), $1%'
                """)
        }
    }

    @Test(
        "a statement that changes the session is refused where others stand beside it",
        arguments: ["BEGIN", "SET x.y = 1"])
    func session(text: String) async throws {
        try await withPostgres { database in
            let error = await #expect(throws: SQLError.self) {
                try await database.execute(SQLQuery(stringLiteral: text))
            }
            #expect(error?.kind == .statement && error?.hasRun == false)
        }
    }

    @Test("statements sent together fail and succeed each alone", arguments: 0..<5)
    func pipeline(failing: Int) async throws {
        try await withPostgres { database in
            let queries = (0..<5).map { number -> SQLQuery in
                number == failing ? "SELECT 1 / \(0)::int" : "SELECT \(number)::int"
            }
            let results = try await database.pipeline(queries)
            for (number, result) in results.enumerated() {
                switch result {
                case .success(let result): #expect(try result.rows[0].decode(at: 0, as: Int.self) == number)
                case .failure(let error): #expect(number == failing && error.sqlState == "22012")
                }
            }
        }
    }

    @Test("rows are copied in, and read back a batch at a time")
    func copy() async throws {
        try await withPostgres { database in
            let table = "t\(UInt64.random(in: 0...UInt64.max))"
            try await database.withTransaction {
                _ = try await $0.execute("CREATE TABLE \(identifier: table) (i int8, s text)")
            }
            let rows = AsyncStream<[SQLValue]> { continuation in
                for number in 0..<20_000 {
                    continuation.yield([.integer(Int64(number)), number % 7 == 0 ? .null : .text("a\tb\\\n\(number)")])
                }
                continuation.finish()
            }
            let count = try await database.bulkInsert(into: table, columns: ["i", "s"], rows)
            #expect(count == 20_000)
            var next = 0
            try await database.forEachRow(batch: 999, "SELECT i, s FROM \(identifier: table) ORDER BY i") { row in
                let text = try row.decode("s", as: String?.self)
                #expect(try row.decode("i") == next && text == (next % 7 == 0 ? nil : "a\tb\\\n\(next)"))
                next += 1
            }
            #expect(next == 20_000)
            try await database.withTransaction { _ = try await $0.execute("DROP TABLE \(identifier: table)") }
        }
    }

    @Test("notifications come to who listens")
    func listen() async throws {
        try await withPostgres { database in
            let channel = "c\(UInt64.random(in: 0...UInt64.max))"
            let postgres = try #require(database.postgres)
            try await postgres.withNotifications(from: [channel]) { notifications in
                for number in 0..<3 { _ = try await database.rows("SELECT pg_notify(\(channel), \("\(number)"))") }
                var payloads: [String] = []
                for try await notification in notifications {
                    payloads.append(notification.payload)
                    if payloads.count == 3 { break }
                }
                #expect(payloads == ["0", "1", "2"])
            }
        }
    }
}
