// SPDX-License-Identifier: Apache-2.0
import Foundation
import SluiceSQL

extension SQLContract {
    static let values: [Check] = [
        Check("reads back what was written, of every type") { scope in
            let table = try await scope.makeTable(
                "all",
                [
                    "id": .key, "i": .integer, "r": .real, "s": .text, "b": .blob, "d": .timestamp, "n": .text,
                ])
            let date = Date(timeIntervalSince1970: 1_795_000_000.123456)
            let row = try await scope.database.insertOne(
                table,
                [
                    "i": Int64.min, "r": 0.1, "s": "Málaga 🏟 \"'`\\%_", "b": [UInt8](0...255), "d": date,
                    "n": String?.none,
                ])
            try scope.expectEqual(try row.decode("id", as: Int64.self), 1, "the key that the engine made")
            try scope.expectEqual(try row.decode("i", as: Int64.self), .min, "an integer")
            try scope.expectEqual(try row.decode("r", as: Double.self), 0.1, "a number")
            try scope.expectEqual(try row.decode("s", as: String.self), "Málaga 🏟 \"'`\\%_", "a text")
            try scope.expectEqual(try row.decode("b", as: [UInt8].self), [UInt8](0...255), "bytes")
            let read = try row.decode("d", as: Date.self)
            try scope.expect(abs(read.timeIntervalSince(date)) < 0.000_001, "a moment: expected \(date), got \(read)")
            try scope.expectEqual(try row.decode("n", as: String?.self), nil, "a null")
        },
        Check("a null character in a text is kept", needs: .nullCharacters) { scope in
            let table = try await scope.makeTable("zero", ["id": .key, "s": .text])
            let row = try await scope.database.insertOne(table, ["s": "a\u{0}b"])
            try scope.expectEqual(try row.decode("s", as: String.self), "a\u{0}b", "a text")
        },
        Check("an unknown table, an unknown column and a repeated key are errors of their kinds") { scope in
            let table = try await scope.makeTable("kinds", ["id": .key, "s": .text])
            try await scope.expectError(.statement, "an unknown table") {
                _ = try await scope.database.selectOne(scope.prefix + "missing")
            }
            try await scope.expectError(.statement, "an unknown column") {
                _ = try await scope.database.selectOne(table, where: ["missing": "missing"])
            }
            try await scope.database.insertOne(table, ["id": 1, "s": "a"])
            try await scope.expectError(.constraint, "a repeated key") {
                try await scope.database.insertOne(table, ["id": 1, "s": "b"])
            }
        },
    ]
}
