# SPDX-License-Identifier: Apache-2.0
"""`make bench-sql`: our drivers beside C, Python and Swift clients, on the same rows of the same servers.

Ours is the executable SQLBench. It and every peer (peers/sql.py after its client's name, peers/*_loop.c, GRDBBench) keep to one
contract:

    SQLBench CASE --url URL --tasks N --connections N --seconds S

URL is one of `postgresql://USER@/DATABASE?host=FOLDER&port=PORT` (libpq's form; the socket is in FOLDER),
`mariadb://USER@localhost:PORT/DATABASE?socket=FILE` and `sqlite:FILE` (in WAL mode; synchronous is to be NORMAL). There are no
passwords. N connections (readers, for SQLite) are opened, and a pool is never larger. The five arguments are always there, in
this order.

The table `users` has the ids 1...100000, and seven columns, none null:

    id          bigint            INTEGER PRIMARY KEY in SQLite
    name        text              "user name <id>"
    email       text              "user<id>@example.com"
    age         int               18 + id % 60
    score       double precision  id * 0.5
    active      bool              id is even; 1 or 0 in MariaDB and SQLite
    created_at  timestamptz       2024-01-01T00:00:00Z + id * 1.000001 s; datetime(6) in UTC in MariaDB, an INTEGER of
                                  microseconds since 1970 in SQLite

One operation is one query with its rows decoded, all seven columns, into the language's own values (String, Int64, Double, …),
by a random id from 1...99901:

    row                   SELECT * FROM users WHERE id = <id>
    row-on-executor       the same; the tasks run on the driver's own executor
    rows100               SELECT * FROM users WHERE id >= <id> ORDER BY id LIMIT 100
    rows100-on-executor   the same; the tasks run on the driver's own executor
    one-task              row, called with one task and one connection
    one-task-on-executor  the same; the task runs on the driver's own executor
    pipelined             row, from all tasks on one connection, with several queries in flight
    unpipelined           the same with one query in flight; the others wait for the connection
    many-in-one-visit     row, one after the other in one transaction on one borrowed connection
    bulk-insert           the 100,000 rows, ids 1...100000 in order, into the empty table `inserted` (same columns), in one
                          transaction; one operation is one row. The values are made before the clock starts, which stops after the
                          commit. It is done once, whatever S.
    acquire-p99           no queries: all tasks, again and again, borrow a connection of the pool, sleep 1 ms, give it back

Before the clock starts the client reads id 4711 (and what follows it) once and compares every column of every row. Every operation
compares the number of rows, and the first and last id, with what was asked for. Anything wrong: a message on standard error and
exit status 1. All tasks first work for 0.3 s that do not count, and then for S seconds that do. The client then prints one line
of JSON and exits with 0:

    {"operations": n, "seconds": s, "cpuSeconds": c, "checked": true}

`operations` were completed in `seconds`; `cpuSeconds` is the user and system time of the whole process in the same span. For
`acquire-p99` the line is {"p99": seconds, "ideal": seconds}: the 99th percentile of the time from asking for a connection to having
it, over the S seconds, and what a first-come-first-served queue that takes no time would give:
(tasks / connections - 1) * the mean time for which a connection was held.

A case that a client does not have for the URL's database: exit status 64, nothing on standard output. The row is then missing.
"""

import json
import os
import re
import resource
import statistics
import subprocess
import tempfile
from dataclasses import dataclass

from harness import BENCHMARKS, ROOT, build, peers_python, report, row, say
from sqlservers import Databases

UNSUPPORTED = 64
# An insertion takes a fraction of a second, so that one a round would be too few.
INSERTIONS = 3


@dataclass(frozen=True)
class Figures:
    rate: float
    cpu: float  # microseconds an operation

    @staticmethod
    def median(all_of_them):
        return Figures(statistics.median(f.rate for f in all_of_them), statistics.median(f.cpu for f in all_of_them))


@dataclass(frozen=True, eq=False)
class Workload:
    title: str
    engine: str
    case: str  # as the peers have it
    tasks: int
    connections: int
    aims: dict  # our case: {peer: how many times better, or None}

    @property
    def peers(self):
        return list(dict.fromkeys(peer for aims in self.aims.values() for peer in aims))


