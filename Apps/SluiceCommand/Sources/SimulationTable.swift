// SPDX-License-Identifier: Apache-2.0
import Foundation
import SluiceSimulation

/// The figures of a simulation for people: a row for each figure, a column for each pipeline.
struct SimulationTable {
    private let comparison: SimulationComparison

    init(_ comparison: SimulationComparison) {
        self.comparison = comparison
    }

    var text: String {
        let reports = self.comparison.reports
        let header = [[""] + reports.map(\.name)]
        let rows = header + self.rows.map { row in [row.title] + reports.map(row.value) }
        let widths = (0...reports.count).map { column in rows.map { $0[column].count }.max() ?? 0 }
        let lines = rows.map { row in
            zip(row, widths).enumerated().map { index, cell in
                let padding = String(repeating: " ", count: cell.1 - cell.0.count)
                return index == 0 ? cell.0 + padding : padding + cell.0
            }.joined(separator: "  ")
        }
        let seed = reports.first.map { ", seed \($0.seed)" } ?? ""
        return (["\(self.comparison.name)\(seed)", ""] + lines).joined(separator: "\n") + "\n"
    }

    private typealias Row = (title: String, value: (SimulationReport) -> String)

    private var rows: [Row] {
        let reasons = Set(self.comparison.reports.flatMap { $0.rejected.keys }).sorted()
        let rejections = reasons.map { reason -> Row in
            ("  \(reason)", { "\($0.rejected[reason, default: 0])" })
        }
        let counts: [Row] = [
            ("calls", { "\($0.calls)" }), ("success rate", { Self.decimal($0.successRate * 100, 2) + " %" }),
            ("returned", { "\($0.successes)" }), ("failed", { "\($0.failures)" }), ("timed out", { "\($0.timedOut)" }),
            ("rejected", { "\($0.rejections)" }),
        ]
        let load: [Row] = [
            ("unfinished", { "\($0.unfinished)" }), ("requests to the service", { "\($0.requests)" }),
            ("requests a call", { Self.decimal($0.amplification, 2) }),
            ("  during outages", { $0.outageAmplification.map { Self.decimal($0, 2) } ?? "-" }),
        ]
        let breaker: [Row] = [
            ("breaker opened", { report in "\(report.events["circuitBreaker.opened", default: 0])" }),
            ("  first, last closed", { Self.breaker($0) }),
            ("concurrency limit", { Self.limits($0) }),
        ]
        return counts + rejections + load + Self.latencies("latency, ms", \.latency)
            + Self.latencies("latency of returned, ms", \.successLatency) + breaker
    }

    private static func latencies(
        _ title: String, _ summary: @escaping (SimulationReport) -> LatencySummary?
    ) -> [Row] {
        let figures: [(String, (LatencySummary) -> Double)] = [
            ("mean", \.mean), ("p50", \.p50), ("p90", \.p90), ("p95", \.p95), ("p99", \.p99), ("p99.9", \.p999),
            ("max", \.max),
        ]
        return figures.map { name, value in
            (name == "mean" ? "\(title): mean" : "  \(name)", { summary($0).map { Self.decimal(value($0), 1) } ?? "-" })
        }
    }

    private static func breaker(_ report: SimulationReport) -> String {
        guard let first = report.breaker.first(where: { $0.phase == .opened }) else { return "-" }
        let last = report.breaker.last { $0.phase == .closed }
        return "\(self.decimal(first.second, 1)) s, " + (last.map { "\(self.decimal($0.second, 1)) s" } ?? "never")
    }

    private static func limits(_ report: SimulationReport) -> String {
        let limits = report.concurrencyLimit.map(\.limit)
        guard let least = limits.min(), let most = limits.max(), let last = limits.last else { return "-" }
        return least == most ? "\(least)" : "\(least) to \(most), at last \(last)"
    }

    private static func decimal(_ value: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", value) }
}
