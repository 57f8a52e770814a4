// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import SluiceServer

/// What can be wrong with a question to Clubhouse.
enum ClubhouseProblem {
    static func unknownSeason(_ name: String) -> Problem {
        Problem(
            .notFound, "unknown-season", title: "Unknown season",
            detail: "There is no season \(name); GET /clubhouse/seasons lists those there are.")
    }

    static func unknownStage(_ stage: String, season: String) -> Problem {
        Problem(.notFound, "unknown-stage", title: "Unknown stage", detail: "\(season) has no stage \(stage).")
    }

    static func unknownTeam(_ team: String, season: String?) -> Problem {
        Problem(
            .notFound, "unknown-team", title: "Unknown team",
            detail: "No team \(team) plays in \(season ?? "any season"); names are written as in the season's matches.")
    }
}
