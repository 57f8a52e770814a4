// SPDX-License-Identifier: Apache-2.0
#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Numbers drawn for one purpose: the same seed and the same purpose give the same numbers, whatever is drawn elsewhere.
///
/// So the n-th request of a call meets the same latency and the same luck in every pipeline that is compared.
///
/// - Source: SplitMix64: G. Steele et al., "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014.
struct SeededNumbers: Sendable {
    private var state: UInt64

    init(seed: UInt64, purpose: UInt64, item: Int = 0, part: Int = 0) {
        self.state = seed
        for number in [purpose, UInt64(bitPattern: Int64(item)), UInt64(bitPattern: Int64(part))] {
            self.state = Self.mixed(self.state &+ 0x9E37_79B9_7F4A_7C15) ^ number
        }
    }

    /// A number drawn uniformly from `0..<1`.
    mutating func fraction() -> Double {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        // The upper 53 bits: as many as a Double can hold exactly.
        return Double(Self.mixed(self.state) >> 11) * 0x1p-53
    }

    /// A number drawn from the exponential distribution with mean 1.
    mutating func exponential() -> Double { -log(1 - self.fraction()) }

    /// A number drawn from the normal distribution with mean 0 and deviation 1, by the method of Box and Muller.
    mutating func normal() -> Double {
        let radius = (2 * self.exponential()).squareRoot()
        return radius * cos(2 * Double.pi * self.fraction())
    }

    private static func mixed(_ number: UInt64) -> UInt64 {
        var mixed = number
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
