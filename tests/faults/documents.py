"""A gateway as it runs in production, in this process, that is asked the same thing over HTTP and over WebSocket.

Owns starting it (no introspection, no rate limit that a test would meet), the two ways of asking and `Outcome`, what both have in common. Used by
the tests of documents beside this file, which start one for all their tests: `asking(…)`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg
import httpx2

from gateway.app import Runtime, create_app, open_runtime
from gateway.auth.development import ISSUER, DevelopmentKeys
from gateway.auth.principal import Role
from gateway.auth.workspaces import Workspaces
from gateway.settings import Settings
from gateway.storage.embedded import EmbeddedPostgres
from gateway.transport.listeners import bind
from gateway.transport.ws.limits import Limits
from tests.faults.sockets import SECONDS, Client, opened
from tests.house import Unsignalled

__all__ = ["OLD", "WELL", "Asked", "Outcome", "asking", "chain"]

OLD, NEW = "application/json", "application/graphql-response+json"
WELL = "{ viewer { actor { id } } }"

_numbers = count(1)


def chain(length: int, body: str, last: str, on: str = "Viewer") -> str:
    """Fragments f0 to f<length>: each is `body`, where `%` stands for a spread of the next; the last one is `last`."""
    each = [f"fragment f{number} on {on} {{ {body.replace('%', f'...f{number + 1}')} }}" for number in range(length)]
    return " ".join([*each, f"fragment f{length} on {on} {{ {last} }}"])


@dataclass(frozen=True)
class Outcome:
    """What came back, whichever way it was asked."""

    errors: list[dict[str, Any]]
    data: Any = None
    statuses: dict[str, int] = field(default_factory=dict)
    """Media type → status; nothing over WebSocket."""

    @property
    def codes(self) -> set[str]:
        """Of the errors."""
        return {error["extensions"]["code"] for error in self.errors}

    @property
    def text(self) -> str:
        """All that was said."""
        return json.dumps([self.errors, self.data])


class Asked:
    """A gateway, its clients and what is in it."""

    def __init__(self, runtime: Runtime, port: int, token: str, client: httpx2.AsyncClient) -> None:
        self.runtime = runtime
        self.port = port
        self.token = token
        self._client = client
        self._kept: Client | None = None
        """A socket that is in order."""
        self._opened: list[Client] = []

    async def post(self, body: Any, accept: str = OLD, **headers: str) -> httpx2.Response:
        """POST a body: bytes as they are, all else as JSON; `_` in a header's name stands for `-`."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"authorization": f"Bearer {self.token}", "content-type": OLD, "accept": accept}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        return await self._client.post(f"http://127.0.0.1:{self.port}/graphql", content=content, headers=sent)

    async def over_http(self, payload: dict[str, Any], **headers: str) -> Outcome:
        """Asked twice, as older and as newer clients do; both are told the same."""
        old, new = await self.post(payload, OLD, **headers), await self.post(payload, NEW, **headers)
        said, again = old.json(), new.json()
        assert _lasting(said) == _lasting(again)
        return Outcome(said.get("errors", []), said.get("data"), {OLD: old.status_code, NEW: new.status_code})

    async def over_websocket(self, payload: dict[str, Any]) -> Outcome:
        """Asked on a socket that other things were asked on before, and on which another operation is asked afterwards: whatever came back cost
        nothing but its own id.
        """
        client, self._kept = self._kept or await self.socket(), None
        name = f"odd {next(_numbers)}"
        outcome = await _exchanged(client, name, payload)
        still = await _exchanged(client, f"well after {name}", {"query": WELL})
        assert still.errors == [], still
        self._kept = client
        return outcome

    async def both(self, query: str, variables: dict[str, Any] | None = None, **more: Any) -> list[Outcome]:
        """The two outcomes of one payload, which say the same."""
        payload = {"query": query, "variables": variables, **more}
        http, socket = await self.over_http(payload), await self.over_websocket(payload)
        assert _lasting({"errors": http.errors}) == _lasting({"errors": socket.errors})
        return [http, socket]

    async def refused(self, query: str, code: str, variables: dict[str, Any] | None = None, **more: Any) -> Outcome:
        """Asked both ways, it is refused with this code before anything of it ran, with the status and the message that belong to it.

        What is over one limit may be over others too; then it says so as well.
        """
        http, socket = await self.both(query, variables, **more)
        assert code in http.codes, (http, query[:200])
        assert http.codes == socket.codes
        assert http.codes == {code} or all(one.startswith("LIMIT_") for one in http.codes)
        assert (http.data, socket.data) == (None, None)
        always = code.startswith("LIMIT_") or code == "PERSISTED_QUERY_REQUIRED"
        assert http.statuses == {OLD: 400 if always else 200, NEW: 400}
        assert all(0 < len(error["message"]) <= 500 for error in http.errors)
        assert "Did you mean" not in http.text
        return http

    async def socket(self) -> Client:
        """An acknowledged socket, until `close`."""
        client = await opened(self.port)
        self._opened.append(client)
        await client.ready(self.token)
        return client

    def close(self) -> None:
        """Hang up."""
        for client in self._opened:
            client.connection.transport.abort()


