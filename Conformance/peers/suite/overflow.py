# SPDX-License-Identifier: Apache-2.0
"""The delay after very many attempts.

Adapters: `delay(attempt)`, the wait after that attempt in seconds with a cap of `CAP`, `delay_of` naming its strategy,
and `other_delays`, further strategies by name, whose failures are told beside the verdict.
"""

import math
import multiprocessing
import resource

from .clock import real_time
from .results import failed, passed

CAP = 20.0
ATTEMPTS = (1, 64, 1024, 10_000, 2**31, 2**63 - 1)


def _delay_into(pipe, delay, attempt):
    resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
    try:
        pipe.send(delay(attempt))
    except BaseException as error:  # MemoryError, OverflowError: the finding
        pipe.send(error)


def _delay(delay, attempt):
    """The delay, or the error, or "no answer": in a process of its own, for some grow numbers without end."""
    fork = multiprocessing.get_context("fork")
    receive, send = fork.Pipe(duplex=False)
    child = fork.Process(target=_delay_into, args=(send, delay, attempt), daemon=True)
    child.start()
    try:
        with real_time():
            return receive.recv() if receive.poll(3) else "no answer within 3 s"
    finally:
        child.kill()
        child.join()


def _out_of_range(delay):
    """(the first attempt whose delay is not one, what came instead), or None"""
    for attempt in ATTEMPTS:
        for _ in range(3):  # jitter may hide a value out of range once
            value = _delay(delay, attempt)
            if isinstance(value, BaseException):
                return attempt, f"{type(value).__name__}: {value}".rstrip(": ")
            if isinstance(value, str):
                return attempt, value
            if not (math.isfinite(value) and 0 <= value <= CAP):
                return attempt, f"a delay of {value} s with a cap of {CAP:.0f} s"
    return None


def attempts_overflow(library):
    others = ((name, _out_of_range(delay)) for name, delay in getattr(library, "other_delays", {}).items())
    caveat = "; ".join(f"{name}: attempt {found[0]}: {found[1]}" for name, found in others if found) or None
    found = _out_of_range(library.delay)
    if found:
        return failed(f"{library.delay_of}: attempt {found[0]}: {found[1]}", found[0], "attempt")
    return passed(f"{library.delay_of}: every delay was in 0...{CAP:.0f} s", caveat=caveat)
