// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluicePostgres
import SluiceSQL
import SluiceTesting
import Testing

extension Reliability {
    @Suite("Injection")
    struct InjectionTests {
        /// Runs `body` beside a table that an attack would change.
        private func withVictim(_ body: (Database, SQLIdentifier) async throws -> Void) async throws {
            try await withPostgres { database in
                try await withTable(database, "id int8 PRIMARY KEY, name text, data jsonb") { table in
                    _ = try await database.execute("INSERT INTO \(table) VALUES (-1, 'untouched', '{}')")
                    try await body(database, table)
                    let names = try await database.rows("SELECT name FROM \(table) WHERE id = -1")
                    #expect(try names.map { try $0.decode("name", as: String.self) } == ["untouched"])
                }
            }
        }

        @Test(
            "what attackers write is a value like every other: single, in lists, in transactions, pipelines and copies")
        func values() async throws {
            try await self.withVictim { database, table in
                let texts = InjectionPayloads.texts
                for (id, text) in texts.enumerated() {
                    _ = try await database.execute("INSERT INTO \(table) (id, name) VALUES (\(id), \(text))")
                    #expect(try await database.scalar("SELECT \(text)::text", as: String.self) == text)
                    let found = try await database.rows("SELECT id FROM \(table) WHERE name = \(text)")
                    #expect(try found.map { try $0.decode("id", as: Int.self) } == [id])
                }
                let all = try await database.rows("SELECT name FROM \(table) WHERE name IN \(list: texts) ORDER BY id")
                #expect(try all.map { try $0.decode("name", as: String.self) } == texts)
                let echoes = try await database.pipeline(texts.map { "SELECT \($0)::text" })
                #expect(try echoes.map { try $0.get().rows[0].decode(at: 0, as: String.self) } == texts)
                let echoed = try await database.read { transaction in
                    var echoed: [String] = []
                    for text in texts { echoed.append(try await transaction.scalar("SELECT \(text)::text")) }
                    return echoed
                }
                #expect(echoed == texts)
                try await self.copy(texts, database, table)
            }
        }

        private func copy(_ texts: [String], _ database: Database, _ table: SQLIdentifier) async throws {
            let rows = AsyncStream<[SQLValue]> { continuation in
                for (index, text) in texts.enumerated() {
                    continuation.yield([.integer(Int64(10_000 + index)), .text(text)])
                }
                continuation.finish()
            }
            let columns = [try SQLIdentifier("id"), try SQLIdentifier("name")]
            #expect(try await database.bulkInsert(into: table.name, columns: columns.map(\.name), rows) == texts.count)
            let copied = try await database.rows("SELECT name FROM \(table) WHERE id >= 10000 ORDER BY id")
            #expect(try copied.map { try $0.decode("name", as: String.self) } == texts)
        }

        @Test("what attackers write is a key or a value of JSON like every other")
        func json() async throws {
            try await self.withVictim { database, _ in
                for text in InjectionPayloads.texts {
                    let row = try #require(
                        try await database.first(
                            """
                            SELECT jsonb_build_object(\(text)::text, \(text)::text) ->> \(text)::text AS value,
                                jsonb_build_object('a', 1) ? \(text)::text AS has
                            """))
                    #expect(try row.decode("value") == text)
                    #expect(try row.decode("has") == false)
                }
            }
        }

        @Test("what attackers write is no name: of a table, a column, an order or a channel")
        func names() async throws {
            try await self.withVictim { database, table in
                let driver = try #require(database.postgres)
                for text in InjectionPayloads.all where (try? SQLIdentifier(text)) == nil {
                    let queries: [SQLQuery] = [
                        "SELECT * FROM \(table) ORDER BY \(identifier: text)",
                        "SELECT \(identifier: text) FROM \(table)",
                        "SELECT * FROM \(identifier: text)", "UPDATE \(table) SET \(identifier: text) = 'changed'",
                    ]
                    for query in queries {
                        let alone = await failure { _ = try await database.execute(query) }
                        #expect((alone as? SQLError)?.kind == .statement)
                        let piped = await failure { _ = try await database.pipeline([query]) }
                        #expect((piped as? SQLError)?.kind == .statement)
                        // The name is refused here and does not reach the server.
                        #expect((alone as? SQLError)?.sqlState == nil)
                    }
                    let listening = await failure { try await driver.withNotifications(from: [text]) { _ in } }
                    #expect((listening as? SQLError)?.kind == .statement)
                }
                // What may be a name is quoted, and so is none of the language's words.
                for text in InjectionPayloads.all where (try? SQLIdentifier(text)) != nil {
                    let error = await failure {
                        _ = try await database.rows("SELECT \(identifier: text) FROM \(table)")
                    }
                    #expect((error as? SQLError)?.sqlState == "42703")
                }
            }
        }
    }
}
