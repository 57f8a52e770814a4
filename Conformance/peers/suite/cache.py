# SPDX-License-Identifier: Apache-2.0
"""Single-flight scenario.

Adapter: `cached(loader)` gives an async callable of one key, with stampede protection on as the documentation shows it.
"""

import asyncio

from .clock import run
from .results import failed, passed


async def _leader_cancelled(library):
    loads = 0

    async def loader(key):
        nonlocal loads
        loads += 1
        await asyncio.sleep(1)
        return "value of " + key

    get = library.cached(loader)
    leader = asyncio.ensure_future(get("a"))
    await asyncio.sleep(0.1)
    followers = [asyncio.ensure_future(get("a")) for _ in range(5)]
    await asyncio.sleep(0.4)
    leader.cancel()
    done, waiting = await asyncio.wait(followers, timeout=60)
    if waiting:
        return failed(f"{len(waiting)} of 5 followers still waited after 60 s")
    lost = [task for task in followers if task.cancelled() or task.exception() or task.result() != "value of a"]
    if lost:
        what = "cancelled too" if lost[0].cancelled() else repr(lost[0].exception() or lost[0].result())
        return failed(f"{len(lost)} of 5 followers got no value: {what}", len(lost), "followers")
    note = f"5 followers got the value, with {loads} load{'s' if loads > 1 else ''} in all"
    return passed(note, loads, "loads", f"each follower loaded for itself: {loads} loads" if loads > 2 else None)


SCENARIOS = {"single-flight-leader-cancelled": (["cached"], lambda library: run(_leader_cancelled(library)))}
