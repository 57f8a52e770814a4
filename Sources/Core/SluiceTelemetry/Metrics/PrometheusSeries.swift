// SPDX-License-Identifier: Apache-2.0
import CoreMetrics
import Synchronization

/// One time series: a number, or a distribution of numbers.
final class PrometheusSeries: CounterHandler, FloatingPointCounterHandler, MeterHandler, RecorderHandler, TimerHandler {
    /// The buckets' upper bounds, from a tenth of a millisecond, which a cache hit takes, to the 30 s of the longest deadline.
    static let bounds = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

    private struct State {
        var value = 0.0
        var buckets: [Int]
    }

    private let state: Mutex<State>

    init(kind: PrometheusFamily.Kind) {
        self.state = Mutex(State(buckets: kind == .histogram ? Array(repeating: 0, count: Self.bounds.count + 1) : []))
    }

    /// The number of a counter or gauge.
    var value: Double { self.state.withLock { $0.value } }

    /// How many values fell into each bucket, and their sum.
    var histogram: (buckets: [Int], sum: Double) { self.state.withLock { ($0.buckets, $0.value) } }

    func increment(by amount: Int64) { self.increment(by: Double(amount)) }
    func increment(by amount: Double) { self.state.withLock { $0.value += amount } }
    func decrement(by amount: Double) { self.increment(by: -amount) }
    func set(_ value: Int64) { self.set(Double(value)) }
    func set(_ value: Double) { self.state.withLock { $0.value = value } }
    func record(_ value: Int64) { self.record(Double(value)) }
    func recordNanoseconds(_ duration: Int64) { self.record(Double(duration) * 1e-9) }

    func record(_ value: Double) {
        self.state.withLock { state in
            guard !state.buckets.isEmpty else {
                state.value = value
                return
            }
            state.value += value
            state.buckets[Self.bounds.firstIndex { value <= $0 } ?? Self.bounds.count] += 1
        }
    }

    func reset() {
        self.state.withLock { state in
            state.value = 0
            for index in state.buckets.indices { state.buckets[index] = 0 }
        }
    }
}
