// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Clubhouse

@Suite("League table")
struct LeagueTableTests {
    private func match(_ home: String, _ away: String, _ goals: (Int, Int)?, _ status: MatchStatus = .played) -> Match {
        Match(
            key: MatchKey(stage: "", round: "", home: home, away: away, occurrence: 0), date: "2024-01-01", time: "",
            status: status, score: Score(fullTime: goals.map { Goals(home: $0.0, away: $0.1) }))
    }

    @Test("the English season of 2023/24 comes out as it was played")
    func realSeason() throws {
        let rows = LeagueTable(try SeasonFile(sampleSeason()).matches).rows
        #expect(rows.count == 20)
        #expect(rows.prefix(3).map(\.team) == ["Manchester City FC", "Arsenal FC", "Liverpool FC"])
        #expect(rows.prefix(3).map(\.points) == [91, 89, 82])
        let champion = rows[0]
        #expect([champion.played, champion.won, champion.drawn, champion.lost] == [38, 28, 7, 3])
        #expect([champion.goalsFor, champion.goalsAgainst, champion.goalDifference] == [96, 34, 62])
        #expect(rows.allSatisfy { $0.played == 38 })
        #expect(rows.reduce(0) { $0 + $1.goalDifference } == 0)
        #expect(rows.last?.team == "Sheffield United FC")
    }

    @Test("orders by points, goal difference, goals for, name")
    func order() {
        let table = LeagueTable([
            self.match("Points", "Z1", (1, 0)), self.match("Points", "Z2", (1, 0)),
            self.match("Difference", "Z3", (5, 0)),
            self.match("Goals", "Z4", (4, 1)), self.match("Öname", "Z5", (3, 0)), self.match("Name", "Z6", (3, 0)),
        ])
        #expect(table.rows.prefix(5).map(\.team) == ["Points", "Difference", "Goals", "Name", "Öname"])
    }

    @Test("matches without a result, and cancelled ones, do not count; awarded and abandoned ones with a result do")
    func whatCounts() {
        let table = LeagueTable([
            self.match("A", "B", nil, .scheduled), self.match("A", "B", (9, 0), .cancelled),
            self.match("A", "B", (3, 0), .awarded),
            self.match("A", "B", (1, 1), .abandoned), self.match("A", "C", nil, .postponed),
        ])
        let row = table.rows.first { $0.team == "A" }
        #expect(row?.played == 2)
        #expect(row?.points == 4)
        #expect(row?.goalsFor == 4)
        #expect(table.rows.map(\.team).contains("C"))
    }
}
