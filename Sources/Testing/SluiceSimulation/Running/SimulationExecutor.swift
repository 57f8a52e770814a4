// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Sluice
import Synchronization

/// Runs every task of a simulation on one thread, one job after the other, in the order in which they became ready.
///
/// It is the executor of the actor that makes the calls, so that policies, which run where their caller runs, run on it; and the
/// one that every task of a call prefers, so that what has no isolation runs on it as well. What resumes a wait is the virtual
/// time, on the same thread. The exception are the attempts of a ``Hedge``, which begin and end with a step outside;
/// ``HedgePassage`` says when one is out there, and then this waits for it.
final class SimulationExecutor: SerialExecutor, TaskExecutor {
    private struct State {
        var jobs: [UnownedJob] = []
        var next = 0
        /// How many tasks are known to be on their way here from another thread.
        var expected = 0
        var parked: [ParkedStep] = []
        var thread: UInt = 0
    }

    private let state = Mutex(State())
    private let arrival = DispatchSemaphore(value: 0)

    /// Takes a job that is ready.
    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let isFromOutside = self.state.withLock { state in
            state.jobs.append(job)
            return state.thread != DedicatedThread.currentIdentity
        }
        if isFromOutside { self.arrival.signal() }
    }

    /// Whether the caller is the simulation's thread.
    func checkIsolated() {
        let thread = self.state.withLock { $0.thread }
        precondition(thread == DedicatedThread.currentIdentity, "a simulation's state was touched on another thread")
    }

    /// Counts tasks that will arrive from another thread; negative for those that have.
    func expect(_ change: Int) {
        self.state.withLock { $0.expected += change }
    }

    /// Keeps a task that came from outside until everything that is on its way has arrived.
    func park(_ step: ParkedStep) {
        self.state.withLock { $0.parked.append(step) }
    }

    /// Makes the calling thread the one that all jobs run on.
    func adoptThread() {
        self.state.withLock { $0.thread = DedicatedThread.currentIdentity }
    }

    /// Runs jobs until nothing is left to do at this instant.
    ///
    /// What arrives from outside does nothing but park, so that the moment of its arrival makes no difference; it goes on when
    /// all has arrived, in the order of the calls.
    func drain() {
        while true {
            while let job = self.takeJob() {
                job.runSynchronously(
                    isolatedTo: self.asUnownedSerialExecutor(), taskExecutor: self.asUnownedTaskExecutor())
            }
            let (mustWait, released) = self.state.withLock { state -> (Bool, [ParkedStep]) in
                if state.next < state.jobs.count { return (false, []) }
                if state.expected > 0 { return (true, []) }
                defer { state.parked = [] }
                return (false, state.parked.sorted { ($0.call, $0.attempt) < ($1.call, $1.attempt) })
            }
            if mustWait {
                self.arrival.wait()
                continue
            }
            for step in released { step.continuation.resume() }
            if self.isIdle { return }
        }
    }

    private var isIdle: Bool {
        self.state.withLock { $0.next == $0.jobs.count && $0.expected == 0 && $0.parked.isEmpty }
    }

    private func takeJob() -> UnownedJob? {
        self.state.withLock { state in
            guard state.next < state.jobs.count else {
                state.jobs.removeAll(keepingCapacity: true)
                state.next = 0
                return nil
            }
            defer { state.next += 1 }
            return state.jobs[state.next]
        }
    }
}

/// A task that has come from another thread and waits for the others.
struct ParkedStep {
    let call: Int
    /// The attempt that begins, or 0 for a call whose attempts have ended.
    let attempt: Int
    let continuation: CheckedContinuation<Void, Never>
}
