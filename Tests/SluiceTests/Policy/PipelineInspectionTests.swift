// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceTesting
import Testing

@Suite("Pipeline that is looked at and steered", .timeLimit(.minutes(5)))
struct PipelineInspectionTests {
    let time = VirtualTime()

    @Test("describes its layers with settings and states")
    func describe() {
        let pipeline = Pipeline("payments", time: self.time) {
            Fallback { _ in 1 }
            Deadline(.seconds(30))
            Retry(maximumAttempts: 4)
            CircuitBreaker(consecutiveFailures: 7)
            ConcurrencyLimit(3)
            Timeout(.milliseconds(2_500))
        }
        pipeline.layer(CircuitBreaker.self)?.isolate()
        let description = pipeline.describe()
        #expect(
            description.layers.map(\.name) == [
                "fallback", "deadline", "retry", "circuitBreaker", "concurrencyLimit", "timeout",
            ])
        let text = "\(description)"
        for part in [
            "payments\n  fallback type=Int\n    deadline limit=30s\n      retry maximumAttempts=4",
            "backoff=jittered(capped(exponential(1s, 2), 30s), full)", "consecutiveFailures=7", "[forcedOpen]",
            "[0 of 3 running, 0 waiting]", "timeout limit=2500ms",
        ] {
            #expect(text.contains(part))
        }
        #expect(pipeline.erased().describe() == description)
    }

    @Test("says the worst that one call can lead to")
    func bounds() {
        let pipeline = Pipeline("p") {
            Retry(maximumAttempts: 3, backoff: .constant(.seconds(70)))
            RateLimit(RateLimitSettings(count: 10, period: .seconds(1), patience: .seconds(2), maximumQueued: 7))
            ConcurrencyLimit(ConcurrencyLimitSettings(maximumQueued: 50, patience: .seconds(3)))
            Timeout(.seconds(10))
        }
        #expect(
            pipeline.bounds == PipelineBounds(latency: .seconds(3 * 15 + 2 * 70), amplification: 3, queued: 57))
        let bounded = Pipeline("p") {
            Deadline(.seconds(20))
            Retry(maximumAttempts: 3)
            Hedge(after: .seconds(1), maximumHedges: 2)
            Timeout(.seconds(10))
        }
        #expect(bounded.bounds == PipelineBounds(latency: .seconds(20), amplification: 9, queued: 0))
        let huge = Pipeline("p") { Retry(maximumAttempts: .max) }
        #expect(huge.bounds.amplification == .max)
        #expect(huge.bounds.latency == nil)
        #expect("\(PipelineBounds.operation)" == "latency unbounded, amplification 1, queued 0")
    }

    @Test("finds nothing doubtful where nothing is")
    func sound() {
        let pipeline = Pipeline("p") {
            Deadline(.seconds(30))
            Retry(maximumAttempts: 3, backoff: .constant(.seconds(1)))
            CircuitBreaker()
            Timeout(.seconds(5))
        }
        #expect(pipeline.diagnose().isEmpty)
    }

    @Test("finds what cannot work together")
    func diagnose() {
        func expect(_ part: String, _ pipeline: Pipeline<some Policy>, at location: SourceLocation = #_sourceLocation) {
            let findings = pipeline.diagnose()
            #expect(findings.contains { $0.contains(part) }, "\(findings)", sourceLocation: location)
        }
        expect("no timeout inside it", Pipeline("p") { Retry() })
        expect("no deadline around it", Pipeline("p") { Retry() })
        expect(
            "waits up to 30s",
            Pipeline("p") {
                Deadline(.seconds(5))
                RateLimit(1, per: .seconds(1))
            })
        expect(
            "first wait may be 5s",
            Pipeline("p") {
                Deadline(.seconds(5))
                Retry(backoff: .constant(.seconds(5)))
            })
        expect(
            "never expires within the deadline of 5s",
            Pipeline("p") {
                Deadline(.seconds(5))
                Timeout(.seconds(5))
            })
        expect(
            "no second attempt fits",
            Pipeline("p") {
                Deadline(.seconds(5))
                Retry(backoff: .constant(.zero))
                Timeout(.seconds(3))
            })
        expect(
            "more than its window holds",
            Pipeline("p") {
                CircuitBreaker(CircuitBreakerSettings(failureRate: 0.5, windowCalls: 10, minimumCalls: 20))
            })
    }

    @Test("changes settings by name, and keeps what the policies remember")
    func reconfigure() async throws {
        let pipeline = Pipeline("p", time: self.time) {
            Retry(maximumAttempts: 1)
            CircuitBreaker(consecutiveFailures: 5)
            RateLimit(3, per: .seconds(60), patience: .zero)
            RateLimit(1_000, per: .seconds(1))
        }
        for _ in 0..<2 { _ = await pipeline.outcome { _ async throws in throw Flaky() } }
        try pipeline.reconfigure([
            "circuitBreaker": ["consecutiveFailures": "3"], "rateLimit": ["patience": "0s"],
            "rateLimit.2": ["count": "77", "burst": "78"],
        ])
        _ = await pipeline.outcome { _ async throws in throw Flaky() }
        #expect(pipeline.layer(CircuitBreaker.self)?.phase == .open)
        #expect(pipeline.describe().layers[3].settings.first?.value == "77")
    }

    @Test(
        "changes all or nothing, and names what is wrong",
        arguments: [
            (["retry": ["maximumAttempts": "9"], "timeout": ["limit": "soon"]], "timeout.limit"),
            (["retry": ["maximumAttempts": "9"], "timeout": ["size": "1s"]], "timeout.size"),
            (["retry": ["maximumAttempts": "9"], "retri": ["limit": "1s"]], "retri"),
            (
                ["circuitBreaker": ["openFor": "9m"], "retry": ["maximumAttempts": "9"]],
                "circuitBreaker.maximumOpenFor"
            ),
        ] as [([String: [String: String]], String)])
    func allOrNothing(changes: [String: [String: String]], name: String) {
        let pipeline = Pipeline("p") {
            Retry()
            CircuitBreaker()
            Timeout(.seconds(1))
        }
        let before = pipeline.describe()
        let error = #expect(throws: InvalidSettingError.self) { try pipeline.reconfigure(changes) }
        #expect(error?.name == name)
        #expect(pipeline.describe() == before)
    }

    @Test("a change that is refused costs no policy its memory")
    func refusedChangeKeepsMemory() async {
        let pipeline = Pipeline("p", time: self.time) {
            CircuitBreaker(
                CircuitBreakerSettings(consecutiveFailures: 0, failureRate: 0.5, windowCalls: 10, minimumCalls: 4))
            Timeout(.seconds(1))
        }
        for _ in 0..<3 { _ = await pipeline.outcome { _ async throws in throw Flaky() } }
        #expect(throws: InvalidSettingError.self) {
            try pipeline.reconfigure(["circuitBreaker": ["windowCalls": "20"], "timeout": ["limit": "0s"]])
        }
        _ = await pipeline.outcome { _ async throws in throw Flaky() }
        #expect(pipeline.layer(CircuitBreaker.self)?.phase == .open)
    }

    @Test("tells what the policies did in one call, and no more than it has room for")
    func explained() async {
        let pipeline = Pipeline("p", isIdempotent: true, time: self.time) {
            Retry(maximumAttempts: 3, backoff: .constant(.seconds(1)), budget: nil)
        }
        let log = await self.time.running {
            await pipeline.explained { context async throws in
                if context.attempt < 3 { throw Flaky() }
            }.log
        }
        #expect(
            log.entries.map(\.event.kind) == [
                .attemptFailed, .retryScheduled, .attemptFailed, .retryScheduled, .pipelineFinished,
            ])
        #expect(log.entries.map(\.offset).last == .seconds(2))
        #expect("\(log)".hasPrefix("0 ms #1 attempt.failed failure; 0 ms #1 retry.scheduled 1.0 seconds; 1000 ms #2"))
        let long = Pipeline("p", time: self.time) {
            Retry(maximumAttempts: 100, backoff: .constant(.zero), budget: nil)
        }
        let full = await long.explained { _ async throws in throw Flaky() }.log
        #expect(full.entries.count == AttemptLog.capacity)
        #expect(full.dropped == 2 * 99 + 3 - AttemptLog.capacity)
    }

    @Test("an error says which call it ended, from the outermost operation down")
    func trail() async throws {
        let breaker = CircuitBreaker()
        breaker.isolate()
        let inner = Pipeline("inner", time: self.time) { breaker }
        let outer = Pipeline("outer", time: self.time) { Timeout(.seconds(1)) }
        let id = Locked<OperationID?>(nil)
        let error = await #expect(throws: RejectionError.self) {
            try await outer {
                id.withLock { $0 = OperationContext.current?.id }
                try await inner {}
            }
        }
        #expect(error?.operation?.names == ["outer", "inner"])
        #expect(error?.operation?.id == id.withLock { $0 })
        #expect(error?.description.contains("in outer > inner (") == true)
    }

    @Test("a pipeline that remembers, made inside a call, is reported")
    func madeInsideCall() async throws {
        let observer = RecordingObserver()
        let outer = Pipeline("outer", time: self.time, observer: observer) { Timeout(.seconds(1)) }
        try await outer {
            try await Pipeline("fine", time: self.time) { Timeout(.seconds(1)) }({})
            try await Pipeline("useless", time: self.time) { CircuitBreaker() }({})
        }
        #expect(observer.events.filter { $0.kind == .pipelineMadeInsideCall }.map(\.policy) == ["useless"])
    }

    @Test("with the policies off, calls run as if there were none")
    func off() async {
        let breaker = CircuitBreaker()
        breaker.isolate()
        let pipeline = Pipeline("p", time: self.time) {
            Retry()
            breaker
            Timeout(.seconds(1))
        }
        var context = OperationContext(name: "test", time: self.time)
        context.mode = .off
        let outcome = await OperationContext.$current.withValue(context) { await pipeline.outcome { _ in 42 } }
        #expect((try? outcome.get()) == 42)
    }
}

