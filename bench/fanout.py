"""What one delivered event costs the gateway's processor: `.venv/bin/python bench/fanout.py [--subscribers N] [--rounds N] [--json FILE]`.

S1 and S2 without a network: so many WebSockets are served in this process, each by the product's own `Connection` for an agent of its own, and what
they send is counted and thrown away. `one`: all of them watch one profile, which changes once a round; `each`: each watches its own, and all of these
change in one transaction. `timeline`: as `one`, for the items of a timeline; `page`: as `one`, with a page's worth of fields. Only processor time is
told: the minimum and the median over the rounds, in microseconds for each delivered event, and what that makes a second on one processor.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID

from pydantic import SecretStr
from starlette.types import Message

from gateway.app import Runtime, open_runtime
from gateway.auth.policy import ROLE_SCOPES
from gateway.auth.principal import Principal, Role
from gateway.auth.workspaces import Workspaces
from gateway.commands.unit import Receipt, Unit
from gateway.engine.request import Request
from gateway.model.ids import parse_id
from gateway.observe import configure_logging
from gateway.settings import Settings
from gateway.storage.embedded import EmbeddedPostgres
from gateway.transport.admission import Admission, AdmissionLimits
from gateway.transport.heap import collect_less
from gateway.transport.http import encode
from gateway.transport.ws.connection import Connection
from gateway.transport.ws.wiring import Wiring

CREATE = "mutation($input: CreateProfileInput!) { createProfile(input: $input) { profile { id } userErrors { code message } } }"
NOTE = "mutation($input: NoteInput!) { addNote(input: $input) { userErrors { code message } } }"
STATE = """subscription($id: ID!) { profileEvents(profileId: $id) { __typename ... on LiveEvent { cursor seq at }
  ... on ProfileUpdated { changedFields profile { id version displayName lifecycle updatedAt } } } }"""
PAGE = """subscription($id: ID!) { profileEvents(profileId: $id) { __typename ... on LiveEvent { cursor seq at }
  ... on ProfileUpdated { changedFields profile { id version displayName lifecycle updatedAt viewerCan { update merge }
    contactPoints { channel value isPrimary } traits(first: 20) { nodes { key value } }
    notes(first: 10) { nodes { id body author { id displayName } } } } } } }"""
ITEMS = """subscription($id: ID!) { timelineEvents(profileId: $id, filter: { kinds: [NOTE] }) { __typename ... on LiveEvent { cursor seq at }
  ... on TimelineItemUpserted { isNew item { __typename id ... on NoteItem { note { body author { displayName } } } } } } }"""
SHAPES = {"one": STATE, "each": STATE, "page": PAGE, "timeline": ITEMS}
PATIENCE = 20.0


@dataclass
class Desk:
    """The other end of one socket."""

    inbox: asyncio.Queue[Message] = field(default_factory=asyncio.Queue)
    ready: bool = False
    taken: int = 0
    size: int = 0
    crowd: Crowd | None = None

    async def send(self, message: Message) -> None:
        """Count what is sent."""
        text = message.get("text") or ""
        if '"type":"next"' in text[:400] or '"type":"next"' in text[-40:]:
            self.size = len(text)
            if self.ready:
                self.taken += 1
                assert self.crowd is not None
                self.crowd.took()
            else:
                assert "StreamReady" in text, text
                self.ready = True
        elif text == '{"type":"ping"}':
            self.inbox.put_nowait({"type": "websocket.receive", "text": '{"type":"pong"}'})
        elif '"type":"connection_ack"' not in text:
            raise AssertionError(text)


@dataclass
class Crowd:
    """All desks of a shape."""

    waiting: int = 0
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def expect(self, count: int) -> None:
        """Begin a round."""
        self.waiting = count
        self.done.clear()

    def took(self) -> None:
        """One desk took one event."""
        self.waiting -= 1
        if self.waiting == 0:
            self.done.set()


@dataclass
class Gateway:
    """What is open for the run."""

    runtime: Runtime
    workspace: UUID

    def agent(self, number: int) -> Principal:
        """One of a team: same role, another subject."""
        return Principal(self.workspace, "bench", f"a{number}", f"Agent {number}", Role.AGENT, ROLE_SCOPES[Role.AGENT], None, None)

    async def data(self, document: str, **given: Any) -> Any:
        """The payload of a mutation."""
        prepared = self.runtime.engine.prepare(Request(document, {"input": given}))
        answer = await self.runtime.engine.execute(prepared, self.runtime.context_for(self.agent(0)))
        (payload,) = json.loads(encode(answer))["data"].values()
        assert payload["userErrors"] == [], payload
        return payload

    async def touch(self, profiles: list[UUID]) -> None:
        """One change to each, in one transaction."""

        async def work(unit: Unit) -> Receipt:
            for profile in profiles:
                unit.profile_changed(profile, "locale")
            return Receipt(profiles[0])

        await self.runtime.writer.run(self.agent(0), work)


@asynccontextmanager
async def watching(gateway: Gateway, document: str, ids: list[str]) -> AsyncIterator[tuple[Crowd, list[Desk]]]:
    """One socket per id, each with its subscription."""
    runtime, crowd = gateway.runtime, Crowd()
    admission = Admission(AdmissionLimits(sockets=10**6, sockets_per_workspace=10**6, sockets_per_subject=10**6, upgrades_per_second=10**6))
    wiring = Wiring(
        engine=runtime.engine,
        authenticate=lambda token: _known(gateway.agent(int(token or 0))),
        context_for=lambda session: runtime.context_for(session.principal, session),
        encode=lambda value: encode(value).decode(),
        open_session=runtime.sessions.open,
    )
    desks, tasks = [], []
    for number, profile in enumerate(ids):
        desk = Desk(crowd=crowd)
        seat = admission.upgrade(asyncio.get_running_loop().time())
        tasks.append(asyncio.create_task(Connection(desk.inbox.get, desk.send, wiring, seat).run()))
        subscribe = {"type": "subscribe", "id": f"op-{number}", "payload": {"query": document, "variables": {"id": profile}}}
        init = {"type": "connection_init", "payload": {"Authorization": f"Bearer {number}"}}
        desk.inbox.put_nowait({"type": "websocket.receive", "text": json.dumps(init)})
        await asyncio.sleep(0.0005)
        desk.inbox.put_nowait({"type": "websocket.receive", "text": json.dumps(subscribe)})
        desks.append(desk)
    try:
        async with asyncio.timeout(PATIENCE):
            while not all(desk.ready for desk in desks):  # noqa: ASYNC110  # nobody announces it
                await asyncio.sleep(0.01)
        yield crowd, desks
    finally:
        for desk in desks:
            desk.inbox.put_nowait({"type": "websocket.disconnect"})
        await asyncio.gather(*tasks)


async def _known(principal: Principal) -> Principal:
    return principal


async def measure(gateway: Gateway, shape: str, count: int, rounds: int) -> dict[str, Any]:
    """One shape's numbers."""
    made = [(await gateway.data(CREATE, firstName="Ana", lastName=str(n)))["profile"]["id"] for n in range(count if shape == "each" else 1)]
    keys = [parse_id(one, "prf")[0] for one in made]
    spent, took = [], []
    async with watching(gateway, SHAPES[shape], made if shape == "each" else made * count) as (crowd, desks):
        for number in range(rounds + 2):
            crowd.expect(count)
            cpu, began = time.process_time(), time.perf_counter()
            if shape == "timeline":
                await gateway.data(NOTE, profileId=made[0], body=f"The {number}th thing that was said.")
            else:
                await gateway.touch(keys)
            async with asyncio.timeout(PATIENCE):
                await crowd.done.wait()
            if number > 1:  # plans and statements are made in the first ones
                spent.append((time.process_time() - cpu) / count * 1e6)
                took.append((time.perf_counter() - began) * 1e3)
            await asyncio.sleep(0.02)
        size = desks[0].size
    least, middle = min(spent), median(spent)
    return {"shape": shape, "subscribers": count, "bytes": size, "us": [round(least, 1), round(middle, 1)],
            "per_second": [round(1e6 / least), round(1e6 / middle)], "round_ms": [round(min(took), 1), round(median(took), 1)]}  # fmt: skip


