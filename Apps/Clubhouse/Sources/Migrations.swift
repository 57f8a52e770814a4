// SPDX-License-Identifier: Apache-2.0
import SluiceSQL

/// Clubhouse's part of the schema.
///
/// A match is known by its season, stage, round and teams, and, since the same pairing can occur
/// twice in a round (a replay), by which of those it is.
let clubhouseMigrations = [
    Migration(
        "001-seasons-and-matches",
        [
            """
            CREATE TABLE clubhouse_seasons (
                id INTEGER PRIMARY KEY,
                name TEXT NOT NULL UNIQUE,
                source TEXT,
                etag TEXT,
                last_modified TEXT)
            """,
            """
            CREATE TABLE clubhouse_matches (
                id INTEGER PRIMARY KEY,
                season_id INTEGER NOT NULL REFERENCES clubhouse_seasons (id),
                stage TEXT NOT NULL,
                round TEXT NOT NULL,
                team1 TEXT NOT NULL,
                team2 TEXT NOT NULL,
                occurrence INTEGER NOT NULL,
                date TEXT NOT NULL,
                time TEXT NOT NULL,
                status TEXT NOT NULL,
                ht1 INTEGER, ht2 INTEGER, ft1 INTEGER, ft2 INTEGER,
                et1 INTEGER, et2 INTEGER, p1 INTEGER, p2 INTEGER,
                UNIQUE (season_id, stage, round, team1, team2, occurrence))
            """,
            "CREATE INDEX clubhouse_matches_by_season ON clubhouse_matches (season_id, date, time, id)",
            "CREATE INDEX clubhouse_matches_by_date ON clubhouse_matches (date, time, id)",
            "CREATE INDEX clubhouse_matches_by_team1 ON clubhouse_matches (team1, date, time, id)",
            "CREATE INDEX clubhouse_matches_by_team2 ON clubhouse_matches (team2, date, time, id)",
        ],
        down: ["DROP TABLE clubhouse_matches", "DROP TABLE clubhouse_seasons"])
]
