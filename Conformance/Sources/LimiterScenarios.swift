// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceTesting

enum LimiterScenarios {
    static func all() async throws -> [Result] {
        [
            try await self.accuracy(), try await self.worstWindow(), try await self.hang(), try await self.perCall(),
            try await self.cancelledWaiter(),
        ]
    }

    private static func limit(_ kind: RateLimitSettings.Kind, patience: Duration = .zero) -> RateLimit {
        RateLimit(RateLimitSettings(count: 100, period: .seconds(1), kind: kind, patience: patience))
    }

    /// When calls offered at these milliseconds were let through.
    private static func admitted(_ limit: RateLimit, _ offers: [Int]) async -> [Int] {
        let time = VirtualTime()
        let pipeline = Pipeline("p", time: time) { limit }
        var admitted: [Int] = []
        var now = 0
        for offer in offers {
            time.advance(by: .milliseconds(offer - now))
            now = offer
            if case .success = await pipeline.outcome({ _ in }) { admitted.append(offer) }
        }
        return admitted
    }

    private static func accuracy() async throws -> Result {
        var figures: [Double] = []
        for kind in RateLimitSettings.Kind.allCases {
            figures.append(Double(await self.admitted(self.limit(kind), Array(0..<10_000)).count) / 1_000)
        }
        return Result(
            "limiter-accuracy", passes: figures.allSatisfy { (0.95...1.10).contains($0) }, figure: figures[0],
            unit: "× ideal",
            "bucket \(figures[0]), window \(figures[1])")
    }

    private static func worstWindow() async throws -> Result {
        let offers = [0, 5_000] + Array(5_900...8_900) + [13_000] + Array(13_900...16_900)
        var figures: [Double] = []
        for kind in RateLimitSettings.Kind.allCases {
            let admitted = await self.admitted(self.limit(kind), offers)
            let most = admitted.map { start in admitted.count { $0 >= start && $0 < start + 1_000 } }.max() ?? 0
            figures.append(Double(most) / 100)
        }
        return Result(
            "limiter-worst-window", passes: figures[0] <= 2 && figures[1] <= 1, figure: figures[1], unit: "× limit",
            "bucket \(figures[0]), window \(figures[1])")
    }

    private static func hang() async throws -> Result {
        let world = World()
        let pipeline = Pipeline("p", time: world.time) { RateLimit(2, per: .milliseconds(200)) }
        let start = world.time.now
        let ends = Locked([Double]())
        for _ in 0..<5 {
            world.start { try await pipeline { ends.withLock { $0.append(world.seconds(since: start)) } } }
        }
        world.advance(by: .seconds(60))
        let last = ends.withLock { $0.max() } ?? -1
        let count = ends.withLock { $0.count }
        return Result("limiter-hang", passes: count == 5, figure: last, unit: "s", "\(count) of 5 calls finished")
    }

    private static func perCall() async throws -> Result {
        let world = World()
        // As documented: made once, and kept.
        let pipeline = Pipeline("p", time: world.time) { RateLimit(1, per: .seconds(5)) }
        let runs = Locked(0)
        for _ in 0..<20 {
            world.start { try await pipeline { runs.withLock { $0 += 1 } } }
        }
        world.advance(by: .milliseconds(4_900))
        let ran = runs.withLock { $0 }
        let observer = RecordingObserver()
        let around = Pipeline("request", time: world.time, observer: observer) { Deadline(.seconds(1)) }
        try await around { _ = Pipeline("inside", time: world.time) { RateLimit(1, per: .seconds(5)) } }
        let warns = observer.names.contains("pipeline.madeInsideCall")
        return Result(
            "limiter-per-call", passes: ran == 1 && warns, figure: Double(ran), unit: "calls",
            "one made anew inside each call is reported as an event")
    }

    private static func cancelledWaiter() async throws -> Result {
        let world = World()
        let pipeline = Pipeline("p", time: world.time) { RateLimit(1, per: .seconds(1)) }
        let start = world.time.now
        let ran = Locked(-1.0)
        world.start { try await pipeline {} }
        world.advance(by: .zero)
        let first = world.start { try await pipeline {} }
        world.advance(by: .milliseconds(100))
        world.start { try await pipeline { ran.withLock { $0 = world.seconds(since: start) } } }
        world.advance(by: .milliseconds(400))
        first.cancel()
        world.advance(by: .seconds(10))
        let at = ran.withLock { $0 }
        return Result(
            "limiter-cancelled-waiter", passes: at >= 0 && at <= 1.05, figure: at, unit: "s", "the one behind moved up")
    }
}
