# SPDX-License-Identifier: Apache-2.0
"""Python's own asyncio: what one uses without a library. Of two ways, the one its documentation recommends counts."""

import asyncio
import platform

from .suite import Library, main


class Peer(Library):
    name = "asyncio"
    version = platform.python_version()
    timed_out = TimeoutError
    blocking_how = ": the timer cannot run until the block ends; asyncio.to_thread is there, but one must think of it"
    other_gather_name = "asyncio.gather with a Semaphore"

    async def gather(self, operations, limit):
        semaphore = asyncio.Semaphore(limit)

        async def one(operation):
            async with semaphore:
                return await operation()

        async with asyncio.TaskGroup() as group:
            for operation in operations:
                group.create_task(one(operation))

    async def other_gather(self, operations, limit):
        semaphore = asyncio.Semaphore(limit)

        async def one(operation):
            async with semaphore:
                return await operation()

        return await asyncio.gather(*(one(operation) for operation in operations))

    def bulkhead(self, limit, capacity):
        semaphore = asyncio.Semaphore(limit)

        async def call(operation):
            async with semaphore:
                return await operation()

        return call

    def timeout(self, operation, seconds):
        async def call():
            async with asyncio.timeout(seconds):
                return await operation()

        return call

    def blocking(self, function, seconds):
        async def call():
            function()

        return asyncio.wait_for(call(), seconds)


if __name__ == "__main__":
    main(Peer())
