# SPDX-License-Identifier: Apache-2.0
"""The databases of `make bench-sql`: one table of 100,000 users in PostgreSQL, MariaDB and SQLite, the same rows in each."""

import os
import pathlib
import shutil
import sqlite3
import subprocess
import time

from peers.users import COLUMNS, ROWS, user

SCHEMAS = {
    "postgres": "id bigint PRIMARY KEY, name text NOT NULL, email text NOT NULL, age int NOT NULL, "
                "score double precision NOT NULL, active bool NOT NULL, created_at timestamptz NOT NULL",
    "mariadb": "id bigint PRIMARY KEY, name text NOT NULL, email text NOT NULL, age int NOT NULL, score double NOT NULL, "
               "active bool NOT NULL, created_at datetime(6) NOT NULL",
    "sqlite": "id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL, age INTEGER NOT NULL, score REAL NOT NULL, "
              "active INTEGER NOT NULL, created_at INTEGER NOT NULL",
}


class Databases:
    """Made in a folder, beside the servers that scripts/with-servers has started."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.programs = pathlib.Path(os.environ["SLUICE_TEST_POSTGRES_BIN"])
        port = os.environ["SLUICE_TEST_POSTGRES"].rpartition(":")[2]
        mariadb_port = os.environ["SLUICE_TEST_MARIADB"].rpartition(":")[2]
        self.mariadb_socket = os.environ["SLUICE_TEST_MARIADB_SOCKET"]
        self.urls = {
            "postgres": f"postgresql://sluice@/postgres?host={os.environ['SLUICE_TEST_POSTGRES_SOCKET']}&port={port}",
            "mariadb": f"mariadb://root@localhost:{mariadb_port}/bench?socket={self.mariadb_socket}",
            "sqlite": f"sqlite:{self.folder / 'users.db'}",
        }
        # For COPY and LOAD DATA: MariaDB takes no time zone, and PostgreSQL's is set to UTC.
        self.rows = self.folder / "users.tsv"
        with self.rows.open("w") as file:
            for number in range(1, ROWS + 1):
                *values, active, created = user(number)
                file.write("\t".join(map(str, (*values, int(active), created.strftime("%Y-%m-%d %H:%M:%S.%f")))) + "\n")
        self._make_postgres()
        self._make_mariadb()
        self._make_sqlite()

    def psql(self, *commands):
        """Rows of unaligned text."""
        arguments = [part for command in commands for part in ("-c", command)]
        program = [self.programs / "psql", "-XAt", "-v", "ON_ERROR_STOP=1", self.urls["postgres"], *arguments]
        return subprocess.run(program, check=True, capture_output=True, text=True).stdout

    def _make_postgres(self):
        # No work of the server's own while it is measured.
        self.psql("ALTER SYSTEM SET autovacuum = off", "ALTER SYSTEM SET timezone = 'UTC'", "SELECT pg_reload_conf()")
        self.psql(
            f"CREATE TABLE users ({SCHEMAS['postgres']})", "SET timezone = 'UTC'", f"\\copy users FROM '{self.rows}'",
            "VACUUM ANALYZE users", "CREATE TABLE inserted (LIKE users INCLUDING ALL)", "CHECKPOINT")

    def _make_mariadb(self):
        script = (
            "CREATE DATABASE bench CHARACTER SET utf8mb4; USE bench; SET SESSION sql_mode = 'STRICT_ALL_TABLES';"
            f"CREATE TABLE users ({SCHEMAS['mariadb']}); LOAD DATA LOCAL INFILE '{self.rows}' INTO TABLE users;"
            "ANALYZE TABLE users")
        command = ["mariadb", "--no-defaults", "--local-infile=1", f"--socket={self.mariadb_socket}", "-uroot", "-e", script]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def _make_sqlite(self):
        def make(path, table, rows):
            database = sqlite3.connect(path)
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
            database.execute(f"CREATE TABLE {table} ({SCHEMAS['sqlite']})")
            database.executemany(f"INSERT INTO {table} VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            database.commit()
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            database.close()

        rows = (user(number) for number in range(1, ROWS + 1))
        # No dates in SQLite: microseconds since 1970, in integers throughout.
        users = ((*values, round(created.timestamp()) * 1_000_000 + created.microsecond) for *values, created in rows)
        make(self.folder / "users.db", "users", users)
        make(self.folder / "empty.db", "inserted", ())

    def empty(self, engine):
        """Makes the table `inserted` empty, and returns the URL of its database."""
        if engine == "postgres":
            self.psql("TRUNCATE inserted", "CHECKPOINT")
            return self.urls[engine]
        for path in self.folder.glob("inserted.db*"):
            path.unlink()
        shutil.copy(self.folder / "empty.db", self.folder / "inserted.db")
        return f"sqlite:{self.folder / 'inserted.db'}"

    def check_inserted(self, engine, name):
        """Compares every row of `inserted` with `users`, in the database and not with the client that was measured."""
        query = f"SELECT (SELECT count(*) FROM inserted), count(*) FROM inserted JOIN users USING ({', '.join(COLUMNS)})"
        if engine == "postgres":
            counts = tuple(map(int, self.psql(query).strip().split("|")))
        else:
            database = sqlite3.connect(self.folder / "inserted.db")
            database.execute("ATTACH ? AS original", (str(self.folder / "users.db"),))
            counts = database.execute(query).fetchone()
            database.close()
        if counts != (ROWS, ROWS):
            raise RuntimeError(f"{name} inserted {counts[0]} rows, of which {counts[1]} are right")

    def rows_fetched(self):
        """How many rows PostgreSQL has fetched from `users` through its index, by its own count, once every client has left."""
        others = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        # A server process writes down what it did before it leaves the list.
        for _ in range(100):
            if int(self.psql(others)) == 0:
                return int(self.psql("SELECT idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'users'"))
            time.sleep(0.1)
        raise RuntimeError("somebody is still connected to PostgreSQL")
