// SPDX-License-Identifier: Apache-2.0

/// How long to wait before each retry.
///
/// The wait before retry *n* is drawn uniformly from `0...min(maximum, base * factor^(n-1))`: "full jitter", which spreads the
/// retries of many clients best.
///
/// - Source: M. Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015.
public struct Backoff: Sendable, Hashable {
    /// The longest wait before the first retry; not negative.
    public let base: Duration
    /// What the longest wait is multiplied by from retry to retry; at least 1.
    public let factor: Double
    /// The longest wait before any retry; at least `base`.
    public let maximum: Duration

    /// Creates a back-off.
    ///
    /// - Precondition: Each value is within the bounds stated on its property.
    public init(base: Duration = .seconds(1), factor: Double = 2, maximum: Duration = .seconds(30)) {
        precondition(base >= .zero, "base must not be negative (is \(base))")
        precondition(factor >= 1, "factor must be at least 1 (is \(factor))")
        precondition(maximum >= base, "maximum must be at least base (is \(maximum))")
        self.base = base
        self.factor = factor
        self.maximum = maximum
    }

    /// The wait before retry `retry`.
    ///
    /// - Parameters:
    ///   - retry: Which retry, from 1; any number up to `Int.max`.
    ///   - fraction: Where in the range to draw, in `0...1`.
    /// - Returns: A wait in `0...maximum`.
    public func delay(beforeRetry retry: Int, fraction: Double) -> Duration {
        // Clamped as a floating-point number and only then converted: the power overflows Int64 at the 34th retry.
        var ceiling = Double(self.base.clampedNanoseconds)
        let maximum = Double(self.maximum.clampedNanoseconds)
        for _ in 1..<max(2, min(retry, 4_096)) where self.factor > 1 && retry > 1 && ceiling > 0 && ceiling < maximum {
            ceiling *= self.factor
        }
        let wait = min(ceiling, maximum) * min(max(fraction, 0), 1)
        return .nanoseconds(Int64(exactly: wait.rounded(.down)) ?? self.maximum.clampedNanoseconds)
    }
}
