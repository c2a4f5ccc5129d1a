"""The whole gateway behind its engine: two workspaces, a principal of each role, and a client that asks GraphQL.

`graph` runs operations without HTTP, but encodes every answer as a transport would; `http` posts to the ASGI application. The gateway and its
database live for a module, the workspaces for one test: what a test counts is what its own two workspaces hold.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import asyncpg
import httpx2
import orjson
import pytest
import pytest_asyncio
from graphql import OperationDefinitionNode
from pydantic import SecretStr

from gateway.app import Runtime, create_app, open_runtime
from gateway.auth.development import DevelopmentKeys
from gateway.auth.policy import ROLE_SCOPES
from gateway.auth.principal import Principal, Role
from gateway.auth.tokens import TokenSigner
from gateway.auth.workspaces import Workspaces
from gateway.commands.unit import Receipt, Unit
from gateway.engine.groups import Answer
from gateway.engine.request import Request
from gateway.model.ids import parse_id, uuid7
from gateway.settings import Settings
from gateway.storage.database import columns
from gateway.storage.embedded import EmbeddedPostgres
from gateway.storage.queries import SQL
from gateway.transport.http import encode

__all__ = ["START", "TABLES", "Graph", "Http", "Stream", "codes"]

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
"""When the made-up history begins."""

TABLES = (
    *("profile", "contact_point", "identifier", "lookup", "trait", "note", "company", "membership", "activity"),
    *(
        "ingest_message",
        "idempotency",
        "stream_head",
        "change_log",
        "change",
        "consent",
        "segment_membership",
        "interest",
        "interest_topic",
    ),
    *("contact", "contact_candidate", "contact_association", "verification", "preference", "layout"),
    *("name_entry", "name_word"),
    *("merge", "merge_journal", "merge_proposal", "privacy_job", "privacy_file", "tombstone", "revocation"),
)
"""Everything a mutation can write to."""

SECONDS = 10.0
"""Deadline of every wait; nothing here takes so long unless it is broken."""

_numbers = count(1)

CREATE = "mutation ($input: CreateProfileInput!) { createProfile(input: $input) { profile { id } userErrors { code message path } } }"
NOTE = "mutation ($input: NoteInput!) { addNote(input: $input) { note { id } userErrors { code message path } } }"
JOIN = """mutation ($profile: ID!, $name: String!, $main: Boolean! = false) {
  addProfileToCompany(profileId: $profile, companyName: $name, makeMain: $main) {
    profile { companies { company { id name } } } userErrors { code message path } } }"""


def codes(payload: dict[str, Any]) -> list[tuple[str, str]]:
    """(code, path) of each entry of a payload's userErrors."""
    return [(error["code"], ".".join(error["path"] or [])) for error in payload["userErrors"]]


class Stream:
    """A running subscription, read event by event with a deadline."""

    def __init__(self, answers: AsyncGenerator[Answer], field: str) -> None:
        self._answers = answers
        self._field = field

    async def answer(self) -> dict[str, Any]:
        """The next response as it is."""
        async with asyncio.timeout(SECONDS):
            shown: dict[str, Any] = orjson.loads(encode(await anext(self._answers)))
        return shown

    async def next(self) -> dict[str, Any]:
        """The next event."""
        answer = await self.answer()
        assert "errors" not in answer, answer
        event: dict[str, Any] = answer["data"][self._field]
        return event

    async def rest(self) -> list[dict[str, Any]]:
        """All responses to the end of the stream."""
        async with asyncio.timeout(SECONDS):
            return [orjson.loads(encode(answer)) async for answer in self._answers]

    async def close(self) -> None:
        """Unsubscribe."""
        await self._answers.aclose()


