# SPDX-License-Identifier: Apache-2.0
"""Starts squid, for the scripts beside this one."""

import os
import shutil
import subprocess

import ports

COMMON = """
memory_cache_shared off
access_log none
cache_log {folder}/cache.log
pid_filename none
coredump_dir {folder}
visible_hostname sluice.test
pinger_enable off
shutdown_lifetime 0 seconds
"""


def start(folder, configuration, program=None):
    """Runs squid with what a configuration says beside what all have in common; `{port}` is where it listens.

    Returns the port and the process, once it answers.
    """
    port = ports.free_port()
    # Squid gives up its rights to a user who has none here.
    os.chmod(folder, 0o777)
    with open(f"{folder}/squid.conf", "w") as file:
        file.write(configuration.format(port=port) + COMMON.format(folder=folder))
    process = subprocess.Popen(
        [program or shutil.which("squid") or "/usr/sbin/squid", "-N", "-f", f"{folder}/squid.conf"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder)
    try:
        ports.wait_for(port, process, "squid")
    except BaseException:
        # Whoever is told to end meanwhile leaves nothing behind.
        process.terminate()
        process.wait()
        raise
    return port, process
