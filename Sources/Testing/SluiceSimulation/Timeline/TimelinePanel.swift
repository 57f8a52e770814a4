// SPDX-License-Identifier: Apache-2.0

/// The part of a timeline that shows one pipeline.
struct TimelinePanel {
    struct Scales {
        let seconds: Double
        let rate: TimelineScale
        let latency: TimelineScale
        let limit: TimelineScale
    }

    /// The width of the paper: small, so that a phone 360 points wide still shows its text at 10 points.
    static let width = 480.0
    private static let left = 46.0
    private static let right = 14.0

    let report: SimulationReport
    let columns: [TimelineColumn]
    let scales: Scales
    let top: Double

    /// Draws it and returns where it ends.
    func draw(_ svg: inout SVGText) -> Double {
        var y = self.top + 24
        svg.label(12, y, "name", self.report.name)
        y += 19
        svg.label(12, y, "note", self.summary)
        y += 31
        // The shade comes first, so that it does not tint the rest, and ends where the rest does.
        var plots = SVGText()
        let bottom = self.plots(&plots, y)
        self.outages(&svg, from: y, to: bottom)
        svg.raw(plots.text)
        return self.times(&svg, bottom)
    }

    /// Draws the plots, one below the other, and returns where they end.
    private func plots(_ svg: inout SVGText, _ top: Double) -> Double {
        var y = self.frame(&svg, top, 130, self.scales.rate, "per second")
        self.outcomes(&svg, bottom: y, height: 130)
        if !self.report.breaker.isEmpty {
            self.breaker(&svg, y + 6)
            y += 26
        }
        y = self.frame(&svg, y + 26, 80, self.scales.latency, "latency of returned calls, ms")
        self.latencies(&svg, bottom: y, height: 80)
        if self.report.concurrencyLimit.count > 1 {
            y = self.frame(&svg, y + 26, 56, self.scales.limit, "concurrency limit")
            self.limits(&svg, bottom: y, height: 56)
        }
        return y
    }

    private var summary: String {
        let latency = self.report.successLatency.map { ", p99 \(TimelineScale.text($0.p99.rounded())) ms" } ?? ""
        return "\(SVGText.number(self.report.successRate * 100)) % returned, "
            + "\(Self.hundredths(self.report.amplification)) requests a call\(latency)"
    }

    static func hundredths(_ value: Double) -> String {
        let hundredths = Int((value * 100).rounded())
        return "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100)"
    }

    private func x(_ second: Double) -> Double {
        Self.left + min(second, self.scales.seconds) / self.scales.seconds * (Self.width - Self.left - Self.right)
    }

    // MARK: Axes

    /// Draws the grid of a panel and returns its bottom.
    private func frame(
        _ svg: inout SVGText, _ top: Double, _ height: Double, _ scale: TimelineScale, _ title: String
    ) -> Double {
        svg.label(Self.left, top - 7, "tick", title)
        for tick in scale.ticks {
            let y = top + height - scale.height(tick, in: height)
            svg.line((Self.left, y), (Self.width - Self.right, y), tick == 0 ? "axis" : "grid")
            svg.label(Self.left - 6, y + 4.5, "tick end", TimelineScale.text(tick))
        }
        return top + height
    }

    private func times(_ svg: inout SVGText, _ bottom: Double) -> Double {
        let scale = TimelineScale(upTo: self.scales.seconds, lines: 6)
        for tick in scale.ticks where tick <= self.scales.seconds {
            svg.line((self.x(tick), bottom), (self.x(tick), bottom + 4), "axis")
            svg.label(self.x(tick), bottom + 18, "tick middle", TimelineScale.text(tick) + (tick == 0 ? " s" : ""))
        }
        return bottom + 26
    }

    private func outages(_ svg: inout SVGText, from top: Double, to bottom: Double) {
        for outage in self.report.outages where outage.from < self.scales.seconds {
            svg.rectangle(
                self.x(outage.from), top, self.x(outage.to) - self.x(outage.from), bottom - top, "outage")
        }
    }

    // MARK: Curves

