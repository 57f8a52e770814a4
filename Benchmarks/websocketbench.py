# SPDX-License-Identifier: Apache-2.0
"""WebSocket echo of 100 bytes of text over 64 sockets, ours and python websockets' in turn, and the memory of idle connections.

Servers are measured under one client in C and clients under one server in C, so that nobody waits for a slow other side; every
answer is compared with what was sent. Processor time is of the side that is measured.
"""

import json
import os
import pathlib
import socket
import statistics
import subprocess
import time

from harness import BENCHMARKS, build, peers_python, report, row, say

SOCKETS = 64
IDLE = 10_000


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    def __init__(self, command):
        self.port = free_port()
        command = [str(self.port) if part == "PORT" else str(part) for part in command]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError(f"{command} does not serve")

    def cpu(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident(self):
        return int(pathlib.Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def stop(self):
        self.process.kill()
        self.process.wait()


def run(command):
    return json.loads(subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE).stdout)


def measure(rounds, seconds):
    import resource

    resource.setrlimit(resource.RLIMIT_NOFILE, (min(1 << 20, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),) * 2)
    ours = build(BENCHMARKS, "WebSocketBench")
    python, script = peers_python(), BENCHMARKS / "peers" / "websocket_echo.py"
    loop = BENCHMARKS / ".build" / "websocket_loop"
    subprocess.run(["cc", "-O2", "-o", loop, BENCHMARKS / "peers" / "websocket_loop.c", "-lz"], check=True)
    sides = {"Sluice": [ours], "websockets": [python, script]}
    figures = {}
    for number in range(rounds):
        for kind in ["plain", "deflate"]:
            for name, command in list(sides.items())[:: 1 if number % 2 == 0 else -1]:
                say(f"round {number + 1} of {rounds}: {kind}, {name} …")
                server = Server([*command, "server", "PORT", kind])
                try:
                    run([loop, "client", server.port, kind, SOCKETS, 0.5])
                    before = server.cpu()
                    result = run([loop, "client", server.port, kind, SOCKETS, seconds])
                    used = server.cpu() - before
                finally:
                    server.stop()
                add(figures, ("server", kind, name), result, used)
                server = Server([loop, "server", "PORT"])
                try:
                    result = run([*command, "client", server.port, kind, SOCKETS, seconds])
                finally:
                    server.stop()
                add(figures, ("client", kind, name), result, result["cpu"])
    rows = []
    for side, aim in [("server", 1.3), ("client", 2.0)]:
        for kind in ["plain", "deflate"]:
            rate, cpu = zip(*(median(figures[(side, kind, name)]) for name in sides))
            entry = row(f"{side}, {kind}", "echoes/s", rate[0], rate[1], "websockets on uvloop", aim)
            rows.append({**entry, "oursCPU": cpu[0], "peerCPU": cpu[1]})
    for name, command in sides.items():
        say(f"{IDLE} idle connections: {name} …")
        rows.append(idle([*command, "server", "PORT", "plain"], loop, name))
    report("websocket", rows)


def add(figures, key, result, cpu):
    figures.setdefault(key, []).append((result["echoes"] / result["seconds"], cpu / result["echoes"] * 1e6))


def median(rounds):
    return tuple(statistics.median(values) for values in zip(*rounds))


def idle(command, loop, name):
    server = Server(command)
    try:
        before = server.resident()
        client = subprocess.Popen([loop, "idle", str(server.port), str(IDLE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert client.stdout.readline() == b"ready\n"
        time.sleep(1)
        kibibytes = (server.resident() - before) / IDLE / 1024
        client.stdin.close()
        client.wait()
    finally:
        server.stop()
    return row(f"memory of an idle connection, {name}", "KiB", kibibytes, 10, "aim", 1, more_is_better=False)
