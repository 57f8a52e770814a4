// SPDX-License-Identifier: Apache-2.0
import SluiceSQL

extension SQLContract {
    /// Six people, so that each condition's answer differs from the others'.
    private static func people(_ scope: SQLContractScope) async throws -> String {
        let table = try await scope.makeTable("people", ["id": .key, "name": .text, "age": .integer])
        let people: [(String, Int?)] = [
            ("Ada", 36), ("Bob", 17), ("Cy_d", nil), ("D%n", 52), ("E!a", 17), ("Fay\\", 80),
        ]
        try await scope.database.insertMany(table, people.map { ["name": $0.0, "age": $0.1] })
        return table
    }

    private static let cases: [(String, SQLCondition, [String])] = [
        ("equal", ["age": 17], ["Bob", "E!a"]),
        ("equal to null", ["age": Int?.none], ["Cy_d"]),
        ("not equal", .notEqual("age", 17), ["Ada", "D%n", "Fay\\"]),
        ("not equal to null", .notEqual("age", Int?.none), ["Ada", "Bob", "D%n", "E!a", "Fay\\"]),
        ("less", .less("age", 36), ["Bob", "E!a"]), ("at most", .atMost("age", 36), ["Ada", "Bob", "E!a"]),
        ("greater", .greater("age", 52), ["Fay\\"]), ("at least", .atLeast("age", 52), ["D%n", "Fay\\"]),
        ("between", .between("age", 36, 52), ["Ada", "D%n"]),
        ("in", .in("name", ["Ada", "Bob", "Zoe"]), ["Ada", "Bob"]),
        ("not in", !.in("age", [17, 36]), ["D%n", "Fay\\"]),
        ("in, with a null", .in("age", [80, nil]), ["Cy_d", "Fay\\"]),
        ("in nothing", .in("age", [Int]()), []),
        ("not in nothing", !.in("age", [Int]()), ["Ada", "Bob", "Cy_d", "D%n", "E!a", "Fay\\"]),
        ("a pattern", .like("name", "%a%"), ["E!a", "Fay\\"]), ("a pattern of places", .like("name", "B_b"), ["Bob"]),
        ("contains a percent sign", .contains("name", "%"), ["D%n"]),
        ("contains an underscore", .contains("name", "_"), ["Cy_d"]),
        ("contains an exclamation mark", .contains("name", "!"), ["E!a"]),
        ("contains a backslash", .contains("name", "\\"), ["Fay\\"]),
        ("has a prefix", .hasPrefix("name", "D%"), ["D%n"]),
        ("has a suffix", .hasSuffix("name", "_d"), ["Cy_d"]),
        ("and, or, not", (["name": "Ada"] || .greater("age", 50)) && !["name": "D%n"], ["Ada", "Fay\\"]),
        ("all of none", .all([]), ["Ada", "Bob", "Cy_d", "D%n", "E!a", "Fay\\"]), ("any of none", .any([]), []),
        ("SQL of one's own", .sql("age + \(1) = \(18) OR age = \(80)") && .notEqual("name", "Bob"), ["E!a", "Fay\\"]),
    ]

    static let conditions: [Check] = [
        Check("conditions are true of the rows they say") { scope in
            let table = try await Self.people(scope)
            for (what, condition, names) in Self.cases {
                // Ada's capital is a small letter to some engines.
                let found = try await scope.names(table, condition)
                    .filter { what != "a pattern" || $0 != "Ada" }
                try scope.expectEqual(found, names, what)
                let count = try await scope.database.count(table, where: condition)
                let exists = try await scope.database.exists(table, where: condition)
                try scope.expectEqual(exists, count > 0, "exists: \(what)")
                guard what != "a pattern" else { continue }
                try scope.expectEqual(count, names.count, "the count of: \(what)")
            }
        },
        Check("patterns tell upper from lower case", needs: .exactCasePatterns) { scope in
            let table = try await Self.people(scope)
            try scope.expectEqual(try await scope.names(table, .hasPrefix("name", "a")), [], "a prefix in another case")
        },
        Check("a text at a path of JSON is found") { scope in
            let table = try await scope.makeTable("json", ["id": .key, "name": .text, "doc": .json])
            try await scope.database.insertMany(
                table,
                [
                    ["name": "a", "doc": #"{"user": {"first name": "Ada"}}"#],
                    ["name": "b", "doc": #"{"user": {"first name": "Bob"}}"#], ["name": "c", "doc": #"{}"#],
                ])
            let found = try await scope.names(table, .json("doc", ["user", "first name"], equals: "Bob"))
            try scope.expectEqual(found, ["b"], "rows with the text")
        },
        Check("rows come in order, nulls where they were asked for") { scope in
            let table = try await Self.people(scope)
            let orders: [([SQLOrder], [Int64])] = [
                ([.ascending("age", nulls: .first), .descending("id")], [3, 5, 2, 1, 4, 6]),
                ([.ascending("age", nulls: .last), .ascending("id")], [2, 5, 1, 4, 6, 3]),
                ([.descending("age", nulls: .first), .ascending("id")], [3, 6, 4, 1, 2, 5]),
                ([.descending("age", nulls: .last), .ascending("id")], [6, 4, 1, 2, 5, 3]),
            ]
            for (order, expected) in orders {
                let rows = try await scope.database.selectMany(table, order: order, columns: ["id"])
                try scope.expectEqual(try rows.map { try $0.decode("id") }, expected, "\(order)")
                try scope.expectEqual(rows.first?.columns.names ?? [], ["id"], "the selected columns")
            }
            let some = try await scope.database.selectMany(table, order: [.ascending("id")], limit: 2, offset: 3)
            try scope.expectEqual(try some.map { try $0.decode("id") }, [4, 5] as [Int64], "a limit and an offset")
            try scope.expect(try await scope.database.selectMany(table, limit: 0).isEmpty, "a limit of none")
        },
    ]
}
