// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceTesting
import Testing

@Suite("Circuit breaker rules")
struct CircuitBreakerMachineTests {
    let start = Instant(nanoseconds: 0)

    private func ticket(_ machine: inout CircuitBreakerMachine, at seconds: Int) -> CircuitBreakerMachine.Ticket? {
        guard case .run(let ticket) = machine.admit(at: self.start.advanced(by: .seconds(seconds))) else { return nil }
        return ticket
    }

    /// A breaker that opened at 0 s for 5 s.
    private func opened() throws -> CircuitBreakerMachine {
        var machine = CircuitBreakerMachine(CircuitBreakerSettings(consecutiveFailures: 1, openFor: .seconds(5)))
        let ticket = try #require(self.ticket(&machine, at: 0))
        #expect(machine.recordFailure(ticket, at: self.start) == .opened)
        return machine
    }

    @Test("opens at the threshold, counting failures in a row only")
    func threshold() throws {
        var machine = CircuitBreakerMachine(CircuitBreakerSettings(consecutiveFailures: 3, openFor: .seconds(5)))
        for _ in 0..<5 {
            for _ in 0..<2 {
                let ticket = try #require(self.ticket(&machine, at: 0))
                #expect(machine.recordFailure(ticket, at: self.start) == nil)
            }
            let ticket = try #require(self.ticket(&machine, at: 0))
            #expect(machine.recordSuccess(ticket, at: self.start) == nil)
        }
        #expect(machine.phase == .closed)
    }

    @Test("rejects until its time has passed, then admits one probe")
    func coolDown() throws {
        var machine = try self.opened()
        #expect(machine.admit(at: self.start.advanced(by: .seconds(4))) == .reject(retryAfter: .seconds(1)))
        let probe = try #require(self.ticket(&machine, at: 5))
        #expect(probe.isProbe)
        #expect(machine.admit(at: self.start.advanced(by: .seconds(5))) == .reject(retryAfter: .seconds(5)))
        #expect(machine.recordSuccess(probe, at: self.start) == .closed)
        #expect(self.ticket(&machine, at: 5)?.isProbe == false)
    }

    @Test("a failed probe opens it again")
    func failedProbe() throws {
        var machine = try self.opened()
        let probe = try #require(self.ticket(&machine, at: 5))
        #expect(machine.recordFailure(probe, at: self.start.advanced(by: .seconds(6))) == .opened)
        #expect(machine.admit(at: self.start.advanced(by: .seconds(7))) == .reject(retryAfter: .seconds(4)))
    }

    @Test("a cancelled probe proves nothing: it neither closes nor opens, and its place goes to the next call")
    func cancelledProbe() throws {
        var machine = try self.opened()
        let probe = try #require(self.ticket(&machine, at: 5))
        machine.recordIgnored(probe)
        #expect(machine.phase != .closed)
        #expect(self.ticket(&machine, at: 5)?.isProbe == true)
    }

    @Test("a result from before it opened moves nothing")
    func staleResults() throws {
        var machine = CircuitBreakerMachine(CircuitBreakerSettings(consecutiveFailures: 1, openFor: .seconds(5)))
        let slow = try #require(self.ticket(&machine, at: 0))
        let slower = try #require(self.ticket(&machine, at: 0))
        let failed = try #require(self.ticket(&machine, at: 0))
        _ = machine.recordFailure(failed, at: self.start)
        #expect(machine.recordSuccess(slow, at: self.start) == .stale)
        #expect(machine.phase != .closed)
        let probe = try #require(self.ticket(&machine, at: 5))
        #expect(machine.recordSuccess(slower, at: self.start) == .stale)
        #expect(machine.phase != .closed)
        #expect(machine.recordSuccess(probe, at: self.start) == .closed)
        #expect(machine.recordFailure(failed, at: self.start) == .stale)
        #expect(machine.phase == .closed)
    }

    @Test("a probe that never reports does not keep it half open for ever")
    func lostProbe() throws {
        var machine = try self.opened()
        let lost = try #require(self.ticket(&machine, at: 5))
        #expect(self.ticket(&machine, at: 9) == nil)
        let next = try #require(self.ticket(&machine, at: 10))
        #expect(machine.recordSuccess(lost, at: self.start) == .stale)
        #expect(machine.recordSuccess(next, at: self.start) == .closed)
    }

