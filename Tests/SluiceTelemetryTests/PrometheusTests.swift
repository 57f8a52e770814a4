// SPDX-License-Identifier: Apache-2.0
import CoreMetrics
import Testing

@testable import SluiceTelemetry

@Suite("Prometheus text")
struct PrometheusTests {
    let registry = PrometheusRegistry(help: ["jobs_total": "Jobs\nrun \\ done."])

    @Test("writes counters with labels in order, escaped")
    func counters() {
        let counter = Counter(
            label: "jobs", dimensions: [("queue", "a\"b\\c\nd"), ("kind", "x")], factory: self.registry)
        counter.increment(by: 2)
        counter.increment()
        let text = self.registry.text()
        #expect(text.contains("# HELP jobs_total Jobs\\nrun \\\\ done.\n# TYPE jobs_total counter\n"))
        #expect(text.contains(#"jobs_total{kind="x",queue="a\"b\\c\nd"} 3"# + "\n"))
    }

    @Test("writes timers as histograms in seconds, cumulatively")
    func timers() {
        let timer = Timer(label: "wait", factory: self.registry)
        for milliseconds in [1, 3, 70_000] as [Int64] { timer.recordMilliseconds(milliseconds) }
        let text = self.registry.text()
        #expect(text.contains("wait_seconds_bucket{le=\"0.001\"} 1\n"))
        #expect(text.contains("wait_seconds_bucket{le=\"0.005\"} 2\n"))
        #expect(text.contains("wait_seconds_bucket{le=\"30\"} 2\n"))
        #expect(text.contains("wait_seconds_bucket{le=\"+Inf\"} 3\n"))
        #expect(text.contains("wait_seconds_count 3\n"))
        #expect(text.contains("wait_seconds_sum 70.004\n"))
    }

    @Test("a gauge goes up and down")
    func gauges() {
        let meter = Meter(label: "pool.size", factory: self.registry)
        meter.set(5)
        meter.decrement(by: 2)
        #expect(self.registry.text().contains("\npool_size 3\n"))
    }

    @Test("keeps no more series than it may, and says how many it dropped")
    func bounded() {
        for number in 0..<(PrometheusRegistry.maximumSeries + 5) {
            Counter(label: "c", dimensions: [("n", "\(number)")], factory: self.registry).increment()
        }
        let text = self.registry.text()
        #expect(text.contains("sluice_metrics_dropped_series_total 5\n"))
        #expect(text.split(separator: "\n").count { $0.hasPrefix("c_total{") } == PrometheusRegistry.maximumSeries)
    }
}
