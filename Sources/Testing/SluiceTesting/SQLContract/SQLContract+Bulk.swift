// SPDX-License-Identifier: Apache-2.0
import Foundation
import SluiceSQL

extension SQLContract {
    private struct Broken: Error {}

    private struct Reading: SQLRecord {
        static var table: String { SQLContractScope.prefix + "readings" }
        var id: Int64?
        var sensor: String
        var value: Double?
    }

    /// Rows with keys of their own, in a sequence that ends with an error if told to.
    private static func readings(
        _ count: Int, from start: Int = 1, breaks: Bool = false
    ) -> some AsyncSequence<[SQLValue], any Error> & Sendable {
        AsyncThrowingStream<[SQLValue], any Error> { continuation in
            for number in 0..<count {
                continuation.yield([
                    .integer(Int64(start + number)), .text("sensor \(number % 7)"), .real(Double(number) / 4),
                ])
            }
            continuation.finish(throwing: breaks ? Broken() : nil)
        }
    }

    private static func makeReadings(_ scope: SQLContractScope) async throws -> String {
        try await scope.makeTable("readings", ["id": .key, "sensor": .text, "value": .real])
    }

    /// Rows that are read once, and the fourth of which ends what reads them with an error that is worth another try.
    private static var lostOnTheWay: AsyncThrowingStream<[SQLValue], any Error> {
        AsyncThrowingStream { continuation in
            for number in 1...3 { continuation.yield([.integer(Int64(number)), .text("s"), .null]) }
            continuation.finish(throwing: SQLError(.serialization, message: "the victim of a deadlock"))
        }
    }

