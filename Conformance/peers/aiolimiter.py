# SPDX-License-Identifier: Apache-2.0
"""aiolimiter: limiter (a leaky bucket that lets `max_rate` calls through in a burst)."""

from .suite import Library, main

from aiolimiter import AsyncLimiter


class _Limiter:
    kind = "bucket"

    def __init__(self, count, per):
        self.inner = AsyncLimiter(count, per)

    async def take(self):
        if not self.inner.has_capacity():
            return False
        await self.inner.acquire()
        return True

    async def wait(self):
        async with self.inner:
            pass


class Peer(Library):
    name = "aiolimiter"

    def limiter(self, count, per):
        return _Limiter(count, per)

    def limited(self, operation, count, per):
        limiter = AsyncLimiter(count, per)

        async def call():
            async with limiter:
                await operation()

        return call


if __name__ == "__main__":
    main(Peer())
