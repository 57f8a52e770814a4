// SPDX-License-Identifier: Apache-2.0
import Foundation

/// What a case prints.
struct Answer: Encodable, Sendable {
    let operations: Int
    let seconds: Double
    let cpuSeconds: Double
    /// Every answer was compared; a wrong one stops the program.
    let checked = true
}

/// Time and processor time (user and system, of this process) since it was made.
struct Meter: Sendable {
    private let start = ContinuousClock.now
    private let used = Self.cpuSeconds

    func answer(_ operations: Int) -> Answer {
        let seconds = (ContinuousClock.now - self.start) / .seconds(1)
        return Answer(operations: operations, seconds: seconds, cpuSeconds: Self.cpuSeconds - self.used)
    }

    private static var cpuSeconds: Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}

/// SplitMix64: the system's generator would cost as much as a small part of the query.
struct SplitMix: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { self.state = seed }

    mutating func next() -> UInt64 {
        self.state &+= 0x9e37_79b9_7f4a_7c15
        var bits = self.state
        bits = (bits ^ (bits >> 30)) &* 0xbf58_476d_1ce4_e5b9
        bits = (bits ^ (bits >> 27)) &* 0x94d0_49bb_1331_11eb
        return bits ^ (bits >> 31)
    }
}
