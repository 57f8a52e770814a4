// SPDX-License-Identifier: Apache-2.0

/// Settings that each are valid and together cannot work.
enum PipelineDiagnosis {
    /// What is doubtful about the settings of `layers`, outermost first.
    static func findings(in layers: [any Policy]) -> [String] {
        var findings: [String] = []
        var deadline: Duration?
        var attempts = 1
        for layer in layers {
            switch layer {
            case let layer as Deadline:
                deadline = min(deadline ?? layer.settings.limit, layer.settings.limit)
            case let layer as Retry:
                attempts = layer.settings.maximumAttempts
                findings += self.findings(layer, deadline)
            case let layer as Timeout:
                findings += self.findings(layer, deadline, attempts)
            case let layer as RateLimit:
                if let deadline, layer.settings.patience > deadline {
                    findings.append(
                        "rateLimit waits up to \(DurationText.text(layer.settings.patience)), longer than the deadline")
                }
            case let layer as CircuitBreaker:
                findings += self.findings(layer)
            default:
                break
            }
        }
        if attempts > 1, !layers.contains(where: { $0 is Timeout }) {
            findings.append("retry has no timeout inside it, so one attempt that hangs takes the whole time")
        }
        return findings
    }

    private static func findings(_ retry: Retry, _ deadline: Duration?) -> [String] {
        guard let deadline else {
            return retry.settings.maximumAttempts > 1
                ? ["retry has no deadline around it, so the attempts' times and the waits add up"] : []
        }
        guard let wait = retry.backoff.longestDelay(beforeRetry: 1), wait >= deadline else { return [] }
        return ["retry's first wait may be \(DurationText.text(wait)), no less than the deadline"]
    }

    private static func findings(_ timeout: Timeout, _ deadline: Duration?, _ attempts: Int) -> [String] {
        guard let deadline else { return [] }
        let limit = timeout.settings.limit
        if limit >= deadline {
            return [
                "timeout of \(DurationText.text(limit)) never expires within the deadline of \(DurationText.text(deadline))"
            ]
        }
        guard attempts > 1, limit + limit > deadline else { return [] }
        return [
            "no second attempt fits into the deadline after one that took the timeout of \(DurationText.text(limit))"
        ]
    }

    private static func findings(_ breaker: CircuitBreaker) -> [String] {
        let settings = breaker.settings
        guard settings.windowCalls > 0, settings.minimumCalls > settings.windowCalls else { return [] }
        return ["circuitBreaker's minimumCalls is more than its window holds, so its rates are never looked at"]
    }
}
