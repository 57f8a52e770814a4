// SPDX-License-Identifier: Apache-2.0
import Foundation
import Sluice
import SluiceSimulation
import Testing

/// One after the other, since each computes on a thread of its own: all at once, they leave the tests that wait for something real no
/// processor for many seconds.
@Suite("A simulation", .serialized, .timeLimit(.minutes(5)))
struct SimulationTests {
    @Test("a constant latency and no errors give figures that can be computed by hand")
    func byHand() async throws {
        let report = try await Simulation(
            service: ServiceModel(latency: .constant(.milliseconds(20))), load: Load(.constant(10), for: .seconds(5))
        ) { _ in [Timeout(.seconds(1))] }.run()
        #expect(report.calls == 50)
        #expect(report.successes == 50)
        #expect(report.successRate == 1)
        #expect(report.requests == 50)
        #expect(report.amplification == 1)
        #expect(report.outageAmplification == nil)
        #expect(report.latency?.p50 == 20)
        #expect(report.latency?.p999 == 20)
        #expect(report.latency?.max == 20)
        #expect(report.latency?.mean == 20)
        #expect(report.seconds.map(\.calls) == [10, 10, 10, 10, 10])
        #expect(report.seconds.map(\.meanLatency) == [20, 20, 20, 20, 20])
        #expect(report.duration == 4.92)
    }

    @Test("a timeout ends what hangs, and a retry repeats it, at the instants that their settings say")
    func instants() async throws {
        let service = ServiceModel(
            latency: .constant(.milliseconds(10)),
            outages: [Outage(from: .zero, to: .milliseconds(1_500), .hang)])
        let report = try await Simulation(service: service, load: Load(.constant(1), for: .seconds(1))) { randomness in
            [
                Retry(maximumAttempts: 2, backoff: .constant(.milliseconds(600)), randomness: randomness),
                Timeout(.seconds(1)),
            ]
        }.run()
        #expect(report.calls == 1)
        #expect(report.requests == 2)
        #expect(report.outageAmplification == 1)
        #expect(report.successLatency?.max == 1_610)
        #expect(report.events["timeout.expired"] == 1)
    }

    /// Every policy at once, against a service with everything that can go wrong.
    private func everything(seed: UInt64) -> Simulation {
        let service = ServiceModel(
            latency: .lognormal(median: .milliseconds(20), p99: .milliseconds(300)), errorRate: 0.05,
            capacity: .init(concurrent: 4, hardLimit: 30),
            outages: [
                Outage(from: .seconds(4), to: .seconds(6), .failFast),
                Outage(from: .seconds(8), to: .seconds(9), .hang),
                Outage(from: .seconds(10), to: .seconds(12), .slow(factor: 5)),
            ])
        let load = Load(.ramp(from: 50, to: 150), for: .seconds(13), arrivals: .poisson)
        return Simulation(service: service, load: load, seed: seed) { randomness in
            [
                Deadline(.seconds(2)),
                Retry(
                    maximumAttempts: 3, backoff: .exponential(from: .milliseconds(50)).jittered(),
                    randomness: randomness),
                Hedge(Hedge.Settings(maximumHedges: 2, delay: .milliseconds(100))),
                CircuitBreaker(CircuitBreakerSettings(consecutiveFailures: 20, openFor: .milliseconds(500), probes: 3)),
                RateLimit(120, per: .seconds(1)),
                ConcurrencyLimit(
                    ConcurrencyLimitSettings(maximum: 50, algorithm: .gradient, maximumQueued: 20, order: .codel)),
                Timeout(.milliseconds(400)),
                Chaos(.init(fault: 0.01, latency: 0.02, hang: 0.001), randomness: randomness) { _ in true },
            ]
        }
    }