@dataclass(frozen=True)
class Graph:
    """A gateway with two workspaces. Everybody but `stranger` belongs to the first."""

    runtime: Runtime
    signer: TokenSigner
    agent: Principal
    colleague: Principal
    supervisor: Principal
    admin: Principal
    partner: Principal
    stranger: Principal

    async def run(self, query: str, variables: dict[str, Any] | None = None, principal: Principal | None = None) -> dict[str, Any]:
        """The response to one operation, as a client would decode it."""
        prepared = self.runtime.engine.prepare(Request(query, variables))
        async with asyncio.timeout(SECONDS):
            answer = await self.runtime.engine.execute(prepared, self.runtime.context_for(principal or self.agent))
        decoded: dict[str, Any] = orjson.loads(encode(answer))
        return decoded

    async def data(self, query: str, variables: dict[str, Any] | None = None, principal: Principal | None = None) -> Any:
        """The data of an operation without errors; of a single root field, that field's."""
        answer = await self.run(query, variables, principal)
        assert "errors" not in answer, answer
        data = answer["data"]
        return next(iter(data.values())) if len(data) == 1 else data

    async def error(self, query: str, variables: dict[str, Any] | None = None, principal: Principal | None = None) -> dict[str, Any]:
        """The only error of an operation."""
        answer = await self.run(query, variables, principal)
        (error,) = answer["errors"]
        found: dict[str, Any] = error
        return found

    def stream(self, query: str, variables: dict[str, Any] | None = None, principal: Principal | None = None) -> Stream:
        """A subscription; close it."""
        prepared = self.runtime.engine.prepare(Request(query, variables))
        assert prepared.document is not None, prepared.errors
        answers = self.runtime.engine.subscribe(prepared, self.runtime.context_for(principal or self.agent))
        (operation,) = (node for node in prepared.document.definitions if isinstance(node, OperationDefinitionNode))
        return Stream(answers, operation.selection_set.selections[0].name.value)

    def narrowed(self, principal: Principal, *scopes: str) -> Principal:
        """The principal with these scopes only."""
        return replace(principal, scopes=frozenset(scopes))

    def widened(self, principal: Principal, *scopes: str) -> Principal:
        """The principal with these scopes as well."""
        return replace(principal, scopes=principal.scopes | frozenset(scopes))

    def token(self, principal: Principal) -> str:
        """A bearer token of the principal."""
        return self.signer.sign(principal.workspace_key, principal.subject, principal.role, name=principal.display_name)

    async def profile(self, first: str = "Ana", principal: Principal | None = None, **more: Any) -> str:
        """The id of a new profile; `more` as in CreateProfileInput."""
        payload = await self.data(CREATE, {"input": {"firstName": first, **more}}, principal)
        assert payload["userErrors"] == [], payload
        made: str = payload["profile"]["id"]
        return made

    async def note(self, profile: str, body: str = "Called about the invoice.", principal: Principal | None = None, **more: Any) -> str:
        """The id of a new note."""
        payload = await self.data(NOTE, {"input": {"profileId": profile, "body": body, **more}}, principal)
        assert payload["userErrors"] == [], payload
        made: str = payload["note"]["id"]
        return made

    async def join(self, profile: str, name: str, *, main: bool = False, principal: Principal | None = None) -> str:
        """Put a profile into a company of this name; the company's id."""
        payload = await self.data(JOIN, {"profile": profile, "name": name, "main": main}, principal)
        assert payload["userErrors"] == [], payload
        found = {entry["company"]["name"]: entry["company"]["id"] for entry in payload["profile"]["companies"]}
        return str(found[name])

    async def happened(self, profile: str, *items: dict[str, Any], principal: Principal | None = None) -> list[str]:
        """Put items on a timeline, as a connector would: kind, type, channel, direction, account, source and detail of each may be given.

        The ids, in the order given; without `at`, an item is a minute later than the one before.
        """
        (profile_id,) = parse_id(profile, "prf")
        rows = []
        for index, item in enumerate(items):
            at = item.get("at", START + timedelta(minutes=index))
            kind, source = item.get("kind", "EXTERNAL"), item.get("source", "native")
            type_ = item.get("type", "interaction" if kind == "INTERACTION" else "Order Completed")
            what = (kind, type_, item.get("channel"), item.get("direction"), item.get("account"))
            rows.append((profile_id, at, source, uuid7(at), *what, item.get("detail", {})))

        async def work(unit: Unit) -> Receipt:
            await unit.fetch("insert_activities", *columns(rows))
            for row in rows:
                unit.item_added(profile_id, row[3], row[2])
            return Receipt(profile_id)

        await self.runtime.writer.run(principal or self.agent, work)
        return [f"act_{profile_id.hex}.{row[2]}.{row[3].hex}" for row in rows]

    async def observed(self, profile: str, source: str, values: dict[str, Any], *, at: datetime = START) -> None:
        """Let a source say these traits of a profile."""
        (profile_id,) = parse_id(profile, "prf")
        rows = [(profile_id, key, source, value, "COMPUTED", "Value", at, None, None, None) for key, value in values.items()]
        await self.runtime.database.fetch(SQL["upsert_traits"], self.agent.workspace_id, *columns(rows))

    async def log(self, profile: str) -> list[tuple[int, list[str], str]]:
        """The profile's change log: seq, fields and actor of each entry."""
        rows = await self.runtime.database.fetch(
            "SELECT seq, fields, actor FROM change_log WHERE stream_id = $1 ORDER BY seq", parse_id(profile, "prf")[0]
        )
        return [(row["seq"], row["fields"], row["actor"]) for row in rows]

    async def count(self, table: str) -> int:
        """Rows of a table that belong to the first workspace."""
        counted: int = await self.runtime.database.fetchval(
            f"SELECT count(*) FROM {table} WHERE workspace_id = $1", self.agent.workspace_id
        )
        return counted

    async def contents(self) -> dict[str, str]:
        """A digest of what each table holds for the two workspaces: equal when nothing at all was written."""
        digests = {}
        for table in TABLES:
            digests[table] = await self.runtime.database.fetchval(
                f"SELECT coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '') FROM {table} t WHERE workspace_id = any($1::uuid[])",
                [self.agent.workspace_id, self.stranger.workspace_id],
            )
        return digests


