// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceTesting

/// A server of 20 places, 50 ms a call, in front of which calls queue; each algorithm, the worst of them counts.
enum AdaptiveScenarios {
    private static let algorithms: [ConcurrencyLimitSettings.Algorithm] = [.aimd, .vegas, .gradient]

    static func all() async throws -> [Result] {
        [try await self.overload(), try await self.timeouts(), try await self.rejections(), try await self.drift()]
    }

    /// The server, and calls through a limit to it.
    private final class Trial: Sendable {
        let world = World()
        let limit: ConcurrencyLimit
        let pipeline: Pipeline<ConcurrencyLimit>
        let places = Locked([Instant](repeating: Instant(nanoseconds: 0), count: 20))
        let served = Locked(0)

        init(_ algorithm: ConcurrencyLimitSettings.Algorithm) {
            let settings = ConcurrencyLimitSettings(
                maximum: 1_000, initial: 20, algorithm: algorithm, maximumQueued: 100, patience: .seconds(1))
            let limit = ConcurrencyLimit(settings)
            self.limit = limit
            self.pipeline = Pipeline("p", time: self.world.time) { limit }
        }

        /// One call that the server takes `time` for.
        func call(_ time: Duration) {
            self.run {
                let now = self.world.time.now
                let end = self.places.withLock { places in
                    let place = places.indices.min { places[$0] < places[$1] } ?? 0
                    places[place] = max(now, places[place]).advanced(by: time)
                    return places[place]
                }
                try await self.world.time.sleep(until: end)
                self.served.withLock { $0 += 1 }
            }
        }

        func run(_ operation: @escaping @Sendable () async throws -> Void) {
            self.world.start { try await self.pipeline(operation) }
        }

        /// Calls at a rate for a while; the highest limit of the last `tail`.
        func load(_ perSecond: Double, for duration: Duration, tail: Duration, _ call: () -> Void) -> Int {
            let step = Duration.nanoseconds(Int64(1e9 / perSecond))
            let end = self.world.time.now.advanced(by: duration)
            var highest = 0
            while self.world.time.now < end {
                call()
                self.world.advance(by: step)
                if self.world.time.now.duration(to: end) <= tail { highest = max(highest, self.limit.limit) }
            }
            return highest
        }
    }

    private static func overload() async throws -> Result {
        var figures: [Int] = []
        for algorithm in self.algorithms {
            let trial = Trial(algorithm)
            figures.append(trial.load(440, for: .seconds(600), tail: .seconds(60)) { trial.call(.milliseconds(50)) })
        }
        let worst = figures.max() ?? 0
        return Result(
            "adaptive-overload", passes: worst < 60, figure: Double(worst), unit: "limit",
            "highest limit of the last minute: aimd, vegas, gradient \(figures)")
    }

    private static func timeouts() async throws -> Result {
        var ratios: [Double] = []
        for algorithm in self.algorithms {
            let trial = Trial(algorithm)
            let before = trial.load(300, for: .seconds(60), tail: .milliseconds(1)) { trial.call(.milliseconds(50)) }
            _ = trial.load(300, for: .seconds(60), tail: .zero) {
                trial.run {
                    try await trial.world.time.sleep(until: trial.world.time.now.advanced(by: .seconds(1)))
                    throw TimeoutError(policy: "timeout", limit: .seconds(1))
                }
            }
            ratios.append(Double(trial.limit.limit) / Double(max(1, before)))
        }
        let worst = ratios.max() ?? 1
        return Result(
            "adaptive-timeouts", passes: worst <= 0.5, figure: worst, unit: "× before",
            "aimd, vegas, gradient \(ratios)")
    }

    private static func rejections() async throws -> Result {
        var ratios: [Double] = []
        for algorithm in self.algorithms {
            let limits = [false, true].map { fails -> Int in
                let trial = Trial(algorithm)
                var number = 0
                return trial.load(fails ? 400 : 200, for: .seconds(120), tail: .seconds(1)) {
                    number += 1
                    guard fails, number % 2 == 0 else { return trial.call(.milliseconds(50)) }
                    trial.run {
                        try await trial.world.time.sleep(until: trial.world.time.now.advanced(by: .microseconds(100)))
                        throw Failure()
                    }
                }
            }
            ratios.append(Double(limits[1]) / Double(max(1, limits[0])))
        }
        let worst = ratios.min() ?? 0
        return Result(
            "adaptive-fast-rejections", passes: worst >= 0.5, figure: worst, unit: "× without",
            "aimd, vegas, gradient \(ratios)")
    }

    private static func drift() async throws -> Result {
        var shares: [Double] = []
        for algorithm in self.algorithms {
            let trial = Trial(algorithm)
            _ = trial.load(400, for: .seconds(60), tail: .zero) { trial.call(.milliseconds(50)) }
            _ = trial.load(200, for: .seconds(240), tail: .zero) { trial.call(.milliseconds(100)) }
            let before = trial.served.withLock { $0 }
            _ = trial.load(200, for: .seconds(60), tail: .zero) { trial.call(.milliseconds(100)) }
            shares.append(Double(trial.served.withLock { $0 } - before) / (200 * 60))
        }
        let worst = shares.min() ?? 0
        return Result(
            "adaptive-drift", passes: worst >= 0.8, figure: worst, unit: "share", "aimd, vegas, gradient \(shares)")
    }
}
