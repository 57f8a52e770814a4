// SPDX-License-Identifier: Apache-2.0
import SluiceSQL

extension SQLContract {
    /// Two tables, the second with a row.
    private static func steps(_ scope: SQLContractScope) -> [Migration] {
        let (first, second) = (scope.table("first"), scope.table("second"))
        return [
            Migration(
                "001", ["CREATE TABLE \(identifier: first) (i INTEGER)"], down: ["DROP TABLE \(identifier: first)"]),
            Migration(
                "002",
                [
                    "CREATE TABLE \(identifier: second) (i INTEGER)", "INSERT INTO \(identifier: second) VALUES (1)",
                ], down: ["DROP TABLE \(identifier: second)"]),
        ]
    }

    /// Runs `body` with an app's name that nobody else has, and forgets the app afterwards.
    private static func withApp(_ scope: SQLContractScope, _ body: (String) async throws -> Void) async throws {
        let app = "contract \(scope.prefix)"
        try await body(app)
        try await scope.database.deleteMany("sluice_migrations", where: ["app": app])
    }

    private static func states(
        _ scope: SQLContractScope, _ app: String, _ migrations: [Migration]
    ) async throws -> [MigrationStatus.State] {
        try await scope.database.migrationStatus(app, migrations).map(\.state)
    }

    static let migrations: [Check] = [
        Check("migrations are applied once, in order, and undone from the last") { scope in
            let (steps, database) = (Self.steps(scope), scope.database)
            try await Self.withApp(scope) { app in
                try scope.expectEqual(try await Self.states(scope, app, steps), [.pending, .pending], "before")
                try scope.expectEqual(try await database.migrate(app, [steps[0]]), ["001"], "the first")
                try scope.expectEqual(try await Self.states(scope, app, steps), [.applied, .pending], "after one")
                try scope.expectEqual(try await database.migrate(app, steps), ["002"], "the second")
                try scope.expectEqual(try await database.migrate(app, steps), [], "nothing new")
                try scope.expectEqual(try await database.count(scope.table("second")), 1, "the row it made")
                try scope.expectEqual(try await database.revert(app, steps), ["002"], "the last undone")
                try scope.expectEqual(try await Self.states(scope, app, steps), [.applied, .pending], "after that")
                try scope.expect(try await database.tableSchema(scope.table("second")) == nil, "its table is gone")
                try scope.expectEqual(try await database.migrate(app, steps), ["002"], "applied again")
                try scope.expectEqual(try await database.revert(app, steps, steps: 5), ["002", "001"], "all undone")
            }
        },
        Check("a changed, an unknown and a late migration are refused, and one that cannot be undone is not") { scope in
            let (steps, database) = (Self.steps(scope), scope.database)
            try await Self.withApp(scope) { app in
                try await database.migrate(app, steps)
                let changed = Migration("002", ["CREATE TABLE x (i TEXT)"], down: [])
                try scope.expectEqual(
                    try await Self.states(scope, app, [steps[0], changed]), [.applied, .changed], "a changed one")
                try await scope.expectError(.migration, "a changed one") {
                    try await database.migrate(app, [steps[0], changed])
                }
                try scope.expectEqual(
                    try await Self.states(scope, app, [steps[0]]), [.applied, .unknown], "an unknown one")
                try await scope.expectError(.migration, "an unknown one") {
                    try await database.migrate(app, [steps[0]])
                }
                let late = Migration("001a", ["SELECT 1"])
                try await scope.expectError(.migration, "a late one") {
                    try await database.migrate(app, [steps[0], late, steps[1]])
                }
                let final = Migration("002", steps[1].up)
                try await scope.expectError(.migration, "one that cannot be undone") {
                    try await database.revert(app, [steps[0], final], steps: 2)
                }
                try scope.expectEqual(try await Self.states(scope, app, steps), [.applied, .applied], "afterwards")
            }
        },
        Check("a migration that fails leaves nothing of itself", needs: .transactionalSchema) { scope in
            let (steps, database) = (Self.steps(scope), scope.database)
            let broken = Migration("002", [steps[1].up[0], "INSERT INTO \(identifier: scope.table("no")) VALUES (1)"])
            try await Self.withApp(scope) { app in
                try await scope.expectError(.statement, "a broken one") {
                    try await database.migrate(app, [steps[0], broken])
                }
                try scope.expectEqual(try await Self.states(scope, app, steps), [.pending, .pending], "afterwards")
                try scope.expectEqual(try await database.migrate(app, steps), ["001", "002"], "once it is put right")
            }
        },
        Check("a migration that fails is marked until somebody has put the schema right") { scope in
            guard !scope.capabilities.contains(.transactionalSchema) else { return }
            let (steps, database) = (Self.steps(scope), scope.database)
            let broken = Migration("002", [steps[1].up[0], "INSERT INTO \(identifier: scope.table("no")) VALUES (1)"])
            try await Self.withApp(scope) { app in
                try await scope.expectError(.statement, "a broken one") {
                    try await database.migrate(app, [steps[0], broken])
                }
                try scope.expectEqual(
                    try await Self.states(scope, app, [steps[0], broken]), [.applied, .interrupted], "afterwards")
                try await scope.expectError(.migration, "another try") { try await database.migrate(app, steps) }
                _ = try await database.execute("DROP TABLE \(identifier: scope.table("second"))")
                try await database.resolveMigration(app, broken, isApplied: false)
                try scope.expectEqual(try await database.migrate(app, steps), ["002"], "once it is put right")
            }
        },
        Check("of many who migrate at once, one does") { scope in
            let (steps, database) = (Self.steps(scope), scope.database)
            try await Self.withApp(scope) { app in
                let applied = try await withThrowingTaskGroup(of: [String].self) { group in
                    for _ in 0..<4 { group.addTask { try await database.migrate(app, steps) } }
                    return try await group.reduce(into: []) { $0 += $1 }
                }
                try scope.expectEqual(applied, ["001", "002"], "what all of them applied together")
            }
        },
    ]

