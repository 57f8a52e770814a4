// SPDX-License-Identifier: Apache-2.0
import SluiceSQL
import Testing

@Suite("Statements of one table")
struct StatementTextTests {
    private func texts(_ build: (TableStatements) -> SQLQuery) -> [String] {
        SQLDialect.allCases.map { build(TableStatements("t", $0)).text(for: $0) }
    }

    @Test("bind every value, each engine in its own way")
    func select() {
        let condition: SQLCondition = ["a": 1] && (.isNull("b") || !.in("c", ["x", "y"]))
        let texts = self.texts { $0.select(["a"], where: condition, order: [.descending("a")], limit: 5, offset: 2) }
        let text =
            #"SELECT "a" FROM "t" WHERE "a" = ? AND ("b" IS NULL OR NOT ("c" IN (?, ?))) ORDER BY "a" DESC LIMIT ? OFFSET ?"#
        let numbered =
            #"SELECT "a" FROM "t" WHERE "a" = $1 AND ("b" IS NULL OR NOT ("c" IN ($2, $3))) ORDER BY "a" DESC LIMIT $4 OFFSET $5"#
        #expect(texts == [text, numbered, text])
        let values = TableStatements("t", .sqlite).select(nil, where: condition, limit: 5).values
        #expect(values == [.integer(1), .text("x"), .text("y"), .integer(5)])
    }

    @Test("put nulls where they were asked for, on engines without the words for it too")
    func nulls() {
        let order: [SQLOrder] = [.ascending("a", nulls: .last), .descending("b", nulls: .first), .ascending("c")]
        #expect(
            self.texts { $0.select(nil, where: .always, order: order) } == [
                #"SELECT * FROM "t" ORDER BY "a" NULLS LAST, "b" DESC NULLS FIRST, "c""#,
                #"SELECT * FROM "t" ORDER BY "a" NULLS LAST, "b" DESC NULLS FIRST, "c""#,
                #"SELECT * FROM "t" ORDER BY "a" IS NULL, "a", "b" IS NULL DESC, "b" DESC, "c""#,
            ])
    }

    @Test("upsert as each engine does")
    func upsert() {
        let fields: SQLFields = ["k": 1, "a": 2]
        #expect(
            self.texts { $0.upsert(fields, conflict: ["k"], .update(["a"], increment: "v")) } == [
                #"INSERT INTO "t" ("k", "a") VALUES (?, ?) ON CONFLICT ("k") DO UPDATE SET "a" = excluded."a", "v" = "t"."v" + 1"#,
                #"INSERT INTO "t" ("k", "a") VALUES ($1, $2) ON CONFLICT ("k") DO UPDATE SET "a" = excluded."a", "v" = "t"."v" + 1"#,
                #"INSERT INTO "t" ("k", "a") VALUES (?, ?) ON DUPLICATE KEY UPDATE "a" = VALUES("a"), "v" = "v" + 1"#,
            ])
        #expect(
            self.texts { $0.upsert(fields, conflict: ["k"], .nothing) } == [
                #"INSERT INTO "t" ("k", "a") VALUES (?, ?) ON CONFLICT ("k") DO NOTHING"#,
                #"INSERT INTO "t" ("k", "a") VALUES ($1, $2) ON CONFLICT ("k") DO NOTHING"#,
                #"INSERT INTO "t" ("k", "a") VALUES (?, ?) ON DUPLICATE KEY UPDATE "k" = "k""#,
            ])
        #expect(
            self.texts { $0.insert([:], returnsRow: true) } == [
                #"INSERT INTO "t" DEFAULT VALUES RETURNING *"#, #"INSERT INTO "t" DEFAULT VALUES RETURNING *"#,
                #"INSERT INTO "t" () VALUES () RETURNING *"#,
            ])
    }

    @Test("set columns to values and to expressions, in the order in which they were written")
    func update() {
        var fields: SQLFields = ["b": "x", "a": Int?.none]
        fields.increment("n", by: 5)
        fields["b"] = .text("y")
        let query = TableStatements("s.t", .sqlite).update(fields, where: ["id": 1])
        #expect(query.text == #"UPDATE "s"."t" SET "b" = ?, "a" = ?, "n" = "n" + ? WHERE "id" = ?"#)
        #expect(query.values == [.text("y"), .null, .integer(5), .integer(1)])
        #expect(TableStatements("t", .sqlite).update([:], where: ["id": 1]).fault?.kind == .statement)
    }

    @Test("read JSON as each engine does, its path bound")
    func json() {
        let condition = SQLCondition.json("d", ["a", "b c"], equals: "x")
        #expect(
            SQLDialect.allCases.map { condition.query(for: $0).text(for: $0) } == [
                #"CAST(json_extract("d", ?) AS TEXT) = ?"#,
                #"jsonb_extract_path_text(CAST("d" AS jsonb), CAST($1 AS text), CAST($2 AS text)) = $3"#,
                #"JSON_UNQUOTE(JSON_EXTRACT("d", ?)) = ?"#,
            ])
        #expect(condition.query(for: .sqlite).values == [.text(#"$."a"."b c""#), .text("x")])
    }
}

@Suite("Conditions")
struct SQLConditionTests {
    @Test("fold what is always or never true, so that a condition for all rows is known to be one")
    func folding() {
        #expect((SQLCondition.always && .always).isAlwaysTrue)
        #expect((!SQLCondition.in("a", [Int]())).isAlwaysTrue)
        #expect((["a": 1] || SQLCondition.always).isAlwaysTrue)
        #expect(([:] as SQLCondition).isAlwaysTrue)
        #expect((["a": 1] && SQLCondition.never) == .never)
        #expect((["a": 1] && .always) == (["a": 1] as SQLCondition))
        #expect(!(!(["a": 1] as SQLCondition)) == ["a": 1])
        #expect(SQLCondition(["b": 2, "a": 1]) == ["a": 1, "b": 2])
    }

    @Test("take wildcards in a text for characters")
    func escaping() {
        let query = SQLCondition.contains("a", "50%_!").query(for: .sqlite)
        #expect(query.text == #""a" LIKE ? ESCAPE '!'"#)
        #expect(query.values == [.text("%50!%!_!!%")])
    }

    @Test("a cursor goes through its text, values of every type included, and nothing else is one")
    func cursor() throws {
        let order: [SQLOrder] = ["a", "b", "c", "d", "e", "f"].map { .ascending($0) }
        let values: [SQLValue] = [
            .integer(.min), .real(0.1), .text("ü\"\\n\u{0}"), .blob([0, 255]), .timestamp(-1), .null,
        ]
        let row = SQLRows(SQLValues(columns: SQLColumns(order.map(\.column)), rowCount: 1, values: values))[0]
        let cursor = try SQLCursor(after: row, in: order)
        #expect(try SQLCursor(text: cursor.text) == cursor)
        #expect(cursor.values == values)
        #expect(cursor.text.allSatisfy { $0.isLetter || $0.isNumber || $0 == "-" || $0 == "_" })
        for text in ["", "x", "W10", String(cursor.text.dropLast(5)), "WyJhIiwiejEiXQ"] {
            #expect(throws: SQLError.self) { try SQLCursor(text: text) }
        }
    }
}
