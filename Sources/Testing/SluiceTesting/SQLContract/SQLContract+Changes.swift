// SPDX-License-Identifier: Apache-2.0
import SluiceSQL

extension SQLContract {
    private static func items(_ scope: SQLContractScope, _ count: Int) async throws -> String {
        let table = try await scope.makeTable("items", ["id": .key, "name": .text, "n": .integer])
        let rows = (0..<count).map { ["name": "item \($0 + 1)", "n": $0 % 3] as SQLFields }
        try scope.expectEqual(try await scope.database.insertMany(table, rows), count, "the count of inserted rows")
        return table
    }

    static let changes: [Check] = [
        Check("a hundred rows come at most unless told otherwise, and thousands go in at once, all or none") { scope in
            let table = try await Self.items(scope, 2_345)
            try scope.expectEqual(try await scope.database.selectMany(table).count, 100, "rows without a limit")
            let last = try await scope.database.selectOne(table, order: [.descending("id")])
            try scope.expectEqual(try last?.decode("name"), "item 2345", "the last row")
            let more: [SQLFields] = (0..<2_000).map { ["id": $0 == 1_999 ? 1 : 10_000 + $0, "name": "more", "n": 0] }
            try await scope.expectError(.constraint, "a repeated key in the last chunk") {
                try await scope.database.insertMany(table, more)
            }
            try scope.expectEqual(try await scope.database.count(table), 2_345, "rows after an insert that failed")
            try await scope.expectError(.statement, "rows of different columns") {
                try await scope.database.insertMany(table, [["name": "a"], ["n": 1]])
            }
        },
        Check("one row is updated or deleted, or none") { scope in
            let (table, database) = (try await Self.items(scope, 6), scope.database)
            try await database.updateOne(table, set: ["name": "first"], where: ["id": 1])
            // To what it holds already: it is there, so it is no error.
            try await database.updateOne(table, set: ["name": "first"], where: ["id": 1])
            try await scope.expectError(.missing, "an update of no row") {
                try await database.updateOne(table, set: ["name": "x"], where: ["id": 99])
            }
            try await scope.expectError(.statement, "an update of two rows") {
                try await database.updateOne(table, set: ["name": "x"], where: ["n": 0])
            }
            try await scope.expectError(.missing, "a delete of no row") {
                try await database.deleteOne(table, where: ["id": 99])
            }
            try await scope.expectError(.statement, "a delete of two rows") {
                try await database.deleteOne(table, where: ["n": 0])
            }
            try scope.expectEqual(try await database.count(table, where: ["name": "x"]), 0, "rows updated by mistake")
            try scope.expectEqual(try await database.count(table), 6, "rows before the delete")
            try await database.deleteOne(table, where: ["id": 2])
            try scope.expectEqual(try await scope.names(table, .less("id", 4)), ["first", "item 3"], "the rows left")
        },
        Check("many rows are updated or deleted, all of them only by name") { scope in
            let (table, database) = (try await Self.items(scope, 7), scope.database)
            var fields: SQLFields = ["name": "new"]
            fields.increment("n", by: 10)
            try scope.expectEqual(try await database.updateMany(table, set: fields, where: ["n": 0]), 3, "updated rows")
            try scope.expectEqual(try await database.count(table, where: ["n": 10, "name": "new"]), 3, "changed rows")
            for condition in [SQLCondition.always, .all([]), !.in("id", [Int]()), [:], !.never] {
                try await scope.expectError(.statement, "an update of all rows") {
                    try await database.updateMany(table, set: ["n": 0], where: condition)
                }
                try await scope.expectError(.statement, "a delete of all rows") {
                    try await database.deleteMany(table, where: condition)
                }
            }
            try scope.expectEqual(try await database.deleteMany(table, where: .in("id", [Int]())), 0, "rows in nothing")
            try scope.expectEqual(try await database.deleteMany(table, where: ["n": 10]), 3, "deleted rows")
            try scope.expectEqual(try await database.updateAll(table, set: ["n": 5]), 4, "all rows updated")
            try scope.expectEqual(try await database.deleteAll(table), 4, "all rows deleted")
            try scope.expectEqual(try await database.count(table), 0, "rows left")
        },
        Check("an upsert inserts, or changes what it was told to") { scope in
            let table = try await scope.makeTable(
                "settings", ["name": .raw("VARCHAR(100) NOT NULL PRIMARY KEY"), "v": .integer, "w": .integer])
            let database = scope.database
            var row = try await database.upsert(table, ["name": "a", "v": 1, "w": 1], conflict: ["name"])
            try scope.expectEqual(try row.decode((String, Int, Int).self).1, 1, "the inserted value")
            row = try await database.upsert(table, ["name": "a", "v": 2, "w": 2], conflict: ["name"], update: ["v"])
            try scope.expectEqual([try row.decode("v"), try row.decode("w")], [2, 1], "the changed row")
            row = try await database.upsert(table, ["name": "a", "v": 3, "w": 3], conflict: ["name"], update: [])
            try scope.expectEqual([try row.decode("v"), try row.decode("w")], [2, 1], "the row left as it is")
            row = try await database.upsert(table, ["name": "a", "v": 4, "w": 4], conflict: ["name"])
            try scope.expectEqual([try row.decode("v"), try row.decode("w")], [4, 4], "the row changed whole")
            try scope.expectEqual(try await database.count(table), 1, "rows")
        },
        Check("an insert without values takes the table's defaults") { scope in
            let table = try await scope.makeTable("defaults", ["id": .key, "n": .raw("BIGINT NOT NULL DEFAULT 7")])
            let row = try await scope.database.insertOne(table, [:])
            try scope.expectEqual(try row.decode("n"), 7, "the default")
        },
        Check("a delete that others follow counts its own rows alone") { scope in
            let parent = try await scope.makeTable("parents", ["id": .key, "name": .text])
            let child = try await scope.makeTable(
                "children", ["id": .key, "parent": .raw("BIGINT NOT NULL")],
                ", FOREIGN KEY (parent) REFERENCES \"\(parent)\" (id) ON DELETE CASCADE")
            try await scope.database.insertMany(parent, [["name": "a"], ["name": "b"]])
            try await scope.database.insertMany(child, [["parent": 1], ["parent": 1], ["parent": 2]])
            try await scope.database.deleteOne(parent, where: ["id": 1])
            try scope.expectEqual(try await scope.database.count(child), 1, "children left")
        },
    ]
}
