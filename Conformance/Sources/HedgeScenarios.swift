// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceTesting

enum HedgeScenarios {
    static func all() async throws -> [Result] {
        let time = VirtualTime(patience: .seconds(600))
        let random = Randomness(seed: 3)
        let requests = Locked(0)
        let pipeline = Pipeline("p", isIdempotent: true, time: time) {
            Hedge(Hedge.Settings(delay: .milliseconds(20)))
        }
        let latencies = try await time.runUntilIdle {
            var latencies: [Double] = []
            for _ in 0..<10_000 {
                let start = time.now
                try await pipeline {
                    requests.withLock { $0 += 1 }
                    let latency = Duration.milliseconds(random.fraction() < 0.05 ? 1_000 : 10)
                    try await time.sleep(until: time.now.advanced(by: latency))
                }
                latencies.append(start.duration(to: time.now).inSeconds * 1_000)
            }
            return latencies.sorted()
        }
        let p99 = latencies[9_900]
        let extra = Double(requests.withLock { $0 } - 10_000) / 100
        return [Result("hedge-p99", passes: p99 <= 100, figure: p99, unit: "ms", "\(extra) % more requests")]
    }
}