    static let introspection: [Check] = [
        Check("a table is described: columns, keys, references, indexes") { scope in
            let parent = try await scope.makeTable(
                "parent", ["a": .raw("BIGINT NOT NULL"), "b": .raw("BIGINT NOT NULL")], ", PRIMARY KEY (b, a)")
            let child = try await scope.makeTable(
                "child",
                [
                    "id": .key, "name": .raw("VARCHAR(100) NOT NULL"), "n": .raw("BIGINT DEFAULT 7"), "x": .integer,
                    "y": .integer,
                ], ", FOREIGN KEY (x, y) REFERENCES \"\(parent)\" (b, a) ON DELETE CASCADE")
            let index = scope.prefix + "by_name"
            _ = try await scope.database.execute(
                "CREATE UNIQUE INDEX \(identifier: index) ON \(identifier: child) (name, n)")
            let names = try await scope.database.tableNames()
            try scope.expect(names.contains(parent) && names.contains(child), "the tables are among \(names)")
            guard let schema = try await scope.database.tableSchema(child) else {
                throw SQLContractFailure(description: "the table is not described")
            }
            try scope.expectEqual(schema.columns.map(\.name), ["id", "name", "n", "x", "y"], "the columns")
            try scope.expectEqual(
                schema.columns.map(\.isNullable), [false, false, true, true, true], "which may be null")
            try scope.expectEqual(schema.columns.map(\.keyPosition), [1, nil, nil, nil, nil], "the key's places")
            try scope.expect(schema.column("n")?.defaultValue?.contains("7") == true, "the default of n")
            try scope.expectEqual(schema.column("x")?.defaultValue, nil, "the default of x")
            try scope.expect(
                schema.column("name")?.type.lowercased().contains("char") == true, "the type of name")
            try scope.expectEqual(schema.primaryKey, ["id"], "the primary key")
            let reference = schema.foreignKeys.first
            try scope.expectEqual(schema.foreignKeys.count, 1, "the count of references")
            try scope.expectEqual(reference?.table, parent, "the table referred to")
            try scope.expectEqual(reference?.columns, ["x", "y"], "the columns that refer")
            try scope.expectEqual(reference?.referencedColumns, ["b", "a"], "the columns referred to")
            try scope.expectEqual(reference?.onDelete, "CASCADE", "what a delete does")
            let unique = schema.indexes.first { $0.name == index }
            try scope.expectEqual(unique?.columns, ["name", "n"], "the index's columns")
            try scope.expectEqual(unique?.isUnique, true, "that the index is unique")
            let key = try await scope.database.tableSchema(parent)?.primaryKey
            try scope.expectEqual(key, ["b", "a"], "a primary key of two columns")
            try scope.expect(
                try await scope.database.tableSchema(scope.prefix + "none") == nil, "a table that is not there")
        }
    ]
}
