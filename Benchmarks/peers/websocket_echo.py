# SPDX-License-Identifier: Apache-2.0
"""The peer's side of the WebSocket benchmark: python websockets on uvloop.

server PORT plain|deflate
client PORT plain|deflate SOCKETS SECONDS
"""

import asyncio
import json
import resource
import sys
import time

import uvloop
import websockets


async def echo(connection):
    async for message in connection:
        await connection.send(message)


async def server(port, compression):
    async with websockets.serve(echo, "127.0.0.1", port, compression=compression):
        await asyncio.get_running_loop().create_future()


def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def client(port, compression, sockets, seconds):
    text = "0123456789" * 10
    start, before = time.monotonic(), cpu()
    end = start + seconds

    async def loop():
        count = 0
        async with websockets.connect(f"ws://127.0.0.1:{port}/", compression=compression, proxy=None) as connection:
            while time.monotonic() < end:
                await connection.send(text)
                assert await connection.recv() == text
                count += 1
        return count

    counts = await asyncio.gather(*[loop() for _ in range(sockets)])
    print(json.dumps({"echoes": sum(counts), "seconds": time.monotonic() - start, "cpu": cpu() - before}))


def main():
    role, port, compression = sys.argv[1], int(sys.argv[2]), "deflate" if sys.argv[3] == "deflate" else None
    if role == "server":
        uvloop.run(server(port, compression))
    else:
        uvloop.run(client(port, compression, int(sys.argv[4]), float(sys.argv[5])))


main()
