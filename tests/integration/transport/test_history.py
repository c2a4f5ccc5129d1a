"""The history for a warehouse: every item once per cursor lineage, in the order of transactions, under the rights of the credential."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import orjson
import pytest
from starlette.applications import Starlette

from gateway.auth.development import DevelopmentKeys
from gateway.auth.gate import Gate
from gateway.auth.keys import KeyKind
from gateway.auth.principal import Role
from gateway.auth.workspaces import Workspaces
from gateway.live.changelog import append
from gateway.model.change import Change, ChangeKind, StreamKey
from gateway.model.ids import make_id, uuid7
from gateway.model.sealed import Sealer
from gateway.records.feed import current_position, seal_position
from gateway.storage.database import columns, connect
from gateway.storage.queries import SQL
from gateway.transport.history import History

from .conftest import Ingest

__all__: list[str] = []


@dataclass(frozen=True)
class Warehouse:
    """A partner who copies the workspace `demo`."""

    client: httpx2.AsyncClient
    ingest: Ingest
    token: str
    sealer: Sealer

    async def get(self, token: str | None = None, **parameters: Any) -> httpx2.Response:
        """A page as it is answered; an empty token sends none."""
        given = self.token if token is None else token
        return await self.client.get("/v1/export", params=parameters, headers={"authorization": f"Bearer {given}"} if given else {})

    async def page(self, **parameters: Any) -> tuple[list[dict[str, Any]], str, bool]:
        """The lines of a page, the cursor behind it, and whether there is more."""
        response = await self.get(**parameters)
        assert response.status_code == 200, response.text
        *lines, last = [orjson.loads(line) for line in response.content.splitlines()]
        assert response.headers["x-next-cursor"] == last["cursor"]
        return lines, last["cursor"], last["hasMore"]

    async def order(self, user: str, **properties: Any) -> None:
        """Something a customer did."""
        message = self.ingest.message("track", userId=user, event="Order Completed", properties=properties)
        assert (await self.ingest.send(message))["accepted"] == 1


@pytest.fixture(name="warehouse")
async def _warehouse(ingest: Ingest, tmp_path: Path) -> AsyncIterator[Warehouse]:
    """The endpoint beside the tracking API."""
    development = DevelopmentKeys.open(tmp_path)
    gate = Gate(development.verifier(), ingest.keyring, Workspaces(ingest.database))
    sealer = Sealer([development.secret])
    app = Starlette(routes=History(gate, ingest.database, sealer).routes())
    token = await ingest.keyring.create("demo", KeyKind.PARTNER)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://gateway") as client:
        yield Warehouse(client, ingest, token, sealer)


class TestPages:
    """Reading on and on."""

    async def test_every_item_once_in_order(self, warehouse: Warehouse) -> None:
        """Pages of two hold what one page holds: each item once, in the order of its arrival, whatever its date; then nothing, then what is new."""
        for number in range(5):
            await warehouse.order(f"u{number}", number=number)
        whole, _, _ = await warehouse.page()
        found: list[dict[str, Any]] = []
        cursor, more = None, True
        while more:
            lines, cursor, more = await warehouse.page(limit=2, **({"after": cursor} if cursor else {}))
            found += lines

        assert [line["detail"]["number"] for line in found] == [0, 1, 2, 3, 4]
        assert found == whole
        assert (await warehouse.page(after=cursor))[0] == []
        await warehouse.order("u0", number=5)
        lines, behind, _ = await warehouse.page(after=cursor)
        assert [line["detail"]["number"] for line in lines] == [5]
        assert (await warehouse.page(after=behind))[0] == []

    async def test_a_line(self, warehouse: Warehouse) -> None:
        """A line is the item with the ids clients know, when it happened, when it came and when it was logged."""
        await warehouse.order("ana", total=12.5)
        (line,), _, _ = await warehouse.page()
        profile = await warehouse.ingest.owner("user_id", "ana")

        assert (line["op"], line["kind"], line["type"], line["detail"]) == ("upsert", "EXTERNAL", "Order Completed", {"total": 12.5})
        assert line["profileId"] == make_id("prf", profile)
        assert line["id"].startswith(f"act_{profile.hex}.{line['source']}.")
        assert line["occurredAt"] <= line["receivedAt"] <= line["at"]

    async def test_a_transaction_that_is_not_done(self, warehouse: Warehouse, dsn: str) -> None:
        """What commits first but began later waits for what began before it; then both come, and neither is ever missed."""
        await warehouse.order("ana", number=1)
        _, cursor, _ = await warehouse.page()
        profile = await warehouse.ingest.owner("user_id", "ana")
        slow: asyncpg.Connection[Any] = await connect(dsn)
        transaction = slow.transaction()
        await transaction.start()
        at = datetime.now(UTC)
        row = (profile, at, "shop", uuid7(at), "EXTERNAL", "x", None, None, None, {"number": 2})
        await slow.fetch(SQL["insert_activities"], warehouse.ingest.workspace, *columns([row]))
        await warehouse.order("bob", number=3)
        lines, waiting, more = await warehouse.page(after=cursor)
        assert (lines, more) == ([], False)
        stream = StreamKey(warehouse.ingest.workspace, profile)
        await append(slow, warehouse.ingest.workspace, [Change(stream, ChangeKind.ACTIVITY, "shop", (), row[3], "shop")])  # type: ignore[arg-type]
        await transaction.commit()
        await slow.close()
        lines, _, _ = await warehouse.page(after=waiting)

        assert sorted(line["detail"]["number"] for line in lines) == [2, 3]

    async def test_what_goes_is_told(self, warehouse: Warehouse, dsn: str) -> None:
        """A removed item, a merge and an erasure are lines of their own; an item that is gone is not shown as it was."""
        await warehouse.order("ana", number=1)
        _, cursor, _ = await warehouse.page()
        profile = await warehouse.ingest.owner("user_id", "ana")
        await warehouse.order("ana", number=2)
        item = uuid7()
        connection: asyncpg.Connection[Any] = await connect(dsn)
        stream = StreamKey(warehouse.ingest.workspace, profile)
        changes = [
            Change(stream, ChangeKind.REMOVED, "ann", (), item, "native"),
            Change(stream, ChangeKind.MERGED, "sue", (), uuid7()),
            Change(stream, ChangeKind.PROFILE, "ann", ("notes",), uuid7(), "native"),
            Change(stream, ChangeKind.ERASED, "ada"),
        ]
        async with connection.transaction():
            await connection.execute("DELETE FROM activity")
            await append(connection, warehouse.ingest.workspace, changes)  # type: ignore[arg-type]
        await connection.close()
        lines, _, _ = await warehouse.page(after=cursor)

        assert [line["op"] for line in lines] == ["remove", "merge", "erase"]
        assert lines[0]["id"] == f"act_{profile.hex}.native.{item.hex}"
        assert {line["profileId"] for line in lines} == {make_id("prf", profile)}

    async def test_csv(self, warehouse: Warehouse) -> None:
        """The flat columns, one row per item, and the cursor in a header; what a spreadsheet would run is quoted."""
        message = warehouse.ingest.message("track", userId="ana", event='=HYPERLINK("x"),1', properties={})
        await warehouse.ingest.send(message)
        response = await warehouse.get(format="csv")
        header, row = csv.reader(io.StringIO(response.text))
        shown = dict(zip(header, row, strict=True))

        assert response.headers["content-type"] == "text/csv; charset=utf-8"
        assert shown["type"] == '\'=HYPERLINK("x"),1'
        assert (shown["op"], shown["channel"]) == ("upsert", "")
        assert (await warehouse.page(after=response.headers["x-next-cursor"]))[0] == []


class TestRights:
    """Who sees what."""

    async def test_without_contact_values_they_are_masked(self, warehouse: Warehouse) -> None:
        """Addresses and phones anywhere in an item are masked for a key without `profile:read:pii`, and clear with it."""
        await warehouse.order("ana", contact={"mail": "ana@example.com", "phones": ["+14155550100"]}, text="Call me.")
        (masked,), _, _ = await warehouse.page()
        clear = await warehouse.ingest.keyring.create("demo", KeyKind.PARTNER, scopes=frozenset({"history:export", "profile:read:pii"}))
        response = await warehouse.get(clear)

        assert masked["detail"] == {"contact": {"mail": "a•••@e•••.com", "phones": ["+1•••••100"]}, "text": "Call me."}
        assert orjson.loads(response.content.splitlines()[0])["detail"]["contact"]["mail"] == "ana@example.com"

    async def test_no_words_of_an_agent_without_notes(self, warehouse: Warehouse) -> None:
        """The notes of a wrap-up are left out for a key without `note:read`."""
        await warehouse.order("ana")
        profile = await warehouse.ingest.owner("user_id", "ana")
        _, cursor, _ = await warehouse.page()
        at = datetime.now(UTC)
        row = (
            profile,
            at,
            "native",
            uuid7(at),
            "INTERACTION",
            "interaction",
            "VOICE",
            "INBOUND",
            None,
            {"wrapUp": {"notes": "x", "topic": "y"}},
        )
        async with warehouse.ingest.database.transaction() as connection:
            workspace = warehouse.ingest.workspace
            await connection.fetch(SQL["insert_activities"], workspace, *columns([row]))
            await append(connection, workspace, [Change(StreamKey(workspace, profile), ChangeKind.ACTIVITY, "ann", (), row[3], "native")])
        (line,), _, _ = await warehouse.page(after=cursor)

        assert line["detail"] == {"wrapUp": {"topic": "y"}}

    async def test_who_may(self, warehouse: Warehouse, tmp_path: Path) -> None:
        """No credential, a write key and a key without the scope are refused; an admin's token is good."""
        narrow = await warehouse.ingest.keyring.create("demo", KeyKind.PARTNER, scopes=frozenset({"profile:read"}))
        signer = DevelopmentKeys.open(tmp_path).signer()
        answers = [
            await warehouse.get(token) for token in ("", warehouse.ingest.key, narrow, signer.sign("demo", "ann", Role.AGENT, name="Ann"))
        ]
        allowed = await warehouse.get(signer.sign("demo", "ada", Role.ADMIN, name="Ada"))

        assert [one.status_code for one in answers] == [401, 401, 403, 403]
        assert answers[0].headers["www-authenticate"] == "Bearer"
        assert allowed.status_code == 200

    async def test_another_workspace(self, warehouse: Warehouse) -> None:
        """Another workspace's page is empty, and its cursor is none of ours."""
        await warehouse.order("ana")
        _, cursor, _ = await warehouse.page()
        await Workspaces(warehouse.ingest.database).ensure("other", "Other")
        other = await warehouse.ingest.keyring.create("other", KeyKind.PARTNER)
        (last,) = (await warehouse.get(other)).content.splitlines()

        assert orjson.loads(last)["hasMore"] is False
        assert (await warehouse.get(other, after=cursor)).json()["error"]["code"] == "CURSOR_INVALID"


