// SPDX-License-Identifier: Apache-2.0
import Sluice
import Testing

/// What a breaker is documented to do, written down the slow way.
private struct NaiveBreaker {
    enum Phase { case closed, open, halfOpen }

    let settings: CircuitBreakerSettings
    var phase = Phase.closed
    /// Counts changes of phase and rounds of probes.
    var era = 0
    var inARow = 0
    var recent: [(failed: Bool, slow: Bool)] = []
    var openUntil: Int64 = 0
    var openings = 0
    var probesOut = 0
    var probesOK = 0
    var probesFailed = 0
    var leaseUntil: Int64 = 0

    init(_ settings: CircuitBreakerSettings) {
        self.settings = settings
    }

    mutating func enter(_ phase: Phase) {
        self.phase = phase
        self.era += 1
        self.inARow = 0
        self.recent = []
        (self.probesOut, self.probesOK, self.probesFailed) = (0, 0, 0)
    }

    /// Nil if turned away, otherwise whether the call is a probe.
    mutating func admit(at now: Int64) -> Bool? {
        if self.phase == .closed { return false }
        if self.phase == .open {
            guard now >= self.openUntil else { return nil }
            self.enter(.halfOpen)
        } else if self.probesOut + self.probesOK + self.probesFailed >= self.settings.probes {
            guard now >= self.leaseUntil else { return nil }
            self.enter(.halfOpen)
        }
        self.probesOut += 1
        self.leaseUntil = now + self.settings.openFor.clampedNanoseconds
        return true
    }

    mutating func end(era: Int, failed: Bool, slow: Bool, at now: Int64) {
        guard era == self.era, self.phase != .open else { return }
        if self.phase == .halfOpen { return self.endProbe(failed: failed, at: now) }
        self.inARow = failed ? self.inARow + 1 : 0
        self.recent.append((failed, slow))
        if self.recent.count > self.settings.windowCalls { self.recent.removeFirst() }
        if failed, self.settings.consecutiveFailures > 0, self.inARow >= self.settings.consecutiveFailures {
            return self.open(at: now)
        }
        let calls = self.recent.count
        guard calls >= self.settings.minimumCalls else { return }
        let fails = Double(self.recent.count { $0.failed }) / Double(calls)
        let slows = Double(self.recent.count { $0.slow }) / Double(calls)
        if self.settings.failureRate > 0 && fails >= self.settings.failureRate { return self.open(at: now) }
        if self.settings.slowCallRate > 0 && slows >= self.settings.slowCallRate { return self.open(at: now) }
    }

    mutating func endProbe(failed: Bool, at now: Int64) {
        self.probesOut -= 1
        if failed { self.probesFailed += 1 } else { self.probesOK += 1 }
        let total = Double(self.settings.probes)
        if Double(self.probesOK) / total >= self.settings.closeRatio, self.probesOK > 0 {
            self.openings = 0
            return self.enter(.closed)
        }
        // It can no longer be reached.
        let best = self.settings.probes - self.probesFailed
        if Double(best) / total < self.settings.closeRatio || best == 0 { self.open(at: now) }
    }

    mutating func ignore(era: Int) {
        if era == self.era, self.phase == .halfOpen { self.probesOut -= 1 }
    }

    mutating func open(at now: Int64) {
        self.openings += 1
        var openFor = self.settings.openFor.clampedNanoseconds
        for _ in 1..<self.openings where openFor < self.settings.maximumOpenFor.clampedNanoseconds { openFor *= 2 }
        self.openUntil = now + min(openFor, self.settings.maximumOpenFor.clampedNanoseconds)
        self.enter(.open)
    }
}

@Suite("Circuit breaker against a model", .timeLimit(.minutes(5)), .offThePool)
struct CircuitBreakerModelTests {
    private static let kinds = [
        CircuitBreakerSettings(consecutiveFailures: 2, openFor: .seconds(5)),
        CircuitBreakerSettings(
            consecutiveFailures: 0, failureRate: 0.6, windowCalls: 10, minimumCalls: 5, openFor: .seconds(2),
            maximumOpenFor: .seconds(30), probes: 3, closeRatio: 2.0 / 3),
        CircuitBreakerSettings(
            consecutiveFailures: 6, failureRate: 0.7, slowCallRate: 0.55, slowCall: .seconds(1), windowCalls: 20,
            minimumCalls: 20, openFor: .seconds(1), maximumOpenFor: .seconds(7), probes: 10, closeRatio: 0.07),
    ]

    @Test("decides as the model does, over a million random steps in all", arguments: [0, 1, 2])
    func model(kind: Int) {
        let settings = Self.kinds[kind]
        var dice = Dice(UInt64(kind) + 40)
        var machine = CircuitBreakerMachine(settings)
        var model = NaiveBreaker(settings)
        var running: [(ticket: CircuitBreakerMachine.Ticket, era: Int)] = []
        var now: Int64 = 0
        for step in 0..<333_334 {
            now += Int64(dice.roll(400_000_000))
            let instant = Instant(nanoseconds: now)
            if dice.roll(2) == 0 || running.isEmpty {
                let expected = model.admit(at: now)
                var isProbe: Bool?
                if case .run(let ticket) = machine.admit(at: instant) {
                    isProbe = ticket.isProbe
                    running.append((ticket, model.era))
                }
                guard isProbe == expected else { return #expect(isProbe == expected, "step \(step)") }
                continue
            }
            running.swapAt(dice.roll(running.count), running.count - 1)
            let (ticket, era) = running.removeLast()
            let duration = Duration.milliseconds(dice.roll(2_000))
            let isSlow = duration >= settings.slowCall
            switch dice.roll(5) {
            case 0, 1:
                model.end(era: era, failed: false, slow: isSlow, at: now)
                _ = machine.recordSuccess(ticket, at: instant, duration: duration)
            case 2, 3:
                model.end(era: era, failed: true, slow: isSlow, at: now)
                _ = machine.recordFailure(ticket, at: instant, duration: duration)
            default:
                model.ignore(era: era)
                machine.recordIgnored(ticket)
            }
            let isSame = (machine.phase == .closed) == (model.phase == .closed)
            guard isSame else { return #expect(isSame, "step \(step): \(machine.phase), model \(model.phase)") }
            // Some calls never report.
            if running.count > 40 { running.removeFirst(20) }
        }
    }

    @Test("a rate is reached exactly, whatever its digits", arguments: [10, 25, 50, 100])
    func exactRates(calls: Int) {
        for failures in 1...calls {
            let rate = Double(failures) / Double(calls)
            var machine = CircuitBreakerMachine(
                CircuitBreakerSettings(
                    consecutiveFailures: 0, failureRate: rate, windowCalls: calls, minimumCalls: calls, probes: calls,
                    closeRatio: rate))
            let now = Instant(nanoseconds: 0)
            for call in 0..<calls {
                guard case .run(let ticket) = machine.admit(at: now) else { return fail("rejected") }
                // The successes first, so that the last failure is the one that counts.
                if call < calls - failures {
                    _ = machine.recordSuccess(ticket, at: now)
                } else {
                    _ = machine.recordFailure(ticket, at: now)
                }
            }
            guard machine.phase == .open else { return fail("\(failures) of \(calls) did not open it") }
            let later = now.advanced(by: .seconds(60))
            for _ in 0..<failures {
                guard case .run(let ticket) = machine.admit(at: later) else { return fail("no probe") }
                _ = machine.recordSuccess(ticket, at: later)
            }
            guard machine.phase == .closed else { return fail("\(failures) of \(calls) did not close it") }
        }
    }
}
