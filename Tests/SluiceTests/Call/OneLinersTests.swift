// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceTesting
import Testing

@Suite("One-liners", .timeLimit(.minutes(5)))
struct OneLinersTests {
    let time = VirtualTime()
    let gate = Gate()
    private let attempts = Locked(0)

    /// Runs `body` in an operation on virtual time, which somebody else moves on.
    private func stand<Value: Sendable>(
        limit: Duration? = nil, _ body: @escaping @Sendable () async throws -> Value
    ) async -> Result<Value, any Error> {
        var context = OperationContext(name: "o", time: self.time)
        if let limit { context = context.limited(to: self.time.now.advanced(by: limit)) }
        return await OperationContext.$current.withValue(context) {
            do { return .success(try await body()) } catch { return .failure(error) }
        }
    }

    /// Runs `body` in an operation on virtual time, and moves that on whenever something waits.
    private func run<Value: Sendable>(
        limit: Duration? = nil, _ body: @escaping @Sendable () async throws -> Value
    ) async -> Result<Value, any Error> {
        await self.time.running { await self.stand(limit: limit, body) }
    }

    private func count() { self.attempts.withLock { $0 += 1 } }
    private var counted: Int { self.attempts.withLock { $0 } }

    @Test("a retry makes so many attempts, and throws the last one's error")
    func retries() async {
        let result = await self.run {
            try await retry(4, .constant(.seconds(1))) {
                self.count()
                throw Flaky()
            }
        }
        #expect(throws: Flaky.self) { try result.get() }
        #expect(self.counted == 4)
    }

    @Test("a retry does not wait past the deadline around it")
    func retryDeadline() async {
        let start = self.time.now
        let result = await self.run(limit: .milliseconds(2_500)) {
            try await retry(10, .constant(.seconds(1))) {
                self.count()
                throw Flaky()
            }
        }
        #expect(throws: Flaky.self) { try result.get() }
        #expect(self.counted == 3)
        #expect(start.duration(to: self.time.now) == .seconds(2))
    }

    @Test("a timeout is repeated only if the operation is idempotent", arguments: [nil, true])
    func retryTimeouts(isIdempotent: Bool?) async {
        let result = await self.run {
            try await retry(3, .constant(.zero), isIdempotent: isIdempotent) {
                self.count()
                try await withTimeout(.seconds(1)) { try await self.gate.pass() }
            }
        }
        #expect(throws: TimeoutError(policy: "timeout", limit: .seconds(1))) { try result.get() }
        #expect(self.counted == (isIdempotent == true ? 3 : 1))
    }

    @Test("a timeout within a timeout: the one that expires is the one that is reported")
    func nestedTimeouts() async throws {
        async let inner = self.stand(limit: .seconds(100)) {
            try await withTimeout(.seconds(5)) {
                do { try await withTimeout(.seconds(1)) { try await self.gate.pass() } } catch is TimeoutError {}
                return 2
            }
        }
        await self.time.waitForAlarms(2)
        self.time.advance(by: .seconds(1))
        #expect(try await inner.get() == 2)
        async let outer: Result<Void, any Error> = self.stand {
            try await withTimeout(.seconds(1)) {
                do { try await withTimeout(.seconds(5)) { try await self.gate.pass() } } catch is TimeoutError {
                    Issue.record("must not see the outer one")
                }
            }
        }
        // The inner one, which could not come first, sets none.
        await self.time.waitForAlarms(1)
        self.time.advance(by: .seconds(1))
        let result = await outer
        #expect(throws: TimeoutError(policy: "timeout", limit: .seconds(1))) { try result.get() }
        #expect(self.time.alarmsEverSet == 3)
    }

    @Test("a fallback answers a failure, and no cancellation")
    func fallbacks() async throws {
        #expect(
            try await withFallback {
                throw Flaky()
            } or: {
                $0 is Flaky ? 1 : 2
            } == 1)
        #expect(try await safely(default: 3) { throw Flaky() } == 3)
        #expect(try await safely(default: 3) { 4 } == 4)
        await #expect(throws: CancellationError.self) { try await safely(default: 3) { throw CancellationError() } }
        let task = Task {
            try await safely(default: 3) {
                try? await self.gate.pass()
                throw Flaky()
            }
        }
        await self.gate.waitForArrivals(1)
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    @Test("a race returns the first success, and stops the others before it does")
    func races() async throws {
        let hasStopped = Locked(false)
        let winner: Int = try await race(
            { () async throws -> Int in throw Flaky() },
            { () async throws -> Int in
                do { try await self.gate.pass() } catch { hasStopped.withLock { $0 = true } }
                return 1
            },
            { () async throws -> Int in
                await self.gate.waitForArrivals(1)
                return 2
            })
        #expect(winner == 2)
        #expect(hasStopped.withLock { $0 })
    }

    @Test("if all fail, a race throws the first one's error, and a cancelled one a cancellation")
    func lostRaces() async {
        await #expect(throws: Flaky.self) {
            try await race({ throw Flaky() }, { throw Advised(retryAdvice: .never) })
        }
        let task = Task { try await race({ try await self.gate.pass() }, { try await self.gate.pass() }) }
        await self.gate.waitForArrivals(2)
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    @Test("tests can turn them off")
    func off() async {
        var context = OperationContext(name: "o", time: self.time)
        context.mode = .off
        await OperationContext.$current.withValue(context) {
            _ = try? await retry {
                self.count()
                throw Flaky()
            }
        }
        #expect(self.counted == 1)
    }
}
