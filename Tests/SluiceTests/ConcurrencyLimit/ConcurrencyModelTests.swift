// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Sluice

/// A limit with a plain list of who waits.
private struct NaiveLimit {
    struct Waiter {
        let ticket: UInt64
        let priority: Int
    }

    var maximum: Int
    let maximumQueued: Int
    let isNewestFirst: Bool
    var inFlight = 0
    /// In order of arrival.
    var waiting: [Waiter] = []
    var tickets: UInt64 = 0

    mutating func ask(_ priority: OperationPriority) -> ConcurrencyMachine.Answer {
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
        self.tickets += 1
        self.waiting.append(Waiter(ticket: self.tickets, priority: priority.rawValue))
        return .wait(self.tickets, shedding: shed)
    }

    mutating func giveUp(_ ticket: UInt64) -> Bool {
        guard let index = self.waiting.firstIndex(where: { $0.ticket == ticket }) else { return false }
        self.waiting.remove(at: index)
        return true
    }

    mutating func release() -> [UInt64] {
        self.inFlight -= 1
        return self.admit()
    }

    mutating func admit() -> [UInt64] {
        var admitted: [UInt64] = []
        while self.inFlight < self.maximum, let highest = self.waiting.map(\.priority).max() {
            let index =
                self.isNewestFirst
                ? self.waiting.lastIndex { $0.priority == highest }
                : self.waiting.firstIndex { $0.priority == highest }
            guard let index else { break }
            admitted.append(self.waiting.remove(at: index).ticket)
            self.inFlight += 1
        }
        return admitted
    }
}

@Suite("Concurrency limit against a model", .timeLimit(.minutes(5)))
struct ConcurrencyModelTests {
    @Test(
        "serves whom a plain list would, over a million random steps",
        arguments: [(1, 0, false), (2, 6, true), (3, 60, false), (4, 60, true)] as [(UInt64, Int, Bool)])
    func model(seed: UInt64, maximumQueued: Int, isNewestFirst: Bool) throws {
        var dice = Dice(seed)
        var settings = ConcurrencyLimitSettings(
            maximum: 3, maximumQueued: maximumQueued, order: isNewestFirst ? .lifo : .fifo)
        var machine = ConcurrencyMachine(settings)
        var model = NaiveLimit(maximum: 3, maximumQueued: maximumQueued, isNewestFirst: isNewestFirst)
        let now = Instant(nanoseconds: 0)
        for step in 0..<250_000 {
            let roll = dice.roll(100)
            // More come than go for a while, and then the other way round, so that the queue is full and empty in turn.
            let comes = (step / 1_000) % 2 == 0 ? 60 : 35
            if roll < comes {
                let priority = OperationPriority.allCases[dice.roll(4)]
                let expected = model.ask(priority)
                let answer = machine.ask(priority, at: now)
                guard answer == expected else { return #expect(answer == expected, "step \(step)") }
            } else if roll < 75 {
                guard model.inFlight > 0 else { continue }
                let expected = model.release()
                let turn = machine.release(.ignored, at: now)
                guard turn.admitted == expected, turn.expired.isEmpty else {
                    return #expect(turn.admitted == expected, "step \(step)")
                }
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
                let expected = model.admit()
                let turn = try machine.update(settings)
                guard turn.admitted == expected else { return #expect(turn.admitted == expected, "step \(step)") }
            }
            guard machine.inFlight == model.inFlight, machine.queued == model.waiting.count,
                machine.queued <= maximumQueued
            else { return fail("step \(step): \(machine.inFlight) run, \(machine.queued) wait") }
        }
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
