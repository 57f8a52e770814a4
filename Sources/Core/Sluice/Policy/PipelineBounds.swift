// SPDX-License-Identifier: Apache-2.0

/// The worst that one call through a pipeline can lead to, known before the first call.
///
/// ```swift
/// #expect(payments.bounds.amplification <= 3)
/// ```
public struct PipelineBounds: Sendable, Hashable, CustomStringConvertible {
    /// The longest a call can take if the operation stops when told to; nil if nothing bounds it.
    public var latency: Duration?
    /// How often the operation can run for one call.
    public var amplification: Int
    /// How many calls can wait in the pipeline's queues at once; nil if a queue has no bound.
    public var queued: Int?

    /// The bounds of the operation alone.
    public static let operation = PipelineBounds(latency: nil, amplification: 1, queued: 0)

    /// States bounds.
    public init(latency: Duration?, amplification: Int, queued: Int?) {
        self.latency = latency
        self.amplification = amplification
        self.queued = queued
    }

    /// The same with the latency cut at `limit`.
    public func limited(to limit: Duration) -> PipelineBounds {
        PipelineBounds(
            latency: min(self.latency ?? limit, limit), amplification: self.amplification, queued: self.queued)
    }

    /// The same after a wait of up to `wait`.
    public func delayed(by wait: Duration) -> PipelineBounds {
        PipelineBounds(latency: self.latency.map { $0 + wait }, amplification: self.amplification, queued: self.queued)
    }

    /// The same, up to `times` times over.
    public func repeated(_ times: Int) -> PipelineBounds {
        let (amplification, overflow) = self.amplification.multipliedReportingOverflow(by: times)
        return PipelineBounds(
            latency: self.latency.flatMap { Self.multiplied($0, by: times) },
            amplification: overflow ? .max : amplification, queued: self.queued)
    }

    /// The same with `count` more who may wait.
    public func queueing(_ count: Int) -> PipelineBounds {
        PipelineBounds(
            latency: self.latency, amplification: self.amplification,
            queued: self.queued.map { $0.addingReportingOverflow(count).overflow ? .max : $0 + count })
    }

    /// One line.
    public var description: String {
        "latency \(self.latency.map(DurationText.text) ?? "unbounded"), amplification \(self.amplification), queued "
            + (self.queued.map(String.init) ?? "unbounded")
    }

    private static func multiplied(_ duration: Duration, by times: Int) -> Duration? {
        let (product, overflow) = duration.clampedNanoseconds.multipliedReportingOverflow(by: Int64(times))
        return overflow ? nil : .nanoseconds(product)
    }
}
