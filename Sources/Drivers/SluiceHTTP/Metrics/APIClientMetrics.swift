// SPDX-License-Identifier: Apache-2.0
import Sluice
import Synchronization

/// How a client's calls went, by method and route.
public struct APIClientMetrics: Sendable, Hashable {
    /// How the calls of one method and route went.
    public struct Route: Sendable, Hashable {
        /// The method.
        public let method: String
        /// The route template; `other` once there are too many.
        public let route: String
        /// Calls that have ended.
        public let count: Int
        /// Calls that brought an answer.
        public let successes: Int
        /// Calls that failed, by whatever error but cancellation.
        public let failures: Int
        /// Calls that nobody wanted any more.
        public let cancellations: Int
        /// Attempts after the first.
        public let retries: Int
        /// Answers from the cache.
        public let cacheHits: Int
        /// The quickest call that was not cancelled.
        public let minimum: Duration
        /// The slowest one.
        public let maximum: Duration
        /// Their mean.
        public let mean: Duration
        /// Within which half of the recent ones ended; at most 12.5 % too high, as the others.
        public let median: Duration
        /// Within which 95 % of the recent ones ended.
        public let percentile95: Duration
        /// Within which 99 % of the recent ones ended.
        public let percentile99: Duration

        /// The part of the calls that the cache answered, in `0...1`.
        public var cacheHitRatio: Double { self.count == 0 ? 0 : Double(self.cacheHits) / Double(self.count) }
    }

    /// Every route, the most called first.
    public let routes: [Route]

    /// Calls that have ended.
    public var count: Int { self.routes.reduce(0) { $0 + $1.count } }
    /// Calls that brought an answer.
    public var successes: Int { self.routes.reduce(0) { $0 + $1.successes } }
    /// Calls that failed.
    public var failures: Int { self.routes.reduce(0) { $0 + $1.failures } }
    /// Attempts after the first.
    public var retries: Int { self.routes.reduce(0) { $0 + $1.retries } }
    /// Answers from the cache.
    public var cacheHits: Int { self.routes.reduce(0) { $0 + $1.cacheHits } }
}

/// Counts a client's calls.
final class CallCounter: Sendable {
    /// How many routes are told apart: who writes ids into paths must not fill the memory.
    static let maximumRoutes = 200

    enum End {
        case success
        case failure
        case cancelled
    }

    private struct Key: Hashable {
        let method: String
        let route: String
    }

    fileprivate struct Counts {
        var successes = 0
        var failures = 0
        var cancellations = 0
        var retries = 0
        var cacheHits = 0
        var total = Duration.zero
        var minimum = Duration.nanoseconds(Int64.max)
        var maximum = Duration.zero
        var window = LatencyWindow()
    }

    private let counts = Mutex<[Key: Counts]>([:])

    func record(_ method: String, _ route: String, _ end: End, attempts: Int, duration: Duration) {
        let key = Key(method: method, route: route)
        self.counts.withLock { counts in
            if let index = counts.index(forKey: key) {
                return counts.values[index].record(end, attempts: attempts, duration: duration)
            }
            let key = counts.count < Self.maximumRoutes ? key : Key(method: method, route: "other")
            counts[key, default: Counts()].record(end, attempts: attempts, duration: duration)
        }
    }

    var snapshot: APIClientMetrics {
        let all = self.counts.withLock { $0 }
        let routes = all.map { key, counts in
            let timed = counts.successes + counts.failures
            return APIClientMetrics.Route(
                method: key.method, route: key.route, count: timed + counts.cancellations, successes: counts.successes,
                failures: counts.failures, cancellations: counts.cancellations, retries: counts.retries,
                cacheHits: counts.cacheHits, minimum: timed == 0 ? .zero : counts.minimum, maximum: counts.maximum,
                mean: timed == 0 ? .zero : counts.total / timed, median: counts.window.percentile(0.5) ?? .zero,
                percentile95: counts.window.percentile(0.95) ?? .zero,
                percentile99: counts.window.percentile(0.99) ?? .zero)
        }
        return APIClientMetrics(
            routes: routes.sorted { ($1.count, $0.route, $0.method) < ($0.count, $1.route, $1.method) })
    }
}

extension CallCounter.Counts {
    fileprivate mutating func record(_ end: CallCounter.End, attempts: Int, duration: Duration) {
        self.retries += max(0, attempts - 1)
        switch end {
        case .success: self.successes += 1
        case .failure: self.failures += 1
        case .cancelled:
            self.cancellations += 1
            return
        }
        if attempts == 0, end == .success { self.cacheHits += 1 }
        self.total += duration
        self.minimum = min(self.minimum, duration)
        self.maximum = max(self.maximum, duration)
        self.window.record(duration)
    }
}
