# SPDX-License-Identifier: Apache-2.0
"""redress: retry with a budget, breaker, a timeout for each attempt."""

from .suite import Library, main
from .suite.overflow import CAP

from redress import (
    AsyncPolicy, AsyncRetry, Budget, CircuitBreaker, ErrorClass, Policy, Retry, default_classifier, retry,
)
from redress.classify import Classification
from redress.strategies import decorrelated_jitter, equal_jitter, retry_after_or, token_backoff


def _retrying(operation, **settings):
    settings = {"classifier": default_classifier, "strategy": decorrelated_jitter(max_s=5.0)} | settings
    policy = AsyncPolicy(retry=AsyncRetry(**settings))

    async def call(*arguments):
        return await policy.call(lambda: operation(*arguments))

    return call


def _waits(strategy):
    return lambda attempt: strategy(attempt, ErrorClass.TRANSIENT, CAP)


class Peer(Library):
    name = "redress"
    timed_out = TimeoutError
    delay_of = "decorrelated_jitter, its default"
    delay = staticmethod(_waits(decorrelated_jitter(max_s=CAP)))
    other_delays = {
        "equal_jitter": _waits(equal_jitter(max_s=CAP)), "token_backoff": _waits(token_backoff(max_s=CAP)),
    }
    guard = "Budget(max_retries=20, window_s=60)"
    blocking_how = " (a plain function: it runs in a thread)"

    def recommended(self, operation, attempts):
        return _retrying(operation, max_attempts=attempts)

    def guarded(self, operation, attempts):
        return _retrying(operation, max_attempts=attempts, budget=Budget(max_retries=20, window_s=60.0))

    def exact(self, operation, attempts):
        return _retrying(operation, max_attempts=attempts, strategy=lambda context: 2.0 ** (context.attempt - 1))

    def bounded(self, operation, total):
        return _retrying(operation, max_attempts=10, deadline_s=total, strategy=lambda context: 0.6)

    def hinted(self, operation, total):
        def classify(error):
            return Classification(klass=ErrorClass.RATE_LIMIT, retry_after_s=error.retry_after)

        return _retrying(
            operation, classifier=classify, strategy=retry_after_or(decorrelated_jitter()),
            max_attempts=3 if total else 2, deadline_s=total or 60.0,
        )

    def unconfigured(self, operation):
        @retry
        async def call():
            return await operation()

        return call

    def breaker(self, threshold, open_for, exclude):  # errors it cannot classify do not count, so none needs excluding
        breaker = CircuitBreaker(failure_threshold=threshold, window_s=60.0, recovery_timeout_s=open_for)
        return AsyncPolicy(circuit_breaker=breaker).call

    def timeout(self, operation, seconds):
        return _retrying(operation, attempt_timeout_s=seconds, max_attempts=1)

    def blocking(self, function, seconds):
        attempt = Retry(
            classifier=default_classifier, strategy=decorrelated_jitter(), attempt_timeout_s=seconds, max_attempts=1)
        return Policy(retry=attempt).call(function)


if __name__ == "__main__":
    main(Peer())
