// SPDX-License-Identifier: Apache-2.0
public import Foundation

/// A season in the football.json format, checked.
///
/// - Source: the football.json project (openfootball), format as of March 2026.
public struct SeasonFile: Sendable, Hashable {
    /// The season's name, for example `English Premier League 2023/24`.
    public let name: String
    /// Its matches, in the file's order.
    public let matches: [Match]

    /// The most matches one file may hold; the largest real one has under 1,000.
    public static let maximumMatches = 20_000
    /// The longest name or round, in bytes.
    static let maximumTextBytes = 200

    /// Reads a file.
    ///
    /// - Throws: ``SeasonFileError`` if it is not JSON, not a season, or has a match that cannot be.
    public init(_ data: Data) throws(SeasonFileError) {
        let raw: RawSeason
        do {
            raw = try JSONDecoder().decode(RawSeason.self, from: data)
        } catch {
            throw JSONSyntax.firstError(in: Array(data)).map { Self.malformed(at: $0, in: data) }
                ?? .season(Self.reason(error))
        }
        guard Self.isText(raw.name) else { throw .season("name must be 1 to \(Self.maximumTextBytes) bytes of text") }
        guard raw.matches.count <= Self.maximumMatches else {
            throw .season("there may be \(Self.maximumMatches) matches")
        }
        var occurrences: [MatchKey: Int] = [:]
        var matches: [Match] = []
        matches.reserveCapacity(raw.matches.count)
        for (index, element) in raw.matches.enumerated() {
            switch element.result {
            case .success(let raw):
                matches.append(try raw.match(index, &occurrences))
            case .failure(let error):
                // Foundation looks at numbers only when it reads them, so what is no JSON number is found out here.
                throw JSONSyntax.firstError(in: Array(data)).map { Self.malformed(at: $0, in: data) }
                    ?? .match(index, Self.reason(error))
            }
        }
        self.name = raw.name
        self.matches = matches
    }

    private static func malformed(at offset: Int, in data: Data) -> SeasonFileError {
        let before = data.prefix(offset)
        let line = before.count { $0 == UInt8(ascii: "\n") } + 1
        let column = before.reversed().prefix { $0 != UInt8(ascii: "\n") }.count + 1
        return .malformed(line: line, column: column, offset: offset)
    }

    /// What is wrong, by the name of the member that is.
    private static func reason(_ error: any Error) -> String {
        func name(_ path: [any CodingKey]) -> String {
            let names = path.filter { $0.intValue == nil && $0.stringValue != "matches" }.map(\.stringValue)
            return names.isEmpty ? "it" : names.joined(separator: ".")
        }
        return switch error {
        case DecodingError.keyNotFound(let key, _): "\(key.stringValue) is missing"
        case DecodingError.typeMismatch(_, let context): "\(name(context.codingPath)) is of the wrong type"
        case DecodingError.valueNotFound(_, let context): "\(name(context.codingPath)) is null"
        case DecodingError.dataCorrupted(let context): "\(name(context.codingPath)) has a value that cannot be"
        default: "it cannot be read"
        }
    }

    static func isText(_ text: String) -> Bool {
        (1...Self.maximumTextBytes).contains(text.utf8.count)
            && !text.unicodeScalars.contains { $0.properties.generalCategory == .control }
    }
}

/// Why a file is no season.
public enum SeasonFileError: Error, Sendable, Hashable {
    /// Not JSON; the place is where it stops being JSON, line and column from 1, offset in bytes from 0.
    case malformed(line: Int, column: Int, offset: Int)
    /// JSON, but no season.
    case season(String)
    /// A match, by its index from 0, that cannot be.
    case match(Int, String)
}

private struct RawSeason: Decodable {
    let name: String
    let matches: [Element]

    /// A match, or why it is none: the file's other matches are still read, so that its index is known.
    struct Element: Decodable {
        let result: Result<RawMatch, any Error>

        init(from decoder: any Decoder) {
            self.result = Result { try RawMatch(from: decoder) }
        }
    }
}

private struct RawMatch: Decodable {
    struct RawScore: Decodable {
        let ht: [Int]?
        let ft: [Int]?
        let et: [Int]?
        let p: [Int]?
    }

    let round: String?
    let stage: String?
    let date: String
    let time: String?
    let team1: String
    let team2: String
    let status: String?
    let score: RawScore?

    func match(_ index: Int, _ occurrences: inout [MatchKey: Int]) throws(SeasonFileError) -> Match {
        guard CalendarDate.isValid(self.date) else { throw .match(index, "date must be a day, YYYY-MM-DD") }
        if let time, !CalendarDate.isTime(time) { throw .match(index, "time must be HH:MM") }
        for (name, text) in [("team1", self.team1), ("team2", self.team2)] where !SeasonFile.isText(text) {
            throw .match(index, "\(name) must be 1 to \(SeasonFile.maximumTextBytes) bytes of text")
        }
        for (name, text) in [("round", self.round), ("stage", self.stage)] {
            if let text, !text.isEmpty, !SeasonFile.isText(text) {
                throw .match(index, "\(name) is too long or not text")
            }
        }
        let score = Score(
            halfTime: try Self.goals(self.score?.ht, "ht", index),
            fullTime: try Self.goals(self.score?.ft, "ft", index),
            extraTime: try Self.goals(self.score?.et, "et", index), penalties: try Self.goals(self.score?.p, "p", index)
        )
        let pairing = MatchKey(
            stage: self.stage ?? "", round: self.round ?? "", home: self.team1, away: self.team2, occurrence: 0)
        let occurrence = occurrences[pairing, default: 0]
        occurrences[pairing] = occurrence + 1
        let key = MatchKey(
            stage: pairing.stage, round: pairing.round, home: pairing.home, away: pairing.away, occurrence: occurrence)
        return Match(
            key: key, date: self.date, time: self.time ?? "", status: try self.matchStatus(index, score), score: score)
    }

    private func matchStatus(_ index: Int, _ score: Score) throws(SeasonFileError) -> MatchStatus {
        guard let status, !status.isEmpty else { return score.fullTime == nil ? .scheduled : .played }
        guard let known = MatchStatus(rawValue: status.lowercased()) else {
            throw .match(index, "status must be one of cancelled, awarded, postponed, abandoned")
        }
        return known
    }

    private static func goals(_ numbers: [Int]?, _ name: String, _ index: Int) throws(SeasonFileError) -> Goals? {
        guard let numbers, !numbers.isEmpty else { return nil }
        guard numbers.count == 2, numbers.allSatisfy((0...999).contains) else {
            throw .match(index, "score.\(name) must be two numbers in 0...999")
        }
        return Goals(home: numbers[0], away: numbers[1])
    }
}
