# SPDX-License-Identifier: Apache-2.0
"""Ports of foreign programs, for the scripts beside this one."""

import socket
import sys
import time


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(port, process, name):
    """Returns once the program answers: it tells nobody, so it is asked until it does, for half a minute at most."""
    for _ in range(600):
        if process.poll() is not None:
            sys.exit(f"{name} has ended with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    sys.exit(f"{name} did not start")
