// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Synchronization

/// Runs an asynchronous operation from synchronous code, and blocks the thread until it has ended.
///
/// For scripts and for callers that cannot become asynchronous, so that nothing needs a second, synchronous implementation:
///
/// ```swift
/// let season = try runBlocking { try await client.season(2025) }
/// ```
///
/// What is bound around the call, for example ``OperationContext/current``, is bound in the operation. An operation that needs
/// the main actor never ends if this is called on the main thread, which waits here.
///
/// - Throws: ``BlockingInsideTaskError``, before anything runs, if called inside a task; what `operation` throws.
public func runBlocking<Value: Sendable>(
    _ operation: @escaping @Sendable () async throws -> Value
) throws -> Value {
    if withUnsafeCurrentTask(body: { $0 != nil }) { throw BlockingInsideTaskError() }
    let answer = Answer<Value>()
    // Unstructured, since there is no task to be its parent; and it does not outlive the call, which waits for it.
    Task {
        answer.settle(await .catching { try await operation() })
    }
    return try answer.wait().get()
}

/// ``runBlocking(_:)`` was called inside a task.
///
/// It would block a thread of the cooperative pool, of which there are only as many as processor cores: when all of them wait
/// like this nothing is left to run what they wait for.
public struct BlockingInsideTaskError: Error, Sendable, Hashable, CustomStringConvertible {
    /// Creates the error.
    public init() {}

    /// What to do, in one line.
    public var description: String {
        "runBlocking was called inside a task, whose thread it would block: await the operation instead, "
            + "or, if the code in between must stay synchronous, run that code with offload { … }"
    }
}

/// A result that one thread waits for.
private final class Answer<Value: Sendable>: Sendable {
    private let result = Mutex<Result<Value, any Error>?>(nil)
    private let isThere = DispatchSemaphore(value: 0)

    func settle(_ result: Result<Value, any Error>) {
        self.result.withLock { $0 = result }
        self.isThere.signal()
    }

    func wait() -> Result<Value, any Error> {
        while true {
            self.isThere.wait()
            if let result = self.result.withLock({ $0 }) { return result }
        }
    }
}
