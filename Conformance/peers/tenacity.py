# SPDX-License-Identifier: Apache-2.0
"""tenacity: retry."""

from .suite import Library, main
from .suite.overflow import CAP

import tenacity
from tenacity import retry, stop_after_attempt, stop_before_delay


def _waits(strategy):
    def delay(attempt):
        state = tenacity.RetryCallState(tenacity.Retrying(), None, (), {})
        state.attempt_number = attempt
        return strategy(state)

    return delay


class Peer(Library):
    name = "tenacity"
    delay_of = "wait_random_exponential"
    delay = staticmethod(_waits(tenacity.wait_random_exponential(multiplier=1, max=CAP)))
    other_delays = {
        "wait_exponential": _waits(tenacity.wait_exponential(multiplier=1, max=CAP)),
        "wait_exponential_jitter": _waits(tenacity.wait_exponential_jitter(max=CAP)),
    }

    def recommended(self, operation, attempts):
        wait = tenacity.wait_random_exponential(multiplier=1, max=60)
        return retry(stop=stop_after_attempt(attempts), wait=wait)(operation)

    def exact(self, operation, attempts):
        return retry(stop=stop_after_attempt(attempts), wait=tenacity.wait_exponential(multiplier=1))(operation)

    def bounded(self, operation, total):
        return retry(stop=stop_after_attempt(10) | stop_before_delay(total), wait=tenacity.wait_fixed(0.6))(operation)

    def hinted(self, operation, total):
        stop = stop_after_attempt(3) | stop_before_delay(total) if total else stop_after_attempt(2)
        return retry(stop=stop, wait=tenacity.wait_exception(lambda error: error.retry_after))(operation)

    def unconfigured(self, operation):
        return retry(operation)


if __name__ == "__main__":
    main(Peer())
