// SPDX-License-Identifier: Apache-2.0
public import Sluice

/// The service that a simulation calls: how long it takes, how often it fails, how much it can carry, and when it is down.
public struct ServiceModel: Sendable, Hashable {
    /// How much a service can carry.
    public struct Capacity: Sendable, Hashable {
        /// Requests at once that it serves without becoming slower; at least 1.
        ///
        /// With twice as many each takes twice as long.
        public var concurrent: Int
        /// Requests at once beyond which it refuses; at least `concurrent`, and nil if it never does.
        public var hardLimit: Int?
        /// The wait that a refusal asks for.
        public var refusalWait: Duration

        /// States a capacity.
        public init(concurrent: Int, hardLimit: Int? = nil, refusalWait: Duration = .seconds(1)) {
            precondition(concurrent >= 1, "concurrent must be at least 1 (is \(concurrent))")
            precondition(
                hardLimit ?? concurrent >= concurrent, "hardLimit must be at least concurrent (is \(hardLimit ?? 0))")
            self.concurrent = concurrent
            self.hardLimit = hardLimit
            self.refusalWait = refusalWait
        }
    }

    /// How long it takes when it has little to do.
    public var latency: LatencyDistribution
    /// The part of requests that fail, after the time an answer would have taken; in `0...1`.
    public var errorRate: Double
    /// How much it can carry; any number of requests if nil.
    public var capacity: Capacity?
    /// When it is down or slow; where two overlap, the first counts.
    public var outages: [Outage]
    /// Whether it stops working on a request that the caller has given up.
    ///
    /// Few do, so by default it works on, and given-up work takes up its capacity.
    public var honoursCancellation: Bool

    /// Describes a service.
    public init(
        latency: LatencyDistribution, errorRate: Double = 0, capacity: Capacity? = nil, outages: [Outage] = [],
        honoursCancellation: Bool = false
    ) {
        precondition(latency.mistake == nil, "latency " + (latency.mistake ?? ""))
        precondition((0...1).contains(errorRate), "errorRate must be 0 to 1 (is \(errorRate))")
        self.latency = latency
        self.errorRate = errorRate
        self.capacity = capacity
        self.outages = outages
        self.honoursCancellation = honoursCancellation
    }
}

/// A time in which a service does not do what it should.
public struct Outage: Sendable, Hashable {
    /// What the service does meanwhile.
    public enum Kind: Sendable, Hashable {
        /// Fails every request at once.
        case failFast
        /// Answers nothing; a request that was not given up by the end of the outage fails then.
        case hang
        /// Takes so many times as long; more than 0.
        case slow(factor: Double)
    }

    /// When it begins, since the beginning of the simulation.
    public let from: Duration
    /// When it ends; after `from`.
    public let to: Duration
    /// What happens to requests that arrive meanwhile.
    public let kind: Kind

    /// Describes an outage.
    public init(from: Duration, to: Duration, _ kind: Kind) {
        precondition(from >= .zero && to > from, "an outage must end after it begins (is \(from) to \(to))")
        if case .slow(let factor) = kind { precondition(factor > 0, "factor must be more than 0 (is \(factor))") }
        self.from = from
        self.to = to
        self.kind = kind
    }

    func contains(_ time: Duration) -> Bool { self.from <= time && time < self.to }
}

/// What a simulated service answers when it fails.
public struct ServiceFailure: Error, Sendable, Hashable, RetryAdvising {
    /// Why.
    public enum Reason: String, Sendable, Hashable {
        /// A part of requests fail always.
        case error
        /// The service was down.
        case outage
        /// The service had too much to do and did not begin.
        case refused
    }

    /// Why.
    public let reason: Reason
    /// The wait that the service asked for, if it did.
    public let retryAfter: Duration?

    /// A refused request had no effect; any other may have had one.
    public var retryAdvice: RetryAdvice {
        self.reason == .refused ? .always(after: self.retryAfter) : .ifIdempotent(after: self.retryAfter)
    }
}
