// SPDX-License-Identifier: Apache-2.0
public import CoreMetrics
import Synchronization

/// A swift-metrics back end that keeps every metric in memory and writes them in Prometheus' text format.
///
/// Labels are made valid names: anything but letters, digits and underscores becomes an underscore, counters end in `_total`,
/// timers in `_seconds`. The number of series is bounded, so that a dimension with too many values cannot fill the memory.
public final class PrometheusRegistry: MetricsFactory {
    /// How many series are kept; what comes later is counted in `sluice_metrics_dropped_series_total` and thrown away.
    public static let maximumSeries = 10_000

    private struct State {
        var families: [String: PrometheusFamily] = [:]
        var seriesCount = 0
        var droppedSeries = 0
    }

    private let state = Mutex(State())
    private let help: [String: String]

    /// Creates an empty registry.
    ///
    /// - Parameter help: What metrics mean, by name as written; those not named say only where they come from.
    public init(help: [String: String] = [:]) {
        self.help = help
    }

    /// Every metric, in Prometheus' text format, version 0.0.4.
    public func text() -> String {
        let (families, dropped) = self.state.withLock {
            ($0.families.values.sorted { $0.name < $1.name }, $0.droppedSeries)
        }
        var text = ""
        for family in families { family.write(to: &text) }
        text += "# HELP sluice_metrics_dropped_series_total Series not kept because there were too many.\n"
        text += "# TYPE sluice_metrics_dropped_series_total counter\n"
        text += "sluice_metrics_dropped_series_total \(dropped)\n"
        return text
    }

    /// A counter of whole numbers.
    public func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        self.series(label, suffix: "_total", kind: .counter, dimensions)
    }

    /// A counter of any numbers.
    public func makeFloatingPointCounter(
        label: String, dimensions: [(String, String)]
    ) -> any FloatingPointCounterHandler {
        self.series(label, suffix: "_total", kind: .counter, dimensions)
    }

    /// A value that goes up and down.
    public func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        self.series(label, suffix: "", kind: .gauge, dimensions)
    }

    /// A distribution, or, without aggregation, a value that goes up and down.
    public func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        self.series(label, suffix: "", kind: aggregate ? .histogram : .gauge, dimensions)
    }

    /// A distribution of durations, in seconds.
    public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        self.series(label, suffix: "_seconds", kind: .histogram, dimensions)
    }

    /// Nothing: a series stays, since a counter that vanished would look like a restart.
    public func destroyCounter(_ handler: any CounterHandler) {}
    /// Nothing, as for counters.
    public func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) {}
    /// Nothing, as for counters.
    public func destroyMeter(_ handler: any MeterHandler) {}
    /// Nothing, as for counters.
    public func destroyRecorder(_ handler: any RecorderHandler) {}
    /// Nothing, as for counters.
    public func destroyTimer(_ handler: any TimerHandler) {}

    private func series(
        _ label: String, suffix: String, kind: PrometheusFamily.Kind, _ dimensions: [(String, String)]
    ) -> PrometheusSeries {
        var name = PrometheusText.name(label)
        if !name.hasSuffix(suffix) { name += suffix }
        let labels = PrometheusText.labels(dimensions)
        return self.state.withLock { state in
            let family = state.families[name]
            if let series = family?.series[labels] { return series }
            let series = PrometheusSeries(kind: family?.kind ?? kind)
            guard state.seriesCount < Self.maximumSeries else {
                state.droppedSeries += 1
                return series
            }
            state.seriesCount += 1
            let help = self.help[name] ?? "Recorded as \(label)."
            state.families[name, default: PrometheusFamily(name: name, help: help, kind: kind)].series[labels] = series
            return series
        }
    }
}
