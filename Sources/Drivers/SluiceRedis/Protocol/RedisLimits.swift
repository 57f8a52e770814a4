// SPDX-License-Identifier: Apache-2.0

/// The most that one answer may be; beyond it the connection is given up, since what follows can no longer be told apart.
public struct RedisLimits: Sendable, Hashable {
    /// Bytes of all strings in one answer together; at least 1.
    public let maximumBytes: Int
    /// Values in one answer, those within others included; at least 1.
    public let maximumValues: Int
    /// How deep values may lie in one another; in `1...512`, since what is nested is also released level by level.
    public let maximumDepth: Int

    /// States limits.
    public init(maximumBytes: Int = 64 << 20, maximumValues: Int = 1 << 20, maximumDepth: Int = 32) {
        precondition(maximumBytes >= 1, "maximumBytes must be at least 1 (is \(maximumBytes))")
        precondition(maximumValues >= 1, "maximumValues must be at least 1 (is \(maximumValues))")
        precondition((1...512).contains(maximumDepth), "maximumDepth must be in 1...512 (is \(maximumDepth))")
        self.maximumBytes = maximumBytes
        self.maximumValues = maximumValues
        self.maximumDepth = maximumDepth
    }
}
