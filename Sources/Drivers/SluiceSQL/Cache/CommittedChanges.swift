// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Who wants to know what this process has changed in a database, once it is committed.
final class CommittedChanges: Sendable {
    typealias Listener = @Sendable (CacheInvalidation) async -> Void

    private struct State {
        var listeners: [UInt64: Listener] = [:]
        var nextID: UInt64 = 0
    }

    private let state = Mutex(State())
    private let count = Atomic(0)

    /// Whether anybody does; if not, nobody keeps account.
    var hasListeners: Bool { self.count.load(ordering: .acquiring) > 0 }

    func add(_ listener: @escaping Listener) -> UInt64 {
        self.state.withLock { state in
            state.nextID += 1
            state.listeners[state.nextID] = listener
            self.count.store(state.listeners.count, ordering: .releasing)
            return state.nextID
        }
    }

    func remove(_ id: UInt64) {
        // Released where no lock is held.
        let listener = self.state.withLock { state in
            defer { self.count.store(state.listeners.count, ordering: .releasing) }
            return state.listeners.removeValue(forKey: id)
        }
        _ = listener
    }

    /// Tells everybody, and returns once they know.
    func announce(_ change: CacheInvalidation) async {
        guard !change.isEmpty, self.hasListeners else { return }
        for listener in self.state.withLock({ Array($0.listeners.values) }) { await listener(change) }
    }
}

extension SQLQuery {
    /// What running the statement changes, as far as its text tells; anything, if it is not one that only reads.
    var undeclaredChange: CacheInvalidation { self.mayChange ? .everything : CacheInvalidation() }
}
