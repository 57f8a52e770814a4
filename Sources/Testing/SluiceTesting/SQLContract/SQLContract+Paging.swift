// SPDX-License-Identifier: Apache-2.0
import SluiceSQL

extension SQLContract {
    private static let orders: [[SQLOrder]] = [
        [.ascending("id", nulls: .never)], [.descending("id")], [.ascending("n"), .ascending("id")],
        [.descending("n"), .descending("id")], [.ascending("n"), .descending("id")],
        [.ascending("n", nulls: .last), .ascending("m", nulls: .first), .ascending("id", nulls: .never)],
        [.descending("n", nulls: .first), .descending("m"), .ascending("id", nulls: .never)],
        [.descending("n", nulls: .last), .ascending("m", nulls: .last), .descending("id", nulls: .never)],
    ]

    static let paging: [Check] = [
        Check("pages put together are all rows in order, each once, nulls among them") { scope in
            let table = try await scope.makeTable("pages", ["id": .key, "n": .integer, "m": .text])
            let rows: [SQLFields] = (0..<47).map { number in
                ["n": number % 5 == 0 ? nil : number % 4, "m": number % 3 == 0 ? nil : "m\(number % 2)"]
            }
            try await scope.database.insertMany(table, rows)
            for order in Self.orders {
                let all = try await scope.database.selectMany(table, order: order)
                let expected = try all.map { try $0.decode("id", as: Int64.self) }
                for limit in [1, 7, 46, 47, 48] {
                    let found = try await Self.ids(scope.database, table, order, limit: limit)
                    try scope.expectEqual(found, expected, "pages of \(limit) in the order \(order)")
                }
            }
        },
        Check("a page goes on where it was although rows were added before it; a cursor of another order is refused") {
            scope in
            let table = try await scope.makeTable("moving", ["id": .key, "name": .text])
            try await scope.database.insertMany(table, [["name": "b"], ["name": "c"], ["name": "d"]])
            let order: [SQLOrder] = [.ascending("name"), .ascending("id")]
            let first = try await scope.database.selectPage(table, order: order, limit: 2, columns: ["name"])
            try await scope.database.insertOne(table, ["name": "a"])
            let second = try await scope.database.selectPage(table, order: order, after: first.next, limit: 2)
            try scope.expectEqual(try second.rows.map { try $0.decode("name") }, ["d"], "the second page")
            try scope.expect(second.next == nil, "nothing follows the last page")
            for limit in [Int.min, -1, 0, .max] {
                try await scope.expectError(.statement, "a page of \(limit) rows") {
                    _ = try await scope.database.selectPage(table, order: order, limit: limit)
                }
            }
            for (limit, offset) in [(-1, 0), (1, -1), (Int.max, 0)] {
                try await scope.expectError(.statement, "a limit of \(limit) and an offset of \(offset)") {
                    _ = try await scope.database.selectMany(table, limit: limit, offset: offset)
                }
            }
            for wrong in [[SQLOrder.ascending("id")], [.descending("name"), .ascending("id")]] {
                try await scope.expectError(.decoding, "a cursor of another order") {
                    _ = try await scope.database.selectPage(table, order: wrong, after: first.next)
                }
            }
        },
    ]

    /// The keys of all pages, each cursor taken through its text.
    private static func ids(
        _ database: Database, _ table: String, _ order: [SQLOrder], limit: Int
    ) async throws -> [Int64] {
        var ids: [Int64] = []
        var cursor: SQLCursor?
        repeat {
            let page = try await database.selectPage(table, order: order, after: cursor, limit: limit)
            ids += try page.rows.map { try $0.decode("id") }
            cursor = try page.next.map { try SQLCursor(text: $0.text) }
        } while cursor != nil && ids.count < 1_000
        return ids
    }
}
