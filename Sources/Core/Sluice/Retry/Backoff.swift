// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// How long to wait before each retry: a value made of others.
///
/// ```swift
/// Backoff.exponential(from: .milliseconds(100)).capped(at: .seconds(5)).jittered()
/// Backoff.constant(.milliseconds(50)).then(after: 3, .fibonacci(from: .seconds(1)))
/// ```
///
/// Every wait is computed as a floating-point number and clamped before it becomes a duration, so that no retry, up to
/// `Int.max`, overflows.
///
/// - Source: M. Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015.
public struct Backoff: Sendable, Hashable {
    /// How a wait is drawn from the range that a back-off allows.
    public enum Jitter: String, Sendable, Hashable, CaseIterable {
        /// From nothing up to the whole wait; spreads the retries of many clients best.
        case full
        /// From half the wait up to the whole.
        case equal
        /// From the first wait up to three times the wait before; of what it is applied to the growth is not used, but the cap.
        case decorrelated
    }

    indirect enum Node: Sendable, Hashable {
        case constant(Int64)
        case linear(Int64, Int64)
        case exponential(Int64, Double)
        case fibonacci(Int64)
        case capped(Node, Int64)
        case jittered(Node, Jitter)
        case then(Node, Int, Node)
        case min(Node, Node)
        case max(Node, Node)
        case limited(Node, Int)
    }

    let node: Node

    /// The default: full jitter over 1 s, 2 s, 4 s and so on up to 30 s.
    public static let standard = Backoff.exponential(from: Defaults.initialDelay, factor: Defaults.backoffFactor)
        .capped(at: Defaults.maximumDelay).jittered()

    /// The same wait before every retry; zero retries at once.
    public static func constant(_ wait: Duration) -> Backoff {
        Backoff(node: .constant(self.nanoseconds(wait)))
    }

    /// A wait that grows by `step` from retry to retry.
    public static func linear(from base: Duration, by step: Duration) -> Backoff {
        Backoff(node: .linear(self.nanoseconds(base), self.nanoseconds(step)))
    }

    /// A wait that is multiplied by `factor`, at least 1, from retry to retry.
    public static func exponential(from base: Duration, factor: Double = Defaults.backoffFactor) -> Backoff {
        precondition(factor >= 1 && factor.isFinite, "factor must be at least 1 (is \(factor))")
        return Backoff(node: .exponential(self.nanoseconds(base), factor))
    }

    /// A wait of `base` times 1, 1, 2, 3, 5, 8 and so on.
    public static func fibonacci(from base: Duration) -> Backoff {
        Backoff(node: .fibonacci(self.nanoseconds(base)))
    }

    /// No wait longer than `maximum`.
    public func capped(at maximum: Duration) -> Backoff {
        Backoff(node: .capped(self.node, Self.nanoseconds(maximum)))
    }

    /// Each wait drawn at random.
    public func jittered(_ jitter: Jitter = .full) -> Backoff {
        Backoff(node: .jittered(self.node, jitter))
    }

    /// This back-off for the first `count` retries, and then `next` from its beginning.
    public func then(after count: Int, _ next: Backoff) -> Backoff {
        precondition(count >= 0, "count must not be negative (is \(count))")
        return Backoff(node: .then(self.node, count, next.node))
    }

    /// The shorter of two waits; ends when either does.
    public func min(_ other: Backoff) -> Backoff { Backoff(node: .min(self.node, other.node)) }

    /// The longer of two waits; ends when either does.
    public func max(_ other: Backoff) -> Backoff { Backoff(node: .max(self.node, other.node)) }

    /// No retry after the first `count`, however many attempts are allowed.
    public func limited(to count: Int) -> Backoff {
        precondition(count >= 0, "count must not be negative (is \(count))")
        return Backoff(node: .limited(self.node, count))
    }

