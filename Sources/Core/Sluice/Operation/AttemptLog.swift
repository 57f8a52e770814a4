// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// What the policies of one call did, in order: which decided what, when, on which attempt.
///
/// Kept only for calls made by ``Pipeline/explained(isIdempotent:_:)``; bounded, so that a call with a thousand attempts cannot
/// fill the memory.
public final class AttemptLog: Sendable, CustomStringConvertible {
    /// How many entries are kept; what comes later is counted in ``dropped``.
    public static let capacity = 64

    /// One event and its moment.
    public struct Entry: Sendable, Hashable {
        /// Since the call began.
        public let offset: Duration
        /// The attempt under way, from 1.
        public let attempt: Int
        /// What happened.
        public let event: PolicyEvent
    }

    private struct State {
        var entries: [Entry] = []
        var dropped = 0
    }

    private let start: Instant
    private let state = Mutex(State())

    init(start: Instant) {
        self.start = start
    }

    /// The first ``capacity`` events.
    public var entries: [Entry] { self.state.withLock { $0.entries } }
    /// How many events came after those.
    public var dropped: Int { self.state.withLock { $0.dropped } }

    func append(_ event: PolicyEvent, _ context: OperationContext) {
        let entry = Entry(
            offset: self.start.duration(to: context.time.now), attempt: context.attempt, event: event)
        self.state.withLock { state in
            if state.entries.count < Self.capacity { state.entries.append(entry) } else { state.dropped += 1 }
        }
    }

    /// One line: every event with its attempt and the milliseconds since the call began.
    public var description: String {
        let entries = self.entries.map { entry in
            "\(entry.offset.inWholeMilliseconds) ms #\(entry.attempt) \(entry.event)"
        }
        let dropped = self.dropped
        return (entries + (dropped > 0 ? ["and \(dropped) more"] : [])).joined(separator: "; ")
    }
}

extension Duration {
    /// Milliseconds, cut off.
    var inWholeMilliseconds: Int64 { self.clampedNanoseconds / 1_000_000 }
}
