# SPDX-License-Identifier: Apache-2.0
"""cashews: cache."""

from .suite import Library, main

from cashews import Cache


class Peer(Library):
    name = "cashews"
    not_examined = ("breaker", "limiter")  # a breaker that lets a random half of the calls through; counters in a store

    def cached(self, loader):
        cache = Cache()
        cache.setup("mem://")

        @cache(ttl="1m", lock=True)
        async def get(key):
            return await loader(key)

        return get


if __name__ == "__main__":
    main(Peer())
