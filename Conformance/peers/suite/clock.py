# SPDX-License-Identifier: Apache-2.0
"""Virtual time for whatever reads `time`, `datetime` or its event loop.

Import this before the library under test: many keep `time.monotonic` or `datetime` in a name of their own. The clock
jumps to the next timer whenever the event loop has nothing else to do, so that hours pass in milliseconds and a run is
the same each time. A loop in which everything waits and no timer is set is `Stuck`: in real time it would hang.
"""

import asyncio
import contextlib
import datetime
import logging
import math
import selectors
import time
import types

START = 1_000_000_000_000  # nanoseconds on the monotonic clock
EPOCH = 1_767_225_600_000_000_000 - START  # the wall clock starts at 2026-01-01T00:00:00Z
TICK = 100  # nanoseconds a turn of the loop takes: a timer that is a rounding error too early must not spin for ever

real = types.SimpleNamespace(
    monotonic=time.monotonic, sleep=time.sleep, time=time.time, perf_counter=time.perf_counter,
    monotonic_ns=time.monotonic_ns, time_ns=time.time_ns, perf_counter_ns=time.perf_counter_ns,
)


class Stuck(RuntimeError):
    """Every task waits and no timer is set."""


class _Clock:
    def __init__(self):
        self.virtual = True
        self.restart()

    def restart(self):
        self.nanoseconds = START

    def advance(self, seconds):
        self.nanoseconds += max(0, math.ceil(seconds * 1e9))


clock = _Clock()


def now():
    """Seconds on the virtual clock."""
    return clock.nanoseconds / 1e9


def _reads(name, value):
    def read():
        return value() if clock.virtual else getattr(real, name)()

    setattr(time, name, read)


for _name in ("monotonic", "perf_counter"):
    _reads(_name, now)
    _reads(_name + "_ns", lambda: clock.nanoseconds)
_reads("time", lambda: (clock.nanoseconds + EPOCH) / 1e9)
_reads("time_ns", lambda: clock.nanoseconds + EPOCH)
time.sleep = lambda seconds: clock.advance(seconds) if clock.virtual else real.sleep(seconds)


class _Datetime(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(time.time(), tz or datetime.timezone.utc).replace(tzinfo=tz)

    @classmethod
    def utcnow(cls):
        return cls.now()


datetime.datetime = _Datetime


class _Selector:
    """Instead of waiting for a timer, moves the clock to it."""

    def __init__(self):
        self.inner = selectors.DefaultSelector()
        self.threads = 0

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def select(self, timeout=None):
        clock.nanoseconds += TICK
        events = self.inner.select(0)
        if events or timeout == 0:
            return events
        if self.threads:  # a thread is at work: real time passes, virtual time does not
            return self.inner.select(10)
        if timeout is None:
            raise Stuck("every task waits and no timer is set")
        clock.advance(timeout)
        return []


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self):
        self.virtual_selector = _Selector()
        super().__init__(self.virtual_selector)

    def run_in_executor(self, executor, function, *arguments):
        self.virtual_selector.threads += 1
        future = super().run_in_executor(executor, function, *arguments)

        def finished(_):
            self.virtual_selector.threads -= 1

        future.add_done_callback(finished)
        return future


def run(coroutine):
    """Runs a coroutine in virtual time and drops whatever it leaves behind."""
    logging.getLogger("asyncio").disabled = True
    loop = _Loop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(coroutine)
    finally:
        with contextlib.suppress(BaseException):
            leftover = asyncio.all_tasks(loop)
            for task in leftover:
                task.cancel()
            loop.run_until_complete(asyncio.wait(leftover, timeout=60))
        asyncio.set_event_loop(None)
        loop.close()


@contextlib.contextmanager
def real_time():
    """For what no clock can be told: a call that blocks its thread."""
    clock.virtual = False
    try:
        yield
    finally:
        clock.virtual = True


async def settle():
    """Lets everything that can run now run; a millisecond passes."""
    await asyncio.sleep(0.001)


async def sleep_until(instant):
    await asyncio.sleep(max(0, instant - now()))
