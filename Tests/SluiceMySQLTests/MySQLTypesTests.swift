// SPDX-License-Identifier: Apache-2.0
import Foundation
import SluiceMySQL
import SluiceSQL
import Testing

@Suite("MySQL types", .timeLimit(.minutes(5)))
struct MySQLTypesTests {
    /// What a column of `type` gives back for `value`.
    private func roundTrip(_ type: String, _ value: SQLQuery) async throws -> SQLValue {
        try await withConnection { connection in
            let type = SQLQuery(stringLiteral: type)
            _ = try await connection.execute("CREATE TABLE t (v \(type))")
            _ = try await connection.execute("INSERT INTO t VALUES (\(value))")
            return try #require(try await connection.first("SELECT v FROM t"))[0]
        }
    }

    @Test(
        "integers of every width come back, the largest and the smallest",
        arguments: [
            ("TINYINT", -128, 127), ("TINYINT UNSIGNED", 0, 255), ("SMALLINT", -32_768, 32_767),
            ("SMALLINT UNSIGNED", 0, 65_535), ("MEDIUMINT", -8_388_608, 8_388_607),
            ("MEDIUMINT UNSIGNED", 0, 16_777_215), ("INT", -2_147_483_648, 2_147_483_647),
            ("INT UNSIGNED", 0, 4_294_967_295), ("BIGINT", Int64.min, Int64.max),
            ("BIGINT UNSIGNED", 0, Int64.max), ("YEAR", 1901, 2155),
        ] as [(String, Int64, Int64)])
    func integers(type: String, smallest: Int64, largest: Int64) async throws {
        #expect(try await self.roundTrip(type, "\(smallest)") == .integer(smallest))
        #expect(try await self.roundTrip(type, "\(largest)") == .integer(largest))
    }