ALONE = "Sluice, one query in flight"
WORKLOADS = [
    Workload("PostgreSQL, 1 row, 16 tasks, 8 connections", "postgres", "row", 16, 8, {
        "row": {"pgbench": 0.6, "asyncpg": 2.5, "SQLAlchemy": 10},
        "row-on-executor": {"pgbench": 0.85, "asyncpg": None, "SQLAlchemy": None}}),
    Workload("PostgreSQL, 100 rows, 16 tasks, 8 connections", "postgres", "rows100", 16, 8, {
        "rows100": {"pgbench": 0.8, "asyncpg": 2.8},
        "rows100-on-executor": {"pgbench": None, "asyncpg": None}}),
    Workload("PostgreSQL, 1 row, 1 task", "postgres", "one-task", 1, 1, {
        "one-task": {"pgbench": None, "asyncpg": None}, "one-task-on-executor": {"pgbench": 0.95, "asyncpg": None}}),
    Workload("PostgreSQL, 1 row, 16 tasks, 1 connection", "postgres", "row", 16, 1, {"pipelined": {ALONE: 2}}),
    Workload("PostgreSQL, 100,000 rows inserted", "postgres", "bulk-insert", 1, 1, {
        "bulk-insert": {"psql COPY": 0.7, "asyncpg": None}}),
    Workload("MariaDB, 1 row, 16 tasks, 8 connections", "mariadb", "row", 16, 8, {
        "row": {"libmariadb in C": 0.7, "asyncmy": 1.1, "aiomysql": 4}}),
    Workload("MariaDB, 100 rows, 16 tasks, 8 connections", "mariadb", "rows100", 16, 8, {
        "rows100": {"libmariadb in C": None, "asyncmy": 1.5, "aiomysql": None}}),
    Workload("MariaDB, 1 row, 1 task", "mariadb", "one-task", 1, 1, {
        "one-task": {"libmariadb in C": None, "asyncmy": None, "aiomysql": None}}),
    Workload("SQLite, 1 row, 16 tasks, 5 connections", "sqlite", "row", 16, 5, {
        "row": {"GRDB": 2, "aiosqlite": 4, "SQLite in C": None}}),
    Workload("SQLite, 1 row after the other in one visit", "sqlite", "many-in-one-visit", 1, 1, {
        "many-in-one-visit": {"SQLite in C": 0.6, "GRDB": None}}),
    Workload("SQLite, 100,000 rows inserted", "sqlite", "bulk-insert", 1, 1, {
        "bulk-insert": {"SQLite in C": 0.8, "GRDB": None}}),
]
ACQUIRE = Workload("PostgreSQL, p99 wait for a connection, 1000 tasks, 10 connections", "postgres", "acquire-p99", 1_000, 10, {})


class Program:
    """A client that keeps to the contract."""

    def __init__(self, *command, case=None):
        self.command, self.case = command, case

    def answer(self, workload, case, url, seconds):
        """Its line of JSON; None if it does not have the case."""
        command = [*self.command, self.case or case, "--url", url, "--tasks", workload.tasks]
        command = [str(part) for part in (*command, "--connections", workload.connections, "--seconds", seconds)]
        result = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60)
        if result.returncode == UNSUPPORTED:
            return None
        if result.returncode != 0:
            raise RuntimeError(f"{' '.join(command)} failed with status {result.returncode}:\n{result.stderr}")
        return json.loads(result.stdout)

    def measure(self, workload, case, url, seconds):
        answer = self.answer(workload, case, url, seconds)
        if answer is None:
            return None
        if answer["checked"] is not True or answer["operations"] < 1:
            raise RuntimeError(f"{self.command[0]} {case}: {answer}")
        return Figures(answer["operations"] / answer["seconds"], answer["cpuSeconds"] / answer["operations"] * 1e6)


