# SPDX-License-Identifier: Apache-2.0
"""stamina: retry."""

from .suite import Library, main
from .suite.breaker import Outage
from .suite.overflow import CAP
from .suite.retry import Hint

import stamina
from stamina import _core

_CHOSEN = "nothing is retried unless named: `on` has no default"


class Peer(Library):
    name = "stamina"
    not_offered = {"safe-retry-create": _CHOSEN, "retry-permanent": _CHOSEN}
    delay_of = "the only strategy (one call makes at most 10 attempts unless told otherwise)"

    def __init__(self):
        stamina.instrumentation.set_on_retry_hooks([])  # the default hook logs every retry

    def delay(self, attempt):
        return _core._compute_backoff(attempt, CAP, initial=0.1, exp_base=2, max_jitter=1)

    def recommended(self, operation, attempts):
        return stamina.retry(on=Outage, attempts=attempts)(operation)

    def exact(self, operation, attempts):
        return stamina.retry(on=Outage, attempts=attempts, wait_initial=1, wait_jitter=0)(operation)

    def bounded(self, operation, total):
        return stamina.retry(on=Outage, timeout=total, wait_initial=0.6, wait_exp_base=1, wait_jitter=0)(operation)

    def hinted(self, operation, total):
        def hook(error):
            return isinstance(error, Hint) and error.retry_after

        return stamina.retry(on=hook, attempts=3 if total else 2, timeout=total)(operation)


if __name__ == "__main__":
    main(Peer())
