// SPDX-License-Identifier: Apache-2.0
import Sluice
import Testing

@testable import SluiceSQL

/// One pool and its model, put to the same random events.
private struct PoolRace {
    typealias Machine = ConnectionPoolMachine

    var dice: Dice
    var machine: Machine
    var model: NaivePool
    var time: Int64 = 0
    /// The machine's numbers by the model's names.
    var ids: [Int: Int] = [:]
    /// How often each kind of thing happened, so that a model that is never put to it is noticed.
    var happened: [String: Int] = [:]

    init(_ seed: UInt64, _ settings: PoolSettings) {
        self.dice = Dice(seed)
        self.machine = Machine(settings)
        self.model = NaivePool(settings)
    }

    var now: Instant { Instant(nanoseconds: self.time) }

    /// The machine's effects under the model's names.
    private mutating func named(_ effects: Machine.Effects) -> Machine.Effects {
        var named = Machine.Effects()
        for id in effects.connect { self.ids[id >> 16] = id }
        named.lent = effects.lent.map { Machine.Effects.Loan(ticket: $0.ticket, connection: $0.connection >> 16) }
        named.refused = effects.refused
        named.connect = effects.connect.map { $0 >> 16 }
        named.ping = effects.ping.map { $0 >> 16 }
        named.close = effects.close.map { Machine.Effects.Closing(connection: $0.connection >> 16, reason: $0.reason) }
        return named
    }

    private mutating func compare(_ machine: Machine.Effects, _ model: Machine.Effects) -> String? {
        for closing in model.close { self.happened["\(closing.reason)", default: 0] += 1 }
        if !model.refused.isEmpty { self.happened["refused", default: 0] += 1 }
        let machine = self.named(machine)
        return machine == model ? nil : "\(machine) where the model says \(model)"
    }

    private mutating func pick(_ state: NaivePool.State) -> (name: Int, id: Int)? {
        let names = self.model.all(state).map(\.name)
        guard !names.isEmpty else { return nil }
        let name = names[self.dice.roll(names.count)]
        return (name, self.ids[name] ?? 0)
    }

    /// One event; what differs, if anything does.
    ///
    /// - Parameter asks: How many of a hundred events are somebody who asks.
    mutating func step(asks: Int) -> String? {
        self.time += Int64(self.dice.roll(12))
        let fraction = Double(self.dice.roll(1_000)) / 1_000
        switch self.dice.roll(100) {
        case 0..<asks: return self.dice.roll(5) == 0 ? self.take() : self.ask()
        case 0..<44: return self.giveUp()
        case 44..<46:
            let expected = self.model.tick(at: self.time)
            return self.compare(self.machine.tick(at: self.now), expected)
        case 46..<47: return self.dice.roll(8) == 0 ? self.invalidate() : nil
        case 47..<60:
            guard let (name, id) = self.pick(.connecting) else { return nil }
            if self.dice.roll(4) > 0 {
                let expected = self.model.connected(name, at: self.time, fraction: fraction)
                return self.compare(self.machine.connected(id, at: self.now, fraction: fraction), expected)
            }
            let isPermanent = self.dice.roll(8) == 0
            let expected = self.model.connectFailed(
                name, isPermanent: isPermanent, at: self.time, fraction: fraction)
            return self.compare(
                self.machine.connectFailed(id, isPermanent: isPermanent, at: self.now, fraction: fraction), expected)
        case 60..<66:
            guard let (name, id) = self.pick(.pinged) else { return nil }
            let isAlive = self.dice.roll(10) > 0
            self.happened[isAlive ? "alive" : "dead", default: 0] += 1
            let expected = self.model.pinged(name, isAlive: isAlive, at: self.time)
            return self.compare(self.machine.pinged(id, isAlive: isAlive, at: self.now), expected)
        case 66..<75:
            guard let (name, id) = self.pick(.closing) else { return nil }
            let expected = self.model.closed(name, at: self.time)
            self.ids[name] = nil
            return self.compare(self.machine.closed(id, at: self.now), expected)
        default:
            guard let (name, id) = self.pick(.lent) else { return nil }
            let isReusable = self.dice.roll(20) > 0
            let expected = self.model.release(name, isReusable: isReusable, at: self.time)
            return self.compare(self.machine.release(id, isReusable: isReusable, at: self.now), expected)
        }
    }

    private mutating func ask() -> String? {
        let kind: LeaseKind = self.dice.roll(3) == 0 ? .exclusive : .shared
        let expected = self.model.ask(kind, at: self.time)
        var (answer, effects) = self.machine.ask(kind, at: self.now)
        if case .lent(let id) = answer { answer = .lent(id >> 16) }
        if answer == .unreachable { self.happened["unreachable", default: 0] += 1 }
        if answer == .full { self.happened["full", default: 0] += 1 }
        guard answer == expected.0 else { return "\(answer) where the model says \(expected.0)" }
        return self.compare(effects, expected.1)
    }

