// SPDX-License-Identifier: Apache-2.0
import CoreCases
import Dispatch
import Foundation

/// Measures the core's cases.
///
/// - `CoreBench`: JSON, for each case the median nanoseconds of interleaved rounds and, when the allocation counter is
///   preloaded, allocations a call.
/// - `CoreBench bulk`: JSON of what a million of something takes, in time and memory.
/// - `CoreBench CASE COUNT`: does one case so many times, for a tool that counts instructions.
@main
enum CoreBench {
    struct Result: Encodable {
        let name: String
        let baseline: String?
        let nanoseconds: Double
        let allocations: Double?
    }

    static let rounds = 9
    static let calls = 20_000

    // Not asynchronous, so that the main thread waits here: the tools that count instructions cannot follow it where the
    // runtime would take it. And the calls run in an ordinary task, as a server's do.
    static func main() {
        let arguments = CommandLine.arguments
        let done = DispatchSemaphore(value: 0)
        Task.detached {
            do {
                if arguments.count == 3, let count = Int(arguments[2]) {
                    try await self.check(self.named(arguments[1]), count)
                } else if arguments.last == "bulk" {
                    try await Bulk.measure()
                } else {
                    try await self.measure()
                }
            } catch {
                fatalError("\(error)")
            }
            done.signal()
        }
        done.wait()
    }

    static func named(_ name: String) -> CoreCase {
        guard let found = CoreCases.all.first(where: { $0.name == name }) else { fatalError("no case \(name)") }
        return found
    }

    static func check(_ aCase: CoreCase, _ count: Int) async throws {
        guard try await aCase.run(count) == count else { fatalError("\(aCase.name): wrong answer") }
    }

    static func measure() async throws {
        let cases = CoreCases.all
        var times = [[Double]](repeating: [], count: cases.count)
        for _ in 0..<self.rounds {
            for (index, aCase) in cases.enumerated() {
                let start = ContinuousClock.now
                try await self.check(aCase, self.calls)
                times[index].append((ContinuousClock.now - start) / .nanoseconds(1) / Double(self.calls))
            }
        }
        var results: [Result] = []
        for (aCase, times) in zip(cases, times) {
            results.append(
                Result(
                    name: aCase.name, baseline: aCase.baseline, nanoseconds: times.sorted()[times.count / 2],
                    allocations: try await self.allocations(aCase)))
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
        print(String(decoding: try encoder.encode(results), as: UTF8.self))
    }

    /// Allocations a call, or nil without the counter.
    static func allocations(_ aCase: CoreCase) async throws -> Double? {
        guard let symbol = dlsym(UnsafeMutableRawPointer(bitPattern: 0), "sluice_allocation_count") else { return nil }
        let count = unsafeBitCast(symbol, to: (@convention(c) () -> Int).self)
        let before = count()
        try await self.check(aCase, self.calls)
        return (Double(count() - before) / Double(self.calls) * 100).rounded() / 100
    }
}
