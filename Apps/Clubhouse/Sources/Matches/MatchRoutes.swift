// SPDX-License-Identifier: Apache-2.0
import Hummingbird
import SluiceServer

/// `GET /clubhouse/seasons` and `GET /clubhouse/matches`.
struct MatchRoutes {
    let matches: MatchRepository

    func add(to routes: RouterGroup<RequestScope>) {
        routes.get("seasons") { request, _ in
            _ = try QueryParameters(request)
            return SeasonsReply(seasons: try await self.matches.seasons())
        }
        routes.get("matches") { request, _ in
            let query = try QueryParameters(request, "season", "team", "from", "to", "status", "limit", "cursor")
            let limit = try query.integer("limit", default: 50, in: 1...200)
            let page = try await self.matches.matches(
                try Self.filter(query), after: try Self.cursor(query), limit: limit)
            return MatchesReply(matches: page.matches, nextCursor: page.next?.text)
        }
    }

    private static func filter(_ query: QueryParameters) throws(Problem) -> MatchRepository.Filter {
        for name in ["from", "to"] {
            if let date = query[name], !CalendarDate.isValid(date) {
                throw QueryParameters.problem(name, "must be a date, YYYY-MM-DD")
            }
        }
        let status = query["status"].map(MatchStatus.init(rawValue:))
        if case .some(.none) = status {
            let words = MatchStatus.allCases.map(\.rawValue).joined(separator: ", ")
            throw QueryParameters.problem("status", "must be one of \(words)")
        }
        return MatchRepository.Filter(
            season: query["season"], team: query["team"], from: query["from"], to: query["to"], status: status ?? nil)
    }

    private static func cursor(_ query: QueryParameters) throws(Problem) -> MatchCursor? {
        guard let text = query["cursor"] else { return nil }
        guard let cursor = MatchCursor(text) else {
            throw QueryParameters.problem("cursor", "must be the nextCursor of an earlier answer")
        }
        return cursor
    }
}

struct SeasonsReply: ResponseEncodable {
    let seasons: [MatchRepository.Season]
}

struct MatchesReply: ResponseEncodable {
    let matches: [StoredMatch]
    let nextCursor: String?

    private enum Key: String, CodingKey {
        case matches, nextCursor
    }

    /// Writes `nextCursor` as null on the last page, so that its end is said and not left to guess.
    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(self.matches, forKey: .matches)
        try container.encode(self.nextCursor, forKey: .nextCursor)
    }
}
