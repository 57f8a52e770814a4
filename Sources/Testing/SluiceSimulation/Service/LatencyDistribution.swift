// SPDX-License-Identifier: Apache-2.0
import Sluice

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// How long a service takes to answer when it has little to do.
public enum LatencyDistribution: Sendable, Hashable {
    /// Always the same.
    case constant(Duration)
    /// Evenly between two values.
    case uniform(from: Duration, to: Duration)
    /// Mostly near the median, with a long tail: what most services show. `p99` is at least the median.
    case lognormal(median: Duration, p99: Duration)
    /// Many short ones and few long ones around a mean.
    case exponential(mean: Duration)

    /// The 99th percentile of the normal distribution.
    private static let normalP99 = 2.326_347_874_040_841

    /// Draws one.
    func sample(_ numbers: inout SeededNumbers) -> Duration {
        switch self {
        case .constant(let value):
            return value
        case .uniform(let from, let to):
            return Self.nanoseconds(from.inNanoseconds + (to.inNanoseconds - from.inNanoseconds) * numbers.fraction())
        case .lognormal(let median, let p99):
            let deviation = log(p99.inNanoseconds / median.inNanoseconds) / Self.normalP99
            return Self.nanoseconds(median.inNanoseconds * exp(deviation * numbers.normal()))
        case .exponential(let mean):
            return Self.nanoseconds(mean.inNanoseconds * numbers.exponential())
        }
    }

    /// What is wrong with the values, if anything.
    var mistake: String? {
        switch self {
        case .constant(let value): value < .zero ? "must not be negative" : nil
        case .uniform(let from, let to):
            from < .zero || to < from ? "must have a \"to\" that is no less than its \"from\"" : nil
        case .lognormal(let median, let p99):
            median <= .zero || p99 < median
                ? "must have a \"median\" of more than 0s and a \"p99\" no less than it" : nil
        case .exponential(let mean): mean <= .zero ? "must have a \"mean\" of more than 0s" : nil
        }
    }

    static func nanoseconds(_ value: Double) -> Duration {
        .nanoseconds(Int64(exactly: value.rounded()) ?? .max)
    }
}

extension Duration {
    var inNanoseconds: Double { Double(self.clampedNanoseconds) }
    var inMilliseconds: Double { self.inNanoseconds / 1_000_000 }
}
