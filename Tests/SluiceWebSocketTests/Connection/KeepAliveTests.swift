// SPDX-License-Identifier: Apache-2.0
import Sluice
import Testing

@testable import SluiceWebSocket

@Suite("Keeping a connection alive")
struct KeepAliveTests {
    private let start = Instant(nanoseconds: 0)
    private func at(_ seconds: Int) -> Instant { self.start.advanced(by: .seconds(seconds)) }

    @Test("pings, and gives up on a peer that stays silent")
    func silence() {
        var machine = KeepAlive(interval: .seconds(20), timeout: .seconds(5), now: self.start)
        #expect(machine.check(now: self.at(19), isPaused: false) == .wait(until: self.at(20)))
        #expect(machine.check(now: self.at(20), isPaused: false) == .ping(until: self.at(25)))
        #expect(machine.check(now: self.at(25), isPaused: false) == .giveUp)
    }

    @Test("takes any byte for a sign of life")
    func life() {
        var machine = KeepAlive(interval: .seconds(20), timeout: .seconds(5), now: self.start)
        _ = machine.check(now: self.at(20), isPaused: false)
        machine.heard()
        #expect(machine.check(now: self.at(25), isPaused: false) == .wait(until: self.at(40)))
        #expect(machine.check(now: self.at(40), isPaused: false) == .ping(until: self.at(45)))
        #expect(machine.check(now: self.at(45), isPaused: false) == .giveUp)
    }

    @Test("blames no peer while we do not read, and gives it the whole time once we do")
    func slowReader() {
        var machine = KeepAlive(interval: .seconds(20), timeout: .seconds(5), now: self.start)
        #expect(machine.check(now: self.at(20), isPaused: false) == .ping(until: self.at(25)))
        machine.paused()
        #expect(machine.check(now: self.at(25), isPaused: true) == .wait(until: self.at(30)))
        #expect(machine.check(now: self.at(30), isPaused: false) == .wait(until: self.at(35)))
        #expect(machine.check(now: self.at(35), isPaused: false) == .giveUp)
    }

    @Test("only pings if silence is allowed")
    func noTimeout() {
        var machine = KeepAlive(interval: .seconds(20), timeout: nil, now: self.start)
        #expect(machine.check(now: self.at(20), isPaused: false) == .ping(until: self.at(40)))
        #expect(machine.check(now: self.at(40), isPaused: false) == .wait(until: self.at(40)))
        #expect(machine.check(now: self.at(40), isPaused: false) == .ping(until: self.at(60)))
    }
}
