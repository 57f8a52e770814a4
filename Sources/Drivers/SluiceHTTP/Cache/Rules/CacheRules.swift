// SPDX-License-Identifier: Apache-2.0
import HTTPTypes

/// What may be kept, and for how long it is fresh: the rules of RFC 9111 alone, without clock, store or network.
struct CacheRules: Sendable, Hashable {
    /// Whether answers to different users come from it.
    let isShared: Bool
    /// The part of the time since the last change that an answer is taken to be fresh for when it does not say: RFC
    /// 9111 §4.2.2.
    let heuristicFraction: Double
    /// The most seconds that come of it.
    let heuristicLimit: Int64
    /// The seconds for which an answer is fresh that says nothing at all.
    let fallbackLifetime: Int64?

    init(
        isShared: Bool = false, heuristicFraction: Double = 0.1, heuristicLimit: Int64 = 86_400,
        fallbackLifetime: Int64? = nil
    ) {
        self.isShared = isShared
        self.heuristicFraction = heuristicFraction
        self.heuristicLimit = heuristicLimit
        self.fallbackLifetime = fallbackLifetime
    }

    /// Statuses that may be kept without a word about freshness: RFC 9110 §15.1. (206 is one too; we keep nothing
    /// partial.)
    static let heuristicallyCacheable: Set<Int> = [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501]

    /// Statuses whose rules of caching we know, because they have none of their own.
    private static let understood: Set<Int> = [
        200, 201, 202, 203, 204, 205, 207, 208, 300, 301, 302, 303, 305, 307, 308, 400, 401, 402, 403, 404, 405, 406,
        407,
        408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 421, 422, 423, 424, 425, 426, 428, 429, 431, 451, 500, 501,
        502,
        503, 504, 505, 506, 507, 508, 511,
    ]

    // MARK: Storing

    /// Whether a complete answer to a GET may be kept.
    ///
    /// - Parameters:
    ///   - isOverridden: Whether the caller says for how long it is fresh.
    ///   - isSigned: Whether the request got credentials that it does not show.
    /// - Source: RFC 9111 §3 and §3.5.
    func mayStore(
        _ response: HTTPResponse, _ control: CacheControl, to request: HTTPRequest, _ asked: CacheControl,
        isOverridden: Bool = false, isSigned: Bool = false
    ) -> Bool {
        let status = response.status.code
        guard request.method == .get, status >= 200, status != 206, status != 304 else { return false }
        if control.mustUnderstand {
            guard Self.understood.contains(status) else { return false }
        } else if control.noStore {
            return false
        }
        guard !asked.noStore else { return false }
        if FieldList.members(response.headerFields[values: .vary]).contains("*") { return false }
        if self.isShared {
            if control.isPrivate == .whole { return false }
            let isForAll = control.isPublic || control.mustRevalidate || control.sharedMaxAge != nil
            if isSigned || request.headerFields.contains(.authorization), !isForAll { return false }
        }
        return isOverridden || self.isCacheable(response, control)
    }

    private func isCacheable(_ response: HTTPResponse, _ control: CacheControl) -> Bool {
        if control.isPublic || control.maxAge != nil || response.headerFields.contains(.expires) { return true }
        if self.isShared, control.sharedMaxAge != nil { return true }
        if !self.isShared, control.isPrivate != .absent { return true }
        return Self.heuristicallyCacheable.contains(response.status.code)
    }

    /// The fields of a connection and its hop, which no message keeps: RFC 9111 §3.1, RFC 9110 §7.6.1.
    private static let hopByHop: Set<String> = [
        "connection", "keep-alive", "proxy-authenticate", "proxy-authentication-info", "proxy-authorization",
        "proxy-connection", "te", "transfer-encoding", "upgrade",
    ]

    /// The fields of `head` that are kept, and a date if it has none.
    func fieldsToStore(_ head: HTTPResponse, _ control: CacheControl, responseTime: WallTime) -> HTTPFields {
        let unwanted = self.unwanted(head.headerFields, control)
        var kept = HTTPFields()
        kept.reserveCapacity(head.headerFields.count + 1)
        for field in head.headerFields where !unwanted.contains(field.name.canonicalName) { kept.append(field) }
        if !kept.contains(.date) { kept[.date] = HTTPDate(seconds: responseTime.seconds).text }
        return kept
    }

    private func unwanted(_ fields: HTTPFields, _ control: CacheControl) -> Set<String> {
        var unwanted = Self.hopByHop
        for name in FieldList.members(fields[values: .connection]) { unwanted.insert(name.lowercased()) }
        // What must be confirmed before it is sent is better not kept at all.
        if case .fields(let names) = control.noCache { unwanted.formUnion(names) }
        if self.isShared, case .fields(let names) = control.isPrivate { unwanted.formUnion(names) }
        return unwanted
    }

    /// A stored head with the fields of a 304, or of the answer to a HEAD.
    ///
    /// - Source: RFC 9111 §3.2: all of them, save those that say how the stored body is to be read.
    func merged(_ stored: HTTPResponse, with update: HTTPResponse, responseTime: WallTime) -> HTTPResponse {
        let fields = self.fieldsToStore(update, CacheControl(update.headerFields), responseTime: responseTime)
        var merged = stored
        var replaced: Set<String> = []
        for field in fields where !Self.keptOnUpdate.contains(field.name.canonicalName) {
            if replaced.insert(field.name.canonicalName).inserted { merged.headerFields[field.name] = nil }
            merged.headerFields.append(field)
        }
        // A confirmed answer is as old as its confirmation, unless that says otherwise.
        if !replaced.contains("age") { merged.headerFields[.age] = nil }
        return merged
    }

    private static let keptOnUpdate: Set<String> = ["content-length", "content-encoding", "content-range"]

    // MARK: Freshness

    /// For how many seconds an answer is fresh.
    ///
    /// - Source: RFC 9111 §4.2.1 and §4.2.2.
    func lifetime(_ response: HTTPResponse, _ control: CacheControl, _ times: ResponseTimes) -> Int64 {
        if self.isShared, let seconds = control.sharedMaxAge { return seconds }
        if let seconds = control.maxAge { return seconds }
        let fields = response.headerFields
        if let expires = fields[values: .expires].first {
            // "0" and everything else that is no date means that it has expired: RFC 9111 §5.3.
            guard let expiry = HTTPDate(expires, now: times.date) else { return 0 }
            return max(0, expiry.seconds - times.date.seconds)
        }
        guard Self.heuristicallyCacheable.contains(response.status.code) || control.isPublic else { return 0 }
        if let changed = fields[values: .lastModified].first.flatMap({ HTTPDate($0, now: times.date) }) {
            let unchanged = max(0, times.date.seconds - changed.seconds)
            return min(Int64(Double(unchanged) * self.heuristicFraction), self.heuristicLimit)
        }
        return self.fallbackLifetime ?? 0
    }
}
