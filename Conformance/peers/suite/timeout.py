# SPDX-License-Identifier: Apache-2.0
"""Timeout scenarios.

Adapters: `timeout(operation, seconds)` gives an async callable, and `timed_out` is what it raises;
`blocking(function, seconds)` runs a function that blocks its thread, as the documentation says to.
"""

import asyncio

from .clock import now, real, real_time, run
from .results import failed, judged, passed


async def _cancel_not_timeout(library):
    async def slow():
        await asyncio.sleep(10)

    task = asyncio.ensure_future(library.timeout(slow, 5)())
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.wait([task], timeout=60)
    if task.cancelled():
        return passed("the cancellation came through")
    return failed(f"cancelled from outside, the caller got {task.exception()!r}")


async def _nested(library):
    start = now()
    seen = None

    async def slow():
        await asyncio.sleep(10)

    async def goes_on():
        try:
            await library.timeout(slow, 1)()
        except library.timed_out:
            await asyncio.sleep(1)
            return "went on"

    try:
        result = await library.timeout(goes_on, 5)()
    except Exception as error:
        return failed(f"the inner timeout was handled at 1 s, yet the outer one of 5 s raised {error!r}")
    if result != "went on" or abs(now() - start - 2) > 0.1:
        return failed(f"after the inner expiry the outer work gave {result!r} at {now() - start:.1f} s")

    async def lets_through():
        nonlocal seen
        try:
            await library.timeout(slow, 1)()
        except library.timed_out as error:
            seen = error
            raise

    try:
        await library.timeout(lets_through, 5)()
    except Exception as error:
        if error is not seen:
            return failed(f"the inner expiry (1 s) surfaced as the outer's: {error}" if str(error) else
                          f"the inner expiry surfaced as another {type(error).__name__}, made by the outer timeout")

    async def catches_inner():
        try:
            await library.timeout(slow, 5)()
        except library.timed_out:
            return "taken for the inner's"

    try:
        if await library.timeout(catches_inner, 1)() is not None:
            return failed("the outer expiry was taken for the inner's")
    except library.timed_out:
        pass
    return passed("an inner expiry handled leaves the outer running, one unhandled passes unchanged, an outer one "
                  "is not caught by the inner's handler")


def _blocking_call(library):
    ended = None

    def block():
        real.sleep(0.5)

    async def measured():
        nonlocal ended
        start = real.monotonic()
        try:
            result = library.blocking(block, 0.1)
            if asyncio.iscoroutine(result):
                await result
            outcome = "no timeout at all"
        except library.timed_out:
            outcome = "the timeout"
        ended = real.monotonic() - start
        return outcome

    with real_time():
        outcome = asyncio.run(measured())
    note = f"a call that blocks 0.5 s under a timeout of 0.1 s: {outcome} after {ended:.1f} s"
    return judged(ended < 0.3, note + getattr(library, "blocking_how", ""), round(ended, 1), "s")


SCENARIOS = {
    "cancel-not-timeout": (["timeout"], lambda library: run(_cancel_not_timeout(library))),
    "timeout-nested": (["timeout"], lambda library: run(_nested(library))),
    "blocking-call": (["blocking"], _blocking_call),
}