    private mutating func take() -> String? {
        let kind: LeaseKind = self.dice.roll(3) == 0 ? .exclusive : .shared
        let expected = self.model.take(kind, at: self.time)
        let (id, effects) = self.machine.take(kind, at: self.now)
        guard id.map({ $0 >> 16 }) == expected.0 else { return "took \(id as Any), not \(expected.0 as Any)" }
        return self.compare(effects, expected.1)
    }

    private mutating func giveUp() -> String? {
        // Mostly one that waits, now and then one that does not any more.
        let candidates = self.model.waiting.map(\.ticket) + self.model.all(.pinged).compactMap(\.ticket)
        let ticket =
            candidates.isEmpty || self.dice.roll(4) == 0
            ? UInt64(self.dice.roll(Int(self.model.tickets) + 1)) : candidates[self.dice.roll(candidates.count)]
        let expected = self.model.giveUp(ticket, at: self.time)
        let (hasLeft, effects) = self.machine.giveUp(ticket, at: self.now)
        guard hasLeft == expected.0 else { return "left: \(hasLeft)" }
        return self.compare(effects, expected.1)
    }

    private mutating func invalidate() -> String? {
        let lent = self.dice.roll(3) == 0 ? nil : self.pick(.lent)
        let expected = self.model.invalidate(because: lent?.name, at: self.time)
        return self.compare(self.machine.invalidate(because: lent?.id, at: self.now), expected)
    }

    /// What must always be so.
    func problem() -> String? {
        let status = self.machine.status
        if status != self.model.status { return "\(status) where the model says \(self.model.status)" }
        if status.size > self.model.settings.capacity { return "\(status.size) open" }
        if status.idle > 0, !self.model.waiting.isEmpty { return "somebody waits and something is idle" }
        if let due = self.model.due, self.machine.nextTick ?? .distantFuture > Instant(nanoseconds: due) {
            return "\(self.machine.nextTick as Any) is next where the model says \(due)"
        }
        let places = self.model.all.compactMap { self.ids[$0.name] }.map(Machine.place(of:))
        if Set(places).count != self.model.all.count { return "places \(places)" }
        for connection in self.model.all {
            let most = connection.isShared ? self.model.settings.statementsPerConnection : 1
            if connection.users > most { return "\(connection.users) users" }
        }
        return nil
    }

    /// Closes the pool and lets everything end.
    mutating func finish() -> String? {
        let expected = self.model.close()
        if let difference = self.compare(self.machine.close(), expected) { return difference }
        while !self.model.all.isEmpty {
            if let difference = self.step(asks: 10) { return difference }
        }
        return self.machine.isDrained && self.machine.nextTick == nil ? nil : "\(self.machine.status) at the end"
    }
}

@Suite("Connection pool against a model", .timeLimit(.minutes(5)), .offThePool)
struct ConnectionPoolModelTests {
    static func settings(_ size: Int, _ overflow: Int, depth: Int, waiting: Int) -> PoolSettings {
        PoolSettings(
            size: size, overflow: overflow, maximumLifetime: .nanoseconds(1_000), idleTimeout: .nanoseconds(120),
            pingAfterIdle: .nanoseconds(50), maximumConnecting: 2, connectBackoff: .nanoseconds(10),
            maximumConnectBackoff: .nanoseconds(200), maximumWaiting: waiting, statementsPerConnection: depth)
    }

    @Test(
        "lends, opens and closes as plain lists would, over a million random steps",
        arguments: [(1, 1, 0, 1, 5), (2, 3, 2, 1, 50), (3, 2, 2, 3, 8), (4, 4, 3, 8, 40)]
            as [(UInt64, Int, Int, Int, Int)])
    func model(seed: UInt64, size: Int, overflow: Int, depth: Int, waiting: Int) {
        let settings = Self.settings(size, overflow, depth: depth, waiting: waiting)
        var race = PoolRace(seed, settings)
        for step in 0..<250_000 {
            // More come than go for a while, and then the other way round, so that the pool is short and idle in turn.
            if let difference = race.step(asks: [42, 12, 25, 4][(step / 500) % 4]) {
                return fail("step \(step): \(difference)")
            }
            if let problem = race.problem() { return fail("step \(step): \(problem)") }
        }
        if let problem = race.finish() { return fail("at the end: \(problem)") }
        var expected: Set = [
            "lifetime", "idle", "broken", "pingFailed", "invalidated", "refused", "unreachable", "full",
        ]
        if overflow > 0 { expected.insert("overflow") }
        let rare = expected.filter { race.happened[$0, default: 0] < 20 }
        #expect(rare.isEmpty, "hardly ever happened: \(rare) of \(race.happened)")
    }
}
