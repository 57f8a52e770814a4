# SPDX-License-Identifier: Apache-2.0
"""The scenarios of Conformance/SCENARIOS.md, written once; a peer supplies adapters and runs `suite.main(Peer)`."""

from . import clock  # first: it must change `time` before a library keeps a piece of it
from .results import Library, main

__all__ = ["Library", "clock", "main"]
