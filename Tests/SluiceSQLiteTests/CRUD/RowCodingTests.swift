// SPDX-License-Identifier: Apache-2.0
import Foundation
import SluiceSQL
import Testing

@Suite("Rows as values")
struct RowCodingTests {
    private struct Wrapper: Codable, Equatable {
        let text: String
        init(_ text: String) { self.text = text }
        init(from decoder: any Decoder) throws {
            self.text = try decoder.singleValueContainer().decode(String.self)
        }
        func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            try container.encode(self.text)
        }
    }

    private enum Level: Int, Codable { case low = 1, high }

    private struct Everything: Codable, Equatable {
        var int: Int
        var small: Int8
        var big: UInt64
        var float: Float
        var flag: Bool
        var text: String?
        var date: Date
        var uuid: UUID
        var data: Data
        var decimal: Decimal
        var url: URL
        var level: Level
        var wrapper: Wrapper
        var list: [String]
        var map: [String: Int]?
        var inner: [Level?]
    }

    private func everything() throws -> Everything {
        Everything(
            int: -1, small: -128, big: UInt64(Int64.max), float: 1.5, flag: true, text: nil,
            date: Date(timeIntervalSince1970: 1_700_000_000.25), uuid: UUID(), data: Data([0, 1]),
            decimal: try #require(Decimal(string: "0.1")), url: try #require(URL(string: "https://example.org/a?b")),
            level: .high, wrapper: Wrapper("w"), list: ["a", "b/c"], map: nil, inner: [.low, nil])
    }

    private func row(_ fields: SQLFields) -> SQLRow {
        let values = fields.columns.map { fields[$0] ?? .null }
        return SQLRows(SQLValues(columns: SQLColumns(fields.columns), rowCount: 1, values: values))[0]
    }

    @Test("a moment that no database can hold is a text that none takes for a moment, and no end of the program")
    func farDates() {
        for seconds in [1e300, -1e300, .infinity, .nan, 9.3e12] {
            guard case .text(let text) = Date(timeIntervalSince1970: seconds).sqlValue else {
                Issue.record("\(seconds) became a moment")
                continue
            }
            #expect(Date(sqlValue: .text(text)) == nil)
        }
        #expect(Date(timeIntervalSince1970: -1.5).sqlValue == .timestamp(-1_500_000))
    }

    @Test("a value of every type goes into columns and comes back")
    func roundTrip() throws {
        let value = try self.everything()
        let fields = try SQLRowEncoder().encode(value)
        #expect(fields["list"] == .text(#"["a","b/c"]"#))
        #expect(fields["level"] == .integer(2))
        #expect(fields["wrapper"] == .text("w"))
        #expect(fields["text"] == .null)
        #expect(fields["map"] == .null)
        #expect(fields["data"] == .blob([0, 1]))
        #expect(try self.row(fields).decode(Everything.self) == value)
    }

    @Test("columns are found by their names, in whatever order, and those that nobody wants are passed over")
    func order() throws {
        struct Pair: Codable, Equatable {
            var a: Int
            var b: String?
        }
        let values: [SQLValue] = [.text("x"), .real(0), .integer(1), .null, .real(0), .integer(2)]
        let rows = SQLRows(SQLValues(columns: SQLColumns(["b", "z", "a"]), rowCount: 2, values: values))
        #expect(try rows.decode(Pair.self) == [Pair(a: 1, b: "x"), Pair(a: 2, b: nil)])
        let missing = SQLRows(SQLValues(columns: SQLColumns(["a"]), rowCount: 1, values: [.integer(1)]))
        #expect(try missing.decode(Pair.self) == [Pair(a: 1, b: nil)])
        #expect(try SQLRows.none.decode(Pair.self) == [])
    }

    @Test("a plain value is still decoded by itself, and a tuple as one")
    func plain() throws {
        let row = self.row(["a": 1, "b": "x"])
        #expect(try row.decode(Int.self) == 1)
        let pair = try row.decode((Int, String).self)
        #expect(pair == (1, "x"))
        #expect(try row.decode("b", as: String.self) == "x")
    }

    @Test(
        "what does not fit is an error that names the column and never the value",
        arguments: [
            ["a": "secret", "list": "[]"], ["list": "[]"], ["a": SQLValue.null, "list": "[]"],
            ["a": 1, "list": "secret"], ["a": 1, "list": #"{"secret": 1}"#], ["a": 1_000, "list": "[]"],
            ["a": 1, "level": 77, "list": "[]"],
        ] as [SQLFields])
    func mismatch(fields: SQLFields) throws {
        struct Small: Codable {
            var a: Int8
            var level: Level?
            var list: [String]
        }
        let error = #expect(throws: SQLError.self) { try self.row(fields).decode(Small.self) }
        #expect(error?.kind == .decoding)
        #expect(error?.message.contains("secret") == false)
        #expect(error?.message.contains("77") == false)
    }

    @Test("what is no record is refused")
    func noRecord() {
        #expect(throws: SQLError.self) { try SQLRowEncoder().encode([1, 2]) }
        #expect(throws: SQLError.self) { try SQLRowEncoder().encode(5) }
    }
}
