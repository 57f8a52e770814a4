// SPDX-License-Identifier: Apache-2.0

/// The catalogue of everything policies report: each has a name, a severity and a moment.
public enum PolicyEventKind: String, Sendable, Hashable, CaseIterable {
    case pipelineFinished = "pipeline.finished"
    case pipelineMadeInsideCall = "pipeline.madeInsideCall"
    case operationFinished = "operation.finished"
    case attemptFailed = "attempt.failed"
    case attemptNotRepeated = "attempt.notRepeated"
    case retryScheduled = "retry.scheduled"
    case retryExhausted = "retry.exhausted"
    case retryBudgetExhausted = "retry.budgetExhausted"
    case retrySuppressed = "retry.suppressed"
    case hedgeStarted = "hedge.started"
    case hedgeWon = "hedge.won"
    case timeoutExpired = "timeout.expired"
    case timeoutAbandoned = "timeout.abandoned"
    case deadlineRejected = "deadline.rejected"
    case circuitBreakerOpened = "circuitBreaker.opened"
    case circuitBreakerProbing = "circuitBreaker.probing"
    case circuitBreakerClosed = "circuitBreaker.closed"
    case circuitBreakerRejected = "circuitBreaker.rejected"
    case circuitBreakerStale = "circuitBreaker.staleResult"
    case rateLimitDelayed = "rateLimit.delayed"
    case rateLimitRejected = "rateLimit.rejected"
    case rateLimitPaused = "rateLimit.paused"
    case concurrencyQueued = "concurrencyLimit.queued"
    case concurrencyRejected = "concurrencyLimit.rejected"
    case concurrencyLimitChanged = "concurrencyLimit.changed"
    case fallbackUsed = "fallback.used"
    case fallbackMismatched = "fallback.mismatched"
    case cacheHit = "cache.hit"
    case cacheMiss = "cache.miss"
    case cacheStale = "cache.stale"
    case cacheRefreshFailed = "cache.refreshFailed"
    case chaosInjected = "chaos.injected"
    case poolWaiting = "pool.waiting"
    case poolTimedOut = "pool.timedOut"
    case poolLeaseOverdue = "pool.leaseOverdue"
    case poolConnectFailed = "pool.connectFailed"
    case poolInvalidated = "pool.invalidated"
    case poolConnectionClosed = "pool.connectionClosed"
    case statementFinished = "sql.statementFinished"
    case statementSlow = "sql.statementSlow"
    case webSocketConnected = "webSocket.connected"
    case webSocketConnectFailed = "webSocket.connectFailed"
    case webSocketDisconnected = "webSocket.disconnected"
    case webSocketReconnecting = "webSocket.reconnecting"
    case webSocketPeerSlow = "webSocket.peerSlow"

    /// How much an operator should care.
    public var severity: PolicyEvent.Severity {
        switch self {
        case .pipelineFinished, .operationFinished, .hedgeStarted, .hedgeWon, .circuitBreakerProbing,
            .circuitBreakerClosed, .circuitBreakerStale, .rateLimitDelayed, .concurrencyQueued,
            .concurrencyLimitChanged, .cacheHit, .cacheMiss, .poolWaiting, .poolConnectionClosed,
            .statementFinished, .webSocketConnected, .webSocketDisconnected:
            .information
        case .pipelineMadeInsideCall, .attemptFailed, .attemptNotRepeated, .retryScheduled, .retrySuppressed,
            .timeoutExpired, .deadlineRejected, .circuitBreakerRejected, .rateLimitRejected, .rateLimitPaused,
            .concurrencyRejected, .fallbackUsed, .cacheStale, .cacheRefreshFailed, .chaosInjected,
            .poolTimedOut, .poolLeaseOverdue, .poolConnectFailed, .poolInvalidated, .statementSlow,
            .webSocketConnectFailed, .webSocketReconnecting, .webSocketPeerSlow:
            .warning
        case .retryExhausted, .retryBudgetExhausted, .timeoutAbandoned, .circuitBreakerOpened, .fallbackMismatched:
            .error
        }
    }