    @Test("never admits two probes at once, over a hundred thousand random steps", arguments: [3, 4] as [UInt64])
    func model(seed: UInt64) {
        let random = Randomness(seed: seed)
        var machine = CircuitBreakerMachine(CircuitBreakerSettings(consecutiveFailures: 2, openFor: .seconds(5)))
        var out: [CircuitBreakerMachine.Ticket] = []
        var now = self.start
        var leaseEnd = self.start
        for _ in 0..<100_000 {
            now = now.advanced(by: .milliseconds(Int(random.fraction() * 900)))
            if random.fraction() < 0.5 || out.isEmpty {
                guard case .run(let ticket) = machine.admit(at: now) else { continue }
                if ticket.isProbe {
                    let others = out.filter { $0.isProbe && now < leaseEnd }
                    #expect(others.isEmpty)
                    leaseEnd = now.advanced(by: .seconds(5))
                }
                out.append(ticket)
                continue
            }
            let ticket = out.remove(at: Int(random.fraction() * Double(out.count)))
            if ticket.isProbe, now < leaseEnd { leaseEnd = now }
            switch Int(random.fraction() * 3) {
            case 0: _ = machine.recordSuccess(ticket, at: self.start)
            case 1: _ = machine.recordFailure(ticket, at: now)
            default: machine.recordIgnored(ticket)
            }
        }
    }
}

@Suite("Circuit breaker", .timeLimit(.minutes(5)))
struct CircuitBreakerTests {
    let time = VirtualTime()

    @Test("turns calls away without running them, and says when to come back")
    func rejects() async throws {
        let observer = RecordingObserver()
        let breaker = CircuitBreaker(consecutiveFailures: 2, openFor: .seconds(60))
        let pipeline = Pipeline("p", time: self.time, observer: observer) { breaker }
        for _ in 0..<2 { await #expect(throws: Flaky.self) { try await pipeline { throw Flaky() } } }
        self.time.advance(by: .seconds(20))
        let rejection = RejectionError(policy: "circuitBreaker", reason: .circuitOpen, retryAfter: .seconds(40))
        await #expect(throws: rejection) { try await pipeline { Issue.record("must not run") } }
        self.time.advance(by: .seconds(40))
        try await pipeline {}
        #expect(breaker.isClosed)
        let names = observer.names.filter { $0.hasPrefix("circuitBreaker") }
        #expect(names == ["opened", "rejected", "probing", "closed"].map { "circuitBreaker.\($0)" })
    }

    @Test("a cancelled call counts neither way, and a cancelled probe does not close it")
    func cancellation() async {
        let gate = Gate()
        let breaker = CircuitBreaker(consecutiveFailures: 1, openFor: .seconds(60))
        let pipeline = Pipeline("p", time: self.time) { breaker }
        func cancelOne() async {
            let task = Task { try await pipeline { try await gate.pass() } }
            await gate.waitForArrivals(1)
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
        }
        await cancelOne()
        #expect(breaker.isClosed)
        await #expect(throws: Flaky.self) { try await pipeline { throw Flaky() } }
        self.time.advance(by: .seconds(60))
        await cancelOne()
        #expect(!breaker.isClosed)
        await #expect(throws: Never.self) { try await pipeline {} }
        #expect(breaker.isClosed)
    }

    @Test("an error that is no failure does not open it")
    func benignErrors() async {
        let breaker = CircuitBreaker(consecutiveFailures: 1) { !($0 is Flaky) }
        let pipeline = Pipeline("p", time: self.time) { breaker }
        await #expect(throws: Flaky.self) { try await pipeline { throw Flaky() } }
        #expect(breaker.isClosed)
    }

    @Test("a timeout inside counts as a failure")
    func timeouts() async {
        let breaker = CircuitBreaker(consecutiveFailures: 1)
        let gate = Gate()
        let pipeline = Pipeline("p", time: self.time) {
            breaker
            Timeout(.seconds(1))
        }
        let task = Task { try await pipeline { try await gate.pass() } }
        await self.time.waitForAlarms(1)
        self.time.advance(by: .seconds(1))
        await #expect(throws: TimeoutError.self) { try await task.value }
        #expect(!breaker.isClosed)
    }
}
