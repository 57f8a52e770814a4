// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Where each algorithm moves a limit after a round of samples in which nothing was dropped.
enum LimitAlgorithms {
    /// What a limit is moved by.
    struct Observation {
        /// The mean latency of the round; nanoseconds.
        let latency: Double
        /// The latency without load; at most `latency`.
        let unloaded: Double
        /// Whether at least half of the limit was used: one that is not used says nothing about what it should be.
        let isUsed: Bool
    }

    /// One more while the limit is used, a tenth less when calls take twice as long as without load.
    ///
    /// The latency counts, since a mild overload drops nothing for a long time: it only lets a queue grow on the other side.
    ///
    /// - Source: D. Chiu, R. Jain, "Analysis of the Increase and Decrease Algorithms for Congestion Avoidance", 1989.
    static func aimd(_ limit: Double, _ seen: Observation) -> Double {
        if seen.latency > 2 * seen.unloaded { return limit * 0.9 }
        return seen.isUsed ? limit + 1 : limit
    }

    /// By the queue that the latency implies: of `limit` calls, those that more than the unloaded latency accounts for.
    ///
    /// - Source: L. Brakmo, L. Peterson, "TCP Vegas", 1995; the thresholds are those of Netflix concurrency-limits' `VegasLimit`.
    static func vegas(_ limit: Double, _ seen: Observation) -> Double {
        guard seen.isUsed else { return limit }
        let step = max(1, log10(limit))
        let queue = limit * (1 - seen.unloaded / seen.latency)
        if queue <= 3 * step { return limit + step }
        return queue >= 6 * step ? limit - step : limit
    }

    /// By the gradient: the unloaded latency, with some tolerance, over the latency now, and room for a queue of its root.
    ///
    /// - Source: the idea of Netflix concurrency-limits' `Gradient2Limit`; unlike there, the long-term latency is measured under a
    ///   lowered limit, since an average taken under load comes to believe in the load.
    static func gradient(_ limit: Double, _ seen: Observation) -> Double {
        guard seen.isUsed else { return limit }
        let (tolerance, smoothing) = (1.5, 0.2)
        let gradient = min(1, max(0.5, tolerance * seen.unloaded / seen.latency))
        let target = limit * gradient + limit.squareRoot()
        return limit * (1 - smoothing) + target * smoothing
    }
}
