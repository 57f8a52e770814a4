# SPDX-License-Identifier: Apache-2.0
"""Circuit breaker scenarios.

Adapter: `breaker(threshold, open_for, exclude)` gives an async callable that runs an async operation through one new
breaker: failures in a row, one probe, one success closes it. `exclude` is an error type that must not count, or None.
Whether a call was admitted is read off its operation (did it start?), never off the library's errors.
"""

import asyncio

from .clock import now, run, settle
from .results import failed, judged, passed

THRESHOLD = 5
OPEN_FOR = 1.0


class Outage(ConnectionError):
    """The dependency is down."""

    status = 503


class Business(Exception):
    """An answer the caller does not like; the dependency is well."""


class Held:
    """A call whose operation waits until the scenario lets it go."""

    def __init__(self, breaker):
        self.started = False
        self.end = asyncio.get_running_loop().create_future()
        self.task = asyncio.ensure_future(self._call(breaker))

    async def _call(self, breaker):
        async def operation():
            self.started = True
            return await self.end

        return await breaker(operation)

    async def succeed(self):
        if self.started:
            self.end.set_result("answer")
        await settle()

    async def fail(self):
        if self.started:
            self.end.set_exception(Outage())
        await settle()
        if self.task.done() and not self.task.cancelled():
            self.task.exception()

    async def cancel(self):
        self.task.cancel()
        await settle()


async def admitted(breaker, error=None):
    """Makes a call that fails with `error`, or succeeds; says whether its operation ran."""
    ran = False

    async def operation():
        nonlocal ran
        ran = True
        if error is not None:
            raise error
        return "answer"

    try:
        await breaker(operation)
    except Exception:
        pass
    return ran


async def opened(library, exclude=None):
    """A breaker that has just opened."""
    breaker = library.breaker(THRESHOLD, OPEN_FOR, exclude)
    for _ in range(THRESHOLD):
        await admitted(breaker, Outage())
    if await admitted(breaker):
        raise RuntimeError(f"{THRESHOLD} failures in a row did not open the breaker")
    return breaker


async def _past_open_time():
    await asyncio.sleep(OPEN_FOR + 0.01)


async def _cancelled_probe(library):
    breaker = await opened(library)
    await _past_open_time()
    probe = Held(breaker)
    await settle()
    if not probe.started:
        return failed("no probe was admitted after the open time")
    await probe.cancel()
    if not await admitted(breaker, Outage()):
        await _past_open_time()
        if await admitted(breaker):
            return failed("the cancelled probe counted as a failure: the breaker opened for another open time")
        return failed("stuck: after the cancelled probe every call was turned away")
    if await admitted(breaker):
        return failed("the cancelled probe closed the breaker: the next call failed and the one after it still ran")
    return passed("the next call was a probe again: it failed and the breaker opened", caveat=_other_form(library))


def _other_form(library):
    return getattr(library, "cancelled_probe_caveat", lambda: None)()


async def _stale_success(library):
    breaker = library.breaker(THRESHOLD, OPEN_FOR, None)
    stale = Held(breaker)
    await settle()
    for _ in range(THRESHOLD):
        await admitted(breaker, Outage())
    if await admitted(breaker):
        raise RuntimeError(f"{THRESHOLD} failures in a row did not open the breaker")
    await _past_open_time()
    probe = Held(breaker)
    await settle()
    await stale.succeed()
    await probe.fail()
    if await admitted(breaker):
        return failed("a success from before the outage closed the half-open breaker: its probe failed, and calls ran")
    return passed("the stale success changed nothing; the failed probe opened the breaker again")


async def _probe_leak(library):
    breaker = await opened(library)
    await _past_open_time()
    probe = Held(breaker)
    await settle()
    if not probe.started:
        return failed("no probe was admitted after the open time")
    since = now()
    for _ in range(60):
        await asyncio.sleep(OPEN_FOR)
        if await admitted(breaker):
            took = round(now() - since)
            caveat = "no lease needed: half-open, it lets every call through" if await _unlimited(library) else None
            return passed(f"another call ran {took} s after the abandoned probe", took, "s", caveat)
    return failed("stuck half-open: no call ran in the 60 open times after the abandoned probe")


async def _unlimited(library):
    """Whether a second call runs beside the first probe."""
    breaker = await opened(library)
    await _past_open_time()
    calls = Held(breaker), Held(breaker)
    await settle()
    return all(call.started for call in calls)


async def _over_admission(library):
    breaker = await opened(library)
    await _past_open_time()
    calls = [Held(breaker) for _ in range(50)]
    await settle()
    started = sum(call.started for call in calls)
    return judged(started == 1, f"{started} of 50 calls ran at once as probes", started, "calls")


async def _business_errors(library):
    breaker = library.breaker(THRESHOLD, OPEN_FOR, Business)
    ran = [await admitted(breaker, Business()) for _ in range(2 * THRESHOLD)]
    still = await admitted(breaker)
    return judged(all(ran) and still, f"{sum(ran)} of {len(ran)} calls with an excluded error ran, and the next one did"
                  + ("" if still else " not"))


async def _cancellation_not_failure(library):
    breaker = library.breaker(THRESHOLD, OPEN_FOR, None)
    for _ in range(THRESHOLD):
        call = Held(breaker)
        await settle()
        await call.cancel()
    still = await admitted(breaker)
    return judged(still, f"{THRESHOLD} cancelled calls " + ("left it closed" if still else "opened the breaker"))


SCENARIOS = {
    name: (["breaker"], lambda library, scenario=scenario: run(scenario(library)))
    for name, scenario in {
        "cancelled-probe": _cancelled_probe,
        "stale-success": _stale_success,
        "probe-leak": _probe_leak,
        "over-admission": _over_admission,
        "business-errors": _business_errors,
        "cancellation-not-failure": _cancellation_not_failure,
    }.items()
}
