# SPDX-License-Identifier: Apache-2.0
"""Puts one script of requests through several HTTP caches before one origin, and says what the origin heard of each.

Usage: caches.py SLUICE SQUID
Reads cases from cache-cases.json beside it and writes {"name": {"cache": ["miss", "hit", …]}}.

A step is {"method", "fields", "answer": {"status", "fields", "body", "lost"}}; a step's outcome is `hit` if the origin heard nothing
of it, `miss` if it answered in full, `confirmed` if it said that nothing had changed, and the status after it if that is not 200.
Nothing waits: what is to be stale says with `Age` or `Date` that it is old.
"""
import email.utils
import http.server
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import httpx
from hishel import CacheOptions, SqliteStorage
from hishel.httpx import CacheTransport

import ports
import squid


class Origin(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    answer, heard = {}, []

    def do(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        answer = Origin.answer
        if answer.get("lost"):
            Origin.heard.append("lost")
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        fields = [(name, dated(value)) for name, value in answer.get("fields", [])]
        tag = dict((name.lower(), value) for name, value in fields).get("etag")
        status, body = answer.get("status", 200), answer.get("body", "body").encode()
        if tag and tag in (self.headers.get("If-None-Match") or ""):
            status, body = 304, b""
        Origin.heard.append("confirmed" if status == 304 else "miss")
        self.send_response_only(status)
        if not any(name.lower() == "date" for name, _ in fields):
            self.send_header("Date", email.utils.formatdate(usegmt=True))
        for name, value in fields:
            self.send_header(name, value)
        if status not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and status not in (204, 304):
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = do

    def log_message(self, *arguments):
        pass


def dated(value):
    """`<N>` is the date N seconds from now."""
    return re.sub(r"<(-?\d+)>", lambda match: email.utils.formatdate(time.time() + int(match[1]), usegmt=True), value)


def start_sluice(program, origin, *options):
    port = ports.free_port()
    process = subprocess.Popen(
        [program, "cached-proxy", origin, "--port", str(port), *options], stdout=subprocess.DEVNULL)
    ports.wait_for(port, process, "sluice")
    return port, process


def start_squid(program, origin_port, folder):
    return squid.start(folder, f"""
http_port 127.0.0.1:{{port}} accel defaultsite=127.0.0.1 no-vhost
cache_peer 127.0.0.1 parent {origin_port} 0 no-query no-digest originserver name=origin
http_access allow all
cache_peer_access origin allow all
never_direct allow all
cache_mem 16 MB
refresh_pattern . 0 10% 1440
""", program)


def outcome(client, url, step):
    Origin.answer, Origin.heard = step.get("answer", {}), []
    try:
        response = client.request(step.get("method", "GET"), url, headers=step.get("fields", []), content=step.get("body"))
        status = response.status_code
    except httpx.HTTPError:
        status = "error"
    heard = Origin.heard[-1] if Origin.heard else "hit"
    return heard if status == 200 else f"{heard} {status}"


def main():
    program, squid_program = sys.argv[1:]
    # Whoever started this may have blocked signals, and what this starts would inherit that and not end when told to.
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "cache-cases.json")) as file:
        cases = {case["name"]: case["steps"] for case in json.load(file)}
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Origin)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    origin_port = server.server_address[1]
    origin = f"http://127.0.0.1:{origin_port}"
    processes = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            clients = {}
            for name, options in {
                "sluice": ["--shared"], "sluice, SQLite": ["--shared", "--store", f"sqlite:{folder}/cache.db"],
            }.items():
                port, process = start_sluice(program, origin, *options)
                processes.append(process)
                clients[name] = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30)
            port, process = start_squid(squid_program, origin_port, folder)
            processes.append(process)
            clients["squid"] = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30)
            storage = SqliteStorage(database_path=os.path.join(folder, "hishel.db"))
            transport = CacheTransport(
                httpx.HTTPTransport(), storage=storage, rfc=CacheOptions(shared=True))
            clients["hishel"] = httpx.Client(base_url=origin, transport=transport, timeout=30)
            results = {
                case: {
                    name: [outcome(client, f"/{number}/{index}", step) for step in steps]
                    for index, (name, client) in enumerate(clients.items())
                }
                for number, (case, steps) in enumerate(cases.items())
            }
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait()
    json.dump(results, sys.stdout)


main()
