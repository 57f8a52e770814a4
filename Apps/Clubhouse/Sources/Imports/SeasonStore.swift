// SPDX-License-Identifier: Apache-2.0
import SluiceSQL

/// What an import changed.
public struct ImportSummary: Sendable, Hashable, Codable {
    /// The season's name.
    public let season: String
    /// Matches that were not there before.
    public let new: Int
    /// Matches that were there and differ now.
    public let changed: Int
    /// Matches that were there just so.
    public let unchanged: Int
}

/// Where a season came from, and in which version, to ask its source only for what is newer.
struct SeasonSource: Sendable, Hashable {
    let url: String
    let etag: String?
    let lastModified: String?
}

/// Writes seasons.
extension MatchRepository {
    /// Stores a season in one transaction: all of it or nothing, and twice no more than once.
    ///
    /// Matches that the database has and the file has not are left alone: a file may be a part of a season.
    func store(_ file: SeasonFile, from source: SeasonSource?) async throws -> ImportSummary {
        try await self.database.withTransaction { connection in
            let season = try await Self.upsertSeason(file.name, source, on: connection)
            var present: [MatchKey: (id: Int64, match: Match)] = [:]
            for row in try await connection.rows("SELECT * FROM clubhouse_matches WHERE season_id = \(season)") {
                let match = try Match(row)
                present[match.key] = (try row.decode("id"), match)
            }
            var (new, changed) = (0, 0)
            for match in file.matches {
                if let stored = present[match.key] {
                    guard stored.match != match else { continue }
                    try await Self.update(stored.id, to: match, on: connection)
                    changed += 1
                } else {
                    try await Self.insert(match, season: season, on: connection)
                    new += 1
                }
            }
            return ImportSummary(
                season: file.name, new: new, changed: changed, unchanged: file.matches.count - new - changed)
        }
    }

    /// The version in which a season was last fetched from `url`, if what is stored is still that.
    func source(_ url: String) async throws -> SeasonSource? {
        let rows = try await self.database.rows(
            "SELECT etag, last_modified FROM clubhouse_seasons WHERE source = \(url)")
        guard let row = rows.first else { return nil }
        return SeasonSource(url: url, etag: try row.decode("etag"), lastModified: try row.decode("last_modified"))
    }

    /// What to answer when the source says that nothing has changed; nil if what is stored is no longer that version.
    func unchanged(_ source: SeasonSource) async throws -> ImportSummary? {
        let stored: SQLCondition = [
            "source": source.url, "etag": source.etag, "last_modified": source.lastModified,
        ]
        let rows = try await self.database.rows(
            """
            SELECT s.name, count(m.id) AS matches
            FROM (SELECT id, name FROM clubhouse_seasons WHERE \(stored.query(for: self.database.dialect))) s
            LEFT JOIN clubhouse_matches m ON m.season_id = s.id
            GROUP BY s.id, s.name
            """)
        guard let row = rows.first else { return nil }
        return ImportSummary(season: try row.decode("name"), new: 0, changed: 0, unchanged: try row.decode("matches"))
    }

    private static func upsertSeason(
        _ name: String, _ source: SeasonSource?, on connection: any SQLExecutor
    ) async throws -> Int64 {
        if let source {
            // A URL that now brings another season no longer stands for the old one.
            _ = try await connection.execute(
                "UPDATE clubhouse_seasons SET source = NULL WHERE source = \(source.url) AND name <> \(name)")
        }
        let season = try await connection.upsert(
            "clubhouse_seasons",
            ["name": name, "source": source?.url, "etag": source?.etag, "last_modified": source?.lastModified],
            conflict: ["name"])
        return try season.decode("id")
    }

    private static func insert(_ match: Match, season: Int64, on connection: any SQLExecutor) async throws {
        let (key, score) = (match.key, match.score)
        _ = try await connection.execute(
            """
            INSERT INTO clubhouse_matches (
                season_id, stage, round, team1, team2, occurrence, date, time, status, ht1, ht2, ft1, ft2, et1, et2, p1, p2)
            VALUES (
                \(season), \(key.stage), \(key.round), \(key.home), \(key.away), \(key.occurrence),
                \(match.date), \(match.time), \(match.status.rawValue),
                \(score.halfTime?.home), \(score.halfTime?.away), \(score.fullTime?.home), \(score.fullTime?.away),
                \(score.extraTime?.home), \(score.extraTime?.away), \(score.penalties?.home), \(score.penalties?.away))
            """)
    }

    private static func update(_ id: Int64, to match: Match, on connection: any SQLExecutor) async throws {
        let score = match.score
        _ = try await connection.execute(
            """
            UPDATE clubhouse_matches SET
                date = \(match.date), time = \(match.time), status = \(match.status.rawValue),
                ht1 = \(score.halfTime?.home), ht2 = \(score.halfTime?.away),
                ft1 = \(score.fullTime?.home), ft2 = \(score.fullTime?.away),
                et1 = \(score.extraTime?.home), et2 = \(score.extraTime?.away),
                p1 = \(score.penalties?.home), p2 = \(score.penalties?.away)
            WHERE id = \(id)
            """)
    }
}
