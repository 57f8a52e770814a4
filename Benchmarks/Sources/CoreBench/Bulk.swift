// SPDX-License-Identifier: Apache-2.0
import CoreCases
import Foundation

/// What a million of something takes.
enum Bulk {
    struct Result: Encodable {
        let name: String
        let nanosecondsEach: Double
        /// How much more memory the process holds after a million than after a thousand.
        let mebibytes: Double
        /// How much more it holds after a second million: what each million leaves behind.
        let mebibytesLeft: Double
    }

    static func measure() async throws {
        var results: [Result] = []
        for (name, body) in BulkCases.all {
            try await body(1_000)
            let before = self.residentMebibytes
            let start = ContinuousClock.now
            try await body(1_000_000)
            let time = (ContinuousClock.now - start) / .nanoseconds(1) / 1e6
            let after = self.residentMebibytes
            try await body(1_000_000)
            let left = self.residentMebibytes - after
            results.append(
                Result(name: name, nanosecondsEach: time, mebibytes: after - before, mebibytesLeft: left))
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
        print(String(decoding: try encoder.encode(results), as: UTF8.self))
    }

    private static var residentMebibytes: Double {
        let pages = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?.split(separator: " ")[1]
        return Double(pages.flatMap { Int($0) } ?? 0) * 4_096 / 1_048_576
    }
}
