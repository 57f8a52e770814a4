// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceTesting
import Testing

@Suite("Circuit breaker by rates, probes and hand", .timeLimit(.minutes(5)))
struct CircuitBreakerSettingsTests {
    let time = VirtualTime()

    private func runFailing(_ pipeline: Pipeline<some Policy>, times: Int = 1) async {
        for _ in 0..<times { _ = await pipeline.outcome { _ async throws in throw Flaky() } }
    }

    private func runWell(_ pipeline: Pipeline<some Policy>, times: Int = 1) async {
        for _ in 0..<times { _ = await pipeline.outcome { _ in } }
    }

    @Test("a failure rate over time opens it once there are enough calls, and old failures do not count")
    func rateOverTime() async {
        let breaker = CircuitBreaker(failureRate: 0.5, over: .seconds(10), minimumCalls: 4)
        let pipeline = Pipeline("p", time: self.time) { breaker }
        await self.runFailing(pipeline, times: 3)
        #expect(breaker.phase == .closed)
        self.time.advance(by: .seconds(11))
        await self.runWell(pipeline, times: 3)
        await self.runFailing(pipeline, times: 2)
        #expect(breaker.phase == .closed)
        await self.runFailing(pipeline)
        #expect(breaker.phase == .open)
    }

    @Test("a failure rate over a number of calls opens it, however long ago they were")
    func rateOverCalls() async {
        let breaker = CircuitBreaker(
            CircuitBreakerSettings(consecutiveFailures: 0, failureRate: 0.75, windowCalls: 4, minimumCalls: 4))
        let pipeline = Pipeline("p", time: self.time) { breaker }
        await self.runFailing(pipeline, times: 2)
        await self.runWell(pipeline, times: 2)
        #expect(breaker.phase == .closed)
        self.time.advance(by: .seconds(100_000))
        await self.runFailing(pipeline)
        await self.runWell(pipeline)
        await self.runFailing(pipeline, times: 2)
        #expect(breaker.phase == .open)
    }

    @Test("slow calls open it although they succeed, and none is cut short")
    func slowCalls() async {
        let breaker = CircuitBreaker(
            CircuitBreakerSettings(
                consecutiveFailures: 0, slowCallRate: 0.5, slowCall: .seconds(2), windowCalls: 4, minimumCalls: 2))
        let pipeline = Pipeline("p", time: self.time) { breaker }
        for seconds in [1, 1, 2, 3] {
            #expect(breaker.phase == .closed)
            _ = await pipeline.outcome { _ in self.time.advance(by: .seconds(seconds)) }
        }
        #expect(breaker.phase == .open)
    }

    @Test("lets several probes through, closes when enough of them succeed and opens when that is out of reach")
    func probes() async {
        let settings = CircuitBreakerSettings(
            consecutiveFailures: 1, openFor: .seconds(5), probes: 3, closeRatio: 2.0 / 3)
        let breaker = CircuitBreaker(settings)
        let pipeline = Pipeline("p", time: self.time) { breaker }
        await self.runFailing(pipeline)
        self.time.advance(by: .seconds(5))
        await self.runWell(pipeline)
        await self.runFailing(pipeline)
        #expect(breaker.phase == .halfOpen)
        await self.runWell(pipeline)
        #expect(breaker.phase == .closed)
        await self.runFailing(pipeline)
        self.time.advance(by: .seconds(5))
        await self.runFailing(pipeline)
        #expect(breaker.phase == .halfOpen)
        await self.runFailing(pipeline)
        #expect(breaker.phase == .open)
    }

    @Test("stays open twice as long each time the probes fail, up to the maximum, and starts over once closed")
    func escalation() async {
        let breaker = CircuitBreaker(
            CircuitBreakerSettings(consecutiveFailures: 1, openFor: .seconds(5), maximumOpenFor: .seconds(30)))
        let pipeline = Pipeline("p", time: self.time) { breaker }
        for round in 0..<2 {
            for seconds in [5, 10, 20, 30, 30] {
                await self.runFailing(pipeline)
                let outcome = await pipeline.outcome { _ in }
                guard case .rejected(let rejection) = outcome else { return fail("round \(round): \(outcome.label)") }
                #expect(rejection.retryAfter == .seconds(seconds))
                self.time.advance(by: .seconds(seconds))
            }
            await self.runWell(pipeline)
            #expect(breaker.phase == .closed)
        }
    }

    @Test("an open time far beyond any clock saturates")
    func longestOpenTime() async {
        let breaker = CircuitBreaker(
            CircuitBreakerSettings(consecutiveFailures: 1, openFor: .seconds(Int64.max / 2)))
        let pipeline = Pipeline("p", time: self.time) { breaker }
        await self.runFailing(pipeline)
        #expect(breaker.phase == .open)
    }

    @Test("an operator turns every call away, lets every call run, or only looks on, until it is reset")
    func modes() async {
        let observer = RecordingObserver()
        let breaker = CircuitBreaker(consecutiveFailures: 2)
        let pipeline = Pipeline("p", time: self.time, observer: observer) { breaker }
        breaker.isolate()
        #expect(!breaker.isClosed)
        let isolated = RejectionError(policy: "circuitBreaker", reason: .circuitIsolated)
        await #expect(throws: isolated) { try await pipeline {} }
        breaker.disable()
        await self.runFailing(pipeline, times: 9)
        #expect(breaker.description.state == "disabled")
        #expect(!observer.names.contains("circuitBreaker.opened"))
        breaker.observe()
        await self.runFailing(pipeline, times: 5)
        #expect(observer.names.count { $0 == "circuitBreaker.opened" } == 2)
        #expect(breaker.isClosed)
        breaker.reset()
        await self.runFailing(pipeline, times: 2)
        #expect(breaker.description.state == "open")
        breaker.reset()
        await #expect(throws: Never.self) { try await pipeline {} }
        #expect(breaker.isClosed)
    }

