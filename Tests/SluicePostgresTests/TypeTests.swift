// SPDX-License-Identifier: Apache-2.0
import Foundation
import Sluice
import SluicePostgres
import SluiceSQL
import SluiceTesting
import Testing

extension Reliability {
    @Suite("Types")
    struct TypeTests {
        /// A value in SQL, and what it is read as.
        private struct Sample {
            let sql: SQLQuery
            let value: SQLValue

            init(_ sql: SQLQuery, _ value: SQLValue) {
                (self.sql, self.value) = (sql, value)
            }
        }

        private static let values: [Sample] = [
            Sample("true", .integer(1)), Sample("false", .integer(0)), Sample("NULL::int", .null),
            Sample("NULL::text", .null),
            Sample("''::text", .text("")),
            Sample("(-32768)::int2", .integer(-32_768)), Sample("2147483647::int4", .integer(2_147_483_647)),
            Sample("(-9223372036854775808)::int8", .integer(.min)), Sample("4294967295::oid", .integer(4_294_967_295)),
            Sample("0.1::float4", .real(Double(Float(0.1)))), Sample("0.1::float8", .real(0.1)),
            Sample("'-0'::float8", .real(-0.0)),
            Sample("1e308::float8", .real(1e308)), Sample("5e-324::float8", .real(.leastNonzeroMagnitude)),
            Sample("'Infinity'::float8", .real(.infinity)),
            Sample("'-Infinity'::float4", .real(-.infinity)),
            Sample("0::numeric", .text("0")), Sample("0.00::numeric", .text("0.00")),
            Sample("-1.5::numeric", .text("-1.5")),
            Sample("10000::numeric", .text("10000")), Sample("100000000::numeric", .text("100000000")),
            Sample("0.0001::numeric", .text("0.0001")),
            Sample("0.00001::numeric", .text("0.00001")), Sample("1e-20::numeric", .text("0.00000000000000000001")),
            Sample("12345678901234567890.0987654321::numeric", .text("12345678901234567890.0987654321")),
            Sample("1e30::numeric", .text("1" + String(repeating: "0", count: 30))),
            Sample("'NaN'::numeric", .text("NaN")),
            Sample("'Infinity'::numeric", .text("Infinity")), Sample("'-Infinity'::numeric", .text("-Infinity")),
            Sample("'Málaga🏟'::text", .text("Málaga🏟")), Sample("'ab'::char(4)", .text("ab  ")),
            Sample("'ab'::varchar(4)", .text("ab")),
            Sample("'ab'::name", .text("ab")), Sample("'a'::\"char\"", .text("a")),
            Sample("'\\x00ff7f'::bytea", .blob([0, 255, 127])),
            Sample("''::bytea", .blob([])), Sample("'2026-11-21'::date", .text("2026-11-21")),
            Sample("'1969-12-31'::date", .text("1969-12-31")),
            Sample("'0001-01-01'::date", .text("0001-01-01")), Sample("'infinity'::date", .text("infinity")),
            Sample("'-infinity'::date", .text("-infinity")), Sample("'10:20:30'::time", .text("10:20:30")),
            Sample("'10:20:30.5'::time", .text("10:20:30.5")), Sample("'00:00'::time", .text("00:00:00")),
            Sample("'24:00'::time", .text("24:00:00")),
            Sample("'23:59:59.999999'::time", .text("23:59:59.999999")),
            Sample("'10:20:30.000001'::time", .text("10:20:30.000001")),
            Sample("'2026-11-21 10:00:00.123456'::timestamp", .timestamp(1_795_255_200_123_456)),
            Sample("'2026-11-21 10:00:00+01'::timestamptz", .timestamp(1_795_251_600_000_000)),
            Sample("'1970-01-01'::timestamptz", .timestamp(0)),
            Sample("'1960-02-29 23:59:59.999999'::timestamp", .timestamp(-310_435_200_000_001)),
            Sample("'infinity'::timestamptz", .text("infinity")), Sample("'-infinity'::timestamp", .text("-infinity")),
            Sample("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid", .text("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")),
            Sample("'294276-12-31 23:59:59.5'::timestamp", .text("294276-12-31 23:59:59.5")),
            Sample("'294276-12-31'::timestamp", .text("294276-12-31 00:00:00")),
            Sample("'300000-01-01'::date", .text("300000-01-01")),
            Sample("'5874897-12-31'::date", .text("5874897-12-31")),
            Sample("'{\"b\": [1, null]}'::jsonb", .text("{\"b\": [1, null]}")),
            Sample("'{\"b\":  1}'::json", .text("{\"b\":  1}")),
            Sample("pg_sleep(0)", .null),
        ]

