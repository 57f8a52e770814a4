// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceSQL
import SluiceTesting
import Testing

@Suite("What observers hear of statements", .timeLimit(.minutes(5)))
struct StatementWatchTests {
    private struct Undo: Error {}

    private static func finished(_ observer: RecordingObserver) -> [String] {
        observer.events.filter { $0.kind == .statementFinished }.map { "\($0.policy) \($0.outcome ?? "")" }
    }

    private static func heard(_ body: (Database) async throws -> Void) async throws -> [String] {
        let observer = RecordingObserver()
        return try await withDatabase(observer: observer) { database, _ in
            _ = try await database.execute("CREATE TABLE t (i INTEGER PRIMARY KEY, name TEXT)")
            let before = Self.finished(observer).count
            try await body(database)
            return Array(Self.finished(observer).dropFirst(before))
        }
    }

    @Test("every statement, with its beginning and end, is heard of by its text without values")
    func statements() async throws {
        let secret = "geheim"
        let heard = try await Self.heard { database in
            try await database.withTransaction { transaction in
                _ = try await transaction.execute("INSERT INTO t (name) VALUES (\(secret))")
                try? await transaction.withSavepoint { _ in throw Undo() }
            }
            try? await database.withTransaction { _ in throw Undo() }
            _ = try? await database.execute("INSERT INTO t (i) VALUES (\(1))")
        }
        #expect(
            heard == [
                "BEGIN success", "INSERT INTO t (name) VALUES (?) success", "SAVEPOINT success",
                "ROLLBACK TO SAVEPOINT success", "RELEASE SAVEPOINT success",
                "COMMIT success",
                "BEGIN success", "ROLLBACK success", "INSERT INTO t (i) VALUES (?) constraint",
            ])
    }

    @Test("rows that are streamed or inserted in bulk are statements too")
    func manyRows() async throws {
        let heard = try await Self.heard { database in
            try await database.bulkInsert(into: "t", columns: ["i", "name"], (1...3).map { [.integer($0), .null] })
            try await database.forEachRow("SELECT i FROM t WHERE i > \(1)") { _ in }
            await #expect(throws: Undo.self) { try await database.forEachRow("SELECT i FROM t") { _ in throw Undo() } }
        }
        #expect(
            heard == [
                "BEGIN success", "bulk insert into t (i, name) success", "COMMIT success",
                "BEGIN success", "SELECT i FROM t WHERE i > ? success", "COMMIT success",
                "BEGIN success", "SELECT i FROM t success", "ROLLBACK success",
            ])
    }

    @Test("the time that the reader of a stream, or the maker of a bulk insert's rows, takes is not the statement's")
    func readerTime() async throws {
        let (time, observer) = (VirtualTime(), RecordingObserver())
        try await withDatabase { base, _ in
            let database = Database(driver: base.driver, time: time, observer: observer)
            _ = try await database.execute("CREATE TABLE t (i INTEGER)")
            _ = try await database.execute("INSERT INTO t VALUES (1), (2), (3)")
            try await database.forEachRow(batch: 1, "SELECT i FROM t") { _ in time.advance(by: .seconds(1)) }
            let event = observer.events.first { $0.kind == .statementFinished && $0.policy == "SELECT i FROM t" }
            #expect(event?.duration == .zero)
            let made = (4...6).lazy.map { (number: Int64) -> [SQLValue] in
                time.advance(by: .seconds(1))
                return [.integer(number)]
            }
            try await database.bulkInsert(into: "t", columns: ["i"], made)
            let insertion = observer.events.first {
                $0.kind == .statementFinished && $0.policy.hasPrefix("bulk insert")
            }
            #expect(insertion?.duration == .zero)
            #expect(!observer.events.contains { $0.kind == .statementSlow })
        }
    }
}