@dataclass(frozen=True)
class Http:
    """A client of the ASGI application."""

    client: httpx2.AsyncClient
    graph: Graph

    async def post(self, body: Any, principal: Principal | None = None, **headers: str) -> httpx2.Response:
        """Post a body (JSON unless it is bytes already) to /graphql; a header given as "" is left out, `_` in its name stands for `-`."""
        sent = {"authorization": f"Bearer {self.graph.token(principal or self.graph.agent)}", "content-type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.client.post("/graphql", content=content, headers={name: value for name, value in sent.items() if value})

    async def ask(self, query: str, variables: Any = None, **headers: str) -> httpx2.Response:
        """Post one operation."""
        return await self.post({"query": query, "variables": variables}, None, **headers)


@dataclass(frozen=True)
class Gateway:
    """What is open for a module."""

    runtime: Runtime
    settings: Settings
    signer: TokenSigner


async def _on_server(server: EmbeddedPostgres, statement: str) -> None:
    connection = await asyncpg.connect(server.dsn, timeout=SECONDS)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest_asyncio.fixture(name="gateway", scope="module", loop_scope="module")
async def _gateway(
    request: pytest.FixtureRequest, postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Gateway]:
    """The gateway on a database of its own, with a poll so slow that only the bell can be why an event arrives.

    A test module that needs a configuration has its TOML text in `CONFIG`, one with sources elsewhere has theirs in `SOURCES_FILE`.
    """
    name = f"resolvers_{next(_numbers)}"
    await _on_server(postgres, f"CREATE DATABASE {name}")
    dsn = postgres.dsn.replace(":///gateway?", f":///{name}?")
    data_dir = tmp_path_factory.mktemp("data")
    config = getattr(request.module, "CONFIG", None)
    if config is not None:
        (data_dir / "gateway.toml").write_text(config)
    sources = getattr(request.module, "SOURCES_FILE", None)
    if sources is not None:
        (data_dir / "sources.toml").write_text(sources)
    settings = Settings(  # type: ignore[call-arg]
        dev=True,
        database_url=SecretStr(dsn),
        data_dir=data_dir,
        bus=SecretStr("memory"),
        poll_interval=60,
        config=None if config is None else data_dir / "gateway.toml",
        sources=None if sources is None else data_dir / "sources.toml",
    )
    async with open_runtime(settings) as runtime:
        plans = runtime.engine._plans
        if plans is not None:  # tests ask most things once: by the reference executor, if plans came with the second time only
            plans._at_once = True
        yield Gateway(runtime, settings, DevelopmentKeys.open(data_dir).signer())
    await _on_server(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest_asyncio.fixture(name="graph", loop_scope="module")
async def _graph(gateway: Gateway) -> Graph:
    """Two new workspaces, and somebody of each role."""
    keys = [f"{name}-{next(_numbers)}" for name in ("demo", "other")]
    demo, other = [(await Workspaces(gateway.runtime.database).ensure(key, key.title()), key) for key in keys]

    def principal(workspace: tuple[UUID, str], subject: str, role: Role) -> Principal:
        return Principal(*workspace, subject, subject.title(), role, ROLE_SCOPES[role], None, None)

    return Graph(
        gateway.runtime,
        gateway.signer,
        agent=principal(demo, "ann", Role.AGENT),
        colleague=principal(demo, "bob", Role.AGENT),
        supervisor=principal(demo, "sue", Role.SUPERVISOR),
        admin=principal(demo, "ada", Role.ADMIN),
        partner=principal(demo, "acme", Role.PARTNER),
        stranger=principal(other, "ann", Role.ADMIN),
    )


@pytest_asyncio.fixture(name="http", loop_scope="module")
async def _http(gateway: Gateway, graph: Graph) -> AsyncIterator[Http]:
    """A client of the application around the same gateway."""
    app = create_app(gateway.settings, gateway.runtime)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://gateway") as client:
        yield Http(client, graph)
