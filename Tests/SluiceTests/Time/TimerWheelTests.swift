// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Sluice

@Suite("Timer wheel", .offThePool)
struct TimerWheelTests {
    @Test(
        "returns an alarm at its tick and not before",
        arguments: [0, 1, 63, 64, 65, 4_095, 4_096, 262_143, 1 << 24, 1 << 35] as [Int64])
    func exact(tick: Int64) {
        var wheel = TimerWheel<Int>()
        _ = wheel.insert(7, at: tick)
        if tick > 0 { #expect(wheel.advance(to: tick - 1).isEmpty) }
        #expect(wheel.advance(to: tick) == [7])
        #expect(wheel.count == 0)
    }

    @Test("returns alarms past its reach too", arguments: [1 << 36, (1 << 40) + 12_345] as [Int64])
    func beyondHorizon(tick: Int64) {
        var wheel = TimerWheel<Int>(currentTick: 77)
        _ = wheel.insert(1, at: tick)
        #expect(wheel.advance(to: tick - 1).isEmpty)
        #expect(wheel.advance(to: tick) == [1])
    }

    @Test("a cancelled alarm is gone, and its token names no later one")
    func remove() {
        var wheel = TimerWheel<Int>()
        let first = wheel.insert(1, at: 10)
        #expect(wheel.remove(first) == 1)
        #expect(wheel.remove(first) == nil)
        _ = wheel.insert(2, at: 10)
        #expect(wheel.remove(first) == nil)
        #expect(wheel.advance(to: 10) == [2])
    }

    /// Against a dictionary that does the same slowly; a million steps, the seed in the name.
    @Test("does what a plain list does, over a million random steps", arguments: [1, 2] as [UInt64])
    func model(seed: UInt64) {
        let random = Randomness(seed: seed)
        func draw(_ bound: Double) -> Int64 { Int64(random.fraction() * bound) }
        var wheel = TimerWheel<Int>()
        var model: [Int: (tick: Int64, token: TimerToken)] = [:]
        var ids: [Int] = []
        var now: Int64 = 0
        for step in 0..<500_000 {
            switch draw(10) {
            case 0..<5:
                let tick = now + draw([64, 5_000, 300_000, 40_000_000][Int(draw(4))])
                model[step] = (tick, wheel.insert(step, at: tick))
                ids.append(step)
            case 5..<8 where !ids.isEmpty:
                let id = ids.swapRemove(Int(draw(Double(ids.count))))
                if let entry = model.removeValue(forKey: id) { #expect(wheel.remove(entry.token) == id) }
            default:
                let next = wheel.nextTick
                let target = draw(2) == 0 ? now + draw(2_000) : (next ?? now)
                now = max(now, target)
                let due = Set(wheel.advance(to: now))
                let expected = due.allSatisfy { (model[$0]?.tick ?? .max) <= now }
                #expect(expected)
                for id in due { model[id] = nil }
                if step % 1_000 == 0 { #expect(!model.values.contains { $0.tick <= now }) }
            }
            if wheel.count != model.count { Issue.record("\(wheel.count) alarms, \(model.count) expected"); return }
        }
    }

    @Test("a token from before a flood of alarms was forgotten names no alarm set after it")
    func tokensAfterShrinking() {
        var wheel = TimerWheel<Int>()
        let flood = (0..<10_000).map { wheel.insert($0, at: 5) }
        for token in flood { #expect(wheel.remove(token) != nil) }
        #expect(wheel.count == 0)
        let later = (0..<10_000).map { wheel.insert(-$0, at: 5) }
        for token in flood { #expect(wheel.remove(token) == nil) }
        #expect(wheel.count == 10_000)
        for (number, token) in later.enumerated() { #expect(wheel.remove(token) == -number) }
    }
}

extension Array {
    /// Removes an element in constant time, without keeping the order.
    fileprivate mutating func swapRemove(_ index: Int) -> Element {
        self.swapAt(index, self.count - 1)
        return self.removeLast()
    }
}
