// SPDX-License-Identifier: Apache-2.0
import Sluice

/// What a simulation has shown.
///
/// Times are in seconds since the beginning, latencies in milliseconds.
public struct SimulationReport: Sendable, Hashable, Codable {
    /// The most changes of a breaker, and of a limit, that are listed; ``events`` counts all of them.
    public static let maximumChanges = 10_000

    /// The simulation's name.
    public let name: String
    /// What everything random was drawn from.
    public let seed: UInt64
    /// When the last call had ended.
    public let duration: Double

    /// Calls made.
    public let calls: Int
    /// Those that returned.
    public let successes: Int
    /// Those that ended in the service's error.
    public let failures: Int
    /// Those that a timeout or deadline ended.
    public let timedOut: Int
    /// Those that a policy turned away, by policy and reason, for example `circuitBreaker.circuitOpen`.
    public let rejected: [String: Int]
    /// Those that had not ended long after the load had, and were cancelled.
    public let unfinished: Int

    /// Requests that reached the service.
    public let requests: Int
    /// Requests for each call.
    public let amplification: Double
    /// Requests sent during outages for each call begun during outages; nil if there were none.
    public let outageAmplification: Double?

    /// How long calls took, however they ended; nil if none ended.
    public let latency: LatencySummary?
    /// How long the calls that returned took; nil if none did.
    public let successLatency: LatencySummary?

    /// What the circuit breaker did, if there was one; where there were several, all of them together.
    public let breaker: [BreakerChange]
    /// The limit of the outermost concurrency limit at the beginning, and every time it moved; empty if there is none.
    public let concurrencyLimit: [LimitChange]
    /// How often policies reported what, by the names of ``PolicyEventKind``.
    public let events: [String: Int]
    /// The outages of the service.
    public let outages: [OutageWindow]
    /// What happened in each second.
    public let seconds: [Second]

    /// The part of calls that returned, in `0...1`.
    public var successRate: Double { self.calls == 0 ? 0 : Double(self.successes) / Double(self.calls) }
    /// Calls that a policy turned away.
    public var rejections: Int { self.rejected.values.reduce(0, +) }
}

extension SimulationReport {
    /// What happened in one second.
    public struct Second: Sendable, Hashable, Codable {
        /// Which one, from 0.
        public let second: Int
        /// Calls that began in it.
        public internal(set) var calls = 0
        /// Calls that returned in it, whenever they began.
        public internal(set) var successes = 0
        /// Calls that ended in the service's error.
        public internal(set) var failures = 0
        /// Calls that a timeout or deadline ended.
        public internal(set) var timedOut = 0
        /// Calls that a policy turned away.
        public internal(set) var rejected = 0
        /// Requests that reached the service.
        public internal(set) var requests = 0
        /// The mean latency of the calls that returned, in milliseconds; nil if none did.
        public internal(set) var meanLatency: Double?
        /// The 99th percentile of theirs.
        public internal(set) var p99Latency: Double?

        init(second: Int) {
            self.second = second
        }
    }

    /// What a circuit breaker does from an instant on.
    public enum BreakerPhase: String, Sendable, Hashable, Codable {
        /// Turns calls away.
        case opened
        /// Lets a probe through.
        case probing
        /// Lets calls through.
        case closed

        init?(_ event: PolicyEventKind) {
            switch event {
            case .circuitBreakerOpened: self = .opened
            case .circuitBreakerProbing: self = .probing
            case .circuitBreakerClosed: self = .closed
            default: return nil
            }
        }
    }

    /// A change of a circuit breaker.
    public struct BreakerChange: Sendable, Hashable, Codable {
        /// When.
        public let second: Double
        /// What it does from then on.
        public let phase: BreakerPhase
    }

    /// A change of a concurrency limit.
    public struct LimitChange: Sendable, Hashable, Codable {
        /// When.
        public let second: Double
        /// Calls at once from then on.
        public let limit: Int
    }

    /// An outage of the service.
    public struct OutageWindow: Sendable, Hashable, Codable {
        /// When it began.
        public let from: Double
        /// When it ended.
        public let to: Double
        /// `failFast`, `hang` or `slow`.
        public let kind: String
    }
}
