// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// One more while the limit is used, a tenth less when something is dropped or calls take twice as long as without load.
///
/// The latency counts, since a mild overload drops nothing for a long time: it only lets a queue grow on the other side.
///
/// - Source: D. Chiu, R. Jain, "Analysis of the Increase and Decrease Algorithms for Congestion Avoidance", 1989.
struct AIMDLimit: LimitAlgorithm {
    var value: Double
    let needsProbes = true
    private var unloaded: Double?

    init(_ initial: Double) {
        self.value = initial
    }

    mutating func move(_ round: AdaptiveLimit.Round) {
        if round.drops > 0 {
            self.value *= 0.9
            return
        }
        let unloaded = min(self.unloaded ?? round.latency, round.latency)
        self.unloaded = unloaded
        if round.latency > 2 * unloaded {
            self.value *= 0.9
        } else if Double(round.peak) * 2 >= self.value {
            self.value += 1
        }
    }

    mutating func measureUnloaded(_ round: AdaptiveLimit.Round) {
        if round.samples > 0 { self.unloaded = round.latency }
    }
}

/// By the queue that the latency implies: of `limit` calls, those that more than the unloaded latency accounts for.
///
/// - Source: L. Brakmo, L. Peterson, "TCP Vegas", 1995; the thresholds are those of Netflix concurrency-limits' `VegasLimit`.
struct VegasLimit: LimitAlgorithm {
    var value: Double
    let needsProbes = true
    private var unloaded: Double?

    init(_ initial: Double) {
        self.value = initial
    }

    mutating func move(_ round: AdaptiveLimit.Round) {
        if round.drops > 0 {
            self.value *= 0.9
            return
        }
        let unloaded = min(self.unloaded ?? round.latency, round.latency)
        self.unloaded = unloaded
        // A limit that is not used says nothing about what it should be.
        guard Double(round.peak) * 2 >= self.value else { return }
        let step = max(1, log10(self.value))
        let queue = self.value * (1 - unloaded / round.latency)
        if queue <= 3 * step {
            self.value += step
        } else if queue >= 6 * step {
            self.value -= step
        }
    }

    mutating func measureUnloaded(_ round: AdaptiveLimit.Round) {
        if round.samples > 0 { self.unloaded = round.latency }
    }
}

/// By the gradient: the unloaded latency, with some tolerance, over the latency now, and room for a queue of its root.
///
/// - Source: the idea of Netflix concurrency-limits' `Gradient2Limit`; unlike there, the long-term latency is measured under a
///   lowered limit, since an average taken under load comes to believe in the load.
struct GradientLimit: LimitAlgorithm {
    var value: Double
    let needsProbes = true
    private var unloaded: Double?
    private static let tolerance = 1.5
    private static let smoothing = 0.2

    init(_ initial: Double) {
        self.value = initial
    }

    mutating func move(_ round: AdaptiveLimit.Round) {
        if round.drops > 0 {
            self.value *= 0.9
            return
        }
        let unloaded = min(self.unloaded ?? round.latency, round.latency)
        self.unloaded = unloaded
        guard Double(round.peak) * 2 >= self.value else { return }
        let gradient = min(1, max(0.5, Self.tolerance * unloaded / round.latency))
        let target = self.value * gradient + self.value.squareRoot()
        self.value = self.value * (1 - Self.smoothing) + target * Self.smoothing
    }

    mutating func measureUnloaded(_ round: AdaptiveLimit.Round) {
        if round.samples > 0 { self.unloaded = round.latency }
    }
}