@Suite("Order of a pipeline's layers")
struct PipelineOrderTests {
    private static let mistakes: [(String, [any Policy])] = [
        ("write the fallback first", [Retry(), Fallback { _ in 1 }]),
        ("write the fallback first", [CircuitBreaker(), Deadline(), Fallback { _ in 1 }]),
        ("write chaos last", [Chaos(Chaos.Settings()) { _ in false }, Timeout()]),
        ("keep one of them", [Retry(), CircuitBreaker(), Retry()]),
        ("write the retry first", [Hedge(), Retry()]),
        ("keep one of them", [Hedge(), Timeout(), Hedge()]),
        ("bounds one attempt", [Timeout(), CircuitBreaker(), Retry()]),
        ("so it bounds one attempt", [Retry(), Deadline()]),
        ("so it bounds one attempt", [Hedge(), Deadline()]),
    ]

    @Test("each mistake is named, with what to do instead", arguments: 0..<9)
    func mistakes(index: Int) {
        let (part, layers) = Self.mistakes[index]
        let found = PipelineOrder.mistakes(in: layers)
        #expect(found.count == 1)
        #expect(found.allSatisfy { $0.contains(part) })
    }

    @Test("the order that the documentation recommends is none")
    func canonical() {
        let layers: [any Policy] = [
            Fallback { _ in 1 }, Deadline(), Retry(), Hedge(), CircuitBreaker(), RateLimit(1, per: .seconds(1)),
            ConcurrencyLimit(), Timeout(), Chaos(Chaos.Settings()) { _ in false },
        ]
        #expect(PipelineOrder.mistakes(in: layers).isEmpty)
    }

    @Test("a pipeline with a mistake does not start")
    func refused() async {
        await #expect(processExitsWith: .failure) {
            _ = Pipeline("p") {
                Retry()
                CircuitBreaker()
                Retry()
            }
        }
        await #expect(processExitsWith: .failure) {
            _ = Pipeline("p") { AnyPolicy(nesting: [Retry(), Fallback { _ in 1 }]) }
        }
    }
}

@Suite("Catalogue of events")
struct PolicyEventKindTests {
    @Test("every event has a name with a dot and says when it is reported", arguments: PolicyEventKind.allCases)
    func catalogue(kind: PolicyEventKind) {
        let parts = kind.rawValue.split(separator: ".", omittingEmptySubsequences: false)
        #expect(parts.count == 2)
        #expect(parts.allSatisfy { !$0.isEmpty && $0.allSatisfy { $0.isASCII && $0.isLetter } })
        #expect(kind.when.hasSuffix("."))
        #expect(kind.when.count > 20)
    }

    @Test("no two events have the same moment")
    func distinct() {
        #expect(Set(PolicyEventKind.allCases.map(\.when)).count == PolicyEventKind.allCases.count)
    }
}