async def _exchanged(client: Client, name: str, payload: dict[str, Any]) -> Outcome:
    """One operation with one answer."""
    await client.send({"type": "subscribe", "id": name, "payload": payload})
    first = await client.receive()
    assert first["id"] == name, first
    if first["type"] == "error":
        return Outcome(first["payload"])
    assert first["type"] == "next", first
    assert await client.receive() == {"type": "complete", "id": name}
    return Outcome(first["payload"].get("errors", []), first["payload"].get("data"))


def _lasting(answer: dict[str, Any]) -> list[Any]:
    """The errors without what differs from time to time."""
    return [{**error, "extensions": {**error["extensions"], "errorId": None}} for error in answer.get("errors", [])]


async def _on_server(server: EmbeddedPostgres, statement: str) -> None:
    connection = await asyncpg.connect(server.dsn, timeout=SECONDS)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@asynccontextmanager
async def asking(postgres: EmbeddedPostgres, place: Path, **given: Any) -> AsyncIterator[Asked]:
    """A gateway with the settings that must be set, and those given, on a database of its own."""
    name = f"documents_{next(_numbers)}"
    await _on_server(postgres, f"CREATE DATABASE {name} TEMPLATE migrated STRATEGY FILE_COPY")
    signer = DevelopmentKeys.open(place).signer()
    key = json.loads((place / "dev-keys.json").read_text())["key"]
    (place / "keys.json").write_text(json.dumps({"keys": [{name: value for name, value in key.items() if name != "d"}]}))
    settings = Settings(
        **{
            "data_dir": place,
            "database_url": postgres.dsn.replace(":///gateway?", f":///{name}?"),
            "bus": "memory",
            "jwt_keys": place / "keys.json",
            "jwt_issuer": ISSUER,
            "secret_keys": "s" * 48,
            "rate_limit": 0,
            "cost_per_minute": 0,
            "drain_seconds": 0,
            "shutdown_seconds": 1,
            "upgrades_per_second": 100_000,
            **given,
        }
    )
    async with open_runtime(settings) as runtime:
        await Workspaces(runtime.database).ensure("demo", "Demo")
        app = create_app(settings, runtime, socket_limits=Limits(messages_per_second=10_000, burst=10_000))
        listeners = bind("127.0.0.1", 0)
        started = asyncio.Event()
        server = Unsignalled(app, app.state.sockets, settings, lambda _: started.set())
        serving = asyncio.create_task(server.serve(listeners))
        async with asyncio.timeout(SECONDS):
            await started.wait()
        async with httpx2.AsyncClient(timeout=SECONDS) as client:
            asked = Asked(runtime, listeners[0].getsockname()[1], signer.sign("demo", "ana", Role.SUPERVISOR), client)
            yield asked
            asked.close()
        server.should_exit = True
        await serving
    await _on_server(postgres, f"DROP DATABASE {name} WITH (FORCE)")
