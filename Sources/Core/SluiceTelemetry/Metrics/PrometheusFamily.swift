// SPDX-License-Identifier: Apache-2.0

/// All series of one name.
struct PrometheusFamily {
    enum Kind: String {
        case counter, gauge, histogram
    }

    let name: String
    let help: String
    let kind: Kind
    /// By labels as written.
    var series: [String: PrometheusSeries] = [:]

    func write(to text: inout String) {
        text +=
            "# HELP \(self.name) \(PrometheusText.escapedHelp(self.help))\n# TYPE \(self.name) \(self.kind.rawValue)\n"
        for (labels, series) in self.series.sorted(by: { $0.key < $1.key }) {
            switch self.kind {
            case .counter, .gauge:
                text += "\(self.name)\(PrometheusText.braced(labels)) \(PrometheusText.number(series.value))\n"
            case .histogram:
                self.writeHistogram(series, labels, to: &text)
            }
        }
    }

    private func writeHistogram(_ series: PrometheusSeries, _ labels: String, to text: inout String) {
        let (buckets, sum) = series.histogram
        let separator = labels.isEmpty ? "" : ","
        var count = 0
        for (bound, bucket) in zip(PrometheusSeries.bounds.map(PrometheusText.number) + ["+Inf"], buckets) {
            count += bucket
            text += "\(self.name)_bucket{\(labels)\(separator)le=\"\(bound)\"} \(count)\n"
        }
        text += "\(self.name)_sum\(PrometheusText.braced(labels)) \(PrometheusText.number(sum))\n"
        text += "\(self.name)_count\(PrometheusText.braced(labels)) \(count)\n"
    }
}

/// The lexical rules of the text format.
///
/// - Source: Prometheus documentation, "Exposition formats", text format 0.0.4.
enum PrometheusText {
    static func name(_ label: String) -> String {
        var name = String(
            label.unicodeScalars.map {
                $0.isASCII && ($0.properties.isAlphabetic || $0 == "_" || Self.isDigit($0)) ? Character($0) : "_"
            })
        if name.isEmpty || name.unicodeScalars.first.map(Self.isDigit) == true { name = "_" + name }
        return name
    }

    static func labels(_ dimensions: [(String, String)]) -> String {
        dimensions.sorted { $0.0 < $1.0 }.map { "\(Self.name($0.0))=\"\(Self.escapedValue($0.1))\"" }.joined(
            separator: ",")
    }

    static func braced(_ labels: String) -> String { labels.isEmpty ? "" : "{\(labels)}" }

    static func number(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : "\(value)"
    }

    static func escapedHelp(_ text: String) -> String {
        Self.escaped(text, quotes: false)
    }

    private static func escapedValue(_ text: String) -> String {
        Self.escaped(text, quotes: true)
    }

    private static func escaped(_ text: String, quotes: Bool) -> String {
        var escaped = ""
        for character in text {
            switch character {
            case "\\": escaped += "\\\\"
            case "\n", "\r\n": escaped += "\\n"
            case "\"" where quotes: escaped += "\\\""
            default: escaped.append(character)
            }
        }
        return escaped
    }

    private static func isDigit(_ scalar: Unicode.Scalar) -> Bool { ("0"..."9").contains(scalar) }
}
