// SPDX-License-Identifier: Apache-2.0

/// A time in which the cooperative pool ran nothing new, because every thread of it was held up.
public struct Stall: Sendable, Hashable {
    /// An operation that may be what holds a thread up.
    public struct Suspect: Sendable, Hashable {
        /// What was being done, for example a pipeline's name.
        public let name: String
        /// The operation's id.
        public let id: OperationID
    }

    /// How long it has lasted; at least the monitor's threshold.
    public let duration: Duration
    /// Whether the pool runs again: false when the stall is noticed, true when the same one has ended.
    public let isOver: Bool
    /// For each thread, the last operation begun on it that has not ended, the latest first.
    ///
    /// As they were when the stall was noticed. Only operations that go through a ``Pipeline`` and began while a monitor
    /// watched are known; and a task that waited may go on on another thread than it began on, so a suspect is a hint.
    public let suspects: [Suspect]
}