def children_cpu():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class PgBench:
    """PostgreSQL's own client in C, which reads rows and decodes nothing.

    It keeps to no contract: its answers are compared by id and number before it is measured; while it is measured it throws them
    away, and PostgreSQL's own count of the rows it fetched takes the place of a check. It has no warm-up, and whole seconds.
    """

    QUERIES = {1: "SELECT * FROM users WHERE id = :id", 100: "SELECT * FROM users WHERE id >= :id ORDER BY id LIMIT 100"}
    # Once with its answers looked at, since pgbench throws them away when it measures: divides by nothing at a wrong one.
    CHECKS = {
        1: QUERIES[1] + " \\gset got_\n\\if :got_id <> :id\n\\set wrong 1 / 0\n\\endif\n",
        100: f"SELECT count(*), min(id), max(id) FROM ({QUERIES[100]}) AS page \\gset got_\n"
             "\\if :got_count <> 100 or :got_min <> :id or :got_max <> :id + 99\n\\set wrong 1 / 0\n\\endif\n",
    }

    def __init__(self, databases):
        self.databases, self.checked = databases, set()

    def run(self, script, *options):
        file = self.databases.folder / "pgbench.sql"
        file.write_text("\\set id random(1, 99901)\n" + script)
        command = [self.databases.programs / "pgbench", "-n", "-M", "prepared", "-f", file, *options]
        command = [str(part) for part in (*command, self.databases.urls["postgres"])]
        before = children_cpu()
        output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout
        count = int(re.search(r"transactions actually processed: (\d+)", output)[1])
        if int(re.search(r"failed transactions: (\d+)", output)[1]) != 0:
            raise RuntimeError(f"pgbench failed:\n{output}")
        rate = float(re.search(r"tps = ([\d.]+) \(without initial connection time\)", output)[1])
        return count, Figures(rate, (children_cpu() - before) / count * 1e6)

    def measure(self, workload, case, url, seconds):
        rows = 100 if case == "rows100" else 1
        if rows not in self.checked:
            self.run(self.CHECKS[rows], "-t", 1_000)
            self.checked.add(rows)
        before = self.databases.rows_fetched()
        clients = workload.connections
        count, figures = self.run(self.QUERIES[rows] + ";\n", "-c", clients, "-j", min(clients, 2), "-T", max(1, round(seconds)))
        fetched = self.databases.rows_fetched() - before
        # Exact only because nothing ever changes `users`: an updated row is met once more now and then.
        if fetched != count * rows:
            raise RuntimeError(f"pgbench reports {count} queries of {rows} rows, but PostgreSQL fetched {fetched} rows")
        return figures


class PsqlCopy:
    """COPY from a file of text by psql, timed by psql; the processor time is the whole process's."""

    def __init__(self, databases):
        self.databases = databases

    def measure(self, workload, case, url, seconds):
        before = children_cpu()
        output = self.databases.psql("\\timing on", f"\\copy inserted FROM '{self.databases.rows}'")
        used = children_cpu() - before
        count = int(re.search(r"COPY (\d+)", output)[1])
        return Figures(count / float(re.search(r"Time: ([\d.]+) ms", output)[1]) * 1e3, used / count * 1e6)


def compile_loop(name, library):
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", library], check=True, capture_output=True, text=True).stdout.split()
    program = BENCHMARKS / ".build" / name
    source = BENCHMARKS / "peers" / f"{name}.c"
    subprocess.run(["cc", "-O2", "-Wall", "-Werror", "-pthread", "-o", program, source, *flags], check=True)
    return program


