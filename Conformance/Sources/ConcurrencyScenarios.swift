// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceTesting

enum ConcurrencyScenarios {
    static func all() async throws -> [Result] { [try await self.gather(), try await self.bulkhead()] }

    private static func gather() async throws -> Result {
        let world = World()
        let running = Locked(0)
        let begun = Locked(0)
        let atError = Locked((running: -1, begun: -1))
        world.start {
            do {
                _ = try await (0..<100).concurrentMap(limit: 5) { item in
                    running.withLock { $0 += 1 }
                    begun.withLock { $0 += 1 }
                    defer { running.withLock { $0 -= 1 } }
                    let wait = Duration.milliseconds(item == 2 ? 5 : 20)
                    try await world.time.sleep(until: world.time.now.advanced(by: wait))
                    if item == 2 { throw Failure() }
                }
            } catch {
                let (now, so) = (running.withLock { $0 }, begun.withLock { $0 })
                atError.withLock { $0 = (now, so) }
            }
        }
        world.advance(by: .seconds(5))
        let (left, before) = atError.withLock { $0 }
        let later = begun.withLock { $0 } - before
        return Result(
            "gather-failure", passes: left == 0 && later == 0, figure: Double(left + later), unit: "items",
            "\(left) running at the error, \(later) begun after it")
    }

    private static func bulkhead() async throws -> Result {
        let world = World()
        let random = Randomness(seed: 7)
        let limit = ConcurrencyLimit(10, maximumQueued: 2_000)
        let pipeline = Pipeline("p", time: world.time) { limit }
        for call in 0..<2_000 {
            let work = Duration.microseconds(Int(random.fraction() * 20_000))
            let cancelled = call % 2 == 0 ? Duration.microseconds(Int(random.fraction() * 40_000)) : nil
            _ = world.time.schedule(at: world.time.now.advanced(by: .microseconds(500 * call))) {
                let task = world.start {
                    try await pipeline { try await world.time.sleep(until: world.time.now.advanced(by: work)) }
                }
                if let cancelled {
                    _ = world.time.schedule(at: world.time.now.advanced(by: cancelled)) { task.cancel() }
                }
            }
        }
        world.advance(by: .seconds(120))
        let started = Locked(0)
        for _ in 0..<20 {
            world.start {
                try await pipeline {
                    started.withLock { $0 += 1 }
                    try await world.time.sleep(until: .distantFuture)
                }
            }
        }
        world.advance(by: .seconds(1))
        let full = started.withLock { $0 }

        let one = Pipeline("q", time: world.time) { ConcurrencyLimit(1, maximumQueued: 2) }
        let gate = Gate()
        world.start { try await one { try await gate.pass() } }
        world.advance(by: .zero)
        let waiting = world.start { try await one {} }
        world.advance(by: .zero)
        waiting.cancel()
        let third = Locked(false)
        world.start { try await one { third.withLock { $0 = true } } }
        world.advance(by: .zero)
        gate.open()
        world.advance(by: .zero)
        let runs = third.withLock { $0 }
        return Result(
            "bulkhead-cancel", passes: full == 10 && runs,
            "\(full) of 10 places after 1,000 cancellations; the third call \(runs ? "ran" : "did not run")")
    }
}
