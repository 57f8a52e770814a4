// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Stops calling an operation that keeps failing, until it has had time to recover.
///
/// Closed, it counts failures in a row; at the threshold it opens and turns calls away without running them. After `openFor` it
/// lets one probe through: success closes it, failure opens it again. Cancelled and rejected calls prove nothing and count
/// neither way, and a result that began before the last change of state is ignored.
public final class CircuitBreaker: Policy {
    private let machine: Mutex<CircuitBreakerMachine>
    private let isFailure: @Sendable (any Error) -> Bool

    /// Creates a closed breaker.
    ///
    /// - Parameters:
    ///   - consecutiveFailures: Failures in a row that open it; at least 1.
    ///   - openFor: How long it turns calls away before it lets a probe through.
    ///   - isFailure: Whether an operation's error speaks against the operation's health; by default every error does.
    public init(
        consecutiveFailures: Int = 5,
        openFor: Duration = .seconds(60),
        isFailure: @escaping @Sendable (any Error) -> Bool = { _ in true }
    ) {
        self.machine = Mutex(CircuitBreakerMachine(threshold: consecutiveFailures, openFor: openFor))
        self.isFailure = isFailure
    }

    /// Whether calls flow: false while it is open or probing.
    public var isClosed: Bool { self.machine.withLock { $0.isClosed } }

    /// Runs `next` unless the breaker is open.
    @inlinable
    public func execute<Value, Failure: Error>(
        _ context: OperationContext,
        _ next: (OperationContext) async -> Outcome<Value, Failure>
    ) async -> Outcome<Value, Failure> {
        var permit: Permit
        switch self.admit(context) {
        case .rejected(let error): return .rejected(error)
        case .admitted(let admitted): permit = admitted
        }
        let outcome = await next(context)
        switch outcome {
        case .success: permit.succeed()
        case .failure(let error): permit.fail(with: error)
        case .timedOut(let error): permit.fail(with: error)
        case .rejected, .cancelled: permit.ignore()
        }
        return outcome
    }

    @usableFromInline
    enum Admission: ~Copyable {
        case admitted(Permit)
        case rejected(RejectionError)
    }

    @usableFromInline
    func admit(_ context: OperationContext) -> Admission {
        // The clock is read under the lock, so that times are ordered as the events are.
        switch self.machine.withLock({ $0.admit(at: context.time.now) }) {
        case .run(let ticket):
            if ticket.isProbe {
                context.record(PolicyEvent("circuitBreaker.probing", .information, policy: "circuitBreaker"))
            }
            return .admitted(Permit(breaker: self, ticket: ticket, context: context))
        case .reject(let retryAfter):
            context.record(PolicyEvent("circuitBreaker.rejected", .warning, policy: "circuitBreaker"))
            return .rejected(
                RejectionError(policy: "circuitBreaker", reason: .circuitOpen, retryAfter: retryAfter))
        }
    }

    /// One admitted call, settled exactly once.
    ///
    /// Dropped unsettled it counts as ignored, so a probe's place is never lost.
    @usableFromInline
    struct Permit: ~Copyable {
        private enum Verdict { case ignored, success, failure }

        private let breaker: CircuitBreaker
        private let ticket: CircuitBreakerMachine.Ticket
        private let context: OperationContext
        private var verdict = Verdict.ignored

        init(breaker: CircuitBreaker, ticket: CircuitBreakerMachine.Ticket, context: OperationContext) {
            self.breaker = breaker
            self.ticket = ticket
            self.context = context
        }

        deinit {
            let transition: CircuitBreakerMachine.Transition? = self.breaker.machine.withLock { machine in
                switch self.verdict {
                case .success:
                    return machine.recordSuccess(self.ticket)
                case .failure:
                    return machine.recordFailure(self.ticket, at: self.context.time.now)
                case .ignored:
                    machine.recordIgnored(self.ticket)
                    return nil
                }
            }
            guard let transition else { return }
            self.context.record(
                PolicyEvent(
                    "circuitBreaker.\(transition.rawValue)", transition == .opened ? .error : .information,
                    policy: "circuitBreaker"))
        }

        @usableFromInline
        consuming func succeed() { self.verdict = .success }

        @usableFromInline
        consuming func fail(with error: any Error) {
            // The caller's predicate runs here, outside the lock. An error that is no failure shows that the other side works.
            self.verdict = self.breaker.isFailure(error) ? .failure : .success
        }

        @usableFromInline
        consuming func ignore() {}
    }
}
