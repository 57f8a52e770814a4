// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import Sluice
import SluiceHTTP
import SluiceServer

/// What can be wrong with an import, as clients see it.
public enum ImportProblem {
    /// The problem behind an error of ``SeasonImporter``; the error itself if it is none of an import's own.
    public static func problem(_ error: any Error) -> any Error {
        guard let error = error as? SeasonFileError else { return error }
        switch error {
        case .malformed(let line, let column, let offset):
            return Problem(
                .unprocessableContent, "malformed-json", title: "Not JSON",
                detail: "The season stops being JSON at line \(line), column \(column).",
                members: ["line": .integer(line), "column": .integer(column), "offset": .integer(offset)])
        case .season(let reason):
            return Problem(
                .unprocessableContent, "invalid-season", title: "Not a season", detail: "In the season, \(reason).")
        case .match(let index, let reason):
            return Problem(
                .unprocessableContent, "invalid-match", title: "A match that cannot be",
                detail: "In match \(index), counted from 0, \(reason). Nothing was stored.",
                members: ["match": .integer(index)])
        }
    }

    /// The problem of a season that is too large.
    static func tooLarge(_ limit: Int) -> Problem {
        Problem(.contentTooLarge, "source-too-large", title: "Too large", detail: "A season may have \(limit) bytes.")
    }

    /// The problem of an answer that is a success and no season.
    static func unexpected(_ status: HTTPResponse.Status) -> Problem {
        Problem(
            .badGateway, "source-refused", title: "The source refused",
            detail: "The source answered \(status.code) where a season was expected.",
            members: ["sourceStatus": .integer(status.code)])
    }

    /// The problem behind a fetch that failed.
    static func problem(fetching error: any Error) -> any Error {
        switch error {
        case let error as APIClientError:
            return Self.problem(error)
        case let error as RejectionError:
            return Self.unavailable(
                "The source is not asked now: \(error.reason).", policy: error.policy, retryAfter: error.retryAfter)
        case let error as TimeoutError:
            return Problem(
                .gatewayTimeout, "source-timed-out", title: "The source is too slow",
                detail: "The source did not send the whole season within \(error.limit).", retryAfter: error.limit,
                members: ["policy": .text(error.policy)])
        default:
            return error
        }
    }

    private static func problem(_ error: APIClientError) -> Problem {
        switch error.kind {
        case .urlNotAllowed:
            Problem(
                .unprocessableContent, "url-not-allowed", title: "This URL cannot be fetched",
                detail: "The source cannot be fetched: \(error.message).")
        case .addressNotAllowed:
            Problem(
                .forbidden, "address-not-allowed", title: "This address may not be fetched from",
                detail: "The source is, or redirects to, a loopback, private or otherwise special address.")
        case .bodyTooLarge:
            Problem(
                .contentTooLarge, "source-too-large", title: "Too large",
                detail: "The season is too large: \(error.message).")
        case .tooManyRedirects:
            Problem(
                .badGateway, "source-redirects", title: "The source redirects too often",
                detail: "The source was not reached: \(error.message).")
        case .status where error.retryAdvice == .never:
            Problem(
                .badGateway, "source-refused", title: "The source refused",
                detail: "\(error.message).", members: ["sourceStatus": .integer(error.status ?? 0)])
        case .invalidResponse:
            Problem(
                .badGateway, "source-not-http", title: "The source does not speak HTTP",
                detail: "\(error.message).")
        default:
            Self.unavailable(
                "The source failed \(error.attempts) times: \(error.message).", policy: "retry",
                retryAfter: error.retryAfter)
        }
    }

    private static func unavailable(_ detail: String, policy: String, retryAfter: Duration?) -> Problem {
        Problem(
            .badGateway, "source-unavailable", title: "The source is not available", detail: detail,
            retryAfter: retryAfter ?? .seconds(1), members: ["policy": .text(policy)])
    }
}
