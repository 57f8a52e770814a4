# SPDX-License-Identifier: Apache-2.0
"""GET /clubhouse/matches on FastAPI, SQLAlchemy async and aiosqlite: the same database, parameters, checks and answer.

The database is given in CLUBHOUSE_DATABASE; start it with uvicorn.
"""

import base64
import os
from datetime import date

from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.responses import JSONResponse
from sqlalchemy import Column, Integer, MetaData, String, Table, and_, or_, select, tuple_
from sqlalchemy.ext.asyncio import create_async_engine

meta = MetaData()
seasons = Table("clubhouse_seasons", meta, Column("id", Integer, primary_key=True), Column("name", String))
matches = Table(
    "clubhouse_matches",
    meta,
    Column("id", Integer, primary_key=True),
    Column("season_id", Integer),
    *(Column(name, String) for name in ("stage", "round", "team1", "team2", "date", "time", "status")),
    *(Column(name, Integer) for name in ("ht1", "ht2", "ft1", "ft2", "et1", "et2", "p1", "p2")),
)
engine = create_async_engine(f"sqlite+aiosqlite:///{os.environ['CLUBHOUSE_DATABASE']}", pool_size=5)
app = FastAPI()
NAMES = {"season", "team", "from", "to", "status", "limit", "cursor"}


def match(row):
    score = {}
    for name in ("ht", "ft", "et", "p"):
        home, away = row[f"{name}1"], row[f"{name}2"]
        if home is not None and away is not None:
            score[name] = [home, away]
    answer = {"date": row["date"], "id": row["id"]}
    if row["round"]:
        answer["round"] = row["round"]
    answer |= {"score": score, "season": row["season"]}
    if row["stage"]:
        answer["stage"] = row["stage"]
    answer |= {"status": row["status"], "team1": row["team1"], "team2": row["team2"]}
    if row["time"]:
        answer["time"] = row["time"]
    return answer


@app.get("/clubhouse/matches")
async def list_matches(
    request: Request,
    season: str | None = None,
    team: str | None = None,
    first: date | None = Query(None, alias="from"),
    last: date | None = Query(None, alias="to"),
    status: str | None = None,
    limit: int = Query(50, ge=1, le=200),
    cursor: str | None = None,
):
    if set(request.query_params) - NAMES:
        raise HTTPException(400, "unknown parameter")
    table, conditions = matches, []
    if season is not None:
        conditions.append(seasons.c.name == season)
    if team is not None:
        conditions.append(or_(table.c.team1 == team, table.c.team2 == team))
    if first is not None:
        conditions.append(table.c.date >= first.isoformat())
    if last is not None:
        conditions.append(table.c.date <= last.isoformat())
    if status is not None:
        conditions.append(table.c.status == status)
    if cursor is not None:
        day, time, number = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().split(" ")
        conditions.append(tuple_(table.c.date, table.c.time, table.c.id) > tuple_(day, time, int(number)))
    query = (
        select(table, seasons.c.name.label("season"))
        .join(seasons, seasons.c.id == table.c.season_id)
        .where(and_(True, *conditions))
        .order_by(table.c.date, table.c.time, table.c.id)
        .limit(limit + 1)
    )
    async with engine.connect() as connection:
        if season is not None:
            if (await connection.execute(select(seasons.c.id).where(seasons.c.name == season))).first() is None:
                raise HTTPException(404, "unknown season")
        if team is not None:
            plays = or_(table.c.team1 == team, table.c.team2 == team)
            if (await connection.execute(select(table.c.id).where(plays).limit(1))).first() is None:
                raise HTTPException(404, "unknown team")
        rows = (await connection.execute(query)).mappings().all()
    page = [match(row) for row in rows[:limit]]
    end = None
    if len(rows) > limit:
        place = f"{page[-1]['date']} {page[-1].get('time', '')} {page[-1]['id']}"
        end = base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")
    # As it is: FastAPI's own encoder would walk the whole answer once more.
    return JSONResponse({"matches": page, "nextCursor": end})
