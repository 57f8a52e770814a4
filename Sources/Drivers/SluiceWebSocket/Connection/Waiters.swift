// SPDX-License-Identifier: Apache-2.0
import DequeModule

/// Suspended tasks in order of arrival, each of which may leave before its turn.
///
/// Kept under its owner's lock; continuations are returned to be resumed outside it.
struct Waiters<Value: Sendable> {
    typealias Continuation = CheckedContinuation<Value, Never>

    private var waiting: Deque<(id: Int, continuation: Continuation)> = []
    /// Those who left before they had come.
    private var left: Set<Int> = []
    private var lastID = 0

    var isEmpty: Bool { self.waiting.isEmpty }

    mutating func makeID() -> Int {
        self.lastID += 1
        return self.lastID
    }

    /// Adds a task.
    ///
    /// - Returns: False if it has left already: then it must be resumed at once.
    mutating func add(_ id: Int, _ continuation: Continuation) -> Bool {
        if self.left.remove(id) != nil { return false }
        self.waiting.append((id, continuation))
        return true
    }

    /// Takes the task that came first.
    mutating func popFirst() -> Continuation? { self.waiting.popFirst()?.continuation }

    /// Takes a task that leaves.
    mutating func leave(_ id: Int) -> Continuation? {
        guard let index = self.waiting.firstIndex(where: { $0.id == id }) else {
            self.left.insert(id)
            return nil
        }
        return self.waiting.remove(at: index).continuation
    }

    /// Forgets that a task may have left; called when it did not wait after all.
    mutating func forget(_ id: Int) { self.left.remove(id) }

    /// Takes all.
    mutating func removeAll() -> [Continuation] {
        defer { self.waiting = [] }
        return self.waiting.map(\.continuation)
    }
}
