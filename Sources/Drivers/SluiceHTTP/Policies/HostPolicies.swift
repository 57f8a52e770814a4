// SPDX-License-Identifier: Apache-2.0
import Sluice

/// The policies of one host, and what steers them.
typealias HostLayers = Nested<Nested<Nested<Retry, CircuitBreaker>, RateLimit>, WatchedTimeout>

/// Makes the policies of a host.
struct HostPolicies: Sendable {
    let name: String
    let configuration: APIClientConfiguration
    let time: any TimeSource
    let randomness: Randomness
    let observer: (any PolicyObserver)?

    func pipeline() -> Pipeline<HostLayers> {
        let configuration = self.configuration
        return Pipeline(self.name, time: self.time, observer: self.observer.map(AttemptObserver.init)) {
            Retry(
                maximumAttempts: configuration.maximumAttempts, backoff: configuration.backoff,
                randomness: self.randomness)
            CircuitBreaker(
                consecutiveFailures: configuration.breakerFailures, openFor: configuration.breakerOpenFor
            ) { error in
                // That no token could be got, or somebody has to sign in, says nothing of the host.
                !(error is AuthFailure) && (error as? APIClientError)?.isServerFailure ?? true
            }
            // What the server asks for holds for every caller, not only for one call's next attempt.
            RateLimit(RateLimitSettings(count: configuration.callsPerMinute, period: .seconds(60)), obeysHints: true)
            WatchedTimeout(configuration.attemptTimeout)
        }
    }
}

/// Passes on what happens within a hop; the end of the call is reported by the call, once.
private final class AttemptObserver: PolicyObserver {
    private let base: any PolicyObserver

    init(_ base: any PolicyObserver) {
        self.base = base
    }

    func record(_ event: PolicyEvent, in context: OperationContext) {
        if event.kind != .pipelineFinished { self.base.record(event, in: context) }
    }
}

/// How a client stands with one host.
public struct APIClientHost: Sendable, Hashable {
    /// Scheme, host and port.
    public let origin: String
    /// What the host's breaker does: `closed`, `open` or `halfOpen`.
    public let breaker: String
    /// How many calls wait for the host's rate limit.
    public let queued: Int
}
