// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import Clubhouse

@Suite("Season file")
struct SeasonFileTests {
    private func season(_ matches: String) -> Data {
        Data(#"{"name": "S", "matches": [\#(matches)]}"#.utf8)
    }

    private let good = #"{"date": "2024-02-29", "team1": "A", "team2": "B", "score": {"ft": [1, 0]}}"#

    @Test("reads the shipped season whole")
    func sample() throws {
        let file = try SeasonFile(sampleSeason())
        #expect(file.name == "English Premier League 2023/24")
        #expect(file.matches.count == 380)
        #expect(file.matches.allSatisfy { $0.status == .played && $0.score.fullTime != nil })
    }

    @Test("reads every optional member")
    func optional() throws {
        let file = try SeasonFile(
            self.season(
                """
                {"round": "Final", "stage": "Playoffs - Championship", "date": "2024-05-01", "time": "20:45", "team1": "Málaga CF",
                 "team2": "1. FC Köln", "status": "awarded", "score": {"ht": [0, 1], "ft": [2, 2], "et": [3, 3], "p": [5, 4]}},
                {"date": "2024-05-02", "team1": "C", "team2": "D"}, {"date": "2024-05-02", "team1": "E", "team2": "F", "score": {}},
                {"date": "2024-05-02", "team1": "G", "team2": "H", "score": null, "status": "postponed"}
                """))
        let final = file.matches[0]
        #expect(final.key.stage == "Playoffs - Championship")
        #expect(final.key.round == "Final")
        #expect(final.time == "20:45")
        #expect(final.status == .awarded)
        #expect(final.score.penalties == Goals(home: 5, away: 4))
        #expect(final.score.extraTime == Goals(home: 3, away: 3))
        #expect(file.matches.dropFirst().map(\.status) == [.scheduled, .scheduled, .postponed])
    }

    @Test("the same pairing twice in a round is two matches")
    func replay() throws {
        let file = try SeasonFile(self.season("\(self.good), \(self.good)"))
        #expect(file.matches.map(\.key.occurrence) == [0, 1])
    }

    @Test(
        "a match that cannot be is named by its index",
        arguments: [
            #"{"date": "2023-02-29", "team1": "A", "team2": "B"}"#,
            #"{"date": "2024-13-01", "team1": "A", "team2": "B"}"#,
            #"{"date": "24-1-1", "team1": "A", "team2": "B"}"#, #"{"date": 20240101, "team1": "A", "team2": "B"}"#,
            #"{"team1": "A", "team2": "B"}"#, #"{"date": null, "team1": "A", "team2": "B"}"#,
            #"{"date": "2024-01-01", "team1": "", "team2": "B"}"#,
            #"{"date": "2024-01-01", "team1": {"name": "A"}, "team2": "B"}"#,
            #"{"date": "2024-01-01", "team1": "A", "team2": "B", "time": "25:00"}"#,
            #"{"date": "2024-01-01", "team1": "A", "team2": "B", "status": "unheard-of"}"#,
            #"{"date": "2024-01-01", "team1": "A", "team2": "B", "score": {"ft": [1]}}"#,
            #"{"date": "2024-01-01", "team1": "A", "team2": "B", "score": {"ft": [1, -1]}}"#,
            #"{"date": "2024-01-01", "team1": "A", "team2": "B", "score": {"ft": [1, 2.5]}}"#,
            #"{"date": "2024-01-01", "team1": "A", "team2": "B", "score": {"ft": ["1", 2]}}"#,
            #"{"date": "2024-01-01", "team1": "A", "team2": "B", "score": {"ht": [1e99, 2]}}"#, "7", "null",
        ])
    func invalidMatch(match: String) {
        let error = #expect(throws: SeasonFileError.self) { try SeasonFile(self.season("\(self.good), \(match)")) }
        guard case .match(1, let reason) = error else { return #expect(Bool(false), "\(String(describing: error))") }
        #expect(!reason.isEmpty)
    }

    @Test(
        "what is not JSON is named by the place where it stops being JSON",
        arguments: [
            ("", 1, 1), ("not json", 1, 2), ("{\n  \"name\": \"S\",\n  \"matches\": [}\n", 3, 15),
            ("{\"name\": \"S\"", 1, 13),
            ("{\"name\": \"S\", \"matches\": []} x", 1, 30), ("{\"name\": \"a\nb\"}", 1, 12),
            ("{\"name\": \"\\x\"}", 1, 12),
            ("{\"name\": \"S\", \"matches\": [{\"score\": {\"ft\": [01, 2]}}]}", 1, 46),
        ])
    func malformed(text: String, line: Int, column: Int) {
        let error = #expect(throws: SeasonFileError.self) { try SeasonFile(Data(text.utf8)) }
        guard case .malformed(line, column, _) = error else {
            return #expect(Bool(false), "\(String(describing: error))")
        }
    }

    @Test(
        "JSON that is no season is refused",
        arguments: [
            "[]", "{}", #"{"name": "S"}"#, #"{"matches": []}"#, #"{"name": "", "matches": []}"#,
            #"{"name": 1, "matches": []}"#,
            #"{"name": "S", "matches": {}}"#,
        ])
    func notASeason(text: String) {
        let error = #expect(throws: SeasonFileError.self) { try SeasonFile(Data(text.utf8)) }
        guard case .season = error else { return #expect(Bool(false), "\(String(describing: error))") }
    }
}

@Suite("JSON syntax")
struct JSONSyntaxTests {
    @Test(
        "accepts JSON",
        arguments: [
            "{}", "[]", "0", "-0.5e+10", "\"\\u00e9\\n\"", "true", " [1, {\"a\": null}] \n", "\u{FEFF}[]", "[[[[]]]]",
        ])
    func accepts(text: String) {
        #expect(JSONSyntax.firstError(in: Array(text.utf8)) == nil)
    }

    @Test(
        "finds the first byte that cannot be",
        arguments: [
            ("", 0), ("{", 1), ("[1,]", 3), ("{\"a\":1,}", 7), ("tru", 3), ("nul1", 3), ("1.", 2), ("01", 1), ("-", 1),
            ("1e", 2),
            ("\"\\u12g4\"", 5), ("{\"a\" 1}", 5), ("[1 2]", 3), ("{} {}", 3), ("'a'", 0), ("\"", 1),
        ])
    func refuses(text: String, offset: Int) {
        #expect(JSONSyntax.firstError(in: Array(text.utf8)) == offset)
    }

    @Test("finds the first byte that is not UTF-8")
    func notUTF8() {
        #expect(JSONSyntax.firstError(in: [0x22, 0xC3, 0xA9, 0xFF, 0x22]) == 3)
        #expect(JSONSyntax.firstError(in: [0x22, 0xC3]) == 1)
    }

    @Test("refuses nesting without end, and does not crash on it")
    func deep() {
        #expect(JSONSyntax.firstError(in: Array(repeating: UInt8(ascii: "["), count: 1_000_000)) == 512)
    }
}

@Suite("Match cursor and dates")
struct MatchCursorTests {
    @Test(
        "a cursor is read back, and nothing else is",
        arguments: ["", "x", "====", "MjAyNC0wMS0wMQ", "ä", "JyBPUiAxPTEgLS0"])
    func cursor(text: String) {
        #expect(MatchCursor(text) == nil)
        let key = MatchKey(stage: "", round: "", home: "A", away: "B", occurrence: 0)
        let match = Match(key: key, date: "2024-01-31", time: "", status: .played, score: Score())
        let cursor = MatchCursor(StoredMatch(id: 7, season: "S", match: match))
        #expect(MatchCursor(cursor.text) == cursor)
    }

    @Test(
        "knows the Gregorian calendar",
        arguments: [
            ("2024-02-29", true), ("2023-02-29", false), ("1900-02-29", false), ("2000-02-29", true),
            ("2024-04-31", false),
            ("2024-00-01", false), ("2024-1-01", false), ("2024-01-01 ", false), ("+024-01-01", false),
            ("２０２４-01-01", false),
        ])
    func dates(text: String, isValid: Bool) {
        #expect(CalendarDate.isValid(text) == isValid)
    }
}
