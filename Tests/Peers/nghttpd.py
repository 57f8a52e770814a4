# SPDX-License-Identifier: Apache-2.0
"""nghttpd.py FOLDER KEY CERTIFICATE: serves a folder by nghttpd on a free port, prints the port once it answers, and ends it with itself."""

import signal
import socket
import subprocess
import sys
import time

# Whoever started this may have blocked the signal by which it is to end.
signal.pthread_sigmask(signal.SIG_SETMASK, [])
folder, key, certificate = sys.argv[1:]
with socket.socket() as s:
    s.bind(("127.0.0.1", 0))
    port = s.getsockname()[1]
server = subprocess.Popen(["nghttpd", "-a", "127.0.0.1", "-d", folder, str(port), key, certificate], stdout=subprocess.DEVNULL)
signal.signal(signal.SIGTERM, lambda *_: (server.terminate(), sys.exit(0)))
for _ in range(600):
    with socket.socket() as s:
        if s.connect_ex(("127.0.0.1", port)) == 0:
            break
    if server.poll() is not None:
        sys.exit("nghttpd has ended")
    time.sleep(0.05)
print(port, flush=True)
server.wait()
