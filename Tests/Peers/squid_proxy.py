# SPDX-License-Identifier: Apache-2.0
"""squid_proxy.py USER:PASSWORD PORTS: runs squid as a forward proxy on a free port, and prints the port once it answers.

It asks for the user and password unless that is empty, and tunnels, as it does by default, to some ports alone: those named, with
commas between them.
"""

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

# Whoever started this may have blocked the signal by which it is to end.
signal.pthread_sigmask(signal.SIG_SETMASK, [])
credentials, ports = sys.argv[1:]
program = shutil.which("squid") or "/usr/sbin/squid"
with socket.socket() as s:
    s.bind(("127.0.0.1", 0))
    port = s.getsockname()[1]
with tempfile.TemporaryDirectory() as folder:
    os.chmod(folder, 0o777)
    known = "localhost"
    rules = ""
    if credentials:
        user, password = credentials.split(":", 1)
        with open(f"{folder}/users", "w") as file:
            file.write(f"{user}:{hashlib.md5(password.encode()).hexdigest()}\n")
        os.chmod(f"{folder}/users", 0o644)
        rules = f"auth_param basic program /usr/lib/squid/basic_ncsa_auth {folder}/users\nacl users proxy_auth REQUIRED\n"
        known = "users"
    with open(f"{folder}/squid.conf", "w") as file:
        file.write(f"""
http_port 127.0.0.1:{port}
{rules}
acl tunnels port {ports.replace(",", " ") or 443}
http_access deny CONNECT !tunnels
http_access allow {known}
http_access deny all
cache deny all
memory_cache_shared off
access_log none
cache_log {folder}/cache.log
pid_filename none
coredump_dir {folder}
visible_hostname sluice.test
pinger_enable off
shutdown_lifetime 0 seconds
""")
    server = subprocess.Popen(
        [program, "-N", "-f", f"{folder}/squid.conf"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder)
    # An exception, so that the folder is removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        for _ in range(600):
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if server.poll() is not None:
                sys.exit("squid has ended")
            time.sleep(0.05)
        print(port, flush=True)
        server.wait()
    finally:
        server.terminate()
        server.wait()