    @Test("the same seed gives the same report, byte for byte, and another seed another one")
    func determinism() async throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let first = try await self.everything(seed: 1).run()
        let bytes = try encoder.encode(first)
        #expect(first.events["hedge.started", default: 0] > 100)
        #expect(first.events["hedge.won", default: 0] > 10)
        #expect(first.concurrencyLimit.count > 5)
        #expect(first.unfinished == 0)
        for _ in 0..<20 {
            let again = try await self.everything(seed: 1).run()
            #expect(try encoder.encode(again) == bytes)
        }
        let other = try await self.everything(seed: 2).run()
        #expect(other != first)
    }

    @Test("every call ends in exactly one way, and every second's figures add up to the whole")
    func sums() async throws {
        let report = try await self.everything(seed: 3).run()
        let ended = report.successes + report.failures + report.timedOut + report.rejections + report.unfinished
        #expect(ended == report.calls)
        #expect(report.seconds.reduce(0) { $0 + $1.calls } == report.calls)
        #expect(report.seconds.reduce(0) { $0 + $1.requests } == report.requests)
        #expect(report.seconds.reduce(0) { $0 + $1.successes } == report.successes)
        #expect(report.seconds.reduce(0) { $0 + $1.rejected } == report.rejections)
    }

    // MARK: Outages

    private func outage(_ layers: @escaping @Sendable (Randomness) -> [any Policy]) async throws -> SimulationReport {
        let service = ServiceModel(
            latency: .lognormal(median: .milliseconds(20), p99: .milliseconds(100)),
            outages: [Outage(from: .seconds(10), to: .seconds(20), .failFast)])
        return try await Simulation(service: service, load: Load(.constant(100), for: .seconds(30)), layers: layers)
            .run()
    }

    @Test("without a budget an outage is answered with several times the load, with one by little more than the load")
    func amplification() async throws {
        let backoff = Backoff.constant(.milliseconds(100))
        let without = try await self.outage { randomness in
            [Retry(maximumAttempts: 4, backoff: backoff, budget: nil, randomness: randomness)]
        }
        let with = try await self.outage { randomness in
            [Retry(maximumAttempts: 4, backoff: backoff, randomness: randomness)]
        }
        let amplification = try #require(without.outageAmplification)
        #expect(amplification > 3.8 && amplification <= 4)
        // A fifth of the calls, and the ten a second that are always there: 1.2 + 10 / 100, and what was saved up before.
        let budgeted = try #require(with.outageAmplification)
        #expect(budgeted > 1.2 && budgeted < 1.7)
        #expect(with.events["retry.budgetExhausted", default: 0] > 0)
    }

    @Test("a breaker opens in the outage, probes, and closes after it")
    func breaker() async throws {
        let report = try await self.outage { _ in [CircuitBreaker(consecutiveFailures: 5, openFor: .seconds(3))] }
        let first = try #require(report.breaker.first)
        #expect(first.phase == .opened)
        #expect((10.0...10.2).contains(first.second))
        let last = try #require(report.breaker.last)
        #expect(last.phase == .closed)
        #expect((20.0...24).contains(last.second))
        #expect(report.breaker.filter { $0.phase == .opened }.count == 4)
        #expect(report.rejected["circuitBreaker.circuitOpen", default: 0] > 900)
        #expect(try #require(report.outageAmplification) < 0.02)
    }

    // MARK: Bounds

    @Test("a retry that goes round without waiting ends in an error")
    func endless() async throws {
        let service = ServiceModel(
            latency: .constant(.zero), outages: [Outage(from: .zero, to: .seconds(9), .failFast)])
        let simulation = Simulation(service: service, load: Load(.constant(1), for: .seconds(1))) { randomness in
            [Retry(maximumAttempts: .max, backoff: .constant(.zero), budget: nil, randomness: randomness)]
        }
        await #expect(throws: SimulationError.tooManyRequests) { _ = try await simulation.run() }
    }

    @Test("what never ends is counted as unfinished")
    func unfinished() async throws {
        let service = ServiceModel(latency: .constant(.milliseconds(1)))
        let report = try await Simulation(service: service, load: Load(.constant(10), for: .seconds(1))) { randomness in
            [Chaos(.init(hang: 1), randomness: randomness) { _ in true }]
        }.run()
        #expect(report.unfinished == 10)
        #expect(report.requests == 0)
    }

    @Test("a cancelled run ends, and says so")
    func cancelled() async throws {
        let simulation = Simulation(
            service: ServiceModel(latency: .constant(.milliseconds(20))),
            load: Load(.constant(100), for: .seconds(9_000))
        ) { _ in [] }
        let (started, continuation) = AsyncStream<Void>.makeStream()
        let task = Task { try await simulation.run { _ in continuation.yield() } }
        for await _ in started { break }
        task.cancel()
        await #expect(throws: CancellationError.self) { _ = try await task.value }
    }

    @Test(
        "calls begin when the load says",
        arguments: [
            (.constant(4), 8), (.ramp(from: 0, to: 8), 8),
            (.steps([.init(from: .zero, rate: 1), .init(from: .seconds(1), rate: 7)]), 8),
        ] as [(Load.Rate, Int)])
    func loads(rate: Load.Rate, calls: Int) async throws {
        let service = ServiceModel(latency: .constant(.milliseconds(1)))
        let report = try await Simulation(service: service, load: Load(rate, for: .seconds(2))) { _ in [] }.run()
        #expect(report.calls == calls)
    }

    @Test("a service beyond its capacity slows down in proportion and refuses at its hard limit, naming a wait")
    func capacity() async throws {
        let service = ServiceModel(
            latency: .constant(.seconds(1)), capacity: .init(concurrent: 2, hardLimit: 4, refusalWait: .seconds(10)))
        let report = try await Simulation(service: service, load: Load(.constant(10), for: .milliseconds(600))) { _ in
            [RateLimit(RateLimitSettings(count: 1_000, period: .seconds(1)), obeysHints: true)]
        }.run()
        // Two in a second, then one and a half and two times as long; the fifth is refused and pauses the limit.
        #expect(report.successLatency?.p50 == 1_500)
        #expect(report.successLatency?.max == 10_900)
        #expect(report.failures == 1)
        #expect(report.events["rateLimit.paused"] == 1)
        #expect(report.calls == 6)
    }
}
