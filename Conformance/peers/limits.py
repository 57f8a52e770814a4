# SPDX-License-Identifier: Apache-2.0
"""limits: limiter. Its moving window stands for it; the two cheaper strategies are told beside it."""

from .suite import Library, main

from limits import RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter, MovingWindowRateLimiter, SlidingWindowCounterRateLimiter


class _Limiter:
    kind = "window"

    def __init__(self, strategy, count, per):
        self.inner = strategy(MemoryStorage())
        self.item = RateLimitItemPerSecond(count, max(1, int(per)))

    async def take(self):
        return await self.inner.hit(self.item, "test")


class Peer(Library):
    name = "limits"

    def limiter(self, count, per):
        return _Limiter(MovingWindowRateLimiter, count, per)

    async def worst_window_caveat(self, measure):
        fixed = await measure(_Limiter(FixedWindowRateLimiter, 100, 1))
        sliding = await measure(_Limiter(SlidingWindowCounterRateLimiter, 100, 1))
        return f"fixed window {fixed:.2f}, sliding window counter {sliding:.2f}, as its documentation warns"

    def limited(self, operation, count, per):
        limiter = self.limiter(count, per)

        async def call():
            if await limiter.take():
                await operation()

        return call


if __name__ == "__main__":
    main(Peer())
