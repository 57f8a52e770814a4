// SPDX-License-Identifier: Apache-2.0
import SluiceSQL

extension SQLContract {
    /// Two rows that no payload may touch, and that no payload names.
    private static func victims(_ scope: SQLContractScope) async throws -> String {
        let table = try await scope.makeTable("victims", ["id": .key, "name": .text, "doc": .json])
        try await scope.database.insertMany(
            table, [["name": "Ada", "doc": #"{"a": "x"}"#], ["name": "Bob", "doc": #"{"a": "y"}"#]])
        return table
    }

    /// The payloads that the engine can keep.
    private static func payloads(_ scope: SQLContractScope) -> [String] {
        SQLInjectionPayloads.all.filter {
            scope.capabilities.contains(.nullCharacters) || !$0.utf8.contains(0)
        }
    }

    /// Runs what must be refused before it reaches the engine.
    private static func expectRefusal(
        _ scope: SQLContractScope, _ payload: String, _ place: String, _ body: () async throws -> Void
    ) async throws {
        try await scope.expectError(.statement, "\(payload.debugDescription) as \(place)", body)
    }

    static let injection: [Check] = [
        Check("a payload as a value is bound: it is stored, found, and matches nothing else") { scope in
            let (table, database) = (try await Self.victims(scope), scope.database)
            for payload in Self.payloads(scope) {
                let what = payload.debugDescription
                try scope.expectEqual(try await database.count(table, where: ["name": payload]), 0, what)
                let row = try await database.insertOne(table, ["name": payload, "doc": "{}"])
                try scope.expectEqual(try row.decode("name"), payload, "the stored value")
                let id = try row.decode("id", as: Int64.self)
                for condition in [
                    .equal("name", payload), .in("name", [payload, payload]), ["name": payload, "id": id],
                ] as [SQLCondition] {
                    let found = try await database.selectMany(table, where: condition)
                    try scope.expectEqual(try found.map { try $0.decode("id") }, [id], what)
                }
                try await database.updateOne(table, set: ["name": payload], where: ["id": id, "name": payload])
                try await database.deleteOne(table, where: ["name": payload])
                try scope.expectEqual(try await scope.names(table, .always), ["Ada", "Bob"], "after \(what)")
            }
        },
        Check("a payload in a pattern stands for itself alone") { scope in
            let (table, database) = (try await Self.victims(scope), scope.database)
            for payload in SQLInjectionPayloads.all where !payload.isEmpty {
                for condition in [
                    SQLCondition.contains("name", payload), .hasPrefix("name", payload), .hasSuffix("name", payload),
                ] {
                    if payload.utf8.contains(0) {
                        try await Self.expectRefusal(scope, payload, "pattern") {
                            _ = try await database.count(table, where: condition)
                        }
                    } else {
                        let count = try await database.count(table, where: condition)
                        try scope.expectEqual(count, 0, "rows like \(payload.debugDescription)")
                    }
                }
            }
        },
        Check("a payload as a name is refused, wherever a name can stand") { scope in
            let (table, database) = (try await Self.victims(scope), scope.database)
            for payload in SQLInjectionPayloads.all {
                try await Self.expectRefusal(scope, payload, "table") { _ = try await database.selectMany(payload) }
                try await Self.expectRefusal(scope, payload, "condition's column") {
                    _ = try await database.count(table, where: .equal(payload, payload))
                }
                try await Self.expectRefusal(scope, payload, "column of a null") {
                    try await database.deleteMany(table, where: .isNotNull(payload))
                }
                try await Self.expectRefusal(scope, payload, "column") {
                    _ = try await database.selectOne(table, columns: [payload])
                }
                try await Self.expectRefusal(scope, payload, "order key") {
                    _ = try await database.selectMany(table, order: [.ascending(payload)])
                }
                try await Self.expectRefusal(scope, payload, "column of an insert") {
                    try await database.insertOne(table, [payload: "x"])
                }
                try await Self.expectRefusal(scope, payload, "column of an update") {
                    try await database.updateMany(table, set: [payload: "x"], where: ["id": 1])
                }
                try await Self.expectRefusal(scope, payload, "identifier") {
                    _ = try await database.rows("SELECT \(identifier: payload) FROM \(identifier: table)")
                }
            }
            try scope.expectEqual(try await scope.names(table, .always), ["Ada", "Bob"], "the rows afterwards")
        },
        Check("a column that is not there is an error, not a text that equals itself") { scope in
            let (table, database) = (try await Self.victims(scope), scope.database)
            try await Self.expectRefusal(scope, "admin", "column") {
                try await database.deleteMany(table, where: ["admin": "admin"])
            }
            try scope.expectEqual(try await database.count(table), 2, "rows")
        },
        Check("a payload as a JSON key is bound or refused") { scope in
            let (table, database) = (try await Self.victims(scope), scope.database)
            for payload in SQLInjectionPayloads.all {
                do {
                    for condition in [
                        SQLCondition.json("doc", [payload], equals: "x"), .json("doc", ["a", payload], equals: "x"),
                        .json("doc", [payload, "a"], equals: "x"),
                    ] {
                        let count = try await database.count(table, where: condition)
                        try scope.expectEqual(count, 0, "rows with the key \(payload.debugDescription)")
                    }
                } catch let error as SQLError {
                    try scope.expectEqual(error.kind, .statement, "the error for \(payload.debugDescription)")
                }
            }
            let count = try await database.count(table, where: .json("doc", ["a"], equals: "x"))
            try scope.expectEqual(count, 1, "rows with the key a")
        },
        Check("a cursor that a client made up is refused or bound") { scope in
            let table = try await Self.victims(scope)
            let order: [SQLOrder] = [.ascending("name"), .ascending("id")]
            let page = try await scope.database.selectPage(table, order: order, limit: 1)
            for payload in Self.payloads(scope) {
                try await scope.expectError(.decoding, "\(payload.debugDescription) as a cursor") {
                    _ = try await scope.database.selectPage(table, order: order, after: SQLCursor(text: payload))
                }
            }
            let second = try await scope.database.selectPage(table, order: order, after: page.next)
            try scope.expectEqual(
                try second.rows.map { try $0.decode("name") }, ["Bob"], "the page after a true cursor")
        },
    ]
}
