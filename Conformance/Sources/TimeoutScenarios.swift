// SPDX-License-Identifier: Apache-2.0
import Foundation
import Sluice
import SluiceTesting

enum TimeoutScenarios {
    static func all() async throws -> [Result] {
        [try await self.cancellation(), try await self.nested(), try await self.blocking()]
    }

    private static func cancellation() async throws -> Result {
        let time = VirtualTime()
        let pipeline = Pipeline("p", time: time) { Timeout(.seconds(5)) }
        let task = Task { try await pipeline { try await time.sleep(until: time.now.advanced(by: .seconds(10))) } }
        await time.waitForAlarms(2)
        time.advance(by: .seconds(1))
        task.cancel()
        var seen = "nothing"
        do { try await task.value } catch { seen = "\(type(of: error))" }
        return Result("cancel-not-timeout", passes: seen == "CancellationError", "the caller saw \(seen)")
    }

    private static func nested() async throws -> Result {
        let time = VirtualTime()
        let short = Pipeline("short", time: time) { Timeout(.seconds(1)) }
        let long = Pipeline("long", time: time) { Timeout(.seconds(5)) }
        let sleep = { @Sendable (seconds: Int) async throws in
            try await time.sleep(until: time.now.advanced(by: .seconds(seconds)))
        }
        let start = time.now
        // (a) the inner expiry is handled and the outer work goes on.
        try await time.runUntilIdle {
            try await long {
                do { try await short { try await sleep(10) } } catch is TimeoutError {}
                try await sleep(1)
            }
        }
        let handled = start.duration(to: time.now)
        // (b) it is not handled.
        var surfaced = ""
        do {
            try await time.runUntilIdle { try await long { try await short { try await sleep(10) } } }
        } catch let error as TimeoutError {
            surfaced = error.operation?.names.joined(separator: " > ") ?? ""
        }
        // (c) the outer expiry passes the inner handler by.
        let wasCaught = Locked(false)
        var outer = ""
        do {
            try await time.runUntilIdle {
                try await short {
                    do { try await long { try await sleep(10) } } catch is TimeoutError {
                        wasCaught.withLock { $0 = true }
                    }
                }
            }
        } catch let error as TimeoutError {
            outer = error.operation?.names.joined(separator: " > ") ?? ""
        }
        let caught = wasCaught.withLock { $0 }
        return Result(
            "timeout-nested",
            passes: handled == .seconds(2) && surfaced == "long > short" && outer == "short" && !caught,
            "handled inside: ended at \(handled); not handled: \(surfaced); the outer one: \(outer), caught inside: \(caught)"
        )
    }

    private static func blocking() async throws -> Result {
        let start = ContinuousClock.now
        let orphans = OrphanLimit("blocking")
        var seen = "nothing"
        do {
            try await withTimeout(.milliseconds(100), abandoning: orphans) {
                // Blocks a thread of a lane, and not one of the pool.
                _ = try await offload { usleep(500_000) }
            }
        } catch {
            seen = "\(type(of: error))"
        }
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        return Result(
            "blocking-call", passes: seen == "TimeoutError" && seconds <= 0.3, figure: seconds, unit: "s",
            "offloaded to a lane of threads; \(orphans.count) counted as left behind")
    }
}
