// SPDX-License-Identifier: Apache-2.0

/// Tries `operation` until it succeeds, advises against another attempt, or attempts or time run out.
///
/// The deadline of the operation around it bounds the waits. Each call stands alone, without a ``RetryBudget``; what is called
/// often belongs into a ``Pipeline``.
///
/// - Parameters:
///   - maximumAttempts: Attempts in total, the first included; at least 1.
///   - backoff: The waits between them.
///   - isIdempotent: Whether running it twice does no more than once; unless true, a timeout is not repeated.
///   - operation: Called once for each attempt.
/// - Throws: The last attempt's error, unchanged.
public func retry<Value>(
    _ maximumAttempts: Int = Defaults.maximumAttempts, _ backoff: Backoff = .standard, isIdempotent: Bool? = nil,
    _ operation: () async throws -> Value
) async throws -> Value {
    let policy = Retry(maximumAttempts: maximumAttempts, backoff: backoff, budget: nil)
    return try await OperationContext.under(policy, "retry", isIdempotent: isIdempotent, operation)
}

/// Runs `operation` and cancels it at `limit`, or at the deadline of the operation around it if that is earlier.
///
/// Cooperative: returns when the operation has stopped. For work that does not stop there is
/// ``withTimeout(_:abandoning:_:)``.
///
/// - Throws: ``TimeoutError`` at the limit; what `operation` throws.
public func withTimeout<Value>(_ limit: Duration, _ operation: () async throws -> Value) async throws -> Value {
    try await OperationContext.under(Timeout(limit), "timeout", isIdempotent: nil, operation)
}

/// Runs `operation`, and `fallback` with the error if that fails.
///
/// - Throws: What `fallback` throws; `CancellationError` if the task is cancelled, which needs no fallback.
public func withFallback<Value>(
    _ operation: () async throws -> Value, or fallback: (any Error) async throws -> Value
) async throws -> Value {
    do {
        return try await operation()
    } catch let error as CancellationError {
        throw error
    } catch {
        try Task.checkCancellation()
        return try await fallback(error)
    }
}

/// Runs `operation`, and returns `value` if that fails.
///
/// - Throws: `CancellationError` alone.
public func safely<Value>(default value: Value, _ operation: () async throws -> Value) async throws -> Value {
    try await withFallback(operation) { _ in value }
}

/// Runs operations side by side, returns what succeeds first and cancels the others.
///
/// Returns when all have stopped. If all fail, the first one's error is thrown.
///
/// - Parameter operations: At least one.
public func race<Value: Sendable>(_ operations: (@Sendable () async throws -> Value)...) async throws -> Value {
    precondition(!operations.isEmpty, "a race needs at least one operation")
    return try await withThrowingTaskGroup(of: (Int, Result<Value, any Error>).self) { group in
        for (index, operation) in operations.enumerated() {
            group.addTask { (index, await Result.capturing(operation)) }
        }
        var failures: [Int: any Error] = [:]
        while let (index, result) = try await group.next() {
            switch result {
            case .success(let value):
                group.cancelAll()
                return value
            case .failure(let error):
                failures[index] = error
            }
        }
        try Task.checkCancellation()
        throw failures[0] ?? CancellationError()
    }
}

extension OperationContext {
    /// Runs `operation` under one policy, within the current operation or as one of its own.
    static func under<Value>(
        _ policy: some Policy, _ name: String, isIdempotent: Bool?, _ operation: () async throws -> Value
    ) async throws -> Value {
        let around = OperationContext.current
        let kind = Kind(name: name, time: around?.time ?? SystemTime.shared, observer: around?.observer)
        let context = OperationContext.nested(kind, isIdempotent: isIdempotent)
        func attempt(_ context: OperationContext) async -> Outcome<Value, any Error> {
            await OperationContext.$current.withValue(context) { () async -> Outcome<Value, any Error> in
                do { return .success(try await operation()) } catch { return .thrown(error) }
            }
        }
        return try await (context.mode == .off ? attempt(context) : policy.execute(context, attempt)).get()
    }
}
