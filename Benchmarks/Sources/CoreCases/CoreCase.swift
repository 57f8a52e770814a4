// SPDX-License-Identifier: Apache-2.0

/// Something to measure: `run` does it so many times, from the client's module, with everything specialised.
public struct CoreCase: Sendable {
    /// What it is, for example `at once: retry`.
    public let name: String
    /// What it is compared with, by name; nil for a yardstick.
    public let baseline: String?
    /// Does it `count` times and returns the sum of the answers, which must be `count`.
    public let run: @Sendable (_ count: Int) async throws -> Int

    init(_ name: String, against baseline: String? = nil, _ run: @escaping @Sendable (Int) async throws -> Int) {
        self.name = name
        self.baseline = baseline
        self.run = run
    }
}
