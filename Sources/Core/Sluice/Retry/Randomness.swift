// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Where policies draw jitter from; seeded in tests, so that a run can be repeated.
public final class Randomness: Sendable {
    /// Seeded from the system at start.
    public static let shared = Randomness(seed: .random(in: .min ... .max))

    private let state: Mutex<UInt64>

    /// Creates a source that yields the same numbers for the same seed.
    public init(seed: UInt64) {
        self.state = Mutex(seed)
    }

    /// A number drawn uniformly from `0..<1`.
    ///
    /// - Source: SplitMix64: G. Steele et al., "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014.
    public func fraction() -> Double {
        var mixed = self.state.withLock { state in
            state &+= 0x9E37_79B9_7F4A_7C15
            return state
        }
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        mixed ^= mixed >> 31
        // The upper 53 bits: as many as a Double can hold exactly.
        return Double(mixed >> 11) * 0x1p-53
    }
}
