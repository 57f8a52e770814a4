// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Sluice

/// A cache of plain dictionaries, in which the key used least recently is searched for.
private struct NaiveCache {
    struct Entry {
        let value: Int
        let freshUntil: Int64
        var lastUse: Int
    }

    struct Load {
        let flight: UInt64
        let isRefresh: Bool
        var waiters: [UInt64] = []
    }

    let settings: CacheSettings
    var entries: [Int: Entry] = [:]
    var loads: [Int: Load] = [:]
    /// Loads of keys that were removed meanwhile.
    var detached: [(key: Int, load: Load)] = []
    var uses = 0

    private var all: [Load] { self.loads.values + self.detached.map(\.load) }
    var waiting: Int { self.all.reduce(0) { $0 + $1.waiters.count } }
    var refreshes: Int { self.all.count { $0.isRefresh } }

    mutating func remove(_ key: Int) {
        self.entries[key] = nil
        if let load = self.loads.removeValue(forKey: key) { self.detached.append((key, load)) }
    }

    mutating func use(_ key: Int) -> Entry? {
        self.uses += 1
        self.entries[key]?.lastUse = self.uses
        return self.entries[key]
    }

    /// What the answer must be: `f` for fresh, `s` for stale, `r` for stale with a refresh, `l` for lead, `w` and `x` for full.
    mutating func ask(_ key: Int, at now: Int64) -> Character {
        if let entry = self.use(key) {
            if now < entry.freshUntil { return "f" }
            if now < entry.freshUntil + self.settings.staleWhileRevalidate.clampedNanoseconds {
                return self.loads[key] == nil && self.refreshes < self.settings.maximumRefreshes ? "r" : "s"
            }
        }
        guard self.loads[key] != nil else { return "l" }
        return self.waiting < self.settings.maximumWaiting ? "w" : "x"
    }

    mutating func keep(_ key: Int, _ value: Int, at now: Int64) {
        self.entries[key] = nil
        while self.entries.count >= self.settings.capacity,
            let oldest = self.entries.min(by: { $0.value.lastUse < $1.value.lastUse })
        {
            self.entries[oldest.key] = nil
        }
        self.uses += 1
        let fresh = now + self.settings.timeToLive.clampedNanoseconds
        self.entries[key] = Entry(value: value, freshUntil: fresh, lastUse: self.uses)
    }

    mutating func usable(_ key: Int, at now: Int64) -> Int? {
        guard let entry = self.use(key) else { return nil }
        let grace = max(self.settings.staleIfError, self.settings.staleWhileRevalidate)
        return now < entry.freshUntil + grace.clampedNanoseconds ? entry.value : nil
    }
}

@Suite("Cache against a model", .timeLimit(.minutes(5)), .offThePool)
struct CacheModelTests {
    private let settings = CacheSettings(
        timeToLive: .nanoseconds(100), jitter: 0, staleWhileRevalidate: .nanoseconds(40),
        staleIfError: .nanoseconds(90),
        capacity: 6, maximumRefreshes: 2, maximumWaiting: 8)

    @Test("answers, loads and hands on as plain dictionaries would, over a million random steps", arguments: [1, 2])
    func model(seed: Int) {
        var dice = Dice(UInt64(seed))
        var machine = CacheMachine<Int, Int>(self.settings)
        var model = NaiveCache(settings: self.settings)
        var now: Int64 = 0
        for step in 0..<500_000 {
            now += Int64(dice.roll(8))
            let key = dice.roll(10)
            let isSame =
                dice.roll(2) == 0
                ? self.ask(key, now, &machine, &model) : self.act(key, now, step, &dice, &machine, &model)
            guard isSame, machine.count == model.entries.count else {
                return fail("differs from the model at step \(step)")
            }
        }
    }

