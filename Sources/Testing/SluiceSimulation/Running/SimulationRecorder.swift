// SPDX-License-Identifier: Apache-2.0
import Sluice
import Synchronization

/// Counts what happens in a simulation.
final class SimulationRecorder: PolicyObserver {
    private struct State {
        var calls = 0
        var requests = 0
        var callsInOutages = 0
        var requestsInOutages = 0
        var successes = 0
        var failures = 0
        var timedOut = 0
        var unfinished = 0
        var rejected: [String: Int] = [:]
        var latencies: [Int64] = []
        var successLatencies: [Int64] = []
        var events: [String: Int] = [:]
        var breaker: [SimulationReport.BreakerChange] = []
        var limits: [SimulationReport.LimitChange] = []
        var buckets: [Bucket] = []
        var duration = 0.0
    }

    private struct Bucket {
        var counts = SimulationReport.Second(second: 0)
        var latencies: [Int64] = []
    }

    private let state = Mutex(State())
    private let time: SimulationTime
    private let outages: [Outage]
    private let limit: ConcurrencyLimit?

    init(_ time: SimulationTime, outages: [Outage], limit: ConcurrencyLimit?) {
        self.time = time
        self.outages = outages
        self.limit = limit
        if let limit { self.state.withLock { $0.limits.append(.init(second: 0, limit: limit.limit)) } }
    }

    // MARK: Calls

    /// A call begins.
    func begin() {
        self.note { state, bucket, isOutage in
            state.calls += 1
            if isOutage { state.callsInOutages += 1 }
            bucket.counts.calls += 1
        }
    }

    /// A request reaches the service.
    func send() {
        self.note { state, bucket, isOutage in
            state.requests += 1
            if isOutage { state.requestsInOutages += 1 }
            bucket.counts.requests += 1
        }
    }

    /// A call has ended.
    func end(_ outcome: Outcome<Void, any Error>, after latency: Duration) {
        self.note { state, bucket, _ in
            if case .cancelled = outcome {
                state.unfinished += 1
                return
            }
            state.latencies.append(latency.clampedNanoseconds)
            switch outcome {
            case .success:
                state.successes += 1
                state.successLatencies.append(latency.clampedNanoseconds)
                bucket.counts.successes += 1
                bucket.latencies.append(latency.clampedNanoseconds)
            case .failure:
                state.failures += 1
                bucket.counts.failures += 1
            case .timedOut:
                state.timedOut += 1
                bucket.counts.timedOut += 1
            case .rejected(let error):
                state.rejected["\(error.policy).\(error.reason)", default: 0] += 1
                bucket.counts.rejected += 1
            case .cancelled: break
            }
        }
    }

    /// The simulation has ended.
    func end() {
        let now = self.time.elapsed.inSeconds
        self.state.withLock { $0.duration = now }
    }

    // MARK: Events

    func record(_ event: PolicyEvent, in context: OperationContext) {
        if event.kind == .hedgeStarted { HedgePassage.current?.start() }
        let second = self.time.elapsed.inSeconds
        // Read outside the lock: it is the limit's own.
        let limit = event.kind == .concurrencyLimitChanged ? self.limit?.limit : nil
        self.state.withLock { state in
            state.events[event.name, default: 0] += 1
            if let phase = SimulationReport.BreakerPhase(event.kind),
                state.breaker.count < SimulationReport.maximumChanges
            {
                state.breaker.append(.init(second: second, phase: phase))
            }
            if let limit, limit != state.limits.last?.limit, state.limits.count < SimulationReport.maximumChanges {
                state.limits.append(.init(second: second, limit: limit))
            }
        }
    }

    private func note(_ body: (inout State, inout Bucket, _ isOutage: Bool) -> Void) {
        let elapsed = self.time.elapsed
        let isOutage = self.outages.contains { $0.contains(elapsed) }
        let second = Int(elapsed.components.seconds)
        self.state.withLock { state in
            // No longer than the longest load and its aftermath.
            while state.buckets.count <= second {
                state.buckets.append(Bucket(counts: .init(second: state.buckets.count)))
            }
            // Taken out and put back, so that the bucket can change beside the rest without a copy.
            var bucket = Bucket()
            swap(&bucket, &state.buckets[second])
            body(&state, &bucket, isOutage)
            swap(&bucket, &state.buckets[second])
        }
    }

    // MARK: The report

    func report(of simulation: Simulation) -> SimulationReport {
        self.state.withLock { state in
            let buckets = state.buckets.map { bucket in
                var counts = bucket.counts
                let summary = LatencySummary(bucket.latencies)
                (counts.meanLatency, counts.p99Latency) = (summary?.mean, summary?.p99)
                return counts
            }
            return SimulationReport(
                name: simulation.name, seed: simulation.seed, duration: state.duration, calls: state.calls,
                successes: state.successes, failures: state.failures, timedOut: state.timedOut,
                rejected: state.rejected, unfinished: state.unfinished, requests: state.requests,
                amplification: Self.ratio(state.requests, state.calls) ?? 0,
                outageAmplification: Self.ratio(state.requestsInOutages, state.callsInOutages),
                latency: LatencySummary(state.latencies), successLatency: LatencySummary(state.successLatencies),
                breaker: state.breaker, concurrencyLimit: state.limits, events: state.events,
                outages: self.outages.map { .init(from: $0.from.inSeconds, to: $0.to.inSeconds, kind: $0.kind.name) },
                seconds: buckets)
        }
    }

    private static func ratio(_ part: Int, _ whole: Int) -> Double? {
        whole == 0 ? nil : Double(part) / Double(whole)
    }
}

extension Outage.Kind {
    var name: String {
        switch self {
        case .failFast: "failFast"
        case .hang: "hang"
        case .slow: "slow"
        }
    }
}