    /// The wait before retry `retry`.
    ///
    /// - Parameters:
    ///   - retry: Which retry, from 1; any number up to `Int.max`.
    ///   - fraction: Where in the range to draw, in `0...1`.
    ///   - previous: The wait before the retry before; used by ``Jitter/decorrelated`` alone.
    /// - Returns: A wait of at least zero, or nil if there is to be no such retry.
    public func delay(beforeRetry retry: Int, fraction: Double, previous: Duration = .zero) -> Duration? {
        let fraction = fraction.isNaN ? 1 : Swift.min(Swift.max(fraction, 0), 1)
        let draw = Draw(fraction: fraction, previous: Double(previous.clampedNanoseconds))
        return Self.wait(self.node, Swift.max(1, retry), draw).map(Self.duration)
    }

    /// The longest wait there can be before retry `retry`, or nil if there is to be no such retry.
    public func longestDelay(beforeRetry retry: Int) -> Duration? {
        self.delay(beforeRetry: retry, fraction: 1, previous: .nanoseconds(Int64.max))
    }

    private struct Draw {
        let fraction: Double
        let previous: Double
    }

    /// Nanoseconds, possibly infinite.
    private static func wait(_ node: Node, _ retry: Int, _ draw: Draw) -> Double? {
        switch node {
        case .constant(let wait): return Double(wait)
        case .linear(let base, let step): return Double(base) + Double(step) * Double(retry - 1)
        case .exponential(let base, let factor): return base == 0 ? 0 : Double(base) * pow(factor, Double(retry - 1))
        case .fibonacci(let base): return Double(base) * self.fibonacci(retry)
        case .capped(let inner, let maximum):
            return self.wait(inner, retry, draw).map { Swift.min($0, Double(maximum)) }
        case .jittered(let inner, let jitter): return self.jittered(inner, jitter, retry, draw)
        case .then(let first, let count, let second):
            return retry <= count ? self.wait(first, retry, draw) : self.wait(second, retry - count, draw)
        case .min(let left, let right): return self.combined(left, right, retry, draw, Swift.min)
        case .max(let left, let right): return self.combined(left, right, retry, draw, Swift.max)
        case .limited(let inner, let count): return retry <= count ? self.wait(inner, retry, draw) : nil
        }
    }

    private static func jittered(_ inner: Node, _ jitter: Jitter, _ retry: Int, _ draw: Draw) -> Double? {
        guard let wait = self.wait(inner, retry, draw) else { return nil }
        // An infinite wait times zero is no number.
        let finite = Swift.min(wait, Double(Int64.max))
        switch jitter {
        case .full: return finite * draw.fraction
        case .equal: return finite / 2 + finite / 2 * draw.fraction
        case .decorrelated:
            let base = self.wait(inner, 1, draw) ?? 0
            var highest = Swift.max(base, 3 * Swift.max(draw.previous, base))
            if case .capped(_, let maximum) = inner { highest = Swift.min(highest, Swift.max(base, Double(maximum))) }
            return base + (highest - base) * draw.fraction
        }
    }

    private static func combined(
        _ left: Node, _ right: Node, _ retry: Int, _ draw: Draw, _ choose: (Double, Double) -> Double
    ) -> Double? {
        guard let left = self.wait(left, retry, draw), let right = self.wait(right, retry, draw) else { return nil }
        return choose(left, right)
    }

    private static func fibonacci(_ number: Int) -> Double {
        // The hundredth is beyond any duration already.
        var (current, next) = (1.0, 1.0)
        for _ in 1..<Swift.min(Swift.max(number, 1), 100) { (current, next) = (next, current + next) }
        return current
    }

    private static func duration(_ nanoseconds: Double) -> Duration {
        .nanoseconds(Int64(exactly: nanoseconds.rounded(.down)) ?? Int64.max)
    }

    private static func nanoseconds(_ duration: Duration) -> Int64 {
        precondition(duration >= .zero, "a wait must not be negative (is \(duration))")
        return duration.clampedNanoseconds
    }
}