@pytest.mark.parametrize(
    "parameters",
    [{"limit": limit} for limit in ("0", "10001", "-1", "1.5", "", "x", "٣", "1e3", "99999999999999999999")]
    + [{"format": "xml"}, {"format": ""}, {"After": "x"}, {"since": "2026-01-01"}, {"limit": ["1", "2"]}, {"after": ""}, {"after": "x"}],
    ids=str,
)
async def test_bad_parameters(warehouse: Warehouse, parameters: dict[str, Any]) -> None:
    """What is misspelt, doubled, out of range or forged is refused with a reason, as JSON."""
    response = await warehouse.get(**parameters)

    assert response.status_code == 400
    assert response.json()["error"]["code"] in {"BAD_USER_INPUT", "CURSOR_INVALID"}


async def test_a_cursor_beyond_the_log(warehouse: Warehouse) -> None:
    """A cursor from before the oldest day of the log, and one from before a restore, are gone; the reader copies anew."""
    workspace = warehouse.ingest.workspace
    here, _ = await current_position(warehouse.ingest.database, workspace)
    for gone in (replace(here, at=datetime.now(UTC) - timedelta(days=30)), replace(here, incarnation=b"r" * 16)):
        response = await warehouse.get(after=seal_position(warehouse.sealer, workspace, gone))
        assert (response.status_code, response.json()["error"]["code"]) == (410, "CURSOR_INVALID")
