// SPDX-License-Identifier: Apache-2.0

extension CircuitBreaker {
    /// Asks for one call outside a pipeline, for code that a closure cannot wrap.
    ///
    /// ```swift
    /// let permit = try breaker.permit()
    /// do { try send(); permit.succeed() } catch { permit.fail(with: error); throw error }
    /// ```
    ///
    /// - Throws: ``RejectionError`` if the breaker is open.
    public func permit(in context: OperationContext? = nil) throws(RejectionError) -> Permit {
        var context = context ?? OperationContext.current ?? OperationContext(name: Self.policyName)
        context.attemptStart = context.time.now
        switch self.admit(context) {
        case .run(let ticket): return Permit(breaker: self, ticket: ticket, context: context)
        case .reject(let retryAfter): throw self.rejection(retryAfter, context)
        }
    }

    /// One admitted call, settled at most once.
    ///
    /// Dropped unsettled it counts as ignored, so a probe's place is never lost.
    public struct Permit: ~Copyable, Sendable {
        private let breaker: CircuitBreaker
        private let ticket: CircuitBreakerMachine.Ticket
        private let context: OperationContext
        private var isSettled = false

        init(breaker: CircuitBreaker, ticket: CircuitBreakerMachine.Ticket, context: OperationContext) {
            self.breaker = breaker
            self.ticket = ticket
            self.context = context
        }

        deinit {
            if !self.isSettled { self.breaker.recordIgnored(self.ticket) }
        }

        /// The call went well.
        public consuming func succeed() {
            self.isSettled = true
            self.breaker.recordSuccess(self.ticket, self.context)
        }

        /// The call failed; whether that speaks against the other side is the breaker's to judge.
        public consuming func fail(with error: any Error) {
            if error is CancellationError { return }
            self.isSettled = true
            self.breaker.record(error, self.ticket, self.context)
        }
    }
}
