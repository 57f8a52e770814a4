// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Keeps retries and hedges a small part of all calls, so that an outage is not answered with several times the load.
///
/// Share one among the pipelines that reach the same service. A ``Retry`` without budget left returns the failure it has; a
/// ``Hedge`` starts no second attempt. Calls that a policy turned away pay in and take out nothing.
public final class RetryBudget: Sendable {
    private let machine: Mutex<RetryBudgetMachine>

    /// Creates a budget.
    ///
    /// - Parameters:
    ///   - ratio: Retries for each call of the last ten seconds, in `0...1_000`.
    ///   - minimumPerSecond: Retries a second that are always there; at least 0.
    public init(ratio: Double = 0.2, minimumPerSecond: Double = 10) {
        self.machine = Mutex(RetryBudgetMachine(ratio: ratio, minimumPerSecond: minimumPerSecond))
    }

    /// How many retries there are at `now`.
    public func balance(at now: Instant) -> Double { self.machine.withLock { $0.balance(at: now) } }

    @usableFromInline
    func recordCall(at now: Instant) {
        self.machine.withLock { $0.recordCall(at: now) }
    }

    @usableFromInline
    func takeRetry(at now: Instant) -> Bool {
        self.machine.withLock { $0.takeRetry(at: now) }
    }
}
