// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceTesting
import Testing

@Suite("Pipelines by key", .timeLimit(.minutes(5)))
struct KeyedPipelinesTests {
    let time = VirtualTime()

    private func family(maximumCount: Int = 3) -> KeyedPipelines<String, CircuitBreaker> {
        KeyedPipelines(maximumCount: maximumCount, idleTime: .seconds(60), time: self.time) { key in
            Pipeline(key, time: self.time) { CircuitBreaker(consecutiveFailures: 1) }
        }
    }

    @Test("one key's failures do not open another's breaker")
    func separate() async {
        let family = self.family()
        _ = await family["a"].outcome { _ async throws in throw Flaky() }
        #expect(await family["a"].outcome { _ in }.label == "rejected")
        #expect(await family["b"].outcome { _ in }.label == "success")
    }

    @Test("never keeps more than its bound, and forgets what was used least recently")
    func bound() async {
        let family = self.family()
        for key in ["a", "b", "c", "a", "d"] { _ = family[key] }
        #expect(Set(family.all.map(\.key)) == ["a", "c", "d"])
        for number in 0..<1_000 { _ = family["\(number)"] }
        #expect(family.count == 3)
    }

    @Test("forgets what nobody has used for a while when another is made")
    func idle() {
        let family = self.family(maximumCount: 100)
        for key in ["a", "b"] { _ = family[key] }
        self.time.advance(by: .seconds(59))
        _ = family["b"]
        self.time.advance(by: .seconds(1))
        _ = family["c"]
        #expect(Set(family.all.map(\.key)) == ["b", "c"])
    }

    @Test("callers at the same moment get the same pipeline")
    func concurrent() async {
        let family = self.family()
        await withTaskGroup(of: ObjectIdentifier?.self) { group in
            for _ in 0..<50 { group.addTask { family["a"].layer(CircuitBreaker.self).map(ObjectIdentifier.init) } }
            let all = await group.reduce(into: Set<ObjectIdentifier?>()) { $0.insert($1) }
            #expect(all.count == 1)
        }
    }

    @Test("one made inside a call is not taken for one made for that call")
    func insideCall() async throws {
        let observer = RecordingObserver()
        let family = self.family()
        try await Pipeline("outer", time: self.time, observer: observer) { Timeout() }({ _ = family["a"] })
        #expect(observer.names == ["pipeline.finished"])
    }
}

@Suite("Registry of pipelines")
struct PipelineRegistryTests {
    @Test("finds pipelines by name, with the memory they have")
    func find() async throws {
        let registry = PipelineRegistry()
        let pipeline = Pipeline("payments") { CircuitBreaker() }
        try registry.add(pipeline)
        try registry.add(Pipeline("mail") { Retry() })
        registry["payments"]?.layer(CircuitBreaker.self)?.isolate()
        await #expect(throws: RejectionError.self) { try await pipeline {} }
        #expect(registry.all.map(\.name) == ["mail", "payments"])
        try registry["mail"]?.reconfigure(["retry": ["maximumAttempts": "5"]])
        #expect(registry["mail"]?.bounds.amplification == 5)
        #expect(throws: InvalidSettingError.self) { try registry.add(pipeline) }
        registry.remove("payments")
        #expect(registry["payments"] == nil)
        try registry.add(pipeline)
    }

    @Test("is bounded")
    func bound() throws {
        let registry = PipelineRegistry()
        for number in 0..<PipelineRegistry.capacity { try registry.add(Pipeline("\(number)") { Timeout() }) }
        #expect(throws: InvalidSettingError.self) { try registry.add(Pipeline("one more") { Timeout() }) }
    }
}
