// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Sluice

/// A server of 20 places that takes 50 ms for a call, what comes beyond that queueing in front of it, behind a limit.
private struct ModelServer {
    /// What becomes of one call that is sent.
    enum Fate {
        /// It takes a place of the server for so long.
        case served(milliseconds: Int64)
        /// It times out after a second.
        case timesOut
        /// It is refused after 0.1 ms.
        case refused
    }

    private struct End {
        let at: Int64
        let began: Int64
        let result: ConcurrencyMachine.Result
    }

    private(set) var machine: ConcurrencyMachine
    private var places = [Int64](repeating: 0, count: 20)
    /// In order of time.
    private var ends: [End] = []
    private var head = 0
    private var fate: () -> Fate = { .refused }
    /// How many calls succeeded.
    private(set) var served = 0
    /// The limit after each second.
    private(set) var limits: [Int] = []

    init(_ algorithm: ConcurrencyLimitSettings.Algorithm) {
        self.machine = ConcurrencyMachine(
            ConcurrencyLimitSettings(maximum: 1_000, initial: 20, algorithm: algorithm, maximumQueued: 100))
    }

    /// Lets so many calls a second come, evenly, until `seconds`.
    ///
    /// - Parameter fate: What becomes of each call that is sent from now on.
    mutating func run(until seconds: Int, callsPerSecond: Int, fate: @escaping () -> Fate) {
        self.fate = fate
        let start = self.limits.count
        for number in 0..<(seconds - start) * callsPerSecond {
            let now = Int64(start) * 1_000_000_000 + Int64(number) * 1_000_000_000 / Int64(callsPerSecond)
            while Int64(self.limits.count + 1) * 1_000_000_000 <= now { self.endSecond() }
            self.endCalls(until: now)
            if case .run = self.machine.ask(.normal, at: Instant(nanoseconds: now)) { self.begin(at: now) }
        }
        while self.limits.count < seconds { self.endSecond() }
    }

    private mutating func endSecond() {
        self.endCalls(until: Int64(self.limits.count + 1) * 1_000_000_000)
        self.limits.append(self.machine.limit)
    }

    private mutating func begin(at now: Int64) {
        switch self.fate() {
        case .refused: self.insert(End(at: now + 100_000, began: now, result: .ignored))
        case .timesOut: self.insert(End(at: now + 1_000_000_000, began: now, result: .dropped))
        case .served(let milliseconds):
            let place = self.places.indices.min { self.places[$0] < self.places[$1] } ?? 0
            self.places[place] = max(now, self.places[place]) + milliseconds * 1_000_000
            let end = self.places[place]
            self.insert(End(at: end, began: now, result: .success(.nanoseconds(end - now))))
        }
    }

    private mutating func insert(_ end: End) {
        var index = self.ends.count
        while index > self.head, self.ends[index - 1].at > end.at { index -= 1 }
        self.ends.insert(end, at: index)
    }

    private mutating func endCalls(until now: Int64) {
        while self.head < self.ends.count, self.ends[self.head].at <= now {
            let end = self.ends[self.head]
            self.head += 1
            if case .success = end.result { self.served += 1 }
            let turn = self.machine.release(end.result, at: Instant(nanoseconds: end.at))
            for _ in turn.admitted { self.begin(at: end.at) }
            if self.head > 1_000 {
                self.ends.removeFirst(self.head)
                self.head = 0
            }
        }
    }
}

@Suite("Adaptive concurrency limits", .timeLimit(.minutes(5)), .offThePool)
struct AdaptiveLimitTests {
    private static let algorithms: [ConcurrencyLimitSettings.Algorithm] = [.aimd, .vegas, .gradient]

    @Test("a steady mild overload does not become the normal state", arguments: algorithms)
    func overload(algorithm: ConcurrencyLimitSettings.Algorithm) {
        var server = ModelServer(algorithm)
        server.run(until: 600, callsPerSecond: 440) { .served(milliseconds: 50) }
        let highest = server.limits.suffix(60).max() ?? 0
        #expect(highest < 60)
        #expect(Double(server.served) > 0.9 * 400 * 600)
    }

    @Test("calls that all time out shrink the limit, although they all take the same time", arguments: algorithms)
    func timeouts(algorithm: ConcurrencyLimitSettings.Algorithm) {
        var server = ModelServer(algorithm)
        server.run(until: 60, callsPerSecond: 360) { .served(milliseconds: 50) }
        server.run(until: 240, callsPerSecond: 360) { .timesOut }
        #expect(server.limits[119] <= server.limits[59] / 2)
        #expect(server.limits[239] <= 2)
    }

    @Test("calls that are refused at once do not pass for a fast service, nor for a slow one", arguments: algorithms)
    func fastRejections(algorithm: ConcurrencyLimitSettings.Algorithm) {
        var isRefused = false
        var (plain, server) = (ModelServer(algorithm), ModelServer(algorithm))
        plain.run(until: 120, callsPerSecond: 200) { .served(milliseconds: 50) }
        server.run(until: 120, callsPerSecond: 400) {
            isRefused.toggle()
            return isRefused ? .refused : .served(milliseconds: 50)
        }
        #expect(server.limits[119] >= plain.limits[119] / 2)
        #expect(server.limits[119] <= plain.limits[119] * 2)
        #expect(Double(server.served) > 0.95 * Double(plain.served))
    }

    @Test("a service that has become slower for good is believed", arguments: algorithms)
    func drift(algorithm: ConcurrencyLimitSettings.Algorithm) {
        var server = ModelServer(algorithm)
        server.run(until: 60, callsPerSecond: 400) { .served(milliseconds: 50) }
        server.run(until: 300, callsPerSecond: 200) { .served(milliseconds: 100) }
        let before = server.served
        server.run(until: 360, callsPerSecond: 200) { .served(milliseconds: 100) }
        #expect(Double(server.served - before) >= 0.8 * 200 * 60)
    }

    @Test("grows back to what the server can do when an outage is over", arguments: algorithms)
    func recovery(algorithm: ConcurrencyLimitSettings.Algorithm) {
        var server = ModelServer(algorithm)
        server.run(until: 60, callsPerSecond: 400) { .timesOut }
        server.run(until: 120, callsPerSecond: 380) { .served(milliseconds: 50) }
        let before = server.served
        server.run(until: 180, callsPerSecond: 380) { .served(milliseconds: 50) }
        #expect(Double(server.served - before) >= 0.8 * 380 * 60)
    }

    @Test("other settings keep what has been learned, as far as they allow it", arguments: algorithms)
    func update(algorithm: ConcurrencyLimitSettings.Algorithm) throws {
        var server = ModelServer(algorithm)
        server.run(until: 120, callsPerSecond: 360) { .served(milliseconds: 50) }
        var machine = server.machine
        let learned = machine.limit
        var settings = machine.settings
        #expect(learned != settings.initial)
        settings.maximum += 1
        settings.sampleTime = .seconds(2)
        _ = try machine.update(settings)
        #expect(machine.limit == learned)
        settings.maximum = learned - 1
        _ = try machine.update(settings)
        #expect(machine.limit == learned - 1)
    }
}
