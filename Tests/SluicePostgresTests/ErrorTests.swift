// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluicePostgres
import SluiceSQL
import SluiceTesting
import Testing

extension Reliability {
    @Suite("Errors")
    struct ErrorTests {
        private static let secret = "geheim-4711"

        @Test("of constraints carry the state and the constraint's name, and never a value")
        func constraints() async throws {
            try await withPostgres { database in
                try await withTable(
                    database,
                    """
                    id int CONSTRAINT t_key PRIMARY KEY, name text NOT NULL CONSTRAINT t_short CHECK (length(name) < 20),
                    code text CONSTRAINT t_code UNIQUE, span int4range, CONSTRAINT t_span EXCLUDE USING gist (span WITH &&)
                    """
                ) { table in
                    _ = try await database.execute(
                        "ALTER TABLE \(table) ADD parent int CONSTRAINT t_parent REFERENCES \(table)")
                    _ = try await database.execute(
                        "INSERT INTO \(table) VALUES (1, \(Self.secret), \(Self.secret), '[1,5)', NULL)")
                    let long = Self.secret + Self.secret
                    let wrong: [(SQLQuery, String, String?)] = [
                        ("INSERT INTO \(table) VALUES (1, \(Self.secret))", "23505", "t_key"),
                        ("INSERT INTO \(table) VALUES (2, 'a', \(Self.secret))", "23505", "t_code"),
                        ("INSERT INTO \(table) VALUES (2, \(long))", "23514", "t_short"),
                        ("INSERT INTO \(table) VALUES (2, NULL, \(Self.secret))", "23502", nil),
                        ("INSERT INTO \(table) VALUES (2, \(Self.secret), NULL, NULL, 99)", "23503", "t_parent"),
                        ("INSERT INTO \(table) VALUES (2, \(Self.secret), NULL, '[4,9)')", "23P01", "t_span"),
                    ]
                    for (query, state, constraint) in wrong {
                        for isAlone in [true, false] {
                            let error = await failure { try await Self.run(query, on: database, isAlone: isAlone) }
                            let failure = try #require(error as? SQLError)
                            #expect(failure.kind == .constraint)
                            #expect(failure.sqlState == state)
                            #expect(failure.constraint == constraint)
                            #expect(failure.hasRun == true)
                            #expect(!"\(failure) \(String(reflecting: failure))".contains("geheim"))
                        }
                    }
                }
            }
        }

        private static func run(_ query: SQLQuery, on database: Database, isAlone: Bool) async throws {
            if isAlone {
                _ = try await database.execute(query)
            } else {
                try await database.withTransaction { _ = try await $0.execute(query) }
            }
        }

