# SPDX-License-Identifier: Apache-2.0
"""Results as JSON lines, and the loop that runs every scenario against one library."""

import importlib.metadata
import json
import random
import signal
import sys
import traceback

from .clock import clock

SECONDS_PER_SCENARIO = 30  # real ones: virtual time needs a fraction of it


class Library:
    """What a peer offers: it defines the adapters it has, named in the scenario modules, and nothing else."""

    name = ""
    package = None  # distribution whose version is printed, `name` if None
    not_offered = {}  # scenario -> why it is absent, where that is worth a word
    not_examined = ()  # families the library has something for that this suite does not look at

    @property
    def version(self):
        return importlib.metadata.version(self.package or self.name)


def passed(note, figure=None, unit=None, caveat=None):
    """`caveat`: what another form of use that the documentation also shows did; printed beside the ✓."""
    result = {"verdict": "pass", "figure": figure, "unit": unit, "note": note}
    return result | ({"caveat": caveat} if caveat else {})


def failed(note, figure=None, unit=None):
    return {"verdict": "fail", "figure": figure, "unit": unit, "note": note}


def absent(note):
    return {"verdict": "absent", "figure": None, "unit": None, "note": note}


def judged(success, note, figure=None, unit=None, caveat=None):
    return passed(note, figure, unit, caveat) if success else failed(note, figure, unit)


class TooLong(BaseException):
    """A scenario used up its real seconds."""


def _alarm(*_):
    raise TooLong(f"no end after {SECONDS_PER_SCENARIO} s of real time")


def _run(library, identifier, needs, scenario):
    missing = [name for name in needs if not hasattr(library, name)]
    if missing or identifier in library.not_offered:
        return absent(library.not_offered.get(identifier, "not offered"))
    random.seed(20260101)
    clock.restart()
    signal.signal(signal.SIGALRM, _alarm)
    signal.alarm(SECONDS_PER_SCENARIO)
    try:
        return scenario(library)
    except (Exception, TooLong) as error:
        traceback.print_exc(file=sys.stderr)
        return {"verdict": "error", "figure": None, "unit": None, "note": f"{type(error).__name__}: {error}"}
    finally:
        signal.alarm(0)


def main(library):
    """Runs every scenario against `library` and prints one JSON object a line."""
    from . import adaptive, breaker, cache, concurrency, hedge, limiter, retry, timeout

    for family in (breaker, retry, limiter, concurrency, timeout, hedge, adaptive, cache):
        if family.__name__.rpartition(".")[2] in library.not_examined:
            continue
        for identifier, (needs, scenario) in family.SCENARIOS.items():
            result = _run(library, identifier, needs, scenario)
            result = {"scenario": identifier, "library": library.name, "version": library.version} | result
            print(json.dumps(result, ensure_ascii=False), flush=True)
