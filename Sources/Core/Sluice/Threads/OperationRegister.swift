// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// The operations that have begun and not ended, with the threads they began on; kept only while a ``StallMonitor`` watches.
///
/// No one can ask the runtime which task a thread runs. What can be known cheaply is where an operation began, and that is
/// where it is as long as it has not waited: just what something that blocks without ever waiting does.
final class OperationRegister: Sendable {
    private struct Entry {
        let thread: UInt
        let suspect: Stall.Suspect
    }

    private struct State {
        var entries: [UInt64: Entry] = [:]
        var lastNote: UInt64 = 0
    }

    /// The process's register; the pool is the process's too.
    static let shared = OperationRegister()
    /// More are not noted, so that a flood of operations does not become a flood of memory: about 1 MB.
    static let maximumCount = 10_000

    private let state = Mutex(State())

    /// Takes note that an operation begins on this thread.
    ///
    /// - Returns: What ``end(_:)`` takes, or nil if too many are noted.
    func begin(_ context: OperationContext) -> UInt64? {
        let entry = Entry(
            thread: DedicatedThread.currentIdentity, suspect: Stall.Suspect(name: context.name, id: context.id))
        return self.state.withLock { state in
            guard state.entries.count < Self.maximumCount else { return nil }
            state.lastNote += 1
            state.entries[state.lastNote] = entry
            return state.lastNote
        }
    }

    /// The operation has ended, on whatever thread.
    func end(_ note: UInt64) {
        _ = self.state.withLock { $0.entries.removeValue(forKey: note) }
    }

    /// For each thread the last operation begun on it that has not ended, the latest first.
    func suspects() -> [Stall.Suspect] {
        let entries = self.state.withLock { $0.entries }
        var latest: [UInt: UInt64] = [:]
        for (note, entry) in entries { latest[entry.thread] = max(note, latest[entry.thread] ?? 0) }
        return latest.values.sorted(by: >).compactMap { entries[$0]?.suspect }
    }
}
