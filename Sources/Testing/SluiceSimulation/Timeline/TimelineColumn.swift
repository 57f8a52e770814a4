// SPDX-License-Identifier: Apache-2.0

/// Some seconds of a report, drawn as one: rates a second, and their latencies.
struct TimelineColumn {
    /// The most columns of a timeline: narrower ones could not be told apart.
    static let maximumCount = 240

    let from: Double
    let to: Double
    let good: Double
    let failed: Double
    let rejected: Double
    let requests: Double
    /// Over all calls that returned.
    let mean: Double?
    /// The worst of the seconds'.
    let p99: Double?

    /// Puts the seconds of a report together, `length` to a column.
    static func columns(of report: SimulationReport, length: Int) -> [TimelineColumn] {
        stride(from: 0, to: report.seconds.count, by: length).map { start in
            TimelineColumn(report.seconds[start..<min(start + length, report.seconds.count)], length: Double(length))
        }
    }

    private init(_ seconds: ArraySlice<SimulationReport.Second>, length: Double) {
        func rate(_ count: (SimulationReport.Second) -> Int) -> Double {
            Double(seconds.reduce(0) { $0 + count($1) }) / length
        }
        self.from = Double(seconds.first?.second ?? 0)
        self.to = self.from + length
        self.good = rate(\.successes)
        self.failed = rate { $0.failures + $0.timedOut }
        self.rejected = rate(\.rejected)
        self.requests = rate(\.requests)
        let total = seconds.reduce(0) { $0 + $1.successes }
        let sum = seconds.reduce(0) { $0 + ($1.meanLatency ?? 0) * Double($1.successes) }
        self.mean = total == 0 ? nil : sum / Double(total)
        self.p99 = seconds.compactMap(\.p99Latency).max()
    }

    var ended: Double { self.good + self.failed + self.rejected }
}
