# SPDX-License-Identifier: Apache-2.0
"""What the policies of Python libraries add to an asynchronous call that returns at once: JSON, nanoseconds a call."""

import asyncio
import json
import statistics
import time

import aiobreaker
import aiolimiter
import tenacity

CALLS = 20_000
ROUNDS = 9


async def operation():
    return 1


@tenacity.retry(stop=tenacity.stop_after_attempt(3), wait=tenacity.wait_random_exponential(multiplier=1, max=30))
async def retried():
    return await operation()


breaker = aiobreaker.CircuitBreaker(fail_max=5)
limiter = aiolimiter.AsyncLimiter(1_000_000_000, 1)
places = asyncio.Semaphore(100)


async def broken():
    return await breaker.call_async(operation)


async def limited():
    async with limiter:
        return await operation()


async def bounded():
    async with places:
        return await operation()


async def timed():
    async with asyncio.timeout(30):
        return await operation()


@tenacity.retry(stop=tenacity.stop_after_attempt(3), wait=tenacity.wait_random_exponential(multiplier=1, max=30))
async def four():
    async def inside():
        async with limiter, places:
            return await operation()

    return await breaker.call_async(inside)


CASES = {
    "at once: alone": ("asyncio, the call alone", operation),
    "at once: retry": ("tenacity", retried),
    "at once: breaker": ("aiobreaker", broken),
    "at once: rate limit": ("aiolimiter", limited),
    "at once: concurrency limit": ("asyncio.Semaphore", bounded),
    "at once: timeout": ("asyncio.timeout", timed),
    "at once: retry, breaker, rate, concurrency, context": ("tenacity, aiobreaker, aiolimiter, Semaphore", four),
}


async def main():
    times = {name: [] for name in CASES}
    for _ in range(ROUNDS):
        for name, (_, call) in CASES.items():
            total = 0
            start = time.perf_counter_ns()
            for _ in range(CALLS):
                total += await call()
            times[name].append((time.perf_counter_ns() - start) / CALLS)
            assert total == CALLS
    print(json.dumps({name: [peer, statistics.median(times[name])] for name, (peer, _) in CASES.items()}))


asyncio.run(main())
