// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceTesting
import Testing

@Suite("Operations", .timeLimit(.minutes(5)))
struct WithOperationTests {
    let time = VirtualTime()
    let observer = RecordingObserver()

    /// An outermost context on virtual time.
    private func around<Value>(_ body: () async throws -> Value) async rethrows -> Value {
        let context = OperationContext(name: "request", time: self.time, observer: self.observer)
        return try await OperationContext.$current.withValue(context, operation: body)
    }

    @Test("what is called within inherits id, priority, baggage and deadline, and not the attributes")
    func inheritance() async throws {
        let pipeline = Pipeline("call", time: self.time) { Retry() }
        try await self.around {
            try await withOperation(
                "import", attributes: ["file": "a.csv"], baggage: ["tenant": "7"], priority: .low, limit: .seconds(5)
            ) { operation in
                #expect(operation.attributes == ["file": "a.csv"])
                try await withOperation("row", baggage: ["row": "1"]) { row in
                    #expect(row.attributes.isEmpty)
                    #expect(row.baggage == ["tenant": "7", "row": "1"])
                    let outcome = await pipeline.outcome { context in
                        #expect(context.id == operation.id)
                        #expect(context.priority == .low)
                        #expect(context.baggage == ["tenant": "7", "row": "1"])
                        #expect(context.remaining == .seconds(5))
                        #expect(context.trail.names == ["request", "import", "row", "call"])
                    }
                    try outcome.get()
                }
                #expect(operation.baggage == ["tenant": "7"])
            }
        }
    }

    @Test(
        "its end is an event, with how it ended and how long it took", arguments: ["success", "failure", "cancelled"])
    func event(label: String) async {
        _ = try? await self.around {
            try await withOperation("import") { _ in
                self.time.advance(by: .seconds(3))
                if label == "failure" { throw Flaky() }
                if label == "cancelled" { throw CancellationError() }
            }
        }
        let expected = PolicyEvent(.operationFinished, policy: "import", outcome: label, duration: .seconds(3))
        #expect(self.observer.events == [expected])
    }

    @Test("errors pass through unchanged")
    func errors() async {
        await #expect(throws: Flaky.self) { try await withOperation("import") { _ in throw Flaky() } }
        let timeout = TimeoutError(policy: "timeout", limit: .seconds(1))
        await #expect(throws: timeout) { try await withOperation("import") { _ in throw timeout } }
    }

    @Test("a deadline of another time line is not inherited")
    func timeLines() async throws {
        let other = Pipeline("call", time: VirtualTime()) { Retry() }
        try await self.around {
            try await withOperation("import", limit: .seconds(5)) { _ in
                let outcome = await other.outcome { #expect($0.remaining == nil) }
                try outcome.get()
            }
        }
    }
}
