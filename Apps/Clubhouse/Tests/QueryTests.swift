// SPDX-License-Identifier: Apache-2.0
import Foundation
import HTTPTypes
import HummingbirdTesting
import SluiceTesting
import Testing

@testable import Clubhouse

@Suite("Questions", .timeLimit(.minutes(5)))
struct QueryTests {
    private let league = "English Premier League 2023/24"

    /// Clubhouse with the shipped season and a small one with stages in it.
    private func withSeasons(
        _ setup: TestingSetup = .router, _ body: @escaping @Sendable (ClubhouseClient) async throws -> Void
    ) async throws {
        let cup = """
            {"name": "Cup", "matches": [
              {"stage": "Regular", "round": "1", "date": "2024-01-01", "team1": "A", "team2": "B", "score": {"ft": [1, 0]}},
              {"stage": "Finals", "round": "2", "date": "2024-02-01", "team1": "B", "team2": "A", "score": {"ft": [2, 0]}},
              {"stage": "Finals", "round": "2", "date": "2024-02-02", "team1": "B", "team2": "A", "status": "cancelled"}]}
            """
        let sample = String(decoding: try sampleSeason(), as: UTF8.self)
        try await withClubhouse(setup) { clubhouse in
            for text in [sample, cup] {
                try await serving(text) { source in
                    let answer = try await clubhouse.order("http://127.0.0.1:\(source.port)/s")
                    #expect(answer.status == .ok)
                }
            }
            try await body(clubhouse)
        }
    }

    private struct Matches: Decodable {
        struct Match: Decodable, Hashable {
            struct Score: Decodable, Hashable {
                let ht: [Int]?
                let ft: [Int]?
            }
            let id: Int
            let season: String
            let date: String
            let team1: String
            let team2: String
            let status: String
            let score: Score
        }
        let matches: [Match]
        let nextCursor: String?
    }

    @Test("lists the seasons", arguments: [TestingSetup.router, .live])
    func seasons(setup: TestingSetup) async throws {
        try await self.withSeasons(setup) { clubhouse in
            let seasons = try #require(try await clubhouse.get("seasons").json["seasons"] as? [[String: Any]])
            #expect(seasons.map { $0["name"] as? String } == ["Cup", self.league])
            #expect(seasons.map { $0["matches"] as? Int } == [3, 380])
            #expect(seasons[0]["stages"] as? [String] == ["Finals", "Regular"])
        }
    }

    @Test("pages through all matches, each once, in order of date", arguments: [1, 7, 50, 200])
    func pages(limit: Int) async throws {
        try await self.withSeasons { clubhouse in
            var seen: [Matches.Match] = []
            var query = ["season": self.league, "limit": "\(limit)", "from": "2024-04-01"]
            repeat {
                let page = try await clubhouse.get("matches", query).decode(Matches.self)
                #expect(page.matches.count <= limit)
                seen += page.matches
                query["cursor"] = page.nextCursor
            } while query["cursor"] != nil
            #expect(seen.count == Set(seen).count)
            #expect(seen.map(\.date) == seen.map(\.date).sorted())
            #expect(seen.allSatisfy { $0.date >= "2024-04-01" })
            #expect(seen.count == 87)
        }
    }

    @Test("filters by season, team, dates and status")
    func filters() async throws {
        try await self.withSeasons { clubhouse in
            func count(_ query: [String: String]) async throws -> Int {
                try await clubhouse.get("matches", query.merging(["limit": "200"]) { old, _ in old }).decode(
                    Matches.self
                ).matches.count
            }
            var counts = [try await count(["team": "Arsenal FC"]), try await count(["season": "Cup"])]
            counts.append(try await count(["season": self.league, "from": "2023-08-11", "to": "2023-08-11"]))
            counts.append(try await count(["status": "cancelled"]))
            counts.append(try await count(["season": self.league, "status": "scheduled"]))
            #expect(counts == [38, 3, 1, 1, 0])
            let opening = try await clubhouse.get("matches", ["to": "2023-08-11"]).decode(Matches.self)
            let first = try #require(opening.matches.first)
            #expect([first.team1, first.team2, first.status] == ["Burnley FC", "Manchester City FC", "played"])
            #expect(first.score == .init(ht: [0, 2], ft: [0, 3]))
            #expect(opening.nextCursor == nil)
        }
    }

    @Test("a table, of a season or one of its stages", arguments: [TestingSetup.router, .live])
    func table(setup: TestingSetup) async throws {
        try await self.withSeasons(setup) { clubhouse in
            struct Table: Decodable {
                let season: String
                let rows: [LeagueTable.Row]
            }
            let table = try await clubhouse.get("table", ["season": self.league]).decode(Table.self)
            #expect(table.season == self.league)
            #expect(table.rows.prefix(3).map(\.points) == [91, 89, 82])
            let finals = try await clubhouse.get("table", ["season": "Cup", "stage": "Finals"]).decode(Table.self)
            #expect(finals.rows.map(\.team) == ["B", "A"])
            #expect(finals.rows.map(\.played) == [1, 1])
        }
    }

    @Test(
        "what is not there is a 404, and what makes no sense a 400",
        arguments: [
            ("matches", ["team": "Nobody"], 404, "unknown-team"),
            ("matches", ["season": "None"], 404, "unknown-season"),
            ("matches", ["season": "Cup", "team": "Arsenal FC"], 404, "unknown-team"),
            ("table", ["season": "None"], 404, "unknown-season"),
            ("table", ["season": "Cup", "stage": "None"], 404, "unknown-stage"),
            ("table", [:], 400, "invalid-parameter"),
            ("matches", ["limit": "0"], 400, "invalid-parameter"),
            ("matches", ["limit": "201"], 400, "invalid-parameter"),
            ("matches", ["limit": "x"], 400, "invalid-parameter"),
            ("matches", ["from": "2024-02-30"], 400, "invalid-parameter"),
            ("matches", ["to": "tomorrow"], 400, "invalid-parameter"),
            ("matches", ["status": "lost"], 400, "invalid-parameter"),
            ("matches", ["cursor": "x"], 400, "invalid-parameter"),
            ("matches", ["colour": "red"], 400, "invalid-parameter"),
            ("matches", ["team": "' OR 1=1 --"], 404, "unknown-team"), ("nothing", [:], 404, "not-found"),
        ] as [(String, [String: String], Int, String)])
    func problems(path: String, query: [String: String], status: Int, problem: String) async throws {
        try await self.withSeasons { clubhouse in
            let answer = try await clubhouse.get(path, query)
            #expect(answer.status.code == status)
            #expect(answer.problem == problem)
        }
    }
}
