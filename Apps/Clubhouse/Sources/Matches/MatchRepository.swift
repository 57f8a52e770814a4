// SPDX-License-Identifier: Apache-2.0
import SluiceSQL

/// Reads seasons and matches.
struct MatchRepository: Sendable {
    let database: Database

    /// Which matches are wanted; everything left out does not matter.
    struct Filter: Sendable, Hashable {
        var season: String?
        var team: String?
        var from: String?
        var to: String?
        var status: MatchStatus?
    }

    /// Matches in order of date, time and id, one page of them.
    struct Page: Sendable {
        let matches: [StoredMatch]
        let next: MatchCursor?
    }

    /// A season and how far it has got.
    struct Season: Sendable, Encodable {
        let name: String
        let matches: Int
        let played: Int
        let firstDate: String
        let lastDate: String
        let stages: [String]
    }

    func matches(_ filter: Filter, after cursor: MatchCursor?, limit: Int) async throws -> Page {
        try await self.database.read { connection in
            if let season = filter.season { _ = try await Self.seasonID(season, on: connection) }
            if let team = filter.team { try await Self.checkTeam(team, season: filter.season, on: connection) }
            let rows = try await connection.rows(
                """
                SELECT m.*, s.name AS season FROM clubhouse_matches m JOIN clubhouse_seasons s ON s.id = m.season_id
                WHERE \(SQLQuery.all(Self.conditions(filter, after: cursor)))
                ORDER BY m.date, m.time, m.id LIMIT \(limit + 1)
                """)
            let matches = try rows.prefix(limit).map { row in
                StoredMatch(id: try row.decode("id"), season: try row.decode("season"), match: try Match(row))
            }
            let next = rows.count > limit ? matches.last.map(MatchCursor.init) : nil
            return Page(matches: matches, next: next)
        }
    }

    func seasons() async throws -> [Season] {
        try await self.database.read { connection in
            let stages = try await connection.rows(
                "SELECT DISTINCT season_id, stage FROM clubhouse_matches WHERE stage <> '' ORDER BY season_id, stage")
            var stagesBySeason: [Int64: [String]] = [:]
            for row in stages {
                stagesBySeason[try row.decode("season_id"), default: []].append(try row.decode("stage"))
            }
            let rows = try await connection.rows(
                """
                SELECT s.id, s.name, count(*) AS matches, count(m.ft1) AS played, min(m.date) AS first, max(m.date) AS last
                FROM clubhouse_seasons s JOIN clubhouse_matches m ON m.season_id = s.id
                GROUP BY s.id, s.name ORDER BY s.name
                """)
            return try rows.map { row in
                Season(
                    name: try row.decode("name"), matches: try row.decode("matches"), played: try row.decode("played"),
                    firstDate: try row.decode("first"), lastDate: try row.decode("last"),
                    stages: stagesBySeason[try row.decode("id")] ?? [])
            }
        }
    }

    /// All matches of a season, or of one of its stages.
    func allMatches(season: String, stage: String?) async throws -> [Match] {
        try await self.database.read { connection in
            let id = try await Self.seasonID(season, on: connection)
            var conditions: [SQLQuery] = ["season_id = \(id)"]
            if let stage { conditions.append("stage = \(stage)") }
            let rows = try await connection.rows("SELECT * FROM clubhouse_matches WHERE \(SQLQuery.all(conditions))")
            if let stage, rows.isEmpty { throw ClubhouseProblem.unknownStage(stage, season: season) }
            return try rows.map(Match.init)
        }
    }

    static func seasonID(_ name: String, on connection: any SQLExecutor) async throws -> Int64 {
        guard let row = try await connection.first("SELECT id FROM clubhouse_seasons WHERE name = \(name)") else {
            throw ClubhouseProblem.unknownSeason(name)
        }
        return try row.decode("id")
    }

    private static func checkTeam(_ team: String, season: String?, on connection: any SQLExecutor) async throws {
        var plays: SQLQuery = "(m.team1 = \(team) OR m.team2 = \(team))"
        if let season { plays = "\(plays) AND s.name = \(season)" }
        let row = try await connection.first(
            "SELECT 1 FROM clubhouse_matches m JOIN clubhouse_seasons s ON s.id = m.season_id WHERE \(plays) LIMIT 1")
        if row == nil { throw ClubhouseProblem.unknownTeam(team, season: season) }
    }

    private static func conditions(_ filter: Filter, after cursor: MatchCursor?) -> [SQLQuery] {
        var conditions: [SQLQuery] = []
        if let season = filter.season { conditions.append("s.name = \(season)") }
        if let team = filter.team { conditions.append("(m.team1 = \(team) OR m.team2 = \(team))") }
        if let from = filter.from { conditions.append("m.date >= \(from)") }
        if let to = filter.to { conditions.append("m.date <= \(to)") }
        if let status = filter.status { conditions.append("m.status = \(status.rawValue)") }
        if let cursor { conditions.append("(m.date, m.time, m.id) > (\(cursor.date), \(cursor.time), \(cursor.id))") }
        return conditions
    }
}

extension Match {
    /// Reads a row of `clubhouse_matches`.
    init(_ row: SQLRow) throws {
        func goals(_ home: String, _ away: String) throws -> Goals? {
            guard let home = try row.decode(home, as: Int?.self), let away = try row.decode(away, as: Int?.self) else {
                return nil
            }
            return Goals(home: home, away: away)
        }
        guard let status = MatchStatus(rawValue: try row.decode("status")) else {
            throw SQLError(.decoding, message: "column status holds a word that is no match status")
        }
        self.init(
            key: MatchKey(
                stage: try row.decode("stage"), round: try row.decode("round"), home: try row.decode("team1"),
                away: try row.decode("team2"), occurrence: try row.decode("occurrence")),
            date: try row.decode("date"), time: try row.decode("time"), status: status,
            score: Score(
                halfTime: try goals("ht1", "ht2"), fullTime: try goals("ft1", "ft2"),
                extraTime: try goals("et1", "et2"),
                penalties: try goals("p1", "p2")))
    }
}
