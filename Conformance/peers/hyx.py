# SPDX-License-Identifier: Apache-2.0
"""hyx: retry, breaker, limiter, bulkhead, timeout. Its decorators come first in its documentation, so they count."""

import asyncio

from .suite import Library, main
from .suite.breaker import Held, Outage, admitted, opened
from .suite.clock import run
from .suite.overflow import CAP

from hyx.bulkhead import bulkhead
from hyx.circuitbreaker import consecutive_breaker
from hyx.ratelimit import tokenbucket
from hyx.ratelimit.exceptions import RateLimitExceeded
from hyx.retry import retry
from hyx.retry.backoffs import const, expo
from hyx.retry import jitters
from hyx.timeout import timeout
from hyx.timeout.exceptions import MaxDurationExceeded


def _through(context):
    """The context manager form: `async with context`."""
    async def call(operation):
        async with context:
            return await operation()

    return call


class _Limiter:
    kind = "bucket"

    def __init__(self, count, per):
        self.bucket = tokenbucket(max_executions=count, per_time_secs=per)

    async def take(self):
        try:
            async with self.bucket:
                return True
        except RateLimitExceeded:
            return False


class Peer(Library):
    name = "hyx"
    timed_out = MaxDurationExceeded
    delay_of = "expo with full jitter (20,000 steps stand for more: at the cap the iterator's state no longer changes)"
    other_bulkhead_name = "as `async with`"

    def delay(self, attempt):
        waits = expo(max_delay_secs=CAP, jitter=jitters.full)
        for _ in range(min(attempt, 20_000)):
            wait = next(waits)
        return wait

    def recommended(self, operation, attempts):  # its `attempts` counts retries
        return retry(attempts=attempts - 1, backoff=expo(jitter=jitters.full))(operation)

    def exact(self, operation, attempts):
        return retry(attempts=attempts - 1, backoff=expo(min_delay_secs=1))(operation)

    def unconfigured(self, operation):
        return retry()(operation)

    def breaker(self, threshold, open_for, exclude):
        breaker = self._breaker(threshold, open_for, exclude)

        @breaker
        async def call(operation):
            return await operation()

        return call

    def _breaker(self, threshold, open_for, exclude):
        counted = {"exceptions": Outage} if exclude else {}
        return consecutive_breaker(
            failure_threshold=threshold, recovery_time_secs=open_for, recovery_threshold=1, **counted)

    def cancelled_probe_caveat(self):
        return self.as_context

    def limiter(self, count, per):
        return _Limiter(count, per)

    def limited(self, operation, count, per):
        return tokenbucket(max_executions=count, per_time_secs=per)(operation)

    def bulkhead(self, limit, capacity):
        @bulkhead(max_concurrency=limit, max_capacity=capacity)
        async def call(operation):
            return await operation()

        return call

    def other_bulkhead(self, limit, capacity):
        return _through(bulkhead(max_concurrency=limit, max_capacity=capacity))

    def timeout(self, operation, seconds):
        return timeout(max_delay_secs=seconds)(operation)

    def blocking(self, function, seconds):
        @timeout(max_delay_secs=seconds)
        async def call():
            function()

        return call()


async def _cancelled_probe_as_context():
    class Form:
        def breaker(self, *settings):
            return _through(Peer()._breaker(*settings))

    breaker = await opened(Form())
    await asyncio.sleep(1.01)
    probe = Held(breaker)
    await asyncio.sleep(0.001)
    await probe.cancel()
    await admitted(breaker, Outage())
    closed = await admitted(breaker)
    return "as `async with`: the cancelled probe closed the breaker" if closed else None


if __name__ == "__main__":
    peer = Peer()
    peer.as_context = run(_cancelled_probe_as_context())
    main(peer)