async def run(shapes: list[str], count: int, rounds: int) -> list[dict[str, Any]]:
    """All shapes in one gateway."""
    found = []
    async with AsyncExitStack() as stack:
        place = Path(tempfile.mkdtemp(prefix="bench-"))
        postgres = await stack.enter_async_context(await EmbeddedPostgres.start(place))
        settings = Settings(dev=True, data_dir=place, bus=SecretStr("memory"), database_url=SecretStr(postgres.dsn), poll_interval=60)
        runtime = await stack.enter_async_context(open_runtime(settings))
        workspace = await Workspaces(runtime.database).ensure("bench", "Bench")
        gateway = Gateway(runtime, workspace)
        stack.callback(collect_less())  # as the server does before its first request
        for shape in shapes:
            found.append(await measure(gateway, shape, count, rounds))
            one = found[-1]
            print(f"{shape:>9}: {one['us'][0]:7.1f} / {one['us'][1]:7.1f} µs an event, {one['per_second'][0]} / {one['per_second'][1]} a second,"
                  f" {one['bytes']} bytes, a round {one['round_ms'][0]} / {one['round_ms'][1]} ms")  # fmt: skip
    return found


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description="What one delivered event costs (minimum / median over the rounds).")
    parser.add_argument("--subscribers", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--shapes", default=",".join(SHAPES))
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    configure_logging("json", "error")
    try:
        import uvloop
    except ImportError:
        loop = None
    else:
        loop = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=loop) as runner:
        found = runner.run(run(given.shapes.split(","), given.subscribers, given.rounds))
    if given.json is not None:
        given.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
