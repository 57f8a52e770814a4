// SPDX-License-Identifier: Apache-2.0

/// Orders of layers that are always a mistake.
public enum PipelineOrder {
    /// What is wrong with the order of `layers`, outermost first, each with what to do instead.
    public static func mistakes(in layers: [any Policy]) -> [String] {
        layers.indices.flatMap { inner in
            layers[..<inner].compactMap { self.mistake($0, around: layers[inner]) }
        }
    }

    private static func mistake(_ outer: any Policy, around inner: any Policy) -> String? {
        switch (outer, inner) {
        case (is any FailureSensitive, is any FallbackLayer):
            "the fallback is inside \(outer.description.name), which then never sees a failure: write the fallback first"
        case (is Chaos, _):
            "\(inner.description.name) is inside chaos, which stands for the operation's own faults: write chaos last"
        case (is Retry, is Retry):
            "a retry is inside a retry, which multiplies the attempts: keep one of them"
        case (is Hedge, is Retry):
            "the retry is inside the hedge, which multiplies the load: write the retry first"
        case (is Hedge, is Hedge):
            "a hedge is inside a hedge: keep one of them"
        case (is Timeout, is Retry):
            "the retry is inside a timeout, which bounds one attempt: write the timeout after it, and a deadline before it"
        case (is Retry, is Deadline), (is Hedge, is Deadline):
            "the deadline is inside \(outer.description.name), so it bounds one attempt: write it before, or use a timeout"
        default:
            nil
        }
    }
}
