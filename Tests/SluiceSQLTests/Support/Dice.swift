// SPDX-License-Identifier: Apache-2.0

/// Random numbers by a seed, without a lock, for models that take a million steps.
struct Dice {
    private var state: UInt64

    init(_ seed: UInt64) {
        self.state = seed
    }

    /// A whole number in `0..<bound`.
    ///
    /// - Source: SplitMix64: G. Steele et al., "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014.
    mutating func roll(_ bound: Int) -> Int {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = self.state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        mixed ^= mixed >> 31
        return Int(truncatingIfNeeded: mixed.multipliedFullWidth(by: UInt64(bound)).high)
    }
}
