// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Runs `work` for at most `limit` and returns on time even if it does not stop when told to.
///
/// At the limit the work is cancelled; if it goes on all the same, it is left behind and counted in `orphans`.
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
    let alarm = context.time.schedule(at: min(context.deadline, now.advanced(by: limit))) {
        run.abandon(with: .failure(TimeoutError(policy: "timeout", limit: limit, in: context)))
        task.cancel()
    }
    defer { context.time.cancel(alarm) }
    let (result, wasAbandoned) = await withTaskCancellationHandler {
        await run.value()
    } onCancel: {
        run.abandon(with: .failure(CancellationError()))
        task.cancel()
    }
    if wasAbandoned, !Task.isCancelled {
        context.record(PolicyEvent(.timeoutAbandoned, policy: orphans.name, duration: limit))
    }
    return try result.get()
}

/// Work that its caller may leave before it ends.
private final class AbandonableRun<Value: Sendable>: Sendable {
    private enum State {
        /// The work runs and its caller is not suspended yet. Becomes `waiting` or `settled`.
        case running
        /// The work runs and its caller waits. Becomes `settled`.
        case waiting(CheckedContinuation<(Result<Value, any Error>, Bool), Never>)
        /// The caller has, or will find, this result.
        case settled(Result<Value, any Error>, wasAbandoned: Bool)
    }

    private let state = Mutex(State.running)
    private let orphans: OrphanLimit

    init(_ orphans: OrphanLimit) {
        self.orphans = orphans
    }

    /// The work has ended: its caller gets the result, or, if it left, one orphan less is counted.
    func end(with result: Result<Value, any Error>) {
        let wasAbandoned = self.state.withLock { if case .settled(_, true) = $0 { true } else { false } }
        if wasAbandoned { self.orphans.remove() } else { self.settle(result, wasAbandoned: false) }
    }

    /// The caller leaves.
    func abandon(with result: Result<Value, any Error>) {
        self.settle(result, wasAbandoned: true)
    }

    private func settle(_ result: Result<Value, any Error>, wasAbandoned: Bool) {
        let (continuation, isFirst) = self.state.withLock {
            state -> (CheckedContinuation<(Result<Value, any Error>, Bool), Never>?, Bool) in
            switch state {
            case .running:
                state = .settled(result, wasAbandoned: wasAbandoned)
                return (nil, true)
            case .waiting(let continuation):
                state = .settled(result, wasAbandoned: wasAbandoned)
                return (continuation, true)
            case .settled:
                return (nil, false)
            }
        }
        if isFirst, wasAbandoned { self.orphans.add() }
        if !isFirst, !wasAbandoned { self.orphans.remove() }
        continuation?.resume(returning: (result, wasAbandoned))
    }

    func value() async -> (Result<Value, any Error>, Bool) {
        await withCheckedContinuation { continuation in
            let settled = self.state.withLock { state -> (Result<Value, any Error>, Bool)? in
                if case .settled(let result, let wasAbandoned) = state { return (result, wasAbandoned) }
                state = .waiting(continuation)
                return nil
            }
            if let settled { continuation.resume(returning: settled) }
        }
    }
}

extension Result where Failure == any Error {
    /// What `body` returns or throws.
    static func capturing(_ body: () async throws -> Success) async -> Result {
        do { return .success(try await body()) } catch { return .failure(error) }
    }
}
