// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Holds tasks up until the test opens it; a task that is cancelled leaves at once.
public final class Gate: Sendable {
    private struct State {
        var isOpen = false
        var nextID = 0
        var waiting: [Int: CheckedContinuation<Void, Never>] = [:]
        var left: Set<Int> = []
        var watchers: [(count: Int, continuation: CheckedContinuation<Void, Never>)] = []
    }

    private let state = Mutex(State())

    /// A closed gate.
    public init() {}

    /// Waits until the gate is open.
    ///
    /// - Throws: `CancellationError` if the task is cancelled before.
    public func pass() async throws {
        let id = self.state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let (isFree, watchers) = self.state.withLock { state -> (Bool, [CheckedContinuation<Void, Never>]) in
                    if state.isOpen || state.left.remove(id) != nil { return (true, []) }
                    state.waiting[id] = continuation
                    let count = state.waiting.count
                    defer { state.watchers.removeAll { $0.count <= count } }
                    return (false, state.watchers.filter { $0.count <= count }.map(\.continuation))
                }
                if isFree { continuation.resume() }
                for watcher in watchers { watcher.resume() }
            }
        } onCancel: {
            let continuation = self.state.withLock { state in
                let continuation = state.waiting.removeValue(forKey: id)
                if continuation == nil { state.left.insert(id) }
                return continuation
            }
            continuation?.resume()
        }
        try Task.checkCancellation()
    }

    /// Lets everybody through, now and later.
    public func open() {
        let waiting = self.state.withLock { state in
            state.isOpen = true
            defer { state.waiting = [:] }
            return Array(state.waiting.values)
        }
        for continuation in waiting { continuation.resume() }
    }

    /// Returns once at least `count` tasks wait at the gate.
    public func waitForArrivals(_ count: Int) async {
        await withCheckedContinuation { continuation in
            let isReady = self.state.withLock { state in
                if state.waiting.count >= count { return true }
                state.watchers.append((count, continuation))
                return false
            }
            if isReady { continuation.resume() }
        }
    }
}
