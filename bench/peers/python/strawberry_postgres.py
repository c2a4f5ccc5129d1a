"""Strawberry over the gateway's own tables: asyncpg, a DataLoader for each relationship, parser and validation caches, orjson; no
authentication.

The peer of Q3. Its statements ask for what the screen shows and no more: no merge of sources, no rights, no filters beyond the screen's, no
cursors that could be gone on from. Environment: DATABASE_URL, PORT, POOL (10), WORKSPACE.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import strawberry
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from strawberry.dataloader import DataLoader
from strawberry.schema.config import StrawberryConfig

from bench.peers.python import screen_types as types
from bench.peers.python.floor import Server
from gateway.model.item import _ICONS, _NOUNS
from gateway.model.profile import Channel
from gateway.model.trait import display, known_trait

WORKSPACE = UUID(os.environ["WORKSPACE"])
PROFILES = """SELECT p.*, h.head FROM profile p JOIN stream_head h ON h.workspace_id = $1 AND h.stream_id = p.id
 WHERE p.workspace_id = $1 AND p.id = any($2)"""
TRAITS = """SELECT DISTINCT ON (profile_id, key) profile_id, key, value, kind, category FROM trait WHERE workspace_id = $1 AND profile_id = any($2)
  AND (expires_at IS NULL OR expires_at > now()) ORDER BY profile_id, key, observed_at DESC"""
NOTES = """SELECT n.* FROM unnest($2::uuid[]) AS wanted (id) CROSS JOIN LATERAL (
  SELECT profile_id, id, body, is_pinned, author_id, author_name, author_kind, created_at FROM note
   WHERE workspace_id = $1 AND profile_id = wanted.id ORDER BY is_pinned DESC, id DESC LIMIT 10) n"""
ITEMS = """SELECT a.* FROM unnest($2::uuid[]) AS wanted (id) CROSS JOIN LATERAL (
  SELECT profile_id, occurred_at, source, id, kind, type, channel, direction, detail FROM activity
   WHERE workspace_id = $1 AND profile_id = wanted.id AND kind = any($3) ORDER BY occurred_at DESC, source DESC, id DESC LIMIT 51) a"""
KINDS = ["INTERACTION", "EXTERNAL", "WEB"]


@dataclass
class Loading:
    """The loaders of one operation."""

    pool: asyncpg.Pool

    def __post_init__(self) -> None:
        self.profile = DataLoader(self._profiles)
        self.trait = DataLoader(self._traits)
        self.note = DataLoader(self._notes)
        self.item = DataLoader(self._items)

    async def traits(self, profile: types.Profile, _first: int | None) -> types.TraitConnection:
        return await self.trait.load(profile.id)

    async def notes(self, profile: types.Profile, _first: int | None) -> types.NoteConnection:
        return await self.note.load(profile.id)

    async def timeline(self, profile: types.Profile, _first: int | None) -> types.TimelineConnection:
        return await self.item.load(profile.id)

    async def _profiles(self, ids: list[str]) -> Sequence[Any]:
        rows = await self.pool.fetch(PROFILES, WORKSPACE, [_uuid(one) for one in ids])
        found = {f"prf_{row['id'].hex}": self._profile(row) for row in rows}
        return [found.get(one) for one in ids]

    async def _traits(self, ids: list[str]) -> Sequence[Any]:
        found: dict[str, list[Any]] = {one: [] for one in ids}
        for row in await self.pool.fetch(TRAITS, WORKSPACE, [_uuid(one) for one in ids]):
            shown = {"key": row["key"], "displayName": known_trait(row["key"])[0], "kind": row["kind"], "category": row["category"]}
            found[f"prf_{row['profile_id'].hex}"].append(
                types.trait({**shown, "value": row["value"], "displayValue": display(row["value"])})
            )
        return [types.TraitConnection(nodes=found[one][:40]) for one in ids]

    async def _notes(self, ids: list[str]) -> Sequence[Any]:
        found: dict[str, list[Any]] = {one: [] for one in ids}
        for row in await self.pool.fetch(NOTES, WORKSPACE, [_uuid(one) for one in ids]):
            author = {"id": row["author_id"], "displayName": row["author_name"], "kind": row["author_kind"]}
            made = {"body": row["body"], "isPinned": row["is_pinned"], "author": author, "createdAt": _iso(row["created_at"])}
            found[f"prf_{row['profile_id'].hex}"].append(types.note({**made, "id": f"note_{row['profile_id'].hex}{row['id'].hex}"}, {}))
        return [types.NoteConnection(nodes=found[one]) for one in ids]

    async def _items(self, ids: list[str]) -> Sequence[Any]:
        found: dict[str, list[Any]] = {one: [] for one in ids}
        for row in await self.pool.fetch(ITEMS, WORKSPACE, [_uuid(one) for one in ids], KINDS):
            found[f"prf_{row['profile_id'].hex}"].append(row)
        return [_page(found[one]) for one in ids]

    def _profile(self, row: Any) -> types.Profile:
        names = [name for name in (row["first_name"], row["middle_name"], row["last_name"]) if name]
        return types.Profile(
            id=strawberry.ID(f"prf_{row['id'].hex}"),
            version=row["version"],
            status=types.ProfileStatus[row["status"]],  # type: ignore[index]
            redirected_from=None,
            lifecycle=types.ProfileLifecycle[row["lifecycle"]],  # type: ignore[index]
            first_name=row["first_name"],
            middle_name=row["middle_name"],
            last_name=row["last_name"],
            display_name=" ".join(names),
            avatar_url=row["avatar_url"],
            locale=row["locale"],
            time_zone=row["time_zone"],
            birth_date=types.Date(str(row["birth_date"])),
            customer_since=None if row["customer_since"] is None else types.DateTime(_iso(row["customer_since"])),
            created_at=types.DateTime(_iso(row["created_at"])),
            updated_at=types.DateTime(_iso(row["updated_at"])),
            url=None,
            stream_cursor=types.StreamCursor(str(row["head"])),
            viewer_can=types.ProfilePermissions(update=True, merge=False),
            loaded=self,
        )


@strawberry.type
class Query:
    """The screen's root."""

    @strawberry.field
    async def profile(self, info: strawberry.Info[Loading, None], by: types.ProfileRef) -> types.Profile | None:
        return await info.context.profile.load(by.id)  # type: ignore[no-any-return]


