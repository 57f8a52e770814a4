# SPDX-License-Identifier: Apache-2.0
"""The SQL cases in Python's clients: sql.py CLIENT CASE --url URL --tasks N --connections N --seconds S.

Command line, rows, checks and answer are SQLBench's (see sqlbench.py). All run on uvloop.
"""

import argparse
import asyncio
import contextlib
import datetime
import json
import random
import resource
import sys
import time
import urllib.parse

import uvloop

from users import COLUMNS, LAST, PAGE, ROWS, user

WARM_UP = 0.3
UNSUPPORTED = 64


def as_read(row):
    """A row as user() has it: MariaDB's datetime has no zone, and SQLite has neither dates nor booleans."""
    *values, active, created = row
    if isinstance(created, int):
        created = datetime.datetime.fromtimestamp(0, datetime.timezone.utc) + datetime.timedelta(microseconds=created)
    return *values, bool(active), created.replace(tzinfo=datetime.timezone.utc)


def text(case, mark):
    page = f"SELECT * FROM users WHERE id >= {mark} ORDER BY id LIMIT {PAGE}"
    return page if case == "rows100" else f"SELECT * FROM users WHERE id = {mark}"


@contextlib.asynccontextmanager
async def asyncpg_client(options):
    import asyncpg

    class WithoutReset(asyncpg.Connection):
        """Its pool would send a reset query after every use: one more round trip, which nobody else makes."""

        def get_reset_query(self):
            return ""

    size = options.connections
    sql = text(options.case, "$1")
    async with asyncpg.create_pool(options.url, min_size=size, max_size=size, connection_class=WithoutReset) as pool:
        yield lambda number: pool.fetch(sql, number)


@contextlib.asynccontextmanager
async def sqlalchemy_client(options):
    import asyncpg
    from sqlalchemy import (BigInteger, Boolean, Column, DateTime, Float, Integer, MetaData, String, Table, bindparam, select)
    from sqlalchemy.ext.asyncio import create_async_engine

    types = (BigInteger, String, String, Integer, Float, Boolean, DateTime(timezone=True))
    users = Table("users", MetaData(), *(Column(name, kind) for name, kind in zip(COLUMNS, types)))
    query = select(users).where(users.c.id == bindparam("number"))
    if options.case == "rows100":
        query = select(users).where(users.c.id >= bindparam("number")).order_by(users.c.id).limit(PAGE)
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(options.url), pool_size=options.connections, max_overflow=0)

    async def fetch(number):
        async with engine.connect() as connection:
            return (await connection.execute(query, {"number": number})).all()

    try:
        yield fetch
    finally:
        await engine.dispose()


def mysql_client(module):
    @contextlib.asynccontextmanager
    async def client(options):
        url = urllib.parse.urlsplit(options.url)
        place = {"host": url.hostname, "port": url.port}
        if url.query:
            place["unix_socket"] = urllib.parse.parse_qs(url.query)["socket"][0]
        size = options.connections
        pool = await __import__(module).create_pool(
            user=url.username, db=url.path[1:], minsize=size, maxsize=size, autocommit=True, **place)
        sql = text(options.case, "%s")

        async def fetch(number):
            async with pool.acquire() as connection, connection.cursor() as cursor:
                await cursor.execute(sql, (number,))
                return await cursor.fetchall()

        try:
            yield fetch
        finally:
            pool.close()
            await pool.wait_closed()

    return client


@contextlib.asynccontextmanager
async def aiosqlite_client(options):
    import aiosqlite

    path = options.url.removeprefix("sqlite:")
    connections = [await aiosqlite.connect(path, isolation_level=None) for _ in range(options.connections)]
    free = asyncio.LifoQueue()
    for connection in connections:
        await connection.execute("PRAGMA synchronous = NORMAL")
        free.put_nowait(connection)
    sql = text(options.case, "?")

    async def fetch(number):
        connection = await free.get()
        try:
            return await connection.execute_fetchall(sql, (number,))
        finally:
            free.put_nowait(connection)

    try:
        yield fetch
    finally:
        # Each has a thread, which would keep the program from ending.
        for connection in connections:
            await connection.close()


CLIENTS = {
    "asyncpg": asyncpg_client,
    "sqlalchemy": sqlalchemy_client,
    "asyncmy": mysql_client("asyncmy"),
    "aiomysql": mysql_client("aiomysql"),
    "aiosqlite": aiosqlite_client,
}
CASES = {"row": 1, "one-task": 1, "rows100": PAGE}


class Meter:
    """Time and processor time (user and system, of this process) since it was made."""

    def __init__(self):
        self.start, self.used = time.perf_counter(), self.cpu()

    @staticmethod
    def cpu():
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return usage.ru_utime + usage.ru_stime

    def answer(self, operations):
        seconds, used = time.perf_counter() - self.start, self.cpu() - self.used
        return {"operations": operations, "seconds": seconds, "cpuSeconds": used, "checked": True}


async def read(options):
    count, running = 0, True
    rows_wanted = CASES[options.case]

    async def work(fetch, seed):
        nonlocal count
        chance = random.Random(seed).random
        while running:
            number = int(chance() * LAST) + 1
            rows = await fetch(number)
            if len(rows) != rows_wanted or rows[0][0] != number or rows[-1][0] != number + rows_wanted - 1:
                raise ValueError(f"asked for {rows_wanted} rows from {number}, got {rows!r}")
            count += 1

    async with CLIENTS[options.client](options) as fetch:
        got = [as_read(row) for row in await fetch(4711)]
        if got != [user(4711 + i) for i in range(rows_wanted)]:
            raise ValueError(f"rows were read wrongly: {got!r}")
        async with asyncio.TaskGroup() as group:
            for seed in range(options.tasks):
                group.create_task(work(fetch, seed))
            await asyncio.sleep(WARM_UP)
            before, meter = count, Meter()
            await asyncio.sleep(options.seconds)
            answer = meter.answer(count - before)
            running = False
    return answer


async def copy(options):
    import asyncpg

    records = [user(number) for number in range(1, ROWS + 1)]
    connection = await asyncpg.connect(options.url)
    meter = Meter()
    await connection.copy_records_to_table("inserted", records=records, columns=COLUMNS)
    answer = meter.answer(ROWS)
    await connection.close()
    return answer


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("client", choices=CLIENTS)
    parser.add_argument("case")
    parser.add_argument("--url", required=True)
    parser.add_argument("--tasks", type=int, required=True)
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    options = parser.parse_args()
    if options.case in CASES:
        work = read(options)
    elif (options.client, options.case) == ("asyncpg", "bulk-insert"):
        work = copy(options)
    else:
        print("unsupported", file=sys.stderr)
        sys.exit(UNSUPPORTED)
    print(json.dumps(uvloop.run(work)))


main()
