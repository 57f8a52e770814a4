// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceTesting

/// Opens for a second after five failures; one probe.
enum BreakerScenarios {
    static func all() async throws -> [Result] {
        [
            try await self.cancelledProbe(), try await self.staleSuccess(), try await self.probeLeak(),
            try await self.overAdmission(), try await self.businessErrors(), try await self.cancellationIsNoFailure(),
        ]
    }

    /// A breaker, and calls through it whose operations are counted.
    private final class Calls: Sendable {
        let world = World()
        let started = Locked(0)
        let pipeline: Pipeline<CircuitBreaker>

        init(excluding isExcluded: @escaping @Sendable (any Error) -> Bool = { _ in false }) {
            self.pipeline = Pipeline("calls", time: self.world.time) {
                CircuitBreaker(consecutiveFailures: 5, openFor: .seconds(1)) { !isExcluded($0) }
            }
        }

        /// A call; its operation ends as `end` does.
        @discardableResult
        func call(_ end: @escaping @Sendable () async throws -> Void) -> Task<Void, any Error> {
            self.world.start {
                try await self.pipeline {
                    self.started.withLock { $0 += 1 }
                    try await end()
                }
            }
        }

        func run(_ end: @escaping @Sendable () async throws -> Void) {
            self.call(end)
            self.world.advance(by: .zero)
        }

        func open() {
            for _ in 0..<5 { self.run { throw Failure() } }
        }

        func hang() async throws { try await self.world.time.sleep(until: .distantFuture) }

        /// Whether a call's operation starts.
        func admits(_ end: @escaping @Sendable () async throws -> Void) -> Bool {
            let before = self.started.withLock { $0 }
            self.run(end)
            return self.started.withLock { $0 } > before
        }
    }

    private static func cancelledProbe() async throws -> Result {
        let calls = Calls()
        calls.open()
        calls.world.advance(by: .milliseconds(1_010))
        let probe = calls.call { try await calls.hang() }
        calls.world.advance(by: .zero)
        probe.cancel()
        calls.world.advance(by: .zero)
        let isStuck = !calls.admits { throw Failure() }
        let isClosed = calls.admits {}
        return Result(
            "cancelled-probe", passes: !isStuck && !isClosed,
            isStuck
                ? "stuck after the probe was cancelled"
                : isClosed ? "closed by a cancelled probe" : "the next call was the probe")
    }

    private static func staleSuccess() async throws -> Result {
        let calls = Calls()
        let gate = Gate()
        calls.run { try await gate.pass() }
        calls.open()
        calls.world.advance(by: .seconds(1))
        let probeGate = Gate()
        calls.run {
            try await probeGate.pass()
            throw Failure()
        }
        gate.open()
        calls.world.advance(by: .zero)
        probeGate.open()
        calls.world.advance(by: .zero)
        let isClosed = calls.admits {}
        return Result(
            "stale-success", passes: !isClosed,
            isClosed ? "the old success closed it" : "the old success was ignored, and an event says so")
    }

    private static func probeLeak() async throws -> Result {
        let calls = Calls()
        calls.open()
        calls.world.advance(by: .seconds(1))
        calls.run { try await calls.hang() }
        let start = calls.world.time.now
        for _ in 0..<60 {
            calls.world.advance(by: .seconds(1))
            if calls.admits({}) {
                let seconds = calls.world.seconds(since: start)
                return Result("probe-leak", passes: true, figure: seconds, unit: "s", "the lost probe's lease expired")
            }
        }
        return Result("probe-leak", passes: false, "no probe was admitted in 60 s")
    }

    private static func overAdmission() async throws -> Result {
        let calls = Calls()
        calls.open()
        let before = calls.started.withLock { $0 }
        calls.world.advance(by: .seconds(1))
        for _ in 0..<50 { calls.call { try await calls.hang() } }
        calls.world.advance(by: .zero)
        let probes = calls.started.withLock { $0 } - before
        return Result(
            "over-admission", passes: probes == 1, figure: Double(probes), unit: "calls",
            "of 50 calls at once \(probes) ran")
    }

    private static func businessErrors() async throws -> Result {
        let calls = Calls { $0 is Failure }
        for _ in 0..<10 { calls.run { throw Failure() } }
        calls.run {}
        let ran = calls.started.withLock { $0 }
        return Result("business-errors", passes: ran == 11, "\(ran) of 11 calls ran")
    }

    private static func cancellationIsNoFailure() async throws -> Result {
        let calls = Calls()
        for _ in 0..<5 {
            let call = calls.call { try await calls.hang() }
            calls.world.advance(by: .zero)
            call.cancel()
            calls.world.advance(by: .zero)
        }
        let runs = calls.admits {}
        return Result(
            "cancellation-not-failure", passes: runs, runs ? "the sixth call ran" : "five cancelled calls opened it")
    }
}
