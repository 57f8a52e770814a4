# SPDX-License-Identifier: Apache-2.0
"""The API client beside bare AsyncHTTPClient, aiohttp and httpx, all against one nginx."""

import json
import pathlib
import shutil
import socket
import statistics
import subprocess
import tempfile
import time

from harness import BENCHMARKS, build, peers_python, report, row, say

CONFIGURATION = """
daemon off; worker_processes 1; pid {folder}/pid; error_log /dev/null;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 100000000; default_type application/json;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u;
  scgi_temp_path {folder}/s;
  server {{ listen 127.0.0.1:{port}; location / {{ return 200 '{body}'; }} }}
}}
"""
BODY = json.dumps({"id": 7, "name": "Example", "tags": ["a", "b"], "active": True})


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def measure(rounds=5, seconds=4):
    binary = build(BENCHMARKS, "HTTPClientBench")
    python = peers_python()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-bench."))
    port = free_port()
    (folder / "nginx.conf").write_text(CONFIGURATION.format(folder=folder, port=port, body=BODY))
    nginx = subprocess.Popen(["/usr/sbin/nginx", "-c", folder / "nginx.conf", "-p", folder], stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        url = f"http://127.0.0.1:{port}/users"
        script = BENCHMARKS / "peers" / "http_client.py"
        clients = {
            "Sluice": [binary, "sluice"], "AsyncHTTPClient": [binary, "bare"], "aiohttp": [python, script, "aiohttp"],
            "httpx": [python, script, "httpx"],
        }
        rows = []
        for tasks, peers in [(64, {"AsyncHTTPClient": 0.9, "aiohttp": 2.2}), (1, {"AsyncHTTPClient": None, "httpx": 5})]:
            names = ["Sluice", *peers]
            figures = {name: [] for name in names}
            for number in range(rounds):
                turn = number % len(names)
                for name in names[turn:] + names[:turn]:
                    say(f"{tasks} tasks, round {number + 1} of {rounds}: {name} …")
                    command = [*clients[name], url, tasks, seconds, len(BODY)]
                    output = subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True)
                    figures[name].append(json.loads(output.stdout))
            rate = {name: statistics.median(f["rate"] for f in all) for name, all in figures.items()}
            cpu = {name: statistics.median(f["cpu"] for f in all) for name, all in figures.items()}
            for peer, aim in peers.items():
                name = "bare AsyncHTTPClient" if peer == "AsyncHTTPClient" else f"{peer} on uvloop"
                case = f"client, small JSON GET, {tasks} task{'s' if tasks > 1 else ''}"
                entry = row(case, "requests/s", rate["Sluice"], rate[peer], name, aim)
                rows.append({**entry, "oursCPU": cpu["Sluice"], "peerCPU": cpu[peer]})
        report("http-client", rows)
    finally:
        nginx.terminate()
        nginx.wait()
        shutil.rmtree(folder)