class Bench:
    def __init__(self, databases, seconds):
        self.databases, self.seconds = databases, seconds
        try:
            self.ours = build(BENCHMARKS, "SQLBench")
        except subprocess.CalledProcessError:
            say("SQLBench does not build: ours stays missing")
            self.ours = None
        python, sql = peers_python(), BENCHMARKS / "peers" / "sql.py"
        self.clients = {name: Program(python, sql, name.lower()) for name in
                        ("asyncpg", "SQLAlchemy", "asyncmy", "aiomysql", "aiosqlite")}
        self.clients |= {
            "pgbench": PgBench(databases),
            "psql COPY": PsqlCopy(databases),
            "libmariadb in C": Program(compile_loop("mariadb_loop", "libmariadb")),
            "SQLite in C": Program(compile_loop("sqlite_loop", "sqlite3")),
            "GRDB": Program(build(BENCHMARKS, "GRDBBench")),
        }
        if self.ours:
            self.clients |= {ALONE: Program(self.ours, case="unpipelined"), "Sluice": Program(self.ours)}

    def measure(self, name, workload, case):
        """One client's figures; None if it does not have the case."""
        client = self.clients.get(name)
        if client is None:
            return None
        if case != "bulk-insert":
            return client.measure(workload, case, self.databases.urls[workload.engine], self.seconds)
        figures = []
        for _ in range(INSERTIONS):
            url = self.databases.empty(workload.engine)
            figures.append(client.measure(workload, case, url, self.seconds))
            if figures[-1] is None:
                return None
            self.databases.check_inserted(workload.engine, name)
        return Figures.median(figures)

    def round(self, workload, turn, into):
        contestants = [("Sluice", case) for case in workload.aims] + [(name, workload.case) for name in workload.peers]
        # Everybody is first once, if there are rounds enough.
        turn %= len(contestants)
        for name, case in contestants[turn:] + contestants[:turn]:
            figures = self.measure(name, workload, case)
            if figures:
                say(f"  {name} {case}: {figures.rate:,.0f}/s, {figures.cpu:.1f} µs of CPU")
                into.setdefault((workload, name, case), []).append(figures)

    def acquire(self, into):
        if self.ours:
            url = self.databases.urls[ACQUIRE.engine]
            answer = self.clients["Sluice"].answer(ACQUIRE, ACQUIRE.case, url, self.seconds)
            if answer:
                say(f"  Sluice {ACQUIRE.case}: {answer['p99']:.6f} s, ideal {answer['ideal']:.6f} s")
                into.append(answer)


def table(workloads, figures):
    rows = []
    for workload in workloads:
        unit = "rows/s" if workload.case == "bulk-insert" else "queries/s"
        for case, aims in workload.aims.items():
            for peer, aim in aims.items():
                measured = [figures.get((workload, *who)) for who in (("Sluice", case), (peer, workload.case))]
                ours, theirs = (Figures.median(m) if m else None for m in measured)
                title = workload.title + (" (on the driver's executor)" if case.endswith("on-executor") else "")
                entry = row(title, unit, ours and ours.rate, theirs and theirs.rate, peer, aim)
                rows.append(entry | {"oursCPU": ours and ours.cpu, "peerCPU": theirs and theirs.cpu})
    return rows


def wait_row(waits):
    p99, ideal = (statistics.median(wait[key] for wait in waits) * 1e3 if waits else None for key in ("p99", "ideal"))
    return row(ACQUIRE.title, "ms", p99, ideal, "a queue that takes no time", None, more_is_better=False)


def measure(rounds, seconds, only):
    if "SLUICE_TEST_POSTGRES_SOCKET" not in os.environ:
        command = [ROOT / "scripts" / "with-servers", BENCHMARKS / "run", "sql"]
        command += ["--rounds", rounds, "--seconds", seconds, "--only", only]
        os.execve(command[0], [str(part) for part in command], {**os.environ, "SLUICE_SERVERS": "postgres mariadb"})
    workloads = [workload for workload in WORKLOADS if re.search(only, workload.title)]
    waiting = re.search(only, ACQUIRE.title) is not None
    figures, waits = {}, []
    with tempfile.TemporaryDirectory(prefix="sluice-bench.") as folder:
        say("loading 100,000 rows into PostgreSQL, MariaDB and SQLite …")
        bench = Bench(Databases(folder), seconds)
        for number in range(rounds):
            for workload in workloads:
                say(f"round {number + 1} of {rounds}: {workload.title} …")
                bench.round(workload, number, figures)
            if waiting:
                bench.acquire(waits)
    rows = table(workloads, figures)
    if waiting:
        rows.append(wait_row(waits))
    report("sql" if only == "" else "sql-part", rows)
