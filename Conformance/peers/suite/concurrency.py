# SPDX-License-Identifier: Apache-2.0
"""Bounded concurrency scenarios.

Adapters: `gather(operations, limit)` runs async callables, at most `limit` at a time, and raises the first error;
`bulkhead(limit, capacity)` gives an async callable that runs an operation in one of `limit` places, with room for
`capacity` calls in all, waiting ones included (None where waiting is unbounded: `bounded_queue` says which).
"""

import asyncio
import contextlib
import random

from .clock import run, settle
from .results import failed, judged, passed


async def _left_running(gather):
    """(running when the error surfaced, begun after it)"""
    running = begun = 0

    def item(number):
        async def work():
            nonlocal running, begun
            begun += 1
            running += 1
            try:
                await asyncio.sleep(0.005 if number == 2 else 0.02)
                if number == 2:
                    raise ValueError("item 3")
            finally:
                running -= 1

        return work

    try:
        await gather([item(number) for number in range(100)], 5)
        raise RuntimeError("the failure did not surface")
    except (ValueError, BaseExceptionGroup):
        left, before = running, begun
    await asyncio.sleep(5)
    return left, begun - before


async def _gather_failure(library):
    left, later = await _left_running(library.gather)
    caveat = None
    if hasattr(library, "other_gather"):
        other = await _left_running(library.other_gather)
        caveat = f"{library.other_gather_name}: {other[0]} running when the error surfaced, {other[1]} begun after it"
    note = f"{left} items running when the error surfaced, {later} begun after it"
    return judged(left == later == 0, note, left + later, "items", caveat)


async def _holding(call, count):
    """Starts `count` calls that hold their place; (how many run, let them go)."""
    gate = asyncio.Event()
    running = 0

    async def hold():
        nonlocal running
        running += 1
        await gate.wait()

    tasks = [asyncio.ensure_future(call(hold)) for _ in range(count)]
    await settle()
    peak = running
    gate.set()
    await asyncio.wait(tasks)
    for task in tasks:
        task.cancelled() or task.exception()
    return peak


async def _storm(call):
    """1,000 calls, half cancelled at a random moment: before, while or after they run."""
    async def work():
        await asyncio.sleep(random.uniform(0, 0.02))

    async def one():
        with contextlib.suppress(Exception, asyncio.CancelledError):
            await call(work)

    tasks = []
    for _ in range(2000):
        task = asyncio.ensure_future(one())
        if len(tasks) % 2:
            asyncio.get_running_loop().call_later(random.uniform(0, 0.04), task.cancel)
        tasks.append(task)
        await asyncio.sleep(0.0005)  # 2,000 calls a second of 10 ms on 10 places: always a queue
    await asyncio.wait(tasks)


async def _bulkhead_cancel_of(library, make):
    call = make(10, 2000)
    await _storm(call)
    peak = await _holding(call, 20)
    if peak != 10:
        return f"after 1,000 random cancels {peak} of 10 places were left"
    call = make(1, 2)
    gate = asyncio.Event()
    running = asyncio.ensure_future(call(gate.wait))
    await settle()
    waiting = asyncio.ensure_future(call(gate.wait))
    await settle()
    waiting.cancel()
    await settle()
    next_one = asyncio.ensure_future(call(gate.wait))
    await settle()
    if next_one.done():
        return f"the place of a cancelled waiter stayed taken: the next call was turned away ({next_one.exception()!r})"
    gate.set()
    done, stuck = await asyncio.wait([running, next_one], timeout=60)
    return "the call after a cancelled waiter never ran" if stuck else None


async def _bulkhead_cancel(library):
    problem = await _bulkhead_cancel_of(library, library.bulkhead)
    caveat = None
    if hasattr(library, "other_bulkhead"):
        other = await _bulkhead_cancel_of(library, library.other_bulkhead)
        caveat = other and f"{library.other_bulkhead_name}: {other}"
    if problem:
        return failed(problem)
    return passed("after 1,000 random cancels all 10 places were free, and a cancelled waiter's place in the queue was "
                  "free at once", caveat=caveat)


SCENARIOS = {
    "gather-failure": (["gather"], lambda library: run(_gather_failure(library))),
    "bulkhead-cancel": (["bulkhead"], lambda library: run(_bulkhead_cancel(library))),
}
