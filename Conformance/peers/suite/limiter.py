# SPDX-License-Identifier: Apache-2.0
"""Rate limiter scenarios.

Adapters: `limiter(count, per)` gives an object with `kind` ("window", or "bucket" whose burst is `count`),
`async take()` that says at once whether a call may run, and, if the library can wait, `async wait()` that returns when
it may; `limited(operation, count, per)` gives the async callable a user writes once and calls many times.
"""

import asyncio
import bisect

from .clock import now, run, sleep_until
from .results import absent, failed, judged, passed

WORST = {"window": 1.0, "bucket": 2.0}
NO_WAITING = "turns calls away instead of letting them wait"


async def _offer(limiter, start, seconds, per_second=1000):
    """Offers calls evenly from `start` on; the instants of those that were let through."""
    let_through = []
    for number in range(int(seconds * per_second)):
        await sleep_until(start + number / per_second)
        if await limiter.take():
            let_through.append(now())
    return let_through


async def _accuracy(library):
    limiter = library.limiter(100, 1)
    count = len(await _offer(limiter, now(), 10))
    ratio = round(count / 1000, 3)
    burst = "; a burst of 100 is allowed" if limiter.kind == "bucket" else ""
    return judged(0.95 <= ratio <= 1.10, f"{count} calls let through in 10 s, ideally 1000{burst}", ratio, "× ideal")


async def _worst_window_of(limiter):
    start = now()
    let_through = []
    for lone, flood in ((5.0, 5.9), (13.0, 13.9)):  # a lone call opens a window, the flood straddles its end
        let_through += await _offer(limiter, start + lone, 0.001)
        let_through += await _offer(limiter, start + flood, 3)
    return max(bisect.bisect_left(let_through, t + 1 - 1e-6) - i for i, t in enumerate(let_through)) / 100


async def _worst_window(library):
    limiter = library.limiter(100, 1)
    worst = await _worst_window_of(limiter)
    caveat = await library.worst_window_caveat(_worst_window_of) if hasattr(library, "worst_window_caveat") else None
    allowed = f"{limiter.kind}, {WORST[limiter.kind]:.1f} allowed"
    note = f"{worst * 100:.0f} calls within one second at 100 per 1 s ({allowed})"
    return judged(worst <= WORST[limiter.kind], note, worst, "× limit", caveat)


async def _hang(library):
    limiter = library.limiter(2, 0.2)
    if not hasattr(limiter, "wait"):
        return absent(NO_WAITING)
    start = now()
    done, waiting = await asyncio.wait([asyncio.ensure_future(limiter.wait()) for _ in range(5)], timeout=60)
    if waiting:
        return failed(f"{len(done)} of 5 calls had finished after 60 s")
    return passed(f"5 calls at 2 per 0.2 s had finished after {now() - start:.2f} s", round(now() - start, 2), "s")


async def _per_call(library):
    started = 0

    async def operation():
        nonlocal started
        started += 1

    call = library.limited(operation, 1, 5)
    await asyncio.wait([asyncio.ensure_future(call()) for _ in range(20)], timeout=4.9)
    return judged(started == 1, f"{started} of 20 calls at 1 per 5 s ran in the first 4.9 s", started, "calls")


async def _cancelled_waiter(library):
    limiter = library.limiter(1, 1)
    if not hasattr(limiter, "wait"):
        return absent(NO_WAITING)
    start = now()
    await limiter.wait()
    waiter = asyncio.ensure_future(limiter.wait())
    await asyncio.sleep(0.1)
    following = asyncio.ensure_future(limiter.wait())
    await asyncio.sleep(0.4)
    waiter.cancel()
    await asyncio.wait([following], timeout=60)
    took = round(now() - start, 2)
    note = f"at 1 per 1 s, behind a waiter cancelled at 0.5 s, the following call ran at {took:.2f} s"
    return judged(following.done() and took <= 1.05, note, took, "s")


SCENARIOS = {
    name: (needs, lambda library, scenario=scenario: run(scenario(library)))
    for name, needs, scenario in (
        ("limiter-accuracy", ["limiter"], _accuracy),
        ("limiter-worst-window", ["limiter"], _worst_window),
        ("limiter-hang", ["limiter"], _hang),
        ("limiter-per-call", ["limited"], _per_call),
        ("limiter-cancelled-waiter", ["limiter"], _cancelled_waiter),
    )
}
