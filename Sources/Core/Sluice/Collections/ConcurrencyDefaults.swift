// SPDX-License-Identifier: Apache-2.0

/// What the operations on collections assume when they are not told.
public enum ConcurrencyDefaults {
    /// How many items are worked on at once: 10.
    ///
    /// Enough to hide the waits of calls to one service, and few enough not to be mistaken for an attack on it.
    public static let maximumConcurrency = 10
}
