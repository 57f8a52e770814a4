// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Runs `work` for at most `limit` and returns on time even if it does not stop when told to.
///
/// At the limit the work is cancelled and left behind, and counted in `orphans` until it ends. If as many as may are left behind
/// by then, the call waits for its work after all.
///
/// - Parameters:
///   - limit: The longest to wait; the current deadline if that is earlier.
///   - orphans: Bounds how much may be left behind.
///   - work: Escaping and sendable, because it may outlive the call.
/// - Throws: ``TimeoutError`` at the limit; ``RejectionError`` with reason `orphanLimit` if too much is left behind already;
///   `CancellationError`, also at once, if the caller is cancelled; what `work` throws.
public func withTimeout<Value: Sendable>(
    _ limit: Duration, abandoning orphans: OrphanLimit, _ work: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    precondition(limit > .zero, "limit must be more than zero (is \(limit))")
    try Task.checkCancellation()
    let context = OperationContext.current ?? OperationContext(name: orphans.name)
    guard orphans.count < orphans.maximum else {
        throw RejectionError(policy: orphans.name, reason: .orphanLimit, in: context)
    }
    let now = context.time.now
    guard now < context.deadline else {
        throw RejectionError(policy: orphans.name, reason: .deadlineWouldBeMissed, in: context)
    }
    let run = AbandonableRun<Value>(orphans)
    // Unstructured, since a structured child would be waited for, which is just what must not happen; and not started in place,
    // so that work which blocks its thread does not block the caller's.
    let task = Task { run.end(with: await Result.capturing { try await work() }) }
    let own = now.advanced(by: limit)
    let expiry =
        own <= context.deadline
        ? TimeoutError(policy: Timeout.policyName, limit: limit, in: context)
        : TimeoutError(policy: Deadline.policyName, limit: now.duration(to: context.deadline), in: context)
    let alarm = context.time.schedule(at: min(context.deadline, own)) {
        run.abandon(expiry)
        task.cancel()
    }
    defer { context.time.cancel(alarm) }
    let (result, wasAbandoned) = await withTaskCancellationHandler {
        await run.value()
    } onCancel: {
        run.abandon(CancellationError())
        task.cancel()
    }
    if wasAbandoned, !Task.isCancelled {
        context.record(PolicyEvent(.timeoutAbandoned, policy: orphans.name, duration: limit))
    }
    return try result.get()
}

/// Work that its caller may leave before it ends.
private final class AbandonableRun<Value: Sendable>: Sendable {
    typealias End = (result: Result<Value, any Error>, wasAbandoned: Bool)

    private struct State {
        /// How the caller's wait ended; nil while the work runs and the caller waits for it.
        var end: End?
        var continuation: CheckedContinuation<End, Never>?
        /// Why the caller would have left, had there been room for one more orphan.
        var refused: (any Error)?
    }

    private let state = Mutex(State())
    private let orphans: OrphanLimit

    init(_ orphans: OrphanLimit) {
        self.orphans = orphans
    }

    /// The work has ended: its caller gets the result, or, if it left, one orphan less is counted.
    func end(with result: Result<Value, any Error>) {
        let (continuation, end) = self.state.withLock { state -> (CheckedContinuation<End, Never>?, End?) in
            guard state.end == nil else { return (nil, nil) }
            var result = result
            if let refused = state.refused, case .failure(let error) = result, error is CancellationError {
                result = .failure(refused)
            }
            let end = (result, false)
            state.end = end
            return (state.continuation, end)
        }
        guard let end else { return self.orphans.remove() }
        continuation?.resume(returning: end)
    }

    /// The caller leaves, if there is room for one more orphan; otherwise it waits for the work, which is told to stop.
    func abandon(_ error: any Error) {
        let (continuation, end) = self.state.withLock { state -> (CheckedContinuation<End, Never>?, End?) in
            guard state.end == nil else { return (nil, nil) }
            guard self.orphans.tryAdd() else {
                state.refused = state.refused ?? error
                return (nil, nil)
            }
            let end = (Result<Value, any Error>.failure(error), true)
            state.end = end
            return (state.continuation, end)
        }
        if let end { continuation?.resume(returning: end) }
    }

    func value() async -> End {
        await withCheckedContinuation { continuation in
            let end = self.state.withLock { state -> End? in
                state.continuation = continuation
                return state.end
            }
            if let end { continuation.resume(returning: end) }
        }
    }
}

extension Result where Failure == any Error {
    /// What `body` returns or throws.
    static func capturing(_ body: () async throws -> Success) async -> Result {
        do { return .success(try await body()) } catch { return .failure(error) }
    }
}
