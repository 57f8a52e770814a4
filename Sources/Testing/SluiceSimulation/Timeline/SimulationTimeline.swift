// SPDX-License-Identifier: Apache-2.0

/// Draws what a simulation has shown, second by second, as a self-contained SVG.
///
/// For each pipeline: the calls that returned, failed and were rejected, one upon the other, and the requests sent as a line; the
/// circuit breaker's state as a strip, if there is one; the latency of the calls that returned; and the concurrency limit, if it
/// moved. Outages are shaded. All pipelines share their scales, so that heights can be compared. It is readable in light and dark,
/// on a phone, and by a screen reader.
public struct SimulationTimeline: Sendable {
    /// What is drawn.
    public let comparison: SimulationComparison

    /// Draws several pipelines, one below the other.
    public init(_ comparison: SimulationComparison) {
        self.comparison = comparison
    }

    /// The SVG document.
    public func svg() -> String {
        let reports = self.comparison.reports
        let seconds = reports.map(\.seconds.count).max() ?? 1
        let length = max(1, (seconds + TimelineColumn.maximumCount - 1) / TimelineColumn.maximumCount)
        let columns = reports.map { TimelineColumn.columns(of: $0, length: length) }
        let all = columns.joined()
        // A limit that never moves is not drawn.
        let limits = reports.filter { $0.concurrencyLimit.count > 1 }.flatMap(\.concurrencyLimit)
        let scales = TimelinePanel.Scales(
            seconds: Double(max(1, seconds)),
            rate: TimelineScale(upTo: all.map { max($0.ended, $0.requests) }.max() ?? 1),
            latency: TimelineScale(upTo: all.compactMap(\.p99).max() ?? 1, lines: 3),
            limit: TimelineScale(upTo: Double(limits.map(\.limit).max() ?? 1), lines: 2))
        var body = SVGText()
        var y = self.head(&body)
        for (report, columns) in zip(reports, columns) {
            y = TimelinePanel(report: report, columns: columns, scales: scales, top: y).draw(&body)
        }
        return self.document(body, height: y + 4)
    }

    private func document(_ body: SVGText, height: Double) -> String {
        var svg = SVGText()
        let size = "\(SVGText.number(TimelinePanel.width)) \(SVGText.number(height))"
        svg.raw(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(size)\" role=\"img\" "
                + "aria-labelledby=\"timeline-title timeline-text\">\n")
        svg.element("title", [("id", "timeline-title")], self.comparison.name)
        svg.element("desc", [("id", "timeline-text")], self.summary)
        svg.raw(TimelineStyle.sheet)
        svg.rectangle(0, 0, TimelinePanel.width, height, "ground")
        svg.raw(body.text)
        svg.raw("</svg>\n")
        return svg.text
    }

    /// What the picture shows, for who does not see it.
    private var summary: String {
        let outages = self.comparison.reports.first?.outages ?? []
        let windows = outages.map { "\($0.kind) from second \(SVGText.number($0.from)) to \(SVGText.number($0.to))" }
        let sentences = self.comparison.reports.map { report in
            "\(report.name): of \(report.calls) calls \(report.successes) returned, \(report.failures + report.timedOut) "
                + "failed and \(report.rejections) were rejected; \(report.requests) requests were sent; the breaker opened "
                + "\(report.breaker.count { $0.phase == .opened }) times."
        }
        let opening = "A timeline." + (windows.isEmpty ? "" : " Outages: " + windows.joined(separator: ", ") + ".")
        return ([opening] + sentences).joined(separator: " ")
    }

    // MARK: Head

    private func head(_ svg: inout SVGText) -> Double {
        var y = 6.0
        for line in Self.lines(self.comparison.name, width: 42) {
            y += 20
            svg.label(12, y, "head", line)
        }
        let reports = self.comparison.reports
        var entries = [("good", "returned"), ("failed", "failed"), ("rejected", "rejected")]
        entries.append(("requests", "requests sent"))
        if reports.contains(where: { !$0.outages.isEmpty }) { entries.append(("outage", "outage")) }
        if reports.contains(where: { !$0.breaker.isEmpty }) {
            entries += [("closed", "breaker closed"), ("probing", "probing"), ("opened", "open")]
        }
        entries += [("mean", "mean latency"), ("p99", "p99")]
        if reports.contains(where: { $0.concurrencyLimit.count > 1 }) { entries.append(("limit", "limit")) }
        return Self.legend(&svg, entries, from: y + 10)
    }

    private static func legend(_ svg: inout SVGText, _ entries: [(kind: String, text: String)], from top: Double)
        -> Double
    {
        var (x, y) = (12.0, top + 14)
        for entry in entries {
            // The width of a text is not known before it is drawn; this is a little more than it is.
            let width = 24 + Double(entry.text.count) * 7.6 + 12
            if x + width > TimelinePanel.width { (x, y) = (12, y + 21) }
            switch entry.kind {
            case "requests", "mean", "p99", "limit": svg.line((x, y - 5), (x + 18, y - 5), entry.kind)
            case "closed": svg.rectangle(x, y - 4, 18, 3, entry.kind)
            case "probing": svg.rectangle(x, y - 8, 18, 7, entry.kind)
            default: svg.rectangle(x, y - 11, 18, 12, entry.kind)
            }
            svg.label(x + 24, y, "note", entry.text)
            x += width
        }
        return y + 10
    }

    /// The text in lines of at most so many characters, broken at spaces.
    static func lines(_ text: String, width: Int) -> [String] {
        var lines: [String] = [""]
        for word in text.split(whereSeparator: \.isWhitespace).map({ String($0.prefix(width)) }) {
            let last = lines[lines.count - 1]
            if last.isEmpty {
                lines[lines.count - 1] = word
            } else if last.count + 1 + word.count <= width {
                lines[lines.count - 1] = last + " " + word
            } else {
                lines.append(word)
            }
        }
        return Array(lines.prefix(4))
    }
}
