# SPDX-License-Identifier: Apache-2.0
"""Retry scenarios.

Adapters, each giving an async callable that runs `operation` with retries:
  recommended(operation, attempts)  as the documentation first shows it, with so many attempts in all
  guarded(operation, attempts)      the same with the library's retry budget as its documentation shows it, if any
  exact(operation, attempts)        exponential, 1 s then 2 s between attempts, no jitter
  bounded(operation, total)         10 attempts 0.6 s apart, `total` seconds for everything
  hinted(operation, total)          waits `error.retry_after` seconds; `total` as above, or None
  unconfigured(operation)           nothing said about which errors to retry
and those of `overflow`.
"""

import asyncio

from .breaker import Outage
from .clock import now, run, settle
from .overflow import attempts_overflow
from .results import failed, judged, passed


class Hint(Exception):
    """The server asks for 5 s of peace."""

    status = 429
    retry_after = 5.0


class NotFound(LookupError):
    status = 404


class Forbidden(PermissionError):
    status = 403


async def _cancellation_not_retried(library):
    calls = 0

    async def slow():
        nonlocal calls
        calls += 1
        await asyncio.sleep(1)

    async def refused():
        nonlocal calls
        calls += 1
        raise Outage()

    for operation, when in ((slow, "during the attempt"), (refused, "during the wait after it")):
        calls = 0
        task = asyncio.ensure_future(library.recommended(operation, 3)())
        await settle()
        task.cancel()
        await asyncio.wait([task], timeout=60)
        if calls != 1:
            return failed(f"cancelled {when}: {calls} attempts were made", calls, "attempts")
        if not task.cancelled():
            return failed(f"cancelled {when}: the caller got {task.exception()!r} instead of a cancellation")
    return passed("one attempt, and the cancellation came through, during the attempt and during the wait")


async def _per_call_state(library):
    times = {}

    async def operation(call):
        times[call].append(round(now() - starts[call], 2))
        raise Outage()

    retrying = library.exact(operation, 3)
    starts = {}

    async def make(call, after):
        await asyncio.sleep(after)
        starts[call], times[call] = now(), []
        try:
            await retrying(call)
        except Exception:
            pass

    await make("alone", 0)
    await asyncio.gather(make("first", 0), make("second", 0.5))
    expected = [0.0, 1.0, 3.0]
    if times["alone"] != expected:
        raise RuntimeError(f"alone, attempts were made at {times['alone']} s, not at {expected} s")
    for call in ("first", "second"):
        if times[call] != expected:
            return failed(f"two calls at once: the {call} made its attempts at {times[call]} s instead of {expected} s")
    return passed("two calls at once made the attempts each makes alone, at 0, 1 and 3 s")


async def _amplification(wrap):
    sent = 0
    start = now()

    async def request():
        nonlocal sent
        down = 10 <= now() - start < 20
        sent += down
        await asyncio.sleep(0.01)
        if down:
            raise Outage()

    call = wrap(request, 3)

    async def arrival():
        try:
            await call()
        except Exception:
            pass

    tasks = []
    for number in range(3000):
        await asyncio.sleep(max(0, start + number / 100 - now()))
        tasks.append(asyncio.ensure_future(arrival()))
    await asyncio.wait(tasks)
    return round(sent / 1000, 2)


def _retry_amplification(library):
    plain = run(_amplification(library.recommended))
    if not hasattr(library, "guarded"):
        return judged(plain <= 1.5, f"{plain:.2f} requests a call during the outage; no retry budget", plain, "×")
    guarded = run(_amplification(library.guarded))
    caveat = f"{guarded:.2f} with {library.guard}, which is off unless asked for; {plain:.2f} without"
    return judged(guarded <= 1.5, caveat, guarded, "×", caveat)


async def _retry_after(library):
    times = []
    start = now()

    async def operation():
        times.append(now() - start)
        raise Hint()

    async def make(total):
        nonlocal start
        times.clear()
        start = now()
        try:
            await library.hinted(operation, total)()
        except Exception:
            pass
        return now() - start

    await make(None)
    if len(times) < 2:
        raise RuntimeError("the hinted error was not retried")
    again = times[1]
    if not 4.999 <= again <= 6:
        return failed(f"asked for 5 s, tried again after {again:.2f} s", round(again, 2), "s")
    took = await make(3)
    if took > 3.01:
        return failed(f"5 s were honoured, but with 3 s in all the call ended after {took:.2f} s", round(took, 2), "s")
    return passed(f"tried again after {again:.1f} s; with 3 s in all the call ended after {took:.2f} s")


async def _deadline(library):
    times = []
    start = now()

    async def operation():
        times.append(now() - start)
        raise Outage()

    try:
        await library.bounded(operation, 1.0)()
    except Exception:
        pass
    took = now() - start
    note = (f"1 s in all, 0.6 s between attempts: {len(times)} attempts, the last at {times[-1]:.2f} s; "
            f"the call ended at {took:.2f} s")
    return judged(took <= 1.01, note, round(took, 2), "s")


async def _safe_retry_create(library):
    rows = 0

    async def create():
        nonlocal rows
        rows += 1  # the row is written; the answer is lost
        if rows < 4:
            raise TimeoutError("no answer")

    try:
        await library.unconfigured(create)()
    except Exception:
        pass
    return judged(rows == 1, f"a create that times out was sent {rows}×", rows, "rows")


async def _retry_permanent(library):
    made = {}
    for error in (NotFound, Forbidden):
        made[error] = 0

        async def operation():
            made[error] += 1
            if made[error] < 4:
                raise error("no")

        try:
            await library.unconfigured(operation)()
        except Exception:
            pass
    note = f"attempts made: {made[NotFound]} for not found, {made[Forbidden]} for permission denied"
    return judged(set(made.values()) == {1}, note, max(made.values()), "attempts")


def _virtual(scenario):
    return lambda library: run(scenario(library))


SCENARIOS = {
    "attempts-overflow": (["delay"], attempts_overflow),
    "cancellation-not-retried": (["recommended"], _virtual(_cancellation_not_retried)),
    "per-call-state": (["exact"], _virtual(_per_call_state)),
    "retry-amplification": (["recommended"], _retry_amplification),
    "retry-after": (["hinted"], _virtual(_retry_after)),
    "deadline": (["bounded"], _virtual(_deadline)),
    "safe-retry-create": (["unconfigured"], _virtual(_safe_retry_create)),
    "retry-permanent": (["unconfigured"], _virtual(_retry_permanent)),
}
