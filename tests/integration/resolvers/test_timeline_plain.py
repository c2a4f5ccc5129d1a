"""A timeline that is chosen by kind alone has a statement of its own, and the statements of a screen keep their plans."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from gateway.model.activity import Place, TimelineFilter, TimelineKind, TimelinePreset
from gateway.model.ids import parse_id
from gateway.sources.contract import FIRST_PLACE, LAST_PLACE, TimelineWindow
from gateway.sources.native_timeline import _bounds, _filter_columns, _is_plain, _plain_columns
from gateway.storage.connections import SESSION
from gateway.storage.database import connect
from gateway.storage.queries import ALONE, SQL

from .conftest import START, Graph

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

CALL = {"kind": "INTERACTION", "channel": "VOICE", "direction": "OUTBOUND"}
CHAT = {"kind": "INTERACTION", "channel": "CHAT", "direction": "OUTBOUND"}


@asynccontextmanager
async def session(graph: Graph) -> AsyncIterator[Any]:
    """A connection as the pools make them."""
    connection = await connect(graph.runtime.database.dsn, server_settings=SESSION)
    try:
        yield connection
    finally:
        await connection.close()


FILTERS = {
    "usual": TimelineFilter(),
    "of one type": TimelineFilter(external_types=("Signed Up",)),
    "of no type": TimelineFilter(external_types=()),
    "everything": TimelineFilter(preset=TimelinePreset.ALL),
    "named kinds": TimelineFilter(kinds=(TimelineKind.INTERACTION, TimelineKind.MESSAGE)),
    "kept for a while": TimelineFilter(retained=tuple((kind, START + timedelta(seconds=2)) for kind in TimelineKind)),
    "of a span": TimelineFilter(since=START + timedelta(seconds=1), until=START + timedelta(seconds=4)),
}
PLACES = {"all": (FIRST_PLACE, LAST_PLACE), "part": (Place(START, "", ""), Place(START + timedelta(seconds=5), "native", "f" * 32))}


@pytest.mark.parametrize("newest_first", [False, True], ids=["oldest first", "newest first"])
async def test_the_plain_statement_answers_as_the_full_one(graph: Graph, newest_first: bool) -> None:
    """Whatever kinds are chosen, between whatever places: both statements bring the same rows in the same order."""
    profiles = [await graph.profile(), await graph.profile("Ben")]
    for one in profiles:
        await graph.happened(
            one, CALL, {"type": "Signed Up"}, CHAT, {}, {"kind": "MESSAGE", "channel": "SMS", "direction": "INBOUND"}, CALL
        )
    ids = [parse_id(one, "prf")[0] for one in profiles]
    name = "activities_descending" if newest_first else "activities_ascending"
    seen = 0
    async with session(graph) as connection:
        for chosen in FILTERS.values():
            assert _is_plain(chosen)
            kinds = [kind for kind in chosen.shown_kinds if kind not in (TimelineKind.NOTE, TimelineKind.CHANGE)]
            kept = [chosen.retained_since(kind) for kind in kinds]
            for low, high in PLACES.values():
                bounds = _bounds(TimelineWindow(4, newest_first, low, high, chosen), kept)
                given = graph.agent.workspace_id, ids, *bounds, 4
                full = await connection.fetch(SQL[name], *given, *_filter_columns(chosen, kinds))
                assert await connection.fetch(SQL[f"plain_{name}"], *given, *_plain_columns(chosen, kinds)) == full
                seen += len(full)
    assert seen > 40


KEPT = {"activities_ascending", "activities_descending", "plain_activities_ascending", "plain_activities_descending"}
"""Those whose plans are dear enough to be kept whatever the size of the batch."""


@pytest.mark.parametrize("count", [1, 2, 50])
async def test_the_statements_of_a_screen_keep_their_plans(graph: Graph, count: int) -> None:
    """From the sixth time on no statement about one profile is planned anew, nor any of timelines: planning takes longer than reading."""
    ids = [parse_id(await graph.profile(attributes={"plan": "gold"}), "prf")[0] for _ in range(min(count, 2))]
    ids += [UUID(int=n) for n in range(count - len(ids))]
    bounds = _bounds(TimelineWindow(51, newest_first=True, filter=TimelineFilter()), [None])
    plain = *bounds, 51, *_plain_columns(TimelineFilter(), [TimelineKind.INTERACTION])
    full = *bounds, 51, *_filter_columns(TimelineFilter(), [TimelineKind.INTERACTION])
    given: dict[str, tuple[Any, ...]] = {
        "profiles_by_id": (),
        "contacts_by_profile": (),
        "memberships_by_profile": (),
        "traits_by_profile": (None,),
        "notes_by_profile": (True, UUID(int=2**128 - 1), 11),
        "plain_activities_ascending": plain,
        "plain_activities_descending": plain,
        "activities_ascending": full,
        "activities_descending": full,
    }
    known = ALONE if count == 1 else SQL
    assert all("any($2::uuid[])" not in ALONE[name] for name in given), (
        "with any($2) the plan is kept of small tables only, as they are here"
    )
    async with session(graph) as connection:
        for name, more in given.items():
            for _ in range(8):
                rows = await connection.fetch(known[name], graph.agent.workspace_id, ids, *more)
            assert rows == await connection.fetch(SQL[name], graph.agent.workspace_id, ids, *more)
        planned = dict(await connection.fetch("SELECT statement, custom_plans FROM pg_prepared_statements"))
        expected = given if count == 1 else KEPT
        assert {name: planned[known[name]] for name in expected} == dict.fromkeys(expected, 5)