        @Test("of statements never contain a value that was bound, wherever the server would quote it")
        func values() async throws {
            let secret = Self.secret
            let wrong: [(SQLQuery, String)] = [
                ("SELECT \(secret)::int", "22P02"), ("SELECT \(secret)::numeric", "22P02"),
                ("SELECT \(secret)::uuid", "22P02"), ("SELECT \(secret)::bool", "22P02"),
                ("SELECT \("{\"a\": \(secret)")::jsonb", "22P02"), ("SELECT \("{" + secret)::int[]", "22P02"),
                ("SELECT \(secret)::timestamptz", "22007"), ("SELECT \("2026-99-01 " + secret)::date", "22008"),
                ("SELECT \(secret)::interval", "22007"), ("SELECT \(secret)::inet", "22P02"),
                ("SELECT ('9' || repeat('4711', 10))::int4", "22003"), ("SELECT \(secret)::regclass", "42P01"),
                ("SELECT \(secret)::regtype", "42704"), ("SELECT \(secret)::regrole", "42704"),
                ("SELECT nextval(\(secret))", "42P01"), ("SELECT set_config(\(secret), 'x', false)", "42704"),
                ("SELECT current_setting(\(secret))", "42704"),
                ("SELECT 'a' ~ \("(" + secret)", "2201B"), ("SELECT encode('a', \(secret))", "22023"),
                ("SELECT decode(\(secret), 'hex')", "22023"), ("SELECT convert('a', \(secret), 'UTF8')", "22023"),
                ("SELECT \(secret)::varchar(3)::xml::text || xmlparse(document \(secret))", "2200N"),
                ("SELECT timezone(\(secret), now())", "22023"),
                ("SELECT to_tsquery(\("!! " + secret + " (("))", "42601"),
                ("SELECT lo_get(4711::oid)", "42704"),
                ("SELECT jsonb_path_query('{}', \("$." + secret + " ((")::jsonpath)", "42601"),
            ]
            try await withPostgres { database in
                for (query, state) in wrong {
                    let error = await failure { _ = try await database.execute(query) }
                    guard let failure = error as? SQLError else {
                        Issue.record("no error: \(query.text)")
                        continue
                    }
                    #expect(!"\(failure) \(String(reflecting: failure))".contains("geheim"), "\(failure)")
                    // Some differ from version to version of the server.
                    #expect(failure.sqlState?.prefix(2) == state.prefix(2), "\(query.text): \(failure)")
                    #expect(failure.hasRun == true)
                }
            }
        }

        @Test("of code in the schema that speaks of a row do not name its values")
        func raised() async throws {
            try await withPostgres { database in
                try await withTable(database, "name text") { table in
                    let function = try SQLIdentifier(uniqueName("refuse"))
                    _ = try await database.execute(
                        """
                        CREATE FUNCTION \(function)() RETURNS trigger LANGUAGE plpgsql AS
                        $$ BEGIN RAISE EXCEPTION 'no % here, please', NEW.name; END $$
                        """)
                    _ = try await database.execute(
                        "CREATE TRIGGER refuse BEFORE INSERT ON \(table) FOR EACH ROW EXECUTE FUNCTION \(function)()")
                    let alone = await failure {
                        _ = try await database.execute("INSERT INTO \(table) VALUES (\(Self.secret))")
                    }
                    #expect((alone as? SQLError)?.message == "no … here, please")
                    let copied = await failure {
                        try await database.bulkInsert(into: table.name, columns: ["name"], [[.text(Self.secret)]])
                    }
                    #expect((copied as? SQLError)?.sqlState == "P0001")
                    #expect(!"\(copied as Any)".contains("geheim"))
                    _ = try await database.execute("DROP FUNCTION \(function)() CASCADE")
                }
            }
        }

        @Test("say what kind of thing went wrong")
        func kinds() async throws {
            try await withPostgres { database in
                let kinds: [(SQLQuery, SQLError.Kind, String)] = [
                    ("SELEKT", .statement, "42601"), ("SELECT * FROM nowhere", .statement, "42P01"),
                    ("SELECT 1 / 0", .statement, "22012"),
                    ("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$", .serialization, "40001"),
                    ("DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$", .serialization, "40P01"),
                    ("DO $$ BEGIN RAISE SQLSTATE '55P03'; END $$", .busy, "55P03"),
                    ("DO $$ BEGIN RAISE SQLSTATE '42501'; END $$", .permission, "42501"),
                    ("DO $$ BEGIN RAISE SQLSTATE '53100'; END $$", .storage, "53100"),
                    ("DO $$ BEGIN RAISE SQLSTATE '57014'; END $$", .timeout, "57014"),
                    ("DO $$ BEGIN RAISE SQLSTATE '08006'; END $$", .connection, "08006"),
                ]
                for (query, kind, state) in kinds {
                    // The driver's own, since what is worth repeating is repeated else.
                    let error = await failure { _ = try await database.driver.execute(query, .write) }
                    #expect((error as? SQLError)?.kind == kind, "\(query.text)")
                    #expect((error as? SQLError)?.sqlState == state)
                }
            }
        }

        @Test("a text with a zero byte and more values than the protocol counts are refused before anything is sent")
        func refused() async throws {
            try await withPostgres(pool: PoolSettings(size: 1, overflow: 0)) { database in
                let many = Array(repeating: 7, count: 65_536)
                for query: SQLQuery in [
                    "SELECT \("a\0b")::text", "SELECT 'a\0b'", "SELECT 1 WHERE 7 IN \(list: many)",
                    "SELECT 1 FROM \(identifier: "pg_class\0")",
                ] {
                    for isAlone in [true, false] {
                        let error = await failure { try await Self.run(query, on: database, isAlone: isAlone) }
                        #expect((error as? SQLError)?.kind == .statement)
                        #expect((error as? SQLError)?.sqlState == nil)
                    }
                }
                let most = try await database.rows("SELECT 1 WHERE 7 IN \(list: many.dropLast())")
                #expect(most.count == 1)
                #expect(
                    try await database.scalar("SELECT \([UInt8]([0, 1, 0]))::bytea", as: [UInt8].self) == [0, 1, 0])
            }
        }

        @Test("a transaction that has failed says so at its commit, and is rolled back")
        func failedTransaction() async throws {
            try await withPostgres { database in
                try await withTable(database, "id int") { table in
                    let error = await failure {
                        try await database.withTransaction { transaction in
                            _ = try await transaction.execute("INSERT INTO \(table) VALUES (1)")
                            _ = try? await transaction.execute("SELECT 1 / 0")
                        }
                    }
                    #expect((error as? SQLError)?.kind == .statement)
                    #expect((error as? SQLError)?.message.contains("rolled back") == true)
                    let count: Int = try await database.scalar("SELECT count(*) FROM \(table)")
                    #expect(count == 0)
                }
            }
        }
    }
}
