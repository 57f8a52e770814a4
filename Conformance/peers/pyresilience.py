# SPDX-License-Identifier: Apache-2.0
"""pyresilience: retry with a budget, breaker, limiter, bulkhead, timeout, cache."""

from .suite import Library, main
from .suite.overflow import CAP

from pyresilience import (
    BulkheadConfig, CacheConfig, CircuitBreakerConfig, RateLimiterConfig, RetryBudgetConfig, RetryConfig, TimeoutConfig,
    resilient,
)
from pyresilience import _executor
from pyresilience._exceptions import RateLimitExceededError, ResilienceTimeoutError


def _through(**policies):
    """One set of policies around whatever operation is handed in."""
    @resilient(**policies)
    async def call(operation):
        return await operation()

    return call


async def _nothing():
    pass


class _Limiter:
    kind = "bucket"

    def __init__(self, count, per):
        self.at_once = _through(rate_limiter=RateLimiterConfig(max_calls=count, period=per))
        self.waiting = _through(rate_limiter=RateLimiterConfig(max_calls=count, period=per, max_wait=60))

    async def take(self):
        try:
            await self.at_once(_nothing)
            return True
        except RateLimitExceededError:
            return False

    async def wait(self):
        await self.waiting(_nothing)


class Peer(Library):
    name = "pyresilience"
    timed_out = ResilienceTimeoutError
    delay_of = "the only strategy"
    guard = "RetryBudgetConfig()"
    blocking_how = " (a plain function: it runs in a thread)"

    def delay(self, attempt):
        return _executor._compute_delay(RetryConfig(delay=1, max_delay=CAP), attempt)

    def recommended(self, operation, attempts):
        return resilient(retry=RetryConfig(max_attempts=attempts, delay=1.0))(operation)

    def guarded(self, operation, attempts):
        retry = RetryConfig(max_attempts=attempts, delay=1.0)
        return resilient(retry=retry, retry_budget=RetryBudgetConfig())(operation)

    def exact(self, operation, attempts):
        return resilient(retry=RetryConfig(max_attempts=attempts, delay=1, jitter=False))(operation)

    def bounded(self, operation, total):
        retry = RetryConfig(max_attempts=10, delay=0.6, backoff_factor=1, jitter=False)
        return resilient(retry=retry, timeout=TimeoutConfig(seconds=total, per_attempt=False))(operation)

    def hinted(self, operation, total):
        retry = RetryConfig(max_attempts=3 if total else 2, delay_func=lambda attempt, error: error.retry_after)
        timeout = {"timeout": TimeoutConfig(seconds=total, per_attempt=False)} if total else {}
        return resilient(retry=retry, **timeout)(operation)

    def unconfigured(self, operation):
        return resilient(retry=RetryConfig())(operation)

    def breaker(self, threshold, open_for, exclude):
        return _through(circuit_breaker=CircuitBreakerConfig(
            failure_threshold=threshold, recovery_timeout=open_for, success_threshold=1,
            ignore_on=(exclude,) if exclude else (),
        ))

    def limiter(self, count, per):
        return _Limiter(count, per)

    def limited(self, operation, count, per):
        return resilient(rate_limiter=RateLimiterConfig(max_calls=count, period=per))(operation)

    def bulkhead(self, limit, capacity):  # waiting is bounded by time, not by number
        return _through(bulkhead=BulkheadConfig(max_concurrent=limit, max_wait=600))

    def timeout(self, operation, seconds):
        return resilient(timeout=TimeoutConfig(seconds=seconds))(operation)

    def blocking(self, function, seconds):
        return resilient(timeout=TimeoutConfig(seconds=seconds))(function)()

    def cached(self, loader):
        return resilient(cache=CacheConfig())(loader)


if __name__ == "__main__":
    main(Peer())
