# SPDX-License-Identifier: Apache-2.0
"""backoff: retry."""

from .suite import Library, main
from .suite.breaker import Outage
from .suite.overflow import CAP
from .suite.retry import Hint

import backoff

_CHOSEN = "nothing is retried unless named: `exception` has no default"


class Peer(Library):
    name = "backoff"
    not_offered = {"safe-retry-create": _CHOSEN, "retry-permanent": _CHOSEN}
    delay_of = "expo with full jitter (20,000 steps stand for more: at the cap the generator's state no longer changes)"

    def delay(self, attempt):
        waits = backoff.expo(max_value=CAP)
        next(waits)
        for _ in range(min(attempt, 20_000)):
            wait = next(waits)
        return backoff.full_jitter(wait)

    def recommended(self, operation, attempts):
        return backoff.on_exception(backoff.expo, Outage, max_tries=attempts)(operation)

    def exact(self, operation, attempts):
        return backoff.on_exception(backoff.expo, Outage, max_tries=attempts, jitter=None)(operation)

    def bounded(self, operation, total):
        policy = backoff.on_exception(backoff.constant, Outage, max_tries=10, max_time=total, jitter=None, interval=0.6)
        return policy(operation)

    def hinted(self, operation, total):
        policy = backoff.on_exception(
            backoff.runtime, Hint, max_tries=3 if total else 2, max_time=total, jitter=None,
            value=lambda error: error.retry_after,
        )
        return policy(operation)


if __name__ == "__main__":
    main(Peer())
