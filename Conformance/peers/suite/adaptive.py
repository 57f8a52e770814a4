# SPDX-License-Identifier: Apache-2.0
"""Adaptive concurrency scenarios: no peer that can be installed here offers one, so only their names stand here."""

from .results import absent

SCENARIOS = {
    name: (["adaptive"], lambda library: absent("not offered"))
    for name in ("adaptive-overload", "adaptive-timeouts", "adaptive-fast-rejections", "adaptive-drift")
}
