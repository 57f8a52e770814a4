# SPDX-License-Identifier: Apache-2.0
"""async-lru: cache."""

from .suite import Library, main

from async_lru import alru_cache


class Peer(Library):
    name = "async-lru"

    def cached(self, loader):
        return alru_cache(loader)


if __name__ == "__main__":
    main(Peer())
