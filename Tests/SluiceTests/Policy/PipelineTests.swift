// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceTesting
import Synchronization
import Testing

/// Notes when it is entered and left.
private struct Tracer: Policy {
    let name: String
    let trace: Trace

    final class Trace: Sendable {
        let steps = Mutex<[String]>([])
    }

    func execute<Value, Failure: Error>(
        _ context: OperationContext, _ next: (OperationContext) async -> Outcome<Value, Failure>
    ) async -> Outcome<Value, Failure> {
        self.trace.steps.withLock { $0.append("+\(self.name)") }
        let outcome = await next(context)
        self.trace.steps.withLock { $0.append("-\(self.name)") }
        return outcome
    }
}

@Suite("Pipeline")
struct PipelineTests {
    @Test("runs its layers in reading order, the first outermost")
    func order() async throws {
        let trace = Tracer.Trace()
        let pipeline = Pipeline("p") {
            Tracer(name: "a", trace: trace)
            Tracer(name: "b", trace: trace)
            Tracer(name: "c", trace: trace)
        }
        try await pipeline { trace.steps.withLock { $0.append("operation") } }
        try await pipeline.erased()() { trace.steps.withLock { $0.append("operation") } }
        let once = ["+a", "+b", "+c", "operation", "-c", "-b", "-a"]
        #expect(trace.steps.withLock { $0 } == once + once)
    }

    @Test("keeps a typed error's type")
    func typedErrors() async {
        let pipeline = Pipeline("p") { Retry(maximumAttempts: 1) }
        let outcome = await pipeline.outcome { (_: OperationContext) async throws(Flaky) -> Int in throw Flaky() }
        guard case .failure(let error) = outcome else { return #expect(Bool(false), "\(outcome)") }
        let _: Flaky = error
    }

    @Test("a nested call keeps the operation's id and its deadline")
    func nesting() async throws {
        let time = VirtualTime()
        let outer = Pipeline("outer", time: time) { Deadline(.seconds(5)) }
        let inner = Pipeline("inner", time: time) { Deadline(.seconds(50)) }
        let outcome = await outer.outcome { outerContext in
            let innerOutcome = await inner.outcome { innerContext in
                #expect(innerContext.id == outerContext.id)
                #expect(innerContext.deadline == outerContext.deadline)
                #expect(innerContext.name == "inner")
                #expect(innerContext.remaining == .seconds(5))
            }
            try innerOutcome.get()
        }
        try outcome.get()
    }

    @Test("calls of their own have ids of their own")
    func ids() async throws {
        let pipeline = Pipeline("p") { Retry() }
        var ids: Set<OperationID> = []
        for _ in 0..<1_000 {
            if let id = try await pipeline({ OperationContext.current?.id }) { ids.insert(id) }
        }
        #expect(ids.count == 1_000)
    }
}

@Suite("Operation id")
struct OperationIDTests {
    @Test(
        "takes over only what is safe in a log and a header",
        arguments: [
            ("abc-DEF_1.2", true), ("", false), ("a b", false), ("a\nb", false), ("ä", false),
            (String(repeating: "x", count: 64), true),
            (String(repeating: "x", count: 65), false),
        ])
    func fromOutside(text: String, isAllowed: Bool) {
        #expect((OperationID(text) != nil) == isAllowed)
        if isAllowed { #expect(OperationID(text)?.description == text) }
    }

    @Test("a generated id is written in 13 characters that can be taken over")
    func generated() {
        let id = OperationID()
        #expect(id.description.count == 13)
        #expect(OperationID(id.description)?.description == id.description)
    }
}