    @Test("an integer beyond 63 bits comes as its digits")
    func unsigned() async throws {
        #expect(
            try await self.roundTrip("BIGINT UNSIGNED", "18446744073709551615") == .text("18446744073709551615"))
        #expect(try await self.roundTrip("BIGINT UNSIGNED", "9223372036854775808") == .text("9223372036854775808"))
    }

    @Test(
        "reals come back to the last bit",
        arguments: [0, -0.0, 0.1, -1.5, .pi, .leastNonzeroMagnitude, .greatestFiniteMagnitude])
    func reals(value: Double) async throws {
        #expect(try await self.roundTrip("DOUBLE", "\(value)") == .real(value))
    }

    @Test(
        "texts come back, the empty one, the largest, emoji and all",
        arguments: [
            "", "a", "Málaga\u{0}🏟", "日本語", "'\"`\\%_", String(repeating: "é", count: 250),
            String(repeating: "x", count: 66_000), String(repeating: "🏟", count: 1 << 18),
        ])
    func texts(text: String) async throws {
        #expect(try await self.roundTrip("LONGTEXT", "\(text)") == .text(text))
    }

    @Test("bytes come back, none, every one, and a mebibyte", arguments: [0, 1, 250, 251, 256, 65_536, 1 << 20])
    func blobs(count: Int) async throws {
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
        #expect(try await self.roundTrip("LONGBLOB", "\(bytes)") == .blob(bytes))
    }

    @Test("moments come back to the microsecond, in UTC")
    func moments() async throws {
        let times: [Int64] = [0, 1, 1_795_255_200_123_456, 253_402_300_799_999_999, -62_135_596_800_000_000 + 1]
        for time in times {
            let date = try #require(Date(sqlValue: .timestamp(time)))
            let text = SQLTimestamp.text(time)
            #expect(try await self.roundTrip("DATETIME(6)", "\(text)") == .timestamp(time), "\(text)")
            if time > 0, time < 2_000_000_000_000_000 {
                #expect(try await self.roundTrip("TIMESTAMP(6)", "\(date)") == .timestamp(time), "\(text)")
            }
        }
        #expect(try await self.roundTrip("DATETIME", "'2026-11-21'") == .timestamp(1_795_219_200_000_000))
        try await withConnection { connection in
            let now = try await connection.scalar("SELECT NOW(6)", as: Date.self)
            #expect(abs(now.timeIntervalSinceNow) < 60)
        }
    }

    @Test("a moment that MySQL does not have is refused before it is sent")
    func momentOutOfRange() async throws {
        try await withConnection { connection in
            let far = Date(timeIntervalSince1970: 400_000_000_000)
            let error = await #expect(throws: SQLError.self) { try await connection.rows("SELECT \(far)") }
            #expect(error?.kind == .statement)
            #expect(error?.hasRun == false)
        }
    }

    @Test("a date that is none comes as text")
    func zeroDate() async throws {
        try await withConnection { connection in
            _ = try await connection.execute("SET SESSION sql_mode = 'ANSI_QUOTES'")
            let row = try #require(
                try await connection.first(
                    "SELECT CAST('0000-00-00' AS DATETIME), CAST('0000-00-00' AS DATE), CAST('2026-00-00' AS DATETIME)")
            )
            #expect(row.values == [.text("0000-00-00 00:00:00"), .text("0000-00-00"), .text("2026-00-00 00:00:00")])
        }
    }

    @Test(
        "what has no type of ours comes as text",
        arguments: [
            ("DECIMAL(65,30)", "-12345678901234567890123456789012345.123456789012345678901234567891"),
            ("DATE", "2026-11-21"), ("TIME", "10:30:00"), ("TIME(6)", "-838:59:58.000001"),
            ("JSON", #"{"a": [1, null]}"#),
            ("ENUM('red','green')", "green"), ("SET('a','b')", "a,b"), ("CHAR(3)", "abc"),
            ("UUID", "123e4567-e89b-12d3-a456-426655440000"), ("INET6", "2001:db8::1"),
        ])
    func asText(type: String, text: String) async throws {
        #expect(try await self.roundTrip(type, "\(text)") == .text(text))
    }

    @Test("floats, bits, nulls and bytes of fixed length")
    func others() async throws {
        #expect(try await self.roundTrip("FLOAT", "0.5") == .real(0.5))
        #expect(try await self.roundTrip("BIT(1)", "1") == .integer(1))
        #expect(try await self.roundTrip("BIT(64)", "b'1111111111111111'") == .integer(65_535))
        #expect(try await self.roundTrip("BIT(64)", "~0") == .text("18446744073709551615"))
        #expect(try await self.roundTrip("BOOLEAN", "\(true)") == .integer(1))
        #expect(try await self.roundTrip("BINARY(2)", "x'00ff'") == .blob([0, 255]))
        #expect(try await self.roundTrip("INT", "\(Int?.none)") == .null)
        #expect(try await withConnection { try await $0.first("SELECT NULL")?[0] } == .null)
    }

    @Test("a row of many columns keeps nulls and values apart")
    func manyColumns() async throws {
        try await withConnection { connection in
            let columns = (0..<200).map { $0 % 3 == 0 ? "NULL" : $0 % 3 == 1 ? "\($0)" : "'\($0)'" }
            let list = SQLQuery(stringLiteral: columns.joined(separator: ", "))
            let rows = try await connection.rows("SELECT \(list) UNION ALL SELECT \(list)")
            #expect(rows.count == 2)
            for row in rows {
                for (number, value) in row.values.enumerated() {
                    switch number % 3 {
                    case 0: #expect(value == .null)
                    case 1: #expect(value == .integer(Int64(number)))
                    default: #expect(value == .text("\(number)"))
                    }
                }
            }
        }
    }

    @Test("rows outlive their statement, their connection and the database")
    func outlive() async throws {
        let rows = try await withConnection { connection in
            try await connection.rows("SELECT seq, repeat('x', seq) FROM seq_1_to_1000")
        }
        for (number, row) in rows.enumerated() {
            let (id, text) = try row.decode((Int, String).self)
            #expect(id == number + 1)
            #expect(text.utf8.count == number + 1)
        }
    }
}
