// SPDX-License-Identifier: Apache-2.0
import Hummingbird
import SluiceServer

/// `GET /clubhouse/table`.
struct TableRoutes {
    let matches: MatchRepository

    func add(to routes: RouterGroup<RequestScope>) {
        routes.get("table") { request, _ in
            let query = try QueryParameters(request, "season", "stage")
            guard let season = query["season"] else {
                throw QueryParameters.problem("season", "is needed; GET /clubhouse/seasons lists them")
            }
            let matches = try await self.matches.allMatches(season: season, stage: query["stage"])
            return TableReply(season: season, rows: LeagueTable(matches).rows)
        }
    }
}

struct TableReply: ResponseEncodable {
    let season: String
    let rows: [LeagueTable.Row]
}
