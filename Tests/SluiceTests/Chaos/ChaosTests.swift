// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceTesting
import Testing

@Suite("Chaos", .timeLimit(.minutes(5)))
struct ChaosTests {
    let time = VirtualTime()
    let observer = RecordingObserver()

    private func pipeline(
        _ settings: Chaos.Settings, seed: UInt64 = 1, isActive: Bool = true, value: (any Sendable)? = nil
    ) -> Pipeline<Chaos> {
        Pipeline("p", time: self.time, observer: self.observer) {
            Chaos(settings, randomness: Randomness(seed: seed), value: value) { _ in isActive }
        }
    }

    private func labels(_ pipeline: Pipeline<Chaos>, _ count: Int) async -> [String] {
        var labels: [String] = []
        for _ in 0..<count { labels.append(await pipeline.outcome { _ async throws in }.label) }
        return labels
    }

    @Test("faults come as often as asked for, and in the same calls for the same seed")
    func faults() async {
        let first = await self.labels(self.pipeline(Chaos.Settings(fault: 0.3)), 1_000)
        #expect((250...350).contains(first.count { $0 == "failure" }))
        #expect(await self.labels(self.pipeline(Chaos.Settings(fault: 0.3)), 1_000) == first)
        #expect(await self.labels(self.pipeline(Chaos.Settings(fault: 0.3), seed: 2), 1_000) != first)
    }

    @Test("injects nothing where it is not active, nor without being asked", arguments: [true, false])
    func inactive(isActive: Bool) async {
        let all = Chaos.Settings(fault: 1, latency: 1, outcome: 1, hang: 1, ignoredCancellation: 1)
        let pipeline = self.pipeline(isActive ? Chaos.Settings() : all, isActive: isActive)
        #expect(await self.labels(pipeline, 100).allSatisfy { $0 == "success" })
        #expect(!self.observer.names.contains("chaos.injected"))
        #expect(self.time.alarmCount == 0)
    }

    @Test("hits only the calls that its gate lets it")
    func gate() async {
        let pipeline = Pipeline("p", time: self.time) {
            Chaos(Chaos.Settings(fault: 1)) { $0.baggage["tenant"] == "guinea pig" }
        }
        #expect(await pipeline.outcome { _ async throws in }.label == "success")
        var context = OperationContext(name: "o", time: self.time)
        context.baggage = ["tenant": "guinea pig"]
        let label = await OperationContext.$current.withValue(context) {
            await pipeline.outcome { _ async throws in }.label
        }
        #expect(label == "failure")
    }

    @Test("an operation that cannot throw the fault is turned away instead")
    func typedErrors() async {
        let outcome = await self.pipeline(Chaos.Settings(fault: 1)).outcome { _ async throws(Flaky) in }
        guard case .rejected(let rejection) = outcome else { return fail(outcome.label) }
        #expect(rejection.reason == .faultInjected)
    }

    @Test("a latency delays the operation, and it runs")
    func latency() async {
        let pipeline = self.pipeline(Chaos.Settings(latency: 1, delay: .seconds(3)))
        let start = self.time.now
        let outcome = await self.time.running { await pipeline.outcome { _ in start.duration(to: self.time.now) } }
        #expect((try? outcome.get()) == .seconds(3))
    }

    @Test("an outcome is returned without running, if it is of the type")
    func outcome() async throws {
        let pipeline = self.pipeline(Chaos.Settings(outcome: 1), value: 42)
        #expect(try await pipeline { 1 } == 42)
        #expect(try await pipeline { "one" } == "one")
    }

    @Test("a hanging call stays until it is cancelled, and a timeout ends it")
    func hang() async {
        let chaos = Chaos(Chaos.Settings(hang: 1)) { _ in true }
        let pipeline = Pipeline("p", time: self.time) {
            Timeout(.seconds(2))
            chaos
        }
        let outcome = await self.time.running { await pipeline.outcome { _ in Issue.record("must not run") } }
        #expect(outcome.label == "timedOut")
        let task = Task { await Pipeline("p", time: self.time) { chaos }.outcome { _ in }.label }
        await self.time.waitForAlarms(1)
        task.cancel()
        #expect(await task.value == "cancelled")
        #expect(self.time.alarmCount == 0)
    }

    @Test("a call that ignores cancellation stays for the delay")
    func ignoredCancellation() async {
        let pipeline = self.pipeline(Chaos.Settings(delay: .seconds(3), ignoredCancellation: 1))
        let ended = Locked(false)
        let task = Task {
            _ = await pipeline.outcome { _ in }
            ended.withLock { $0 = true }
        }
        await self.time.waitForAlarms(1)
        task.cancel()
        self.time.advance(by: .milliseconds(2_999))
        #expect(self.time.alarmCount == 1)
        #expect(!ended.withLock { $0 })
        self.time.advance(by: .milliseconds(1))
        await task.value
    }
}
