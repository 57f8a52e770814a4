// SPDX-License-Identifier: Apache-2.0
import Foundation
public import HTTPTypes
public import Hummingbird
import NIOCore
import Sluice
import SluiceSQL

/// An error as a client sees it: `application/problem+json` with a stable type.
///
/// The type is what programs decide by; title and detail are for people and may change. Nothing of our insides is in it.
///
/// - Source: RFC 9457, "Problem Details for HTTP APIs".
public struct Problem: Error, Sendable, Hashable {
    /// A member of a problem beyond the standard ones.
    public enum Member: Sendable, Hashable, Encodable {
        case integer(Int)
        case text(String)

        /// Writes the number or the text.
        public func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            switch self {
            case .integer(let value): try container.encode(value)
            case .text(let value): try container.encode(value)
            }
        }
    }

    /// The status of the answer.
    public let status: HTTPResponse.Status
    /// The stable name of the problem, for example `unknown-team`; written as `urn:problem-type:sluice:unknown-team`.
    public let type: String
    /// What kind of problem it is, in words.
    public let title: String
    /// What is wrong with this request and what to do about it.
    public let detail: String
    /// The soonest trying again makes sense; also sent as `Retry-After`, in whole seconds, rounded up.
    public let retryAfter: Duration?
    /// More members, by name.
    public let members: [String: Member]

    /// Creates a problem.
    public init(
        _ status: HTTPResponse.Status, _ type: String, title: String, detail: String, retryAfter: Duration? = nil,
        members: [String: Member] = [:]
    ) {
        self.status = status
        self.type = type
        self.title = title
        self.detail = detail
        self.retryAfter = retryAfter
        self.members = members
    }

    /// What a client may know of any error.
    public init(_ error: any Error) {
        switch error {
        case let problem as Problem:
            self = problem
        case let error as RejectionError:
            self.init(
                .serviceUnavailable, "overloaded", title: "Too much to do", detail: "Try again later.",
                retryAfter: error.retryAfter ?? .seconds(1), members: ["policy": .text(error.policy)])
        case let error as TimeoutError:
            self.init(
                .gatewayTimeout, "timed-out", title: "Out of time", detail: "The answer took longer than it may.",
                members: ["policy": .text(error.policy)])
        case let error as SQLError where error.kind == .busy:
            self.init(
                .serviceUnavailable, "overloaded", title: "Too much to do", detail: "Try again later.",
                retryAfter: .seconds(1), members: ["policy": .text("database")])
        case is CancellationError:
            self.init(
                .serviceUnavailable, "shutting-down", title: "Shutting down", detail: "Try again in a moment.",
                retryAfter: .seconds(1))
        case let error as any HTTPResponseError:
            self.init(error.status)
        default:
            self.init(.internalServerError)
        }
    }

    /// What there is to say of a bare status.
    init(_ status: HTTPResponse.Status) {
        switch status {
        case .notFound:
            self.init(status, "not-found", title: "Not found", detail: "There is nothing at this path.")
        case .contentTooLarge:
            self.init(status, "body-too-large", title: "Body too large", detail: "Send less in one request.")
        case .internalServerError:
            self.init(
                status, "internal", title: "Something went wrong here",
                detail: "The operation's id is in x-request-id; the logs say more.")
        default:
            let title = status.reasonPhrase.isEmpty ? "Status \(status.code)" : status.reasonPhrase
            let type = title.lowercased().map { $0.isLetter || $0.isNumber ? $0 : "-" }
            self.init(status, String(type), title: title, detail: "\(title).")
        }
    }

    /// The answer.
    public func response() -> Response {
        var fields: HTTPFields = [.contentType: "application/problem+json"]
        if let retryAfter = self.retryAfter { fields[.retryAfter] = "\(Self.wholeSeconds(retryAfter))" }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Strings and integers alone cannot fail to encode.
        let body = (try? encoder.encode(self.allMembers)) ?? Data()
        return Response(status: self.status, headers: fields, body: ResponseBody(byteBuffer: ByteBuffer(bytes: body)))
    }

    private var allMembers: [String: Member] {
        var members = self.members
        members["type"] = .text("urn:problem-type:sluice:\(self.type)")
        members["title"] = .text(self.title)
        members["status"] = .integer(self.status.code)
        members["detail"] = .text(self.detail)
        if let retryAfter = self.retryAfter { members["retryAfter"] = .integer(Self.wholeSeconds(retryAfter)) }
        return members
    }

    private static func wholeSeconds(_ duration: Duration) -> Int {
        Int(min(max(duration.inSeconds.rounded(.up), 0), 86_400))
    }
}
