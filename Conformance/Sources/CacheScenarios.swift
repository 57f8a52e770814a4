// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceTesting

enum CacheScenarios {
    static func all() async throws -> [Result] {
        let world = World()
        let loads = Locked(0)
        let values = Locked(0)
        let cache = Cache<String, Int>(time: world.time)
        let get: @Sendable () async throws -> Void = {
            _ = try await cache.value(for: "key") {
                loads.withLock { $0 += 1 }
                try await world.time.sleep(until: world.time.now.advanced(by: .seconds(1)))
                return 7
            }
            values.withLock { $0 += 1 }
        }
        let leader = world.start(get)
        world.advance(by: .zero)
        for _ in 0..<5 { world.start(get) }
        world.advance(by: .milliseconds(500))
        leader.cancel()
        world.advance(by: .seconds(10))
        let (made, served) = (loads.withLock { $0 }, values.withLock { $0 })
        return [
            Result(
                "single-flight-leader-cancelled", passes: served == 5, figure: Double(made), unit: "loads",
                caveat: made > 1 ? "The one that waited longest loads anew, on its own deadline: a second load." : nil,
                "\(served) of 5 followers had the value after \(made) loads")
        ]
    }
}