    @Test("a result from before an operator's order is stale")
    func staleAfterReset() async {
        let (gate, observer) = (Gate(), RecordingObserver())
        let breaker = CircuitBreaker(consecutiveFailures: 1)
        let pipeline = Pipeline("p", time: self.time, observer: observer) { breaker }
        let slow = Task {
            try await pipeline {
                try await gate.pass()
                throw Flaky()
            }
        }
        await gate.waitForArrivals(1)
        breaker.reset()
        gate.open()
        await #expect(throws: Flaky.self) { try await slow.value }
        #expect(breaker.isClosed)
        #expect(observer.names.contains("circuitBreaker.staleResult"))
    }

    @Test("other settings keep what it has counted and whether it is open")
    func update() async throws {
        var settings = CircuitBreakerSettings(
            consecutiveFailures: 3, failureRate: 0.5, windowCalls: 10, minimumCalls: 4, openFor: .seconds(5))
        let breaker = CircuitBreaker(settings)
        let pipeline = Pipeline("p", time: self.time) { breaker }
        await self.runFailing(pipeline, times: 2)
        settings.consecutiveFailures = 100
        settings.minimumCalls = 3
        try breaker.update(settings)
        await self.runFailing(pipeline)
        #expect(breaker.phase == .open)
        settings.openFor = .seconds(60)
        settings.maximumOpenFor = .seconds(60)
        try breaker.update(settings)
        #expect(breaker.phase == .open)
        self.time.advance(by: .seconds(5))
        await self.runWell(pipeline)
        #expect(breaker.phase == .closed)
    }

    @Test(
        "settings out of range are refused and change nothing", arguments: ["openFor", "probes", "closeRatio", "all"])
    func refuses(what: String) {
        let breaker = CircuitBreaker()
        let before = breaker.settings
        var settings = before
        switch what {
        case "openFor": settings.openFor = .zero
        case "probes": settings.probes = 0
        case "closeRatio": settings.closeRatio = 1.5
        default: settings.consecutiveFailures = 0
        }
        #expect(throws: InvalidSettingError.self) { try breaker.update(settings) }
        #expect(breaker.settings == before)
    }

    @Test("a permit settles a call that no closure can wrap, and one that is dropped counts as ignored")
    func permits() throws {
        let breaker = CircuitBreaker(consecutiveFailures: 1, openFor: .seconds(5))
        let context = OperationContext(name: "o", time: self.time)
        func take() throws -> CircuitBreaker.Permit { try breaker.permit(in: context) }
        try take().fail(with: CancellationError())
        #expect(breaker.isClosed)
        try take().fail(with: Flaky())
        #expect(throws: RejectionError(policy: "circuitBreaker", reason: .circuitOpen, retryAfter: .seconds(5))) {
            _ = try take()
        }
        self.time.advance(by: .seconds(5))
        func drop() throws {
            let permit = try take()
            #expect(throws: RejectionError.self) { _ = try take() }
            _ = consume permit
        }
        // Its place comes back each time, or the second round would find none.
        try drop()
        try drop()
        #expect(breaker.phase == .halfOpen)
        try take().succeed()
        #expect(breaker.isClosed)
    }

    @Test("of fifty calls at the moment it may probe, as many run as there are probes", arguments: [1, 3])
    func overAdmission(probes: Int) async {
        let gate = Gate()
        let breaker = CircuitBreaker(
            CircuitBreakerSettings(consecutiveFailures: 1, openFor: .seconds(5), probes: probes))
        let pipeline = Pipeline("p", time: self.time) { breaker }
        await self.runFailing(pipeline)
        self.time.advance(by: .seconds(5))
        let started = Locked(0)
        let labels = await withTaskGroup(of: String.self) { group in
            for _ in 0..<50 {
                group.addTask {
                    await pipeline.outcome { _ async throws in
                        started.withLock { $0 += 1 }
                        try await gate.pass()
                    }.label
                }
            }
            await gate.waitForArrivals(probes)
            var labels: [String] = []
            while labels.count < 50 - probes, let label = await group.next() { labels.append(label) }
            gate.open()
            return labels
        }
        #expect(started.withLock { $0 } == probes)
        #expect(labels.allSatisfy { $0 == "rejected" })
        #expect(breaker.isClosed)
    }

    @Test("a probe that is cancelled gives its place to the next call, which decides")
    func cancelledProbe() async {
        let gate = Gate()
        let breaker = CircuitBreaker(consecutiveFailures: 1, openFor: .seconds(1))
        let pipeline = Pipeline("p", time: self.time) { breaker }
        await self.runFailing(pipeline)
        self.time.advance(by: .milliseconds(1_010))
        let probe = Task { try await pipeline { try await gate.pass() } }
        await gate.waitForArrivals(1)
        probe.cancel()
        await #expect(throws: CancellationError.self) { try await probe.value }
        await #expect(throws: Flaky.self) { try await pipeline { throw Flaky() } }
        await #expect(throws: RejectionError.self) { try await pipeline { Issue.record("must not run") } }
    }
}
