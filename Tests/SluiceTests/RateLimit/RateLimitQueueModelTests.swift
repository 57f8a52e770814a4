// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Sluice

/// A limit with a plain list of who waits, around the same bucket or window, which have models of their own.
private struct NaiveQueue {
    struct Waiter {
        let ticket: UInt64
        let priority: Int
        let cost: Int
    }

    var settings: RateLimitSettings
    var bucket: GCRA
    var window: SlidingWindow?
    /// In order of arrival.
    var waiting: [Waiter] = []
    var tickets: UInt64 = 0
    /// New settings, until the time is known.
    var next: RateLimitSettings?

    init(_ settings: RateLimitSettings) {
        self.settings = settings
        self.bucket = settings.emptyBucket
        self.window = settings.emptyWindow
    }

    var largest: Int { self.window == nil ? self.settings.burst : self.settings.count }

    /// The first of the highest priority.
    var first: Int? {
        guard let highest = self.waiting.map(\.priority).max() else { return nil }
        return self.waiting.firstIndex { $0.priority == highest }
    }

    mutating func takes(_ cost: Int, at now: Instant) -> Bool {
        guard cost <= self.largest else { return false }
        let decision =
            self.window?.take(at: now, cost: cost, patience: .zero)
            ?? self.bucket.take(at: now, cost: cost, patience: .zero)
        return decision == .taken(wait: .zero)
    }

    mutating func tell(_ now: Instant) {
        guard let next = self.next else { return }
        self.bucket.change(to: next.emptyBucket, at: now)
        self.next = nil
    }

    mutating func update(_ settings: RateLimitSettings) {
        self.settings = settings
        self.next = settings
        guard let window = self.window else { return }
        self.window = settings.emptyWindow
        self.window?.takeOver(window)
    }

    func wake(at now: Instant) -> Instant? {
        guard let first = self.first else { return nil }
        let cost = min(self.waiting[first].cost, self.largest)
        return now.advanced(
            byNanoseconds: self.window?.wait(for: cost, behind: 0, at: now) ?? self.bucket.wait(for: cost, at: now))
    }

    mutating func ask(_ priority: Int, at now: Instant, cost: Int, patience: Int64) -> RateLimitMachine.Answer {
        self.tell(now)
        if self.waiting.isEmpty, self.takes(cost, at: now) { return .run }
        let ahead = self.waiting.filter { $0.priority >= priority }.map(\.cost).reduce(0, +)
        let wait =
            cost > self.largest
            ? .max
            : self.window?.wait(for: cost, behind: ahead, at: now) ?? self.bucket.wait(for: ahead + cost, at: now)
        guard wait <= patience, self.waiting.count < self.settings.maximumQueued else {
            return .refused(retryAfter: .nanoseconds(wait))
        }
        self.tickets += 1
        self.waiting.append(Waiter(ticket: self.tickets, priority: priority, cost: cost))
        let isFirst = self.first.map { self.waiting[$0].ticket } == self.tickets
        return .wait(self.tickets, wakeAt: isFirst ? self.wake(at: now) : nil)
    }

    mutating func serve(at now: Instant) -> [UInt64] {
        if !self.waiting.isEmpty { self.tell(now) }
        var served: [UInt64] = []
        while let first = self.first, self.takes(min(self.waiting[first].cost, self.largest), at: now) {
            served.append(self.waiting.remove(at: first).ticket)
        }
        return served
    }
}

@Suite("Rate limit's queue against a model", .timeLimit(.minutes(5)), .offThePool)
struct RateLimitQueueModelTests {
    @Test(
        "serves whom a plain list would, when it would, over a million random steps",
        arguments: [(1, .bucket), (2, .bucket), (3, .window), (4, .window)] as [(UInt64, RateLimitSettings.Kind)])
    func model(seed: UInt64, kind: RateLimitSettings.Kind) throws {
        var dice = Dice(seed)
        var settings = RateLimitSettings(
            count: 6, period: .nanoseconds(600), kind: kind, burst: 4, maximumQueued: seed % 2 == 0 ? 3 : 40)
        var machine = RateLimitMachine(settings)
        var model = NaiveQueue(settings)
        var time: Int64 = 0
        for step in 0..<250_000 {
            time += Int64(dice.roll(120))
            let now = Instant(nanoseconds: time)
            switch dice.roll(100) {
            case 0..<45:
                let priority = OperationPriority.allCases[dice.roll(OperationPriority.allCases.count)]
                let (cost, patience) = (1 + dice.roll(5), Int64(dice.roll(6_000)))
                let expected = model.ask(priority.rawValue, at: now, cost: cost, patience: patience)
                let answer = machine.ask(priority, at: now, cost: cost, patience: .nanoseconds(patience))
                guard answer == expected else { return #expect(answer == expected, "step \(step)") }
            case 45..<80:
                let (expected, next) = (model.serve(at: now), model.wake(at: now))
                let (admitted, wakeAt) = machine.wake(at: now)
                guard admitted == expected, wakeAt == next else {
                    return #expect(admitted == expected && wakeAt == next, "step \(step)")
                }
            case 80..<97:
                guard !model.waiting.isEmpty else { continue }
                let ticket = model.waiting.remove(at: dice.roll(model.waiting.count)).ticket
                guard machine.giveUp(ticket), !machine.giveUp(ticket) else { return fail("step \(step): \(ticket)") }
            case 97:
                let end = Instant(nanoseconds: time + Int64(dice.roll(2_000)))
                machine.pause(until: end)
                if model.window?.pause(until: end) == nil { model.bucket.pause(until: end) }
            default:
                settings.count = 2 + dice.roll(8)
                settings.burst = 1 + dice.roll(6)
                try machine.update(settings)
                model.update(settings)
            }
            guard machine.queued == model.waiting.count else { return fail("step \(step): \(machine.queued) wait") }
        }
    }
}
