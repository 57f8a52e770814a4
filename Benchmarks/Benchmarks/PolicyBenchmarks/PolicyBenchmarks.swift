// SPDX-License-Identifier: Apache-2.0
import Benchmark
import CoreCases

/// The same cases under ordo-one/benchmark: `swift package --package-path Benchmarks benchmark`.
let benchmarks: @Sendable () -> Void = {
    let configuration = Benchmark.Configuration(
        metrics: [.wallClock, .throughput, .peakMemoryResident], scalingFactor: .kilo, maxDuration: .seconds(1))
    for aCase in CoreCases.all {
        Benchmark(aCase.name, configuration: configuration) { benchmark in
            let count = benchmark.scaledIterations.count
            let sum = try await aCase.run(count)
            guard sum == count else { return benchmark.error("wrong answer") }
        }
    }
}
