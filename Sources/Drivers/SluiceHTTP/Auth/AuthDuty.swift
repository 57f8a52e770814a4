// SPDX-License-Identifier: Apache-2.0
import Sluice
import Synchronization

/// A failure of authentication itself, as of the server that gives tokens out: it says nothing of the host a request is for.
struct AuthFailure: Error, RetryAdvising {
    /// What authentication threw.
    let base: any Error

    /// As the error itself advises.
    var retryAdvice: RetryAdvice { Retry.adviceOfError(self.base) }
}

/// Whose fault a failure of an attempt is: authentication's own while it is at work, and the host's while a request is with it.
final class AuthDuty: Sendable {
    private let isAtWork = Atomic(false)

    /// Runs authentication.
    func run<Value>(_ work: () async throws -> Value) async throws -> Value {
        self.isAtWork.store(true, ordering: .relaxed)
        let value = try await work()
        self.isAtWork.store(false, ordering: .relaxed)
        return value
    }

    /// Runs what authentication hands a request to; what that throws is the host's, also when it is thrown on.
    func leave<Value>(_ work: () async throws -> Value) async throws -> Value {
        self.isAtWork.store(false, ordering: .relaxed)
        let value = try await work()
        self.isAtWork.store(true, ordering: .relaxed)
        return value
    }

    /// The error as an ``AuthFailure``, if authentication has failed by itself.
    ///
    /// A task that was cancelled, a call whose own deadline has come, and one that was turned away have not failed.
    func judged(_ error: any Error, attemptTimeout: Duration, _ context: OperationContext) -> any Error {
        guard self.isAtWork.load(ordering: .relaxed), !(error is CancellationError), !(error is RejectionError) else {
            return error
        }
        guard error is DeadlineReached else { return AuthFailure(base: error) }
        let isOwn = context.attemptStart.advanced(by: attemptTimeout) <= context.deadline
        return isOwn ? AuthFailure(base: TimeoutError(policy: "timeout", limit: attemptTimeout, in: context)) : error
    }
}
