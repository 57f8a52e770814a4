// SPDX-License-Identifier: Apache-2.0

/// How long some calls took, in milliseconds.
///
/// Percentiles are exact, by nearest rank: the smallest time that so many percent of the calls did not exceed.
public struct LatencySummary: Sendable, Hashable, Codable {
    /// The arithmetic mean.
    public let mean: Double
    /// The median.
    public let p50: Double
    /// The 90th percentile.
    public let p90: Double
    /// The 95th percentile.
    public let p95: Double
    /// The 99th percentile.
    public let p99: Double
    /// The 99.9th percentile.
    public let p999: Double
    /// The longest.
    public let max: Double

    /// Sums up some times in nanoseconds; nil if there are none.
    init?(_ nanoseconds: [Int64]) {
        let sorted = nanoseconds.sorted()
        guard let longest = sorted.last else { return nil }
        // In per mille, since 99.9 has no exact floating-point number and would take the next rank.
        func percentile(_ perMille: Int) -> Double {
            Double(sorted[(sorted.count * perMille + 999) / 1_000 - 1]) / 1_000_000
        }
        self.mean = sorted.reduce(0) { $0 + Double($1) } / Double(sorted.count) / 1_000_000
        (self.p50, self.p90, self.p95) = (percentile(500), percentile(900), percentile(950))
        (self.p99, self.p999, self.max) = (percentile(990), percentile(999), Double(longest) / 1_000_000)
    }
}
