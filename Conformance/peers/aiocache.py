# SPDX-License-Identifier: Apache-2.0
"""aiocache: cache."""

from .suite import Library, main

from aiocache import cached_stampede


class Peer(Library):
    name = "aiocache"

    def cached(self, loader):
        @cached_stampede(lease=2, ttl=60)
        async def get(key):
            return await loader(key)

        return get


if __name__ == "__main__":
    main(Peer())
