// SPDX-License-Identifier: Apache-2.0
import DequeModule
import Dispatch
import Sluice
import Synchronization

/// The thread that one connection of a blocking client library lives on, so that its calls never hold up the cooperative pool.
///
/// It is also a task executor: a transaction's closure runs on it, and then its statements need no hop at all.
package final class ConnectionThread: TaskExecutor, Sendable {
    private enum Work {
        case call(@Sendable () -> Void)
        case job(UnownedJob)
        case stop
    }

    private struct State {
        var queue = Deque<Work>()
        var isAsleep = false
        var isStopped = false
    }

    private let state = Mutex(State())
    private let available = DispatchSemaphore(value: 0)
    /// The running thread's identity, or 0 before it runs.
    private let identity = Atomic<UInt>(0)

    package init() throws {
        let status = DedicatedThread.start { self.run() }
        guard status == 0 else {
            throw SQLError(.connection, message: "no thread could be started (errno \(status))")
        }
    }

    /// Whether the caller runs on this thread.
    package var isCurrent: Bool { self.identity.load(ordering: .relaxed) == DedicatedThread.currentIdentity }

    /// Runs `work` on the thread, after what was handed in before it.
    ///
    /// - Returns: False if the thread has been stopped and `work` will never run.
    package func call(_ work: @escaping @Sendable () -> Void) -> Bool {
        self.add(.call(work))
    }

    /// Ends the thread once it has done what was handed in before.
    package func stop() {
        _ = self.add(.stop)
    }

    package func enqueue(_ job: consuming ExecutorJob) {
        // A job must run: one that comes after the thread was stopped, which only the end of a closure lent a connection past
        // its scope can be, runs where it is.
        let job = UnownedJob(job)
        if !self.add(.job(job)) { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }

    /// Runs `work` on the thread and returns what it returns: at once if that is where the caller is, by a hop otherwise.
    ///
    /// - Throws: ``SQLError`` of kind `connection` if the thread has been stopped.
    package func run<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
        if self.isCurrent { return try work() }
        return try await withCheckedThrowingContinuation { continuation in
            let isAccepted = self.call { continuation.resume(with: Result { try work() }) }
            if !isAccepted {
                continuation.resume(
                    throwing: SQLError(.connection, message: "the connection is closed", hasRun: false))
            }
        }
    }

    private func add(_ work: Work) -> Bool {
        let (isAdded, mustWake) = self.state.withLock { state -> (Bool, Bool) in
            guard !state.isStopped else { return (false, false) }
            state.queue.append(work)
            if case .stop = work { state.isStopped = true }
            defer { state.isAsleep = false }
            return (true, state.isAsleep)
        }
        // A thread that is awake looks again before it sleeps, and waking one costs more than a short statement.
        if mustWake { self.available.signal() }
        return isAdded
    }

    private func next() -> Work {
        while true {
            let work = self.state.withLock { state in
                let work = state.queue.popFirst()
                if work == nil { state.isAsleep = true }
                return work
            }
            if let work { return work }
            self.available.wait()
        }
    }

    private func run() {
        self.identity.store(DedicatedThread.currentIdentity, ordering: .relaxed)
        while true {
            switch self.next() {
            case .call(let work): work()
            case .job(let job): job.runSynchronously(on: self.asUnownedTaskExecutor())
            case .stop: return
            }
        }
    }
}
