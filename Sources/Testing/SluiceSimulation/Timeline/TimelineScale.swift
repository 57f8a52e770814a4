// SPDX-License-Identifier: Apache-2.0
#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Where a time or a value is on the paper.
struct TimelineScale {
    /// The greatest value, a round one, and the distance of the grid's lines.
    let top: Double
    let step: Double

    /// A scale from 0 that reaches `greatest` in about `lines` round steps.
    init(upTo greatest: Double, lines: Double = 4) {
        let wanted = max(greatest, 1e-9) / lines
        let power = pow(10, log10(wanted).rounded(.down))
        let factor = [1, 2, 5, 10].first { $0 * power >= wanted * 0.999 } ?? 10
        self.step = factor * power
        self.top = (max(greatest, 1e-9) / self.step).rounded(.up) * self.step
    }

    /// The values at which there are lines.
    var ticks: [Double] { Array(stride(from: 0, through: self.top + self.step / 2, by: self.step)) }

    /// The height of `value` in a panel of `height`.
    func height(_ value: Double, in height: Double) -> Double { min(value, self.top) / self.top * height }

    /// A value as people read it.
    static func text(_ value: Double) -> String {
        if value >= 10_000 { return "\(SVGText.number(value / 1_000))k" }
        return value == value.rounded() ? "\(Int(value))" : SVGText.number(value)
    }
}
