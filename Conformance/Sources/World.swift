// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceTesting
import Synchronization

/// Virtual time in which every task takes its turn on one thread, so that a scenario always runs the same way.
///
/// Time moves only when no task can go on. Tasks started by ``start(_:)`` run here, and whatever they wait for in virtual time
/// brings them back here.
final class World: Sendable {
    let time = VirtualTime(patience: .seconds(600))
    private let turns = Turns()

    /// Starts a task; it runs when time is moved.
    @discardableResult
    func start<Value: Sendable>(
        _ body: @escaping @Sendable () async throws -> Value
    ) -> Task<Value, any Error> {
        Task(executorPreference: self.turns, operation: body)
    }

    /// Starts a task `delay` from now.
    func start(after delay: Duration, _ body: @escaping @Sendable () async throws -> Void) {
        _ = self.time.schedule(at: self.time.now.advanced(by: delay)) { self.start(body) }
    }

    /// Runs what can run, and time on by `duration`, step by step.
    func advance(by duration: Duration) {
        let end = self.time.now.advanced(by: duration)
        self.turns.run()
        while self.time.ringNext(until: end) { self.turns.run() }
        self.time.advance(by: self.time.now.duration(to: end))
        self.turns.run()
    }

    /// Seconds since `start`.
    func seconds(since start: Instant) -> Double { start.duration(to: self.time.now).inSeconds }
}

/// Runs the jobs of tasks one after the other, on the thread that asks for it.
private final class Turns: TaskExecutor {
    private let jobs = Mutex<[UnownedJob]>([])

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        self.jobs.withLock { $0.append(job) }
    }

    func run() {
        while true {
            let ready = self.jobs.withLock { jobs in
                defer { jobs = [] }
                return jobs
            }
            if ready.isEmpty { return }
            for job in ready { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
        }
    }
}
