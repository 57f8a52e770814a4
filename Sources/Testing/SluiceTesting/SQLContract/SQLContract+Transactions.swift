// SPDX-License-Identifier: Apache-2.0
import SluiceSQL

extension SQLContract {
    private struct Undo: Error {}

    private static func accounts(_ scope: SQLContractScope) async throws -> String {
        let table = try await scope.makeTable("accounts", ["id": .key, "name": .text, "balance": .integer])
        try await scope.database.insertMany(table, (0..<4).map { ["name": "a\($0)", "balance": 100] })
        return table
    }

    static let transactions: [Check] = [
        Check("a transaction that throws leaves nothing, a savepoint that throws only the rest") { scope in
            let table = try await Self.accounts(scope)
            let actions = Locked<[String]>([])
            do {
                try await scope.database.withTransaction { transaction in
                    try await transaction.insertOne(table, ["name": "x", "balance": 0])
                    transaction.afterCommit { actions.withLock { $0.append("never") } }
                    throw Undo()
                }
            } catch is Undo {}
            try await scope.database.withTransaction { transaction in
                transaction.afterCommit { actions.withLock { $0.append("after") } }
                try await transaction.updateOne(table, set: ["balance": 1], where: ["id": 1])
                do {
                    try await transaction.withSavepoint { inner in
                        inner.afterCommit { actions.withLock { $0.append("never") } }
                        try await inner.deleteMany(table, where: .less("id", 3))
                        throw Undo()
                    }
                } catch is Undo {}
                try await transaction.insertOne(table, ["name": "y", "balance": 0])
            }
            try scope.expectEqual(actions.withLock { $0 }, ["after"], "what was run after the commit")
            try scope.expectEqual(try await scope.names(table, .always), ["a0", "a1", "a2", "a3", "y"], "the rows")
            let row = try await scope.database.selectOne(table, where: ["id": 1])
            try scope.expectEqual(try row?.decode("balance"), 1, "what was changed before the savepoint")
        },
        Check("a statement that fails in a transaction and is caught leaves the transaction usable") { scope in
            let table = try await Self.accounts(scope)
            try await scope.database.withTransaction { transaction in
                try await scope.expectError(.missing, "an update of no row") {
                    try await transaction.updateOne(table, set: ["balance": 1], where: ["id": 99])
                }
                try await scope.expectError(.statement, "a delete of several rows") {
                    try await transaction.deleteOne(table, where: ["balance": 100])
                }
                try await transaction.updateOne(table, set: ["balance": 7], where: ["id": 2])
            }
            try scope.expectEqual(try await scope.database.count(table), 4, "rows")
            try scope.expectEqual(try await scope.names(table, ["balance": 7]), ["a1"], "the changed row")
        },
        Check("an error that is not the transaction's own does not have it repeated, whatever it advises") { scope in
            let table = try await Self.accounts(scope)
            let attempts = Locked(0)
            try await scope.expectError(.serialization, "a transaction around somebody else's error") {
                try await scope.database.withTransaction { transaction in
                    attempts.withLock { $0 += 1 }
                    try await transaction.updateOne(table, set: ["balance": 7], where: ["id": 2])
                    throw SQLError(.serialization, message: "another database's")
                }
            }
            try scope.expectEqual(attempts.withLock { $0 }, 1, "attempts")
            try scope.expectEqual(
                try await scope.database.count(table, where: ["balance": 7]), 0, "rows that were changed")
        },
        Check("a transaction that reads cannot write, and the next one can") { scope in
            let table = try await Self.accounts(scope)
            try await scope.expectError(nil, "a change in a transaction that reads") {
                try await scope.database.read { _ = try await $0.execute("DELETE FROM \(identifier: table)") }
            }
            try scope.expectEqual(try await scope.database.count(table), 4, "rows")
            try await scope.database.withTransaction { try await $0.deleteOne(table, where: ["id": 1]) }
            try scope.expectEqual(try await scope.database.count(table), 3, "rows after one that writes")
        },
        Check("results that are read in pieces may lie one in the other, and one that was left another follows") {
            scope in
            let table = try await Self.accounts(scope)
            let query: SQLQuery = "SELECT id FROM \(identifier: table) ORDER BY id"
            let pairs = try await scope.database.read { transaction in
                do {
                    try await transaction.forEachRow(batch: 1, query) { _ in throw Undo() }
                } catch is Undo {}
                var pairs = 0
                try await transaction.forEachRow(batch: 2, query) { _ in
                    try await transaction.forEachRow(batch: 3, query) { _ in pairs += 1 }
                }
                return pairs
            }
            try scope.expectEqual(pairs, 16, "pairs")
        },
        Check("statements that are sent together take effect each by itself, and tell caches") { scope in
            let table = try await Self.accounts(scope)
            let cache = QueryCache(scope.database)
            let reads = scope.database.cached(in: cache, reading: [table])
            let count: SQLQuery = "SELECT count(*) FROM \(identifier: table)"
            try scope.expectEqual(try await reads.scalar(count, as: Int.self), 4, "rows before")
            let results = try await scope.database.pipeline([
                "INSERT INTO \(identifier: table) (id, balance) VALUES (10, 1)",
                "INSERT INTO \(identifier: table) (id, balance) VALUES (10, 2)", count,
                "DELETE FROM \(identifier: table) WHERE id <= \(2)",
            ])
            try scope.expectEqual(try results[0].get().changeCount, 1, "the first insert's rows")
            try await scope.expectError(.constraint, "the same key again") { _ = try results[1].get() }
            try scope.expectEqual(try results[2].get().rows[0].decode(at: 0), 5, "rows between")
            try scope.expectEqual(try results[3].get().changeCount, 2, "the deletion's rows")
            try scope.expectEqual(try await reads.scalar(count, as: Int.self), 3, "rows after")
        },
        Check("money moved by many at once is neither made nor lost") { scope in
            let table = try await Self.accounts(scope)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for task in 0..<8 {
                    group.addTask {
                        for step in 0..<10 {
                            let (from, to) = (1 + (task + step) % 4, 1 + (task + 3 * step + 1) % 4)
                            try await Self.move(scope.database, table, from: from, to: to, 1 + step % 5)
                        }
                    }
                }
                try await group.waitForAll()
            }
            let sum = try await scope.database.scalar(
                "SELECT CAST(sum(balance) AS \(SQLQuery(stringLiteral: scope.dialect == .mysql ? "SIGNED" : "BIGINT"))) FROM \(identifier: table)",
                as: Int.self)
            try scope.expectEqual(sum, 400, "the sum of all accounts")
        },
    ]

    private static func move(
        _ database: Database, _ table: String, from: Int, to: Int, _ amount: Int
    ) async throws {
        try await database.withTransaction { transaction in
            var (less, more) = (SQLFields(), SQLFields())
            less.increment("balance", by: -amount)
            more.increment("balance", by: amount)
            try await transaction.updateOne(table, set: less, where: ["id": from])
            try await transaction.updateOne(table, set: more, where: ["id": to])
        }
    }
}
