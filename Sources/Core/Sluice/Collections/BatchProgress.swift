// SPDX-License-Identifier: Apache-2.0

/// How far a ``BatchProcessor`` has come; how far it has to go only who made the sequence knows.
public struct BatchProgress: Sendable, Hashable {
    /// Batches that have ended, well or not.
    public private(set) var finishedBatches = 0
    /// Items in them.
    public private(set) var finishedItems = 0
    /// Batches whose work threw.
    public private(set) var failedBatches = 0
    /// Items in them.
    public private(set) var failedItems = 0

    /// Nothing has ended yet.
    public init() {}

    mutating func noteBatch(of itemCount: Int, failed: Bool) {
        self.finishedBatches += 1
        self.finishedItems += itemCount
        if failed {
            self.failedBatches += 1
            self.failedItems += itemCount
        }
    }
}
