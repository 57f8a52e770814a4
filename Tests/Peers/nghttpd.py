# SPDX-License-Identifier: Apache-2.0
"""nghttpd.py FOLDER KEY CERTIFICATE: serves a folder by nghttpd on a free port, prints the port once it answers, and ends it with itself."""

import signal
import subprocess
import sys

import ports

# Whoever started this may have blocked the signal by which it is to end.
signal.pthread_sigmask(signal.SIG_SETMASK, [])
folder, key, certificate = sys.argv[1:]
port = ports.free_port()
server = subprocess.Popen(["nghttpd", "-a", "127.0.0.1", "-d", folder, str(port), key, certificate], stdout=subprocess.DEVNULL)
signal.signal(signal.SIGTERM, lambda *_: (server.terminate(), sys.exit(0)))
ports.wait_for(port, server, "nghttpd")
print(port, flush=True)
server.wait()
