# SPDX-License-Identifier: Apache-2.0
"""aiobreaker: breaker."""

from datetime import timedelta

from .suite import Library, main

from aiobreaker import CircuitBreaker


class Peer(Library):
    name = "aiobreaker"

    def breaker(self, threshold, open_for, exclude):
        breaker = CircuitBreaker(
            fail_max=threshold, timeout_duration=timedelta(seconds=open_for), exclude=[exclude] if exclude else None)

        @breaker
        async def call(operation):
            return await operation()

        return call


if __name__ == "__main__":
    main(Peer())