    private func outcomes(_ svg: inout SVGText, bottom: Double, height: Double) {
        func y(_ value: Double) -> Double { bottom - self.scales.rate.height(value, in: height) }
        let layers: [(String, (TimelineColumn) -> Double, (TimelineColumn) -> Double)] = [
            ("good", { _ in 0 }, { $0.good }), ("failed", { $0.good }, { $0.good + $0.failed }),
            ("rejected", { $0.good + $0.failed }, { $0.ended }),
        ]
        for (kind, lower, upper) in layers {
            let bars = self.columns.filter { upper($0) > lower($0) }.map { column in
                let (left, right) = (self.x(column.from), self.x(column.to))
                return
                    "M\(SVGText.number(left)) \(SVGText.number(y(lower(column))))V\(SVGText.number(y(upper(column))))"
                    + "H\(SVGText.number(right))V\(SVGText.number(y(lower(column))))Z"
            }
            svg.path(bars.joined(), kind)
        }
        svg.path(self.line(\.requests, y), "requests")
    }

    private func latencies(_ svg: inout SVGText, bottom: Double, height: Double) {
        func y(_ value: Double) -> Double { bottom - self.scales.latency.height(value, in: height) }
        svg.path(self.line(\.p99, y), "p99")
        svg.path(self.line(\.mean, y), "mean")
    }

    /// A line through the middles of the columns, broken where there is no value.
    private func line(_ value: (TimelineColumn) -> Double?, _ y: (Double) -> Double) -> String {
        var commands = ""
        var isPenDown = false
        for column in self.columns {
            guard let value = value(column) else {
                isPenDown = false
                continue
            }
            let middle = self.x((column.from + column.to) / 2)
            // A point of its own shows as a dash as wide as its column.
            let start = isPenDown ? "L" : "M\(SVGText.number(self.x(column.from))) \(SVGText.number(y(value)))L"
            commands += "\(start)\(SVGText.number(middle)) \(SVGText.number(y(value)))"
            isPenDown = true
        }
        return commands
    }

    /// The limit as stairs; of the changes that fall on the same tenth of a point, the last.
    private func limits(_ svg: inout SVGText, bottom: Double, height: Double) {
        var commands = ""
        var last = ""
        for (index, change) in self.report.concurrencyLimit.enumerated() {
            let next = index + 1 < self.report.concurrencyLimit.count ? self.report.concurrencyLimit[index + 1] : nil
            let (x, end) = (SVGText.number(self.x(change.second)), SVGText.number(self.x(next?.second ?? .infinity)))
            if x == end { continue }
            let y = SVGText.number(bottom - self.scales.limit.height(Double(change.limit), in: height))
            commands += (last.isEmpty ? "M\(x) \(y)" : "V\(y)") + "H\(end)"
            last = end
        }
        svg.path(commands, "limit")
    }

    /// The breaker's state: a thin band while closed, a half one while probing, a full one while open.
    private func breaker(_ svg: inout SVGText, _ top: Double) {
        svg.label(Self.left - 6, top + 13, "tick end", "state")
        var bands: [(phase: SimulationReport.BreakerPhase, from: Double, to: Double)] = []
        var phase = SimulationReport.BreakerPhase.closed
        var since = 0.0
        for change in self.report.breaker where change.phase != phase {
            bands.append((phase, since, change.second))
            (phase, since) = (change.phase, change.second)
        }
        bands.append((phase, since, self.scales.seconds))
        // Probes last, since most are shorter than a point and would be covered.
        for band in bands.filter({ $0.phase != .probing }) + bands.filter({ $0.phase == .probing }) {
            self.band(&svg, top, band.phase, band.from, band.to)
        }
    }

    private func band(
        _ svg: inout SVGText, _ top: Double, _ phase: SimulationReport.BreakerPhase, _ from: Double, _ to: Double
    ) {
        let heights: [SimulationReport.BreakerPhase: Double] = [.closed: 4, .probing: 9, .opened: 16]
        let height = heights[phase] ?? 0
        // At least a point wide, since a probe takes milliseconds.
        let width = max(phase == .closed ? 0 : 1.5, self.x(to) - self.x(from))
        svg.rectangle(self.x(from), top + 16 - height, width, height, phase.rawValue)
    }
}
