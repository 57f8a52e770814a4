// SPDX-License-Identifier: Apache-2.0
public import HTTPTypes
public import NIOCore

/// An answer as a cache keeps it: complete, without the fields of its connection, and with what decides for how long it
/// may be used.
public struct HTTPCacheEntry: Sendable {
    /// What it is found by: the target URI, unless the call named a key of its own.
    public let key: String
    /// The URI it was fetched from; a change of that resource drops it, whatever its key.
    public let uri: String
    /// Tells answers under one key apart: whose it is, and a digest of the request fields that the answer's `Vary`
    /// names.
    ///
    /// A digest, because those fields may be credentials.
    public let variant: String
    /// The names in the answer's `Vary`, in lower case and in order.
    public let varyingFields: [String]
    /// Status and fields; 304 answers are merged into the fields.
    public let head: HTTPResponse
    /// The body.
    public let body: ByteBuffer
    /// When the request was sent that brought or confirmed it.
    public let requestTime: WallTime
    /// When that request's answer arrived.
    public let responseTime: WallTime
    /// For how many seconds it is fresh by the caller's word, which the answer's own does not count against.
    public let timeToLive: Int64?
    /// Whether it must be confirmed before its next use, whatever it says itself.
    public let isInvalid: Bool

    let control: CacheControl
    /// The seconds for which it is fresh, by the rules of the cache that keeps it.
    let lifetime: Int64
    /// Its age in seconds when it arrived.
    let initialAge: Int64

    init(
        key: String, uri: String, variant: String, varyingFields: [String], head: HTTPResponse, body: ByteBuffer,
        requestTime: WallTime, responseTime: WallTime, timeToLive: Int64?, isInvalid: Bool = false, rules: CacheRules
    ) {
        self.key = key
        self.uri = uri
        self.variant = variant
        self.varyingFields = varyingFields
        self.head = head
        self.body = body
        self.requestTime = requestTime
        self.responseTime = responseTime
        self.timeToLive = timeToLive
        self.isInvalid = isInvalid
        self.control = CacheControl(head.headerFields)
        let times = ResponseTimes(head, requestTime: requestTime, responseTime: responseTime)
        self.initialAge = times.initialAge
        self.lifetime = timeToLive ?? rules.lifetime(head, self.control, times)
    }

    /// What it takes in memory, in bytes: its texts, and a round sum for what holds them.
    public var cost: Int {
        var cost = 512 + self.body.readableBytes + self.key.utf8.count + self.uri.utf8.count + self.variant.utf8.count
        for field in self.head.headerFields { cost += 64 + field.name.rawName.utf8.count + field.value.utf8.count }
        return cost
    }

    /// Its age in seconds.
    ///
    /// - Source: RFC 9111 §4.2.3.
    func age(at now: WallTime) -> Int64 {
        let resident = max(0, now.milliseconds.addingSaturated(-self.responseTime.milliseconds)) / 1_000
        return self.initialAge.addingSaturated(resident)
    }
}

/// What an answer's fields and its two moments say about its age.
///
/// - Source: RFC 9111 §4.2.3.
struct ResponseTimes: Sendable, Hashable {
    /// When the origin made it; when it arrived, if it does not say.
    let date: HTTPDate
    let initialAge: Int64

    init(_ head: HTTPResponse, requestTime: WallTime, responseTime: WallTime) {
        let arrival = HTTPDate(seconds: responseTime.seconds)
        let fields = head.headerFields
        self.date = fields[values: .date].first.flatMap { HTTPDate($0, now: arrival) } ?? arrival
        let delay = max(0, responseTime.milliseconds - requestTime.milliseconds) / 1_000
        // Of a list the first counts, and what is not a number says nothing: RFC 9111 §5.1.
        let stated = CacheControl.seconds(FieldList.members(fields[values: .age]).first.map(String.init)) ?? 0
        let apparent = max(0, arrival.seconds - self.date.seconds)
        self.initialAge = max(apparent, stated + delay)
    }
}
