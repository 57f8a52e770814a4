# SPDX-License-Identifier: Apache-2.0
"""Hedging scenario.

Adapter: `hedge(operation)` gives an async callable that hedges after a quantile of recent latencies or a fixed 20 ms.
"""

import asyncio
import random

from .clock import now, run
from .results import judged


async def _p99(library):
    sent = 0

    async def operation():
        nonlocal sent
        sent += 1
        await asyncio.sleep(1.0 if random.random() < 0.05 else 0.01)

    call = library.hedge(operation)
    latencies = []
    for _ in range(10_000):
        start = now()
        await call()
        latencies.append(now() - start)
    p99 = round(sorted(latencies)[9_899] * 1000, 1)
    return judged(p99 <= 100, f"p99 {p99} ms with {sent / 100 - 100:.1f} % more requests; 1000 ms unhedged", p99, "ms")


SCENARIOS = {"hedge-p99": (["hedge"], lambda library: run(_p99(library)))}
