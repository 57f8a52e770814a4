// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Testing

/// Runs tests on a thread of their own, one at a time: a million steps at a stretch would take one of the pool's few threads from
/// tests that wait for something real.
struct OffThePool: TestTrait, SuiteTrait, TestScoping {
    var isRecursive: Bool { true }

    @concurrent func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @concurrent @Sendable () async throws -> Void
    ) async throws {
        try await withTaskExecutorPreference(Executor.shared) { try await function() }
    }

    private final class Executor: TaskExecutor {
        static let shared = Executor()
        // A serial queue has a thread outside the pool's width.
        private let queue = DispatchQueue(label: "models")

        func enqueue(_ job: consuming ExecutorJob) {
            let job = UnownedJob(job)
            self.queue.async { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
        }
    }
}

extension Trait where Self == OffThePool {
    static var offThePool: OffThePool { OffThePool() }
}
