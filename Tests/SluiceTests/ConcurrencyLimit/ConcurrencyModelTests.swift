// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Sluice

/// A limit with a plain list of who waits.
private struct NaiveLimit {
    struct Waiter {
        let ticket: UInt64
        let priority: Int
        let arrival: Int64
    }

    var maximum: Int
    let maximumQueued: Int
    let order: ConcurrencyLimitSettings.Order
    /// When the queue that stands now began to.
    var standsSince: Int64 = 0
    var inFlight = 0
    /// In order of arrival.
    var waiting: [Waiter] = []
    var tickets: UInt64 = 0

    mutating func ask(_ priority: OperationPriority, at now: Int64) -> ConcurrencyMachine.Answer {
        if self.inFlight < self.maximum, self.waiting.isEmpty {
            self.inFlight += 1
            return .run
        }
        var shed: UInt64?
        if self.waiting.count >= self.maximumQueued {
            guard let lowest = self.waiting.map(\.priority).min(), lowest < priority.rawValue,
                let victim = self.waiting.lastIndex(where: { $0.priority == lowest })
            else { return .full }
            shed = self.waiting.remove(at: victim).ticket
        }
        if self.waiting.isEmpty, shed == nil { self.standsSince = now }
        self.tickets += 1
        self.waiting.append(Waiter(ticket: self.tickets, priority: priority.rawValue, arrival: now))
        return .wait(self.tickets, shedding: shed)
    }

    mutating func giveUp(_ ticket: UInt64) -> Bool {
        guard let index = self.waiting.firstIndex(where: { $0.ticket == ticket }) else { return false }
        self.waiting.remove(at: index)
        return true
    }

    mutating func release(at now: Int64) -> ConcurrencyMachine.Turn {
        self.inFlight -= 1
        return self.admit(at: now)
    }

    /// CoDel's rule: 100 ns at most, 10 ns once a queue has stood for 100.
    private func isOverdue(_ waiter: Waiter, _ now: Int64) -> Bool {
        self.order == .codel && now - waiter.arrival > (now - self.standsSince > 100 ? 10 : 100)
    }

    mutating func admit(at now: Int64) -> ConcurrencyMachine.Turn {
        var turn = ConcurrencyMachine.Turn()
        while self.inFlight < self.maximum, let highest = self.waiting.map(\.priority).max() {
            let index =
                self.order == .lifo
                ? self.waiting.lastIndex { $0.priority == highest }
                : self.waiting.firstIndex { $0.priority == highest }
            guard let index else { break }
            let waiter = self.waiting.remove(at: index)
            guard !self.isOverdue(waiter, now) else {
                turn.expired.append(waiter.ticket)
                continue
            }
            turn.admitted.append(waiter.ticket)
            self.inFlight += 1
        }
        return turn
    }
}

@Suite("Concurrency limit against a model", .timeLimit(.minutes(5)), .offThePool)
struct ConcurrencyModelTests {
    @Test(
        "serves whom a plain list would, over a million random steps",
        arguments: [(1, 0, .fifo), (2, 6, .lifo), (3, 60, .fifo), (4, 60, .lifo), (5, 60, .codel)]
            as [(UInt64, Int, ConcurrencyLimitSettings.Order)])
    func model(seed: UInt64, maximumQueued: Int, order: ConcurrencyLimitSettings.Order) throws {
        var dice = Dice(seed)
        var settings = ConcurrencyLimitSettings(
            maximum: 3, maximumQueued: maximumQueued, order: order, codelTarget: .nanoseconds(10),
            codelInterval: .nanoseconds(100))
        var machine = ConcurrencyMachine(settings)
        var model = NaiveLimit(maximum: 3, maximumQueued: maximumQueued, order: order)
        var time: Int64 = 0
        /// What the machine was last told of the time.
        var told: Int64 = 0
        var expired = 0
        for step in 0..<250_000 {
            time += Int64(dice.roll(12))
            let now = Instant(nanoseconds: time)
            let roll = dice.roll(100)
            // More come than go for a while, and then the other way round, so that the queue is full and empty in turn.
            let comes = (step / 1_000) % 2 == 0 ? 60 : 35
            if roll < comes {
                let priority = OperationPriority.allCases[dice.roll(4)]
                let expected = model.ask(priority, at: time)
                if case .wait = expected { told = time }
                let answer = machine.ask(priority, at: now)
                guard answer == expected else { return #expect(answer == expected, "step \(step)") }
            } else if roll < 75 {
                guard model.inFlight > 0 else { continue }
                if !model.waiting.isEmpty { told = time }
                let expected = model.release(at: time)
                let turn = machine.release(.ignored, at: now)
                guard turn == expected else { return #expect(turn == expected, "step \(step)") }
                expired += turn.expired.count
            } else if roll < 99 {
                // Mostly one that waits, now and then one that does not any more.
                let ticket =
                    model.waiting.isEmpty || dice.roll(4) == 0
                    ? UInt64(dice.roll(step + 1)) : model.waiting[dice.roll(model.waiting.count)].ticket
                let expected = model.giveUp(ticket)
                guard machine.giveUp(ticket) == expected else { return fail("step \(step): \(ticket)") }
            } else {
                settings.maximum = 1 + dice.roll(5)
                model.maximum = settings.maximum
                let expected = model.admit(at: told)
                let turn = try machine.update(settings)
                guard turn == expected else { return #expect(turn == expected, "step \(step)") }
            }
            guard machine.inFlight == model.inFlight, machine.queued == model.waiting.count,
                machine.queued <= maximumQueued
            else { return fail("step \(step): \(machine.inFlight) run, \(machine.queued) wait") }
        }
        #expect((expired > 1_000) == (order == .codel))
    }

    @Test("who leaves the queue leaves nothing behind")
    func memory() {
        var queue = WaitQueue()
        let now = Instant(nanoseconds: 0)
        queue.append(WaitQueue.Waiter(ticket: 0, arrival: now), .normal)
        for ticket in 1..<100_000 as Range<UInt64> {
            queue.append(WaitQueue.Waiter(ticket: ticket, arrival: now), .normal)
            _ = queue.remove(ticket)
        }
        #expect("\(queue)".utf8.count < 20_000)
        let last = queue.pop(newest: true)
        #expect(last?.ticket == 0)
    }
}