    private func ask(
        _ key: Int, _ now: Int64, _ machine: inout CacheMachine<Int, Int>, _ model: inout NaiveCache
    ) -> Bool {
        let expected = model.ask(key, at: now)
        switch machine.ask(key, at: Instant(nanoseconds: now)) {
        case .fresh(let value):
            return expected == "f" && value == model.entries[key]?.value
        case .stale(let value, nil):
            return expected == "s" && value == model.entries[key]?.value
        case .stale(let value, .some(let flight)):
            model.loads[key] = NaiveCache.Load(flight: flight, isRefresh: true)
            return expected == "r" && value == model.entries[key]?.value
        case .lead(let flight):
            model.loads[key] = NaiveCache.Load(flight: flight, isRefresh: false)
            return expected == "l"
        case .wait(let waiter):
            model.loads[key]?.waiters.append(waiter)
            return expected == "w"
        case .full:
            return expected == "x"
        }
    }

    private func act(
        _ key: Int, _ now: Int64, _ step: Int, _ dice: inout Dice, _ machine: inout CacheMachine<Int, Int>,
        _ model: inout NaiveCache
    ) -> Bool {
        let instant = Instant(nanoseconds: now)
        let load = model.loads[key]
        switch dice.roll(10) {
        case 0..<4:
            guard let load else { return true }
            model.loads[key] = nil
            model.keep(key, step, at: now)
            return machine.finish(key, load.flight, step, at: instant, jitter: 0.7).waiters == load.waiters
        case 4, 5:
            guard let load else { return true }
            model.loads[key] = nil
            let expected = model.usable(key, at: now)
            let (waiters, stale) = machine.fail(key, load.flight, at: instant)
            return waiters == load.waiters && stale == expected
        case 6:
            guard let load else { return true }
            let heir = machine.abandon(key, load.flight)
            model.loads[key] = nil
            guard let first = load.waiters.first else { return heir == nil }
            guard let heir, heir.waiter == first else { return false }
            model.loads[key] = NaiveCache.Load(
                flight: heir.flight, isRefresh: false, waiters: Array(load.waiters.dropFirst()))
            return true
        case 7:
            guard let waiter = load?.waiters.last else { return true }
            model.loads[key]?.waiters.removeLast()
            return machine.giveUp(waiter) && !machine.giveUp(waiter)
        case 8:
            return self.endDetached(step, at: instant, &dice, &machine, &model)
        default:
            guard dice.roll(4) == 0 else { return true }
            if dice.roll(10) == 0 {
                _ = machine.removeAll()
                for key in 0..<10 { model.remove(key) }
                return machine.count == 0
            }
            let expected = model.entries[key]?.value
            model.remove(key)
            return machine.remove(key)?.value == expected
        }
    }

    /// Ends a load whose key was removed meanwhile: nothing of it is kept, and those who waited for it get what it gave.
    private func endDetached(
        _ step: Int, at now: Instant, _ dice: inout Dice, _ machine: inout CacheMachine<Int, Int>,
        _ model: inout NaiveCache
    ) -> Bool {
        guard !model.detached.isEmpty else { return true }
        let index = dice.roll(model.detached.count)
        if let waiter = model.detached[index].load.waiters.first, dice.roll(3) == 0 {
            model.detached[index].load.waiters.removeFirst()
            return machine.giveUp(waiter)
        }
        let (key, load) = model.detached.remove(at: index)
        switch dice.roll(3) {
        case 0:
            let (waiters, forgotten) = machine.finish(key, load.flight, step, at: now, jitter: 0)
            guard waiters.isEmpty, forgotten.isEmpty else { return false }
        case 1:
            let expected = model.usable(key, at: now.nanoseconds)
            let (waiters, stale) = machine.fail(key, load.flight, at: now)
            guard waiters.isEmpty, stale == expected else { return false }
        default:
            guard machine.abandon(key, load.flight) == nil else { return false }
        }
        return machine.endDetached(load.flight) == load.waiters && machine.endDetached(load.flight).isEmpty
    }
}
