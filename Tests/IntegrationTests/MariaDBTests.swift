// SPDX-License-Identifier: Apache-2.0
import Foundation
import SluiceMySQL
import SluiceSQL
import Testing

/// Clubhouse on MariaDB: the same commands, and the same answers as on SQLite.
@Suite("Clubhouse on MariaDB", .timeLimit(.minutes(5)))
struct MariaDBTests {
    private let paths = [
        "/clubhouse/seasons", "/clubhouse/table?season=English%20Premier%20League%202023/24",
        "/clubhouse/matches?team=Arsenal%20FC&limit=40", "/clubhouse/matches?from=2024-05-01&status=played",
        "/clubhouse/matches?season=nothing", "/clubhouse/matches?team=arsenal%20fc",
    ]

    /// Imports the sample season and asks for everything.
    private func answers(_ url: String) async throws -> [String] {
        try await withFolder { folder in
            let arguments = ["clubhouse", "import", "\(Sluice.samples)/2023-24-en.1.json", "--database", url]
            for expected in [#""new":380"#, #""unchanged":380"#] {
                let result = try await Sluice.run(arguments, in: folder)
                #expect(result.status == 0, "\(result.errors)")
                #expect(result.output.contains(expected), "\(result.output)")
            }
            let server = try Sluice(["serve", "--port", "0", "--database", url], in: folder)
            let result: Result<[String], any Error>
            do {
                let address = try await server.waitForAddress()
                var answers: [String] = []
                for path in self.paths {
                    let (status, body) = try await fetch(address + path)
                    answers.append("\(path) \(status) \(body)")
                }
                result = .success(answers)
            } catch {
                result = .failure(error)
            }
            server.signal(SIGTERM)
            #expect(try await server.waitForExit().status == 0)
            return try result.get()
        }
    }