def _uuid(key: str) -> UUID:
    return UUID(hex=key[4:])


def _iso(at: Any) -> str:
    return at.isoformat().replace("+00:00", "Z")  # type: ignore[no-any-return]


def _page(rows: Sequence[Any]) -> types.TimelineConnection:
    edges = [
        types.TimelineEdge(cursor=f"{row['occurred_at'].timestamp()}|{row['source']}|{row['id'].hex}", node=_item(row)) for row in rows[:50]
    ]
    page = types.PageInfo(
        has_next_page=len(rows) > len(edges),
        has_previous_page=False,
        start_cursor=edges[0].cursor if edges else None,
        end_cursor=edges[-1].cursor if edges else None,
    )
    return types.TimelineConnection(edges=edges, page_info=page)


def _item(row: Any) -> types.TimelineItem:
    usual = {"id": f"act_{row['profile_id'].hex}.{row['source']}.{row['id'].hex}", "occurred_at": _iso(row["occurred_at"])}
    if row["kind"] == "INTERACTION":
        channel = Channel(row["channel"])
        title = f"{row['direction'].capitalize()} {_NOUNS.get(channel) or f'{channel.value.lower()} conversation'}"
        return types.Interaction(**usual, title=title, icon=_ICONS.get(channel, "chat"), channel=types.Channel[row["channel"]])  # type: ignore[index]
    if row["kind"] == "WEB":
        return types.ExternalActivity(**usual, title=f"Viewed {row['detail']['title']}", icon="globe", type=row["type"])
    return types.ExternalActivity(**usual, title=row["type"], icon="star", type=row["type"])


schema = strawberry.Schema(
    Query,
    types=[types.ExternalActivity, types.Interaction],
    extensions=[types.ParserCache(maxsize=1000), types.ValidationCache(maxsize=1000)],
    config=StrawberryConfig(scalar_map=types.SCALARS),
)
pool: asyncpg.Pool


async def graphql(request: Request) -> Response:
    """GraphQL over HTTP."""
    body = orjson.loads(await request.body())
    result = await schema.execute(body["query"], variable_values=body.get("variables"), context_value=Loading(pool))
    answer: dict[str, Any] = {"data": result.data}
    if result.errors:
        answer["errors"] = [error.formatted for error in result.errors]
    return Response(orjson.dumps(answer), media_type="application/json")


async def _codecs(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=lambda value: orjson.dumps(value).decode(), decoder=orjson.loads)


@asynccontextmanager
async def lifespan(_app: Starlette) -> Any:
    """The pool."""
    global pool  # one per process
    size = int(os.environ.get("POOL", "10"))
    async with asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=size, max_size=size, init=_codecs) as pool:
        yield


app = Starlette(lifespan=lifespan, routes=[Route("/graphql", graphql, methods=["POST"])])

if __name__ == "__main__":
    port = int(os.environ["PORT"])
    Server(uvicorn.Config(app, host="127.0.0.1", port=port, loop="uvloop", http="httptools", log_level="error", access_log=False)).run()
