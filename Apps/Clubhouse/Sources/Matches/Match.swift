// SPDX-License-Identifier: Apache-2.0

/// Where a match stands; the source's own word, or, where it has none, whether there is a result.
public enum MatchStatus: String, Sendable, Hashable, Codable, CaseIterable {
    case scheduled, played, cancelled, awarded, postponed, abandoned
}

/// Goals of home and away team.
public struct Goals: Sendable, Hashable {
    /// The home team's.
    public let home: Int
    /// The away team's.
    public let away: Int
}

/// A score, as far as there is one.
public struct Score: Sendable, Hashable {
    /// At half time.
    public var halfTime: Goals?
    /// At full time.
    public var fullTime: Goals?
    /// After extra time.
    public var extraTime: Goals?
    /// Penalties.
    public var penalties: Goals?
}

/// What makes a match the same match in the next version of its season.
public struct MatchKey: Sendable, Hashable {
    /// The stage of the season, empty if it has none.
    public let stage: String
    /// The round, empty if it has none.
    public let round: String
    /// The home team.
    public let home: String
    /// The away team.
    public let away: String
    /// Which of the matches that agree in all of the above, from 0, in the file's order.
    public let occurrence: Int
}

/// A match as its season's file has it.
public struct Match: Sendable, Hashable {
    /// What makes it the same match.
    public let key: MatchKey
    /// The day, `YYYY-MM-DD`.
    public let date: String
    /// Kick-off in local time, `HH:MM`, empty if not known.
    public let time: String
    /// Where it stands.
    public let status: MatchStatus
    /// Its score.
    public let score: Score
}

/// A match with its place in the database, written as its season's file writes it.
public struct StoredMatch: Sendable, Encodable {
    let id: Int64
    let season: String
    let match: Match

    private enum Key: String, CodingKey {
        case id, season, stage, round, date, time, team1, team2, status, score
    }

    private enum ScoreKey: String, CodingKey {
        case ht, ft, et, p
    }

    /// Writes the match, leaving out what is not known.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(self.id, forKey: .id)
        try container.encode(self.season, forKey: .season)
        let key = self.match.key
        if !key.stage.isEmpty { try container.encode(key.stage, forKey: .stage) }
        if !key.round.isEmpty { try container.encode(key.round, forKey: .round) }
        try container.encode(self.match.date, forKey: .date)
        if !self.match.time.isEmpty { try container.encode(self.match.time, forKey: .time) }
        try container.encode(key.home, forKey: .team1)
        try container.encode(key.away, forKey: .team2)
        try container.encode(self.match.status, forKey: .status)
        var score = container.nestedContainer(keyedBy: ScoreKey.self, forKey: .score)
        let parts = [
            (ScoreKey.ht, self.match.score.halfTime), (.ft, self.match.score.fullTime),
            (.et, self.match.score.extraTime),
            (.p, self.match.score.penalties),
        ]
        for (name, goals) in parts {
            if let goals { try score.encode([goals.home, goals.away], forKey: name) }
        }
    }
}
