# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks share: builds, the peers' packages, the table and its file."""

import fcntl
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BENCHMARKS = ROOT / "Benchmarks"


def say(text):
    print(text, file=sys.stderr, flush=True)


def build(package, product):
    say(f"building {product} in release mode …")
    command = ["swift", "build", "-c", "release", "--package-path", str(package)]
    subprocess.run(command + ["--product", product], check=True, stdout=sys.stderr)
    folder = subprocess.run(command + ["--show-bin-path"], check=True, capture_output=True, text=True).stdout.strip()
    return pathlib.Path(folder) / product


def report(target, rows):
    results = BENCHMARKS / "results"
    results.mkdir(exist_ok=True)
    # Renamed into place, so that two runs at once do not mix.
    part = results / f".{target}.{os.getpid()}"
    part.write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n")
    part.rename(results / f"{target}.json")
    head = ["case", "unit", "ours", "peer", "peer's name", "ratio", "aim"]
    lines = [[r["case"], r["unit"], cell(r["ours"]), cell(r["peer"]), r["peerName"], cell(r["ratio"], 2), f"{r['aim'] or '–'}"]
             for r in rows]
    if any("oursCPU" in r for r in rows):
        head += ["our CPU µs", "peer's CPU µs"]
        lines = [line + [cell(r.get("oursCPU")), cell(r.get("peerCPU"))] for line, r in zip(lines, rows)]
    lines = [head] + lines
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    for line in lines:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip())


def cell(number, digits=1):
    return "–" if number is None else f"{number:.{digits}f}"


def row(case, unit, ours, peer, name, aim, more_is_better=True):
    """`ours` or `peer` is None when it is missing; then so is the ratio."""
    ratio = None
    if ours is not None and peer is not None:
        ratio = round(ours / peer if more_is_better else peer / ours, 3)
    return {"case": case, "unit": unit, "ours": ours, "peer": peer, "peerName": name, "ratio": ratio, "aim": aim}


def peers_python():
    """A virtual environment with the peers' packages, made once."""
    folder = BENCHMARKS / "peers" / ".venv"
    python = folder / "bin" / "python"
    wanted = (BENCHMARKS / "peers" / "requirements.txt").read_text()
    stamp = folder / "installed.txt"
    # Two runs at once install one after the other.
    lock = open(BENCHMARKS / "peers" / ".lock", "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    if not stamp.exists() or stamp.read_text() != wanted:
        say("installing the peers from PyPI …")
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        command = [python, "-m", "pip", "install", "-q", "-r", BENCHMARKS / "peers" / "requirements.txt"]
        subprocess.run(command, check=True, stdout=sys.stderr)
        stamp.write_text(wanted)
    return python