        /// What comes as text only, and so makes a whole result come as text.
        private static let texts: [Sample] = [
            Sample("'{1,NULL,3}'::int[]", .text("{1,NULL,3}")), Sample("'{a,\"b c\"}'::text[]", .text("{a,\"b c\"}")),
            Sample("'{{1,2},{3,4}}'::int[]", .text("{{1,2},{3,4}}")),
            Sample("'1 day 02:03:04'::interval", .text("1 day 02:03:04")),
            Sample("'10.0.0.1/8'::inet", .text("10.0.0.1/8")), Sample("'[1,5)'::int4range", .text("[1,5)")),
            Sample("'(1,2)'::point", .text("(1,2)")),
            Sample("B'101'::bit(3)", .text("101")), Sample("'08:00:2b:01:02:03'::macaddr", .text("08:00:2b:01:02:03")),
            Sample("'10:20:30+02'::timetz", .text("10:20:30+02")), Sample("ROW(1, 'a')", .text("(1,a)")),
            Sample("'a & b'::tsquery", .text("'a' & 'b'")),
        ]

        @Test("are read alike from the binary form and from the text form")
        func forms() async throws {
            try await withPostgres { database in
                for sample in Self.values {
                    let (sql, value) = (sample.sql, sample.value)
                    let binary = try await database.first("SELECT \(sql) AS value")
                    #expect(binary?[0] == value, "binary: \(sql.text)")
                    let text = try await database.first("SELECT \(sql) AS value, '{}'::int[] AS makes_it_text")
                    #expect(text?[0] == value, "text: \(sql.text)")
                }
                for sample in Self.texts {
                    let (sql, value) = (sample.sql, sample.value)
                    let row = try await database.first("SELECT \(sql) AS value, \(7)::int4 AS number")
                    #expect(row?[0] == value, "\(sql.text)")
                    #expect(row?[1] == .integer(7))
                }
            }
        }

        @Test("come alike through a pipeline, the first time and later")
        func pipelined() async throws {
            try await withPostgres(pool: PoolSettings(size: 1, overflow: 0)) { database in
                let queries = (Self.values + Self.texts).map { "SELECT \($0.sql) AS value" as SQLQuery }
                for isKnown in [false, true] {
                    if isKnown { for query in queries { _ = try await database.rows(query) } }
                    let results = try await database.pipeline(queries)
                    for (result, expected) in zip(results, Self.values + Self.texts) {
                        #expect(try result.get().rows[0][0] == expected.value, "\(expected.sql.text)")
                    }
                }
            }
        }

        @Test("of one's own, enumerations and domains, come as text or as what they are made of")
        func own() async throws {
            try await withPostgres { database in
                let (mood, age) = (try SQLIdentifier(uniqueName("mood")), try SQLIdentifier(uniqueName("age")))
                _ = try await database.execute("CREATE TYPE \(mood) AS ENUM ('glad', 'sad')")
                _ = try await database.execute("CREATE DOMAIN \(age) AS int CHECK (value >= 0)")
                try await withTable(database, "id int, feels \(mood), years \(age), all_moods \(mood)[]") { table in
                    _ = try await database.execute(
                        "INSERT INTO \(table) VALUES (\(1), \("sad"), \(42), \("{glad,sad}"))")
                    let row = try await database.first(
                        "SELECT feels, years, all_moods FROM \(table) WHERE feels = \("sad")")
                    #expect(row?.values == [.text("sad"), .integer(42), .text("{glad,sad}")])
                    #expect(try await database.first("SELECT years FROM \(table)")?.values == [.integer(42)])
                    let wrong = await failure {
                        _ = try await database.execute("INSERT INTO \(table) (years) VALUES (\(-1))")
                    }
                    #expect((wrong as? SQLError)?.kind == .constraint)
                    #expect((wrong as? SQLError)?.constraint?.hasSuffix("_check") == true)
                }
                _ = try await database.execute("DROP TYPE \(mood)")
                _ = try await database.execute("DROP DOMAIN \(age)")
            }
        }

        @Test("go in as they come out")
        func roundTrip() async throws {
            try await withPostgres { database in
                let date = Date(timeIntervalSince1970: 1_795_251_600.123456)
                let uuid = UUID()
                for _ in 0..<2 {
                    try await self.expect(date, database, "SELECT \(date)::timestamptz")
                    try await self.expect(uuid, database, "SELECT \(uuid)::uuid")
                    for number in [Double.pi, -.infinity, .greatestFiniteMagnitude, .leastNonzeroMagnitude, -0.0, 0.1] {
                        try await self.expect(number, database, "SELECT \(number)::float8")
                    }
                    let nan: Double = try await database.scalar("SELECT \(Double.nan)::float8")
                    #expect(nan.isNaN)
                    try await self.expect(Int64.min, database, "SELECT \(Int64.min)::int8")
                    try await self.expect(true, database, "SELECT \(true)::bool")
                    try await self.expect([UInt8](), database, "SELECT \([UInt8]())::bytea")
                    try await self.expect("", database, "SELECT \("")::text")
                    try await self.expect(Int?.none, database, "SELECT \(Int?.none)::int8")
                }
            }
        }

        private func expect<Value: SQLConvertible & Equatable>(
            _ value: Value, _ database: Database, _ query: SQLQuery
        ) async throws {
            let answer: Value = try await database.scalar(query)
            #expect(answer == value)
        }
    }
}
