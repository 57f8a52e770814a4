// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceTesting
import Testing

@Suite("Fallback", .timeLimit(.minutes(5)))
struct FallbackTests {
    let time = VirtualTime()
    let observer = RecordingObserver()

    private func pipeline(_ fallback: Fallback<Int>) -> Pipeline<Fallback<Int>> {
        Pipeline("p", time: self.time, observer: self.observer) { fallback }
    }

    @Test("answers a failure with its value, and leaves a success alone")
    func value() async throws {
        let pipeline = self.pipeline(Fallback { _ in 7 })
        #expect(try await pipeline { 1 } == 1)
        #expect(try await pipeline { throw Flaky() } == 7)
        #expect(self.observer.names == ["pipeline.finished", "fallback.used", "pipeline.finished"])
    }

    @Test("answers a rejection and a timeout too")
    func others() async throws {
        let breaker = CircuitBreaker()
        let pipeline = Pipeline("p", time: self.time) {
            Fallback { $0 is RejectionError ? 1 : 2 }
            breaker
            Timeout(.seconds(1))
        }
        let slow = await self.time.running {
            await pipeline.outcome { _ async throws -> Int in
                try await self.time.sleep(until: .distantFuture)
                return 0
            }
        }
        #expect(try slow.get() == 2)
        breaker.isolate()
        #expect(try await pipeline { 0 } == 1)
    }

    @Test("a failure it does not handle, or cannot answer, stands")
    func stands() async {
        await #expect(throws: Flaky.self) {
            try await self.pipeline(Fallback(when: { $0 is Advised }) { _ in 7 }).thrown()
        }
        await #expect(throws: Flaky.self) {
            try await self.pipeline(Fallback { _ in throw Advised(retryAdvice: .never) }).thrown()
        }
    }

    @Test("for a value of another type the failure stands, and an event says so")
    func mismatch() async {
        let pipeline = self.pipeline(Fallback { _ in 7 })
        await #expect(throws: Flaky.self) { try await pipeline { () -> String in throw Flaky() } }
        #expect(self.observer.names.contains("fallback.mismatched"))
    }

    @Test("cancellation is never answered")
    func cancellation() async {
        let gate = Gate()
        let pipeline = self.pipeline(
            Fallback { _ in
                Issue.record("must not run")
                return 7
            })
        let task = Task {
            try await pipeline {
                try await gate.pass()
                return 1
            }
        }
        await gate.waitForArrivals(1)
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }
}

extension Pipeline {
    /// Runs an operation that throws.
    fileprivate func thrown() async throws -> Int { try await self { throw Flaky() } }
}
