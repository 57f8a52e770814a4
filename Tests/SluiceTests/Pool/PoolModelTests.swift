// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Sluice

@Suite("Pool against a model", .timeLimit(.minutes(5)), .offThePool)
struct PoolModelTests {
    @Test("lends as a plain list would, over a million random steps", arguments: [1, 2] as [UInt64])
    func model(seed: UInt64) {
        var dice = Dice(seed)
        let maximumWaiters = seed == 1 ? 5 : 50
        var machine = PoolMachine([0, 1, 2], maximumWaiters: maximumWaiters)
        var free = [0, 1, 2]
        var lent: [Int] = []
        var waiting: [UInt64] = []
        var tickets: UInt64 = 0
        for step in 0..<500_000 {
            let roll = dice.roll(100)
            if roll < ((step / 1_000) % 2 == 0 ? 55 : 35) {
                switch machine.ask() {
                case .lent(let resource):
                    guard free.popLast() == resource else { return fail("step \(step): \(resource) lent") }
                    lent.append(resource)
                case .waiting(let ticket):
                    tickets += 1
                    guard free.isEmpty, ticket == tickets else { return fail("step \(step): waits") }
                    waiting.append(ticket)
                case .full:
                    guard waiting.count == maximumWaiters else { return fail("step \(step): full") }
                case .closed:
                    return fail("closed")
                }
            } else if roll < 80, !lent.isEmpty {
                let resource = lent.remove(at: dice.roll(lent.count))
                let next = machine.giveBack(resource)
                guard next == waiting.first else { return fail("step \(step): \(next as Any) is next") }
                if waiting.isEmpty {
                    free.append(resource)
                } else {
                    waiting.removeFirst()
                    lent.append(resource)
                }
            } else if !waiting.isEmpty {
                let ticket = waiting.remove(at: dice.roll(waiting.count))
                guard machine.giveUp(ticket), !machine.giveUp(ticket) else { return fail("step \(step)") }
            }
            guard machine.waiterCount == waiting.count, machine.freeCount == free.count else {
                return fail("step \(step): \(machine.waiterCount) wait, \(machine.freeCount) free")
            }
        }
    }

    @Test("who gives up waiting leaves nothing behind, however long a resource is held")
    func memory() throws {
        var machine = PoolMachine([0], maximumWaiters: 10)
        _ = machine.ask()
        for _ in 0..<100_000 {
            guard case .waiting(let ticket) = machine.ask() else { return fail("does not wait") }
            _ = machine.giveUp(ticket)
        }
        #expect("\(machine)".utf8.count < 10_000)
    }
}
