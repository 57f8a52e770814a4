# SPDX-License-Identifier: Apache-2.0
"""http_client.py aiohttp|httpx URL TASKS SECONDS BYTES: fetches the URL over and over, as HTTPClientBench does."""

import asyncio
import json
import sys
import time

import aiohttp
import httpx
import uvloop


async def measure(tasks, seconds, call):
    for _ in range(200):
        await call()
    start, cpu, count = time.monotonic(), time.process_time(), 0

    async def work():
        nonlocal count
        while time.monotonic() - start < seconds:
            await call()
            count += 1

    await asyncio.gather(*(work() for _ in range(tasks)))
    elapsed, used = time.monotonic() - start, time.process_time() - cpu
    print(json.dumps({"rate": count / elapsed, "cpu": used / count * 1e6}))


async def main():
    kind, url, tasks, seconds, size = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5])
    if kind == "aiohttp":
        async with aiohttp.ClientSession() as session:
            async def call():
                async with session.get(url) as reply:
                    body = await reply.read()
                    assert reply.status == 200 and len(body) == size

            await measure(tasks, seconds, call)
    else:
        async with httpx.AsyncClient() as client:
            async def call():
                reply = await client.get(url)
                assert reply.status_code == 200 and len(reply.content) == size

            await measure(tasks, seconds, call)


uvloop.run(main())