    /// When it is reported, in one sentence.
    public var when: String {
        switch self {
        case .pipelineFinished: "A call through a pipeline has ended, however it ended."
        case .pipelineMadeInsideCall:
            "A pipeline that remembers was made inside a call, so it remembers only that call."
        case .operationFinished: "A named operation without policies has ended."
        case .attemptFailed: "An attempt ended in a failure, a timeout or a result that a retry looked at."
        case .attemptNotRepeated:
            "An attempt was not repeated, because its error or the operation's idempotency forbids it."
        case .retryScheduled: "The next attempt will start after a wait."
        case .retryExhausted: "No attempt is left, or none would be in time."
        case .retryBudgetExhausted: "Too large a part of all calls are retries already, so this one is not repeated."
        case .retrySuppressed: "An operation around this one is being repeated already, so this one is not."
        case .hedgeStarted: "The first attempt is slow, so a second one was started beside it."
        case .hedgeWon: "A hedge ended first; the attempts before it were cancelled."
        case .timeoutExpired: "A timeout or deadline ended the work below it."
        case .timeoutAbandoned: "A timeout left work that does not stop behind."
        case .deadlineRejected: "No time was left when the work was to begin."
        case .circuitBreakerOpened: "A breaker begins to turn calls away."
        case .circuitBreakerProbing: "An open breaker lets a probe through."
        case .circuitBreakerClosed: "Probes succeeded and calls flow again."
        case .circuitBreakerRejected: "An open breaker turned the call away."
        case .circuitBreakerStale: "A result came from before the breaker's last change of state and was ignored."
        case .rateLimitDelayed: "The call waits for its turn."
        case .rateLimitRejected: "The call's turn would come too late."
        case .rateLimitPaused: "The other side asked for a pause, and the limit keeps it."
        case .concurrencyQueued: "As many calls as may are running, so this one waits."
        case .concurrencyRejected: "The queue is full, or the call waited in it too long."
        case .concurrencyLimitChanged: "An adaptive limit has moved."
        case .fallbackUsed: "The call failed and the fallback's value was returned."
        case .fallbackMismatched: "The call failed and the fallback's value has another type than the call's."
        case .cacheHit: "A fresh value was found in the cache."
        case .cacheMiss: "No usable value was in the cache, so it is loaded."
        case .cacheStale: "A stale value was returned, while it is refreshed or because loading failed."
        case .cacheRefreshFailed: "Refreshing a value in the background failed."
        case .chaosInjected: "A fault, a delay or a value was injected on purpose."
        case .poolWaiting: "No connection is at hand, so the call waits for one."
        case .poolTimedOut: "The call got no connection in time; its error says what took it."
        case .poolLeaseOverdue:
            "A connection has been lent for suspiciously long; said once, by the call that holds it."
        case .poolConnectFailed: "A connection could not be opened."
        case .poolInvalidated: "A connection was found dead, so all that were opened before are closed."
        case .poolConnectionClosed: "A pool has closed a connection; the outcome says why."
        case .statementFinished: "A statement has ended; the policy is its text, the outcome the kind of its error."
        case .statementSlow: "A statement took longer than it should have; the policy is its text."
        case .webSocketConnected: "A WebSocket is open; the outcome says on which side, client or server."
        case .webSocketConnectFailed: "A client got no WebSocket; the outcome is the kind of its error."
        case .webSocketDisconnected:
            "A WebSocket has ended; the outcome is its close code, 1006 without a close frame, the duration its life."
        case .webSocketReconnecting:
            "A client will connect again after a wait; the outcome is the kind of the error that made it."
        case .webSocketPeerSlow:
            "A peer takes in too little of what goes to many; the outcome says what it comes to, drop or close."
        }
    }
}
