// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// Runs tasks on an event loop, so that a task that waits for its connection is resumed without changing threads.
final class EventLoopTaskExecutor: TaskExecutor {
    private let loop: any EventLoop

    init(_ loop: any EventLoop) {
        self.loop = loop
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        self.loop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}

/// Where the code that serves a connection runs.
public enum WebSocketPlacement: Sendable, Hashable {
    /// On the connection's event loop: a message costs no change of threads. Such code must not block.
    case eventLoop
    /// Where its task would run anyway.
    case pool
}

/// Runs `body` where `placement` says.
func placed<Value>(
    _ placement: WebSocketPlacement, on loop: any EventLoop, _ body: () async throws -> Value
) async rethrows -> Value {
    switch placement {
    case .eventLoop: try await withTaskExecutorPreference(EventLoopTaskExecutor(loop)) { try await body() }
    case .pool: try await body()
    }
}
