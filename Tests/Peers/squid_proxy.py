# SPDX-License-Identifier: Apache-2.0
"""squid_proxy.py USER:PASSWORD PORTS: runs squid as a forward proxy on a free port, and prints the port once it answers.

It asks for the user and password unless that is empty, and tunnels, as it does by default, to some ports alone: those named, with
commas between them.
"""

import hashlib
import os
import signal
import sys
import tempfile

import squid

# Whoever started this may have blocked the signal by which it is to end.
signal.pthread_sigmask(signal.SIG_SETMASK, [])
credentials, ports = sys.argv[1:]
with tempfile.TemporaryDirectory() as folder:
    known = "localhost"
    rules = ""
    if credentials:
        user, password = credentials.split(":", 1)
        with open(f"{folder}/users", "w") as file:
            file.write(f"{user}:{hashlib.md5(password.encode()).hexdigest()}\n")
        os.chmod(f"{folder}/users", 0o644)
        rules = f"auth_param basic program /usr/lib/squid/basic_ncsa_auth {folder}/users\nacl users proxy_auth REQUIRED\n"
        known = "users"
    # An exception, so that the folder is removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    port, server = squid.start(folder, f"""
http_port 127.0.0.1:{{port}}
{rules}
acl tunnels port {ports.replace(",", " ") or 443}
http_access deny CONNECT !tunnels
http_access allow {known}
http_access deny all
cache deny all
""")
    try:
        print(port, flush=True)
        server.wait()
    finally:
        server.terminate()
        server.wait()
