// SPDX-License-Identifier: Apache-2.0
import Foundation
import SluicePostgres
import SluiceSQL
import SluiceTesting
import Testing

@Suite("Clubhouse on PostgreSQL", .timeLimit(.minutes(5)))
struct PostgresClubhouseTests {
    /// A database of one test's own, at the server that `make test` starts.
    private func withDatabase(_ body: (_ url: String, _ database: Database) async throws -> Void) async throws {
        let address = try #require(
            ProcessInfo.processInfo.environment["SLUICE_TEST_POSTGRES"],
            "SLUICE_TEST_POSTGRES is not set; run make test")
        let name = "club_\(UUID().uuidString.prefix(8).lowercased())"
        let main = try await Database.open("postgres://sluice@\(address)/postgres", drivers: [PostgresDriver.self])
        _ = try await main.execute("CREATE DATABASE \(identifier: name)")
        let url = "postgres://sluice@\(address)/\(name)"
        var thrown: (any Error)?
        do {
            let database = try await Database.open(url, drivers: [PostgresDriver.self])
            do { try await body(url, database) } catch { thrown = error }
            await database.close()
        } catch {
            thrown = error
        }
        _ = try? await main.execute("DROP DATABASE \(identifier: name) WITH (FORCE)")
        await main.close()
        if let thrown { throw thrown }
    }

    private let paths = [
        "/clubhouse/table?season=English%20Premier%20League%202023/24", "/clubhouse/seasons",
        "/clubhouse/matches?team=Arsenal%20FC&limit=200", "/clubhouse/matches?from=2024-05-01&status=played&limit=3",
        "/clubhouse/matches?team=Nobody",
    ]

    /// What a server on a database answers, after a season was imported twice.
    private func answers(_ database: String) async throws -> [String] {
        let arguments = ["--database", database]
        return try await withServer(arguments) { address, folder, _ in
            for (new, unchanged) in [(380, 0), (0, 380)] {
                let result = try await Sluice.run(
                    ["clubhouse", "import", "\(Sluice.samples)/2023-24-en.1.json"] + arguments, in: folder)
                #expect(result.status == 0, "\(result.errors)")
                #expect(result.output.contains("\"new\":\(new),"))
                #expect(result.output.contains("\"unchanged\":\(unchanged)}"))
            }
            // Another process's commit shows within 50 ms; until then the answer may be the old one.
            while try await fetch(address + self.paths[0]).status == 404 {}
            var answers: [String] = []
            for path in self.paths {
                let answer = try await fetch(address + path)
                // The id of the operation is another in each answer.
                let body = answer.body.replacing(#/"(instance|operation|operationID)":"[^"]*"/#, with: "")
                answers.append("\(answer.status) \(body)")
            }
            return answers
        }
    }

    @Test("imports a season and answers as on SQLite")
    func alike() async throws {
        try await self.withDatabase { url, _ in
            let answers = try await self.answers(url)
            #expect(answers[0].contains(#""points":91,"team":"Manchester City FC","won":28"#))
            let expected = try await self.answers("sqlite:club.db")
            for (answer, expected) in zip(answers, expected) { #expect(answer == expected) }
        }
    }

    @Test("its schema is shown, made and undone")
    func migrate() async throws {
        try await self.withDatabase { url, database in
            try await withFolder { folder in
                for (command, state) in [("status", "pending"), ("up", "001"), ("status", "applied"), ("down", "001")] {
                    let names = command == "status" ? [] : ["clubhouse"]
                    let result = try await Sluice.run(
                        ["migrate", command] + names + ["--json", "--database", url], in: folder)
                    #expect(result.status == 0, "\(result.errors)")
                    #expect(result.output.contains(state))
                }
            }
            let left: Int = try await database.scalar(
                "SELECT count(*) FROM pg_tables WHERE tablename LIKE 'clubhouse%' AND schemaname = 'public'")
            #expect(left == 0)
        }
    }

    @Test("an import whose process is killed in the middle leaves nothing of itself")
    func killed() async throws {
        try await self.withDatabase { url, database in
            try await withFolder { folder in
                let sample = "\(Sluice.samples)/2023-24-en.1.json"
                let first = try await Sluice.run(["clubhouse", "import", sample, "--database", url], in: folder)
                #expect(first.status == 0, "\(first.errors)")
                let goals: SQLQuery = "SELECT sum(ft1 + ft2)::int8 FROM clubhouse_matches"
                let before: Int = try await database.scalar(goals)
                try Self.changedSeason(sample).write(to: folder.appendingPathComponent("changed.json"))
                let arguments = ["clubhouse", "import", "changed.json", "--database"]
                try await database.withTransaction { transaction in
                    // The last match that an import comes to is held, and so the import when it has changed all others.
                    _ = try await transaction.rows(
                        "SELECT 1 FROM clubhouse_matches ORDER BY id DESC LIMIT 1 FOR UPDATE")
                    let import2 = try Sluice(arguments + ["\(url)?application_name=victim"], in: folder)
                    try await Self.waitForLock(database)
                    import2.signal(SIGKILL)
                    #expect(try await import2.waitForExit().status == -SIGKILL)
                }
                while try await Self.victims(database) > 0 { await Task.yield() }
                #expect(try await database.scalar(goals, as: Int.self) == before)
                let again = try await Sluice.run(arguments + [url], in: folder)
                #expect(again.output.contains(#""changed":380"#), "\(again.errors)")
                #expect(try await database.scalar(goals, as: Int.self) == 380 * 18)
            }
        }
    }

    /// The season with every match ended nine to nine.
    static func changedSeason(_ path: String) throws -> Data {
        let data = try Data(contentsOf: URL(fileURLWithPath: path))
        var season = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        let matches = try #require(season["matches"] as? [[String: Any]])
        season["matches"] = matches.map { match in
            match.merging(["score": ["ft": [9, 9]]]) { _, new in new }
        }
        return try JSONSerialization.data(withJSONObject: season)
    }

    private static func waitForLock(_ database: Database) async throws {
        let query: SQLQuery = """
            SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                AND application_name = 'victim' AND wait_event_type = 'Lock'
            """
        while try await database.scalar(query, as: Int.self) == 0 { await Task.yield() }
    }

    private static func victims(_ database: Database) async throws -> Int {
        try await database.scalar(
            """
            SELECT count(*) FROM pg_stat_activity WHERE application_name = 'victim' AND datname = current_database()
            """)
    }
}
