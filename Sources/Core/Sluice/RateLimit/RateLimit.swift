// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Lets a number of calls through in a period, and makes the rest wait for their turn or turns them away.
///
/// A call whose turn would come after its deadline is turned away at once; a call cancelled while it waits gives its place
/// back.
public final class RateLimit: Policy {
    private let limit: Mutex<GCRA>
    private let patience: Int64

    /// Creates a limit.
    ///
    /// - Parameters:
    ///   - count: Calls a period on average; at least 1. In one period up to `count + burst` may pass.
    ///   - period: The period's length; more than zero.
    ///   - burst: Calls that may come at once; `count` by default.
    ///   - patience: The longest a call waits for its turn; zero turns it away instead.
    public init(_ count: Int, per period: Duration, burst: Int? = nil, patience: Duration = .seconds(30)) {
        precondition(patience >= .zero, "patience must not be negative (is \(patience))")
        self.limit = Mutex(GCRA(count: count, per: period, burst: burst ?? count))
        self.patience = patience.clampedNanoseconds
    }

    /// Runs `next` when its turn has come.
    @inlinable
    public func execute<Value, Failure: Error>(
        _ context: OperationContext,
        _ next: (OperationContext) async -> Outcome<Value, Failure>
    ) async -> Outcome<Value, Failure> {
        switch self.take(context) {
        case .taken(.zero):
            return await next(context)
        case .taken(let wait):
            guard await self.waitForTurn(wait, context) else { return .cancelled }
            return await next(context)
        case .refused(let retryAfter):
            return .rejected(RejectionError(policy: "rateLimit", reason: .rateLimited, retryAfter: retryAfter))
        }
    }

    /// Lets no call pass before `instant`, for example because the server said so.
    public func pause(until instant: Instant) {
        self.limit.withLock { $0.pause(until: instant) }
    }

    @usableFromInline
    func take(_ context: OperationContext) -> GCRA.Decision {
        let decision = self.limit.withLock { limit in
            let now = context.time.now
            // A turn that comes with the deadline comes too late.
            let remaining = context.deadline.nanoseconds.subtractingSaturated(now.nanoseconds)
            return limit.take(at: now, patienceNanoseconds: min(self.patience, remaining - 1))
        }
        if case .refused = decision {
            context.record(PolicyEvent("rateLimit.rejected", .warning, policy: "rateLimit"))
        }
        return decision
    }

    /// False if the task was cancelled while it waited.
    @usableFromInline
    func waitForTurn(_ wait: Duration, _ context: OperationContext) async -> Bool {
        context.record(PolicyEvent("rateLimit.delayed", .information, policy: "rateLimit", duration: wait))
        do {
            try await context.time.sleep(until: context.time.now.advanced(by: wait))
            return true
        } catch {
            self.limit.withLock { $0.giveBack() }
            return false
        }
    }
}