    /// Runs `body` with a database of its own, by its name and URL.
    private func withMariaDB(_ body: (_ server: Database, _ name: String, _ url: String) async throws -> Void)
        async throws
    {
        let address = try #require(
            ProcessInfo.processInfo.environment["SLUICE_TEST_MARIADB"], "SLUICE_TEST_MARIADB is not set; run make test")
        let server = try await Database.open("mysql://root@\(address)/", drivers: [MySQLDriver.self])
        let name = "club_\(UUID().uuidString.prefix(8).lowercased())"
        _ = try await server.execute("CREATE DATABASE \(identifier: name)")
        let result: Result<Void, any Error>
        do {
            result = .success(try await body(server, name, "mysql://root@\(address)/\(name)"))
        } catch {
            result = .failure(error)
        }
        _ = try await server.execute("DROP DATABASE \(identifier: name)")
        await server.close()
        try result.get()
    }

    @Test("a season is imported, twice no more than once, and read with SQLite's answers; the schema is undone")
    func sameAnswers() async throws {
        try await self.withMariaDB { server, name, url in
            try await withFolder { folder in
                let expected = try await self.answers("sqlite:\(folder.path)/club.db")
                #expect(expected[1].contains(#""points":91,"team":"Manchester City FC","won":28"#))
                let found = try await self.answers(url)
                for (found, expected) in zip(found, expected) {
                    // The operation's number in a problem is another each time.
                    let isProblem = expected.contains(" 404 ")
                    #expect(isProblem ? found.contains(" 404 ") : found == expected)
                }
                let down = try await Sluice.run(["migrate", "down", "clubhouse", "--database", url], in: folder)
                #expect(down.status == 0, "\(down.errors)")
                let tables = try await server.rows(
                    "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = \(name)")
                #expect(try tables.map { try $0.decode("name", as: String.self) } == ["sluice_migrations"])
            }
        }
    }

    @Test("a migration that stopped in the middle is shown, refused, and resolved by command")
    func resolve() async throws {
        try await self.withMariaDB { server, name, url in
            try await withFolder { folder in
                func migrate(_ arguments: String...) async throws -> (status: Int32, output: String, errors: String) {
                    let result = try await Sluice.run(["migrate"] + arguments + ["--database", url], in: folder)
                    return (result.status, result.output, result.errors)
                }
                let up = try await migrate("up")
                #expect(up.status == 0, "\(up.errors)")
                let id = try await server.scalar(
                    "SELECT max(id) FROM \(identifier: name).sluice_migrations WHERE app = 'clubhouse'", as: String.self
                )
                _ = try await server.execute(
                    """
                    UPDATE \(identifier: name).sluice_migrations SET checksum = CONCAT('dirty ', checksum)
                    WHERE app = 'clubhouse' AND id = \(id)
                    """)
                #expect(try await migrate("status", "clubhouse").output.contains("interrupted"))
                #expect(try await migrate("up").status != 0)
                #expect(try await migrate("resolve", "clubhouse", "--id", id).status == 64)
                #expect(try await migrate("resolve", "clubhouse", "--id", "none", "--applied").status != 0)
                let resolved = try await migrate("resolve", "clubhouse", "--id", id, "--applied", "--json")
                #expect(resolved.status == 0 && resolved.output.contains(id), "\(resolved.errors)")
                #expect(try await migrate("status", "clubhouse").output.contains("interrupted") == false)
                #expect(try await migrate("up").status == 0)
            }
        }
    }

    @Test("an import whose program is killed leaves nothing of itself, and can be run again")
    func killed() async throws {
        try await self.withMariaDB { server, name, url in
            try await withFolder { folder in
                let sample = "\(Sluice.samples)/2023-24-en.1.json"
                let first = try await Sluice.run(["clubhouse", "import", sample, "--database", url], in: folder)
                #expect(first.status == 0, "\(first.errors)")
                let matches = SQLQuery("\(identifier: name).clubhouse_matches")
                let goals: SQLQuery = "SELECT CAST(sum(ft1 + ft2) AS SIGNED) FROM \(matches)"
                let before = try await server.scalar(goals, as: Int.self)
                try PostgresClubhouseTests.changedSeason(sample).write(
                    to: folder.appendingPathComponent("changed.json"))
                let arguments = ["clubhouse", "import", "changed.json", "--database", url]
                try await server.withTransaction { transaction in
                    // The last match that an import comes to is held, and so the import when it has changed all others.
                    _ = try await transaction.rows("SELECT 1 FROM \(matches) ORDER BY id DESC LIMIT 1 FOR UPDATE")
                    let victim = try Sluice(arguments, in: folder)
                    // By a statement that takes this long: the server shows waits in `innodb_trx` only to those who ask seldom.
                    let waiting: SQLQuery = """
                        SELECT count(*) FROM information_schema.processlist
                        WHERE db = \(name) AND command <> 'Sleep' AND time_ms > 1000
                        """
                    while try await server.scalar(waiting, as: Int.self) == 0 { await Task.yield() }
                    victim.signal(SIGKILL)
                    #expect(try await victim.waitForExit().status == -SIGKILL)
                }
                let left: SQLQuery = "SELECT count(*) FROM information_schema.processlist WHERE db = \(name)"
                while try await server.scalar(left, as: Int.self) > 0 { await Task.yield() }
                #expect(try await server.scalar(goals, as: Int.self) == before)
                let again = try await Sluice.run(arguments, in: folder)
                #expect(again.output.contains(#""changed":380"#), "\(again.errors)")
                #expect(try await server.scalar(goals, as: Int.self) == 380 * 18)
            }
        }
    }

    @Test("of two programs that migrate at once one does it, and the other finds it done")
    func migrateAtOnce() async throws {
        try await self.withMariaDB { server, name, url in
            try await withFolder { folder in
                let arguments = ["migrate", "up", "--database", url]
                async let first = Sluice.run(arguments, in: folder)
                async let second = Sluice.run(arguments, in: folder)
                for result in [try await first, try await second] { #expect(result.status == 0, "\(result.errors)") }
                let status = try await Sluice.run(["migrate", "status", "--database", url], in: folder)
                #expect(status.status == 0, "\(status.errors)")
                let rows = try await server.rows(
                    "SELECT count(*), count(DISTINCT id) FROM \(identifier: name).sluice_migrations")
                let (count, distinct) = try rows[0].decode((Int, Int).self)
                #expect(count > 0 && count == distinct)
            }
        }
    }
}