    static let bulk: [Check] = [
        Check("a bulk insert that has begun to read its rows is not repeated, alone or in a transaction") { scope in
            let table = try await Self.makeReadings(scope)
            let columns = ["id", "sensor", "value"]
            try await scope.expectError(.serialization, "a bulk insert") {
                try await scope.database.bulkInsert(into: table, columns: columns, Self.lostOnTheWay)
            }
            let attempts = Locked(0)
            let rows = Self.lostOnTheWay
            try await scope.expectError(.serialization, "a transaction with a bulk insert") {
                try await scope.database.withTransaction { transaction in
                    attempts.withLock { $0 += 1 }
                    try await transaction.bulkInsert(into: table, columns: columns, rows)
                }
            }
            try scope.expectEqual(attempts.withLock { $0 }, 1, "attempts")
            try scope.expectEqual(try await scope.database.count(table), 0, "rows")
        },
        Check("a bulk insert stores a sequence of more rows than fit into one piece") { scope in
            let table = try await Self.makeReadings(scope)
            let columns = ["id", "sensor", "value"]
            let count = 12_345
            let inserted = try await scope.database.bulkInsert(
                into: table, columns: columns, Self.readings(count))
            try scope.expectEqual(inserted, count, "how many were inserted")
            let row = try await scope.database.rows(
                "SELECT count(*) AS n, min(id) AS low, max(id) AS high, sum(value) AS total FROM \(identifier: table)")[
                    0]
            try scope.expectEqual(try row.decode("n", as: Int.self), count, "how many there are")
            try scope.expectEqual(try row.decode("low", as: Int.self), 1, "the first")
            try scope.expectEqual(try row.decode("high", as: Int.self), count, "the last")
            let total = Double(count * (count - 1) / 2) / 4
            try scope.expectEqual(try row.decode("total", as: Double.self), total, "the total")
        },
        Check("a bulk insert keeps every type of value") { scope in
            let table = try await scope.makeTable(
                "kept", ["id": .key, "i": .integer, "r": .real, "s": .text, "b": .blob, "d": .timestamp])
            let rows: [[SQLValue]] = [
                [
                    .integer(.min), .real(0.1), .text("a\tb\\n\n\"'🏟"), .blob([0, 9, 10, 92, 255]),
                    .timestamp(1_234_567),
                ],
                [.null, .null, .null, .null, .null],
                [.integer(.max), .real(-1e300), .text(""), .blob([]), .timestamp(-1)],
                [.integer(0), .real(0), .text("\\N"), .blob([92, 78]), .timestamp(0)],
            ]
            try await scope.database.bulkInsert(into: table, columns: ["i", "r", "s", "b", "d"], rows)
            let stored = try await scope.database.rows("SELECT i, r, s, b, d FROM \(identifier: table) ORDER BY id")
            for (row, values) in zip(stored, rows) {
                try scope.expectEqual(Array(row.values[0...3]), Array(values[0...3]), "the values of a row")
                let moment = try row.decode(at: 4, as: Date?.self)
                try scope.expectEqual(moment, Date?(sqlValue: values[4]) ?? nil, "the moment of a row")
            }
            try scope.expectEqual(stored.count, rows.count, "how many rows there are")
        },
        Check("a bulk insert that fails stores nothing, and the connection serves the next") { scope in
            let table = try await Self.makeReadings(scope)
            let columns = ["id", "sensor", "value"]
            do {
                try await scope.database.bulkInsert(
                    into: table, columns: columns, Self.readings(11_000, breaks: true))
                throw SQLContractFailure(description: "the sequence's error was lost")
            } catch is Broken {
            }
            try await scope.expectError(.statement, "a row that is too short") {
                try await scope.database.bulkInsert(into: table, columns: columns, [[.integer(1), .text("a")]])
            }
            try await scope.expectError(.constraint, "a repeated key") {
                let row: [SQLValue] = [.integer(1), .text("a"), .null]
                try await scope.database.bulkInsert(into: table, columns: columns, [row, row])
            }
            try await scope.expectError(.statement, "a name that is none") {
                try await scope.database.bulkInsert(into: table, columns: ["id; DROP"], [[.integer(1)]])
            }
            try scope.expectEqual(try await scope.database.count(table), 0, "how many there are")
        },
        Check("a bulk insert in a transaction fails alone") { scope in
            let table = try await Self.makeReadings(scope)
            try await scope.database.withTransaction { transaction in
                try await transaction.insertOne(table, ["id": 1, "sensor": "a"])
                do {
                    try await transaction.bulkInsert(
                        into: table, columns: ["id", "sensor", "value"], Self.readings(3, breaks: true))
                } catch is Broken {
                }
                try await transaction.bulkInsert(
                    into: table, columns: ["id", "sensor", "value"],
                    Self.readings(3, from: 10))
            }
            try scope.expectEqual(try await scope.database.count(table), 4, "how many there are")
        },
        Check("records are inserted in bulk, with keys that the engine makes") { scope in
            let table = try await Self.makeReadings(scope)
            let records = AsyncStream<Reading> { continuation in
                for number in 0..<700 {
                    continuation.yield(Reading(sensor: "s\(number)", value: number % 2 == 0 ? nil : 0.5))
                }
                continuation.finish()
            }
            try scope.expectEqual(try await scope.database.bulkInsert(records), 700, "how many were inserted")
            try scope.expectEqual(
                try await scope.database.count(table, where: .isNull("value")), 350, "how many have no value")
        },
    ]

    static let streaming: [Check] = [
        Check("rows come as a sequence, in order and whole") { scope in
            let table = try await Self.makeReadings(scope)
            try await scope.database.bulkInsert(
                into: table, columns: ["id", "sensor", "value"],
                Self.readings(2_500))
            let ids = try await scope.database.withRows(
                "SELECT id FROM \(identifier: table) ORDER BY id", batch: 99
            ) { rows in
                try await rows.reduce(into: [Int]()) { $0.append(try $1.decode(at: 0)) }
            }
            try scope.expectEqual(ids, Array(1...2_500), "the rows")
        },
        Check("a sequence of rows may be left early, and a faulty statement ends it") { scope in
            let table = try await Self.makeReadings(scope)
            try await scope.database.bulkInsert(
                into: table, columns: ["id", "sensor", "value"],
                Self.readings(5_000))
            // More often than there are connections.
            for _ in 0..<60 {
                let first = try await scope.database.withRows(
                    "SELECT id FROM \(identifier: table) ORDER BY id", batch: 10
                ) { rows in
                    try await rows.first { _ in true }
                }
                try scope.expectEqual(try first?.decode(at: 0, as: Int.self), 1, "the first row")
            }
            try await scope.expectError(.statement, "an unknown column") {
                try await scope.database.withRows("SELECT missing FROM \(identifier: table)") { rows in
                    for try await _ in rows {}
                }
            }
        },
    ]
}
