# SPDX-License-Identifier: Apache-2.0
"""pybreaker: breaker for threads (asyncio is not among what it offers, so nothing of its can be cancelled).

A call holds the breaker's lock from beginning to end, so the scenarios need threads of their own here.
"""

import threading

from .suite import Library, main
from .suite import breaker as family
from .suite.breaker import OPEN_FOR, THRESHOLD, Business, Outage
from .suite.clock import clock, real
from .suite.results import failed, judged, passed

import pybreaker

SETTLE = 0.5  # real seconds in which threads that can run do
ONE_AT_A_TIME = "a call holds the breaker's lock until it ends, so calls run one at a time, closed or not"


class _Held:
    """A call in a thread, whose operation waits until told."""

    def __init__(self, breaker):
        self.started = False
        self.end = threading.Event()
        self.error = None
        self.thread = threading.Thread(target=self._call, args=(breaker,), daemon=True)
        self.thread.start()

    def _call(self, breaker):
        try:
            breaker.call(self._operation)
        except Exception:
            pass

    def _operation(self):
        self.started = True
        self.end.wait()
        if self.error:
            raise self.error

    def finish(self, error=None):
        self.error = error
        self.end.set()
        self.thread.join(SETTLE)


def _admitted(breaker, error=None):
    """Whether a call's operation ran within `SETTLE`; None if the call was still waiting."""
    ran = threading.Event()

    def operation():
        ran.set()
        if error:
            raise error

    def call():
        try:
            breaker.call(operation)
        except Exception:
            pass

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(SETTLE)
    return None if thread.is_alive() else ran.is_set()


def _opened():
    breaker = pybreaker.CircuitBreaker(fail_max=THRESHOLD, reset_timeout=OPEN_FOR)
    for _ in range(THRESHOLD):
        _admitted(breaker, Outage())
    if _admitted(breaker):
        raise RuntimeError("did not open")
    clock.advance(OPEN_FOR + 0.01)
    return breaker


def _stale_success(library):
    breaker = pybreaker.CircuitBreaker(fail_max=THRESHOLD, reset_timeout=OPEN_FOR)
    stale = _Held(breaker)
    real.sleep(SETTLE)
    if _admitted(breaker, Outage()) is None:
        stale.finish()
        return passed("no result can be stale: no other call runs beside one that runs", caveat=ONE_AT_A_TIME)
    raise RuntimeError("a second call ran beside the first; the scenario must be written out")


def _probe_leak(library):
    breaker = _opened()
    probe = _Held(breaker)
    real.sleep(SETTLE)
    for _ in range(3):
        clock.advance(OPEN_FOR)
        if _admitted(breaker):
            return passed("another call ran")
    waiting = _admitted(breaker) is None
    note = "every call after the abandoned probe waits for ever on the breaker's lock"
    return judged(not (probe.started and waiting), note)


def _over_admission(library):
    breaker = _opened()
    calls = [_Held(breaker) for _ in range(50)]
    real.sleep(SETTLE)
    started = sum(call.started for call in calls)
    note = f"{started} of 50 threads ran at once as probes"
    return judged(started == 1, note, started, "calls", ONE_AT_A_TIME)


def _business_errors(library):
    breaker = pybreaker.CircuitBreaker(fail_max=THRESHOLD, reset_timeout=OPEN_FOR, exclude=[Business])
    ran = [_admitted(breaker, Business()) for _ in range(2 * THRESHOLD)]
    return judged(all(ran) and _admitted(breaker), f"{sum(ran)} of {len(ran)} calls with an excluded error ran")


class Peer(Library):
    name = "pybreaker"
    not_offered = dict.fromkeys(("cancelled-probe", "cancellation-not-failure"), "threads: no call can be cancelled")


family.SCENARIOS |= {
    name: ([], scenario)
    for name, scenario in {
        "stale-success": _stale_success, "probe-leak": _probe_leak, "over-admission": _over_admission,
        "business-errors": _business_errors,
    }.items()
}

if __name__ == "__main__":
    main(Peer())
