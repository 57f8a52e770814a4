# SPDX-License-Identifier: Apache-2.0
"""purgatory: breaker."""

from .suite import Library, main

from purgatory import AsyncCircuitBreakerFactory


class Peer(Library):
    name = "purgatory"

    def breaker(self, threshold, open_for, exclude):
        breaker = AsyncCircuitBreakerFactory(
            default_threshold=threshold, default_ttl=open_for, exclude=[exclude] if exclude else None)

        @breaker("dependency")
        async def call(operation):
            return await operation()

        return call


if __name__ == "__main__":
    main(Peer())
