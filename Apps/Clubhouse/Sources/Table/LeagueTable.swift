// SPDX-License-Identifier: Apache-2.0

/// The standings that a set of matches adds up to: three points for a win, one for a draw.
///
/// Matches without a full-time score, and cancelled ones, do not count, but their teams are in the table.
public struct LeagueTable: Sendable, Hashable {
    /// One team's record.
    public struct Row: Sendable, Hashable, Codable {
        /// The team.
        public let team: String
        /// Matches that count.
        public internal(set) var played = 0
        /// Matches won.
        public internal(set) var won = 0
        /// Matches drawn.
        public internal(set) var drawn = 0
        /// Matches lost.
        public internal(set) var lost = 0
        /// Goals scored.
        public internal(set) var goalsFor = 0
        /// Goals conceded.
        public internal(set) var goalsAgainst = 0
        /// Goals scored less goals conceded.
        public internal(set) var goalDifference = 0
        /// Three for a win, one for a draw.
        public internal(set) var points = 0

        init(team: String) {
            self.team = team
        }

        mutating func add(scored: Int, conceded: Int) {
            self.played += 1
            self.goalsFor += scored
            self.goalsAgainst += conceded
            self.goalDifference = self.goalsFor - self.goalsAgainst
            if scored > conceded {
                self.won += 1
            } else if scored == conceded {
                self.drawn += 1
            } else {
                self.lost += 1
            }
            self.points = 3 * self.won + self.drawn
        }
    }

    /// The teams by points, goal difference, goals scored, and name.
    public let rows: [Row]

    /// Adds matches up.
    public init(_ matches: some Sequence<Match>) {
        var rows: [String: Row] = [:]
        for match in matches {
            let (home, away) = (match.key.home, match.key.away)
            rows[home] = rows[home] ?? Row(team: home)
            rows[away] = rows[away] ?? Row(team: away)
            guard match.status != .cancelled, let goals = match.score.fullTime else { continue }
            rows[home]?.add(scored: goals.home, conceded: goals.away)
            rows[away]?.add(scored: goals.away, conceded: goals.home)
        }
        self.rows = rows.values.sorted { left, right in
            if left.points != right.points { return left.points > right.points }
            if left.goalDifference != right.goalDifference { return left.goalDifference > right.goalDifference }
            if left.goalsFor != right.goalsFor { return left.goalsFor > right.goalsFor }
            return left.team < right.team
        }
    }
}
