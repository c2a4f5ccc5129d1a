"""Writers: clients that change things through the gateway, and transactions of our own that overlap on purpose.

Both write down what they are about to do, and what became of it: `ok`, `fail` (surely nothing happened) or `unknown`. A client asks again under the
same key until it knows, and now and then although it does. The transactions run the gateway's own unit of work on a direct connection, hold
their locks for up to 50 ms, touch up to three profiles at once, and one in ten is rolled back.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg

from gateway.auth.policy import ROLE_SCOPES
from gateway.auth.principal import Principal, Role
from gateway.commands.unit import Unit
from gateway.configuration import Configurations
from gateway.live.bus import Bus
from gateway.live.changelog import append
from gateway.model.change import StreamKey
from gateway.model.configuration import Configuration
from gateway.model.ids import parse_id, uuid7
from gateway.storage.database import connect
from tests.checker.client import Refused
from tests.checker.world import World

__all__ = ["ApiWriter", "OverlappingWriter", "disconnect"]

_NOTE = "mutation($input: NoteInput!) { addNote(input: $input) { userErrors { code } streamCursor note { id } } }"
_NAME = "mutation($input: UpdateProfileInput!) { updateProfile(input: $input) { userErrors { code } streamCursor profile { version } } }"
_ACTIVITY = "mutation($a: [ActivityInput!]!) { recordActivities(activities: $a) { userErrors { code } accepted duplicates } }"
_OPEN = "mutation($input: OpenContactInput!) { openContact(input: $input) { userErrors { code } contact { id } } }"
_ASSOCIATE = "mutation($c: ID!, $p: ID!) { associateContact(contactId: $c, profileId: $p) { userErrors { code } contact { id } } }"
_DISCONNECT = 'mutation($s: String!) { disconnectSubject(subject: $s, reason: "checker") }'
_CURSOR = "query($id: ID!) { profile(by: {id: $id}) { streamCursor } }"
_AGAIN = 0.05
"""How often a client repeats what succeeded."""
_LOST = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class _Writer:
    def __init__(self, world: World, name: str, rate: float) -> None:
        """`rate`: operations per second."""
        self.world = world
        self.name = name
        self.rng = world.random(name)
        self.rate = rate
        self.done = 0

    async def run(self) -> None:
        """Write until the run is over."""
        while not self.world.over.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.rng.expovariate(self.rate)):
                    await self.world.over.wait()
                    return
            self.done += 1
            await self.write(f"{self.name}.{self.done}")

    async def write(self, op: str) -> None:
        raise NotImplementedError

    def say(self, kind: str, op: str, /, **values: Any) -> None:
        self.world.history.add(self.name, kind, op=op, **values)


class ApiWriter(_Writer):
    """A client that changes things by GraphQL over HTTP."""

    def __init__(self, world: World, number: int, rate: float) -> None:
        super().__init__(world, f"api-{number}", rate)
        self._token = world.credentials.token(self.name, Role.ADMIN)

    async def write(self, op: str) -> None:
        """One operation, and now and then a look at what a query says right after it."""
        luck, profile = self.rng.random(), self.rng.choice(self.world.profiles)
        target = self.world.profile_id(profile)
        if luck < 0.55:
            note = {"profileId": target, "body": op, "idempotencyKey": op}
            await self._until_known(op, "note", [profile.hex], _NOTE, input=note)
        elif luck < 0.7:
            await self._until_known(op, "name", [profile.hex], _NAME, again=False, input={"id": target, "firstName": op})
        elif luck < 0.8:
            happened = {"profile": {"id": target}, "type": op, "occurredAt": datetime.now(UTC).isoformat(), "messageId": op}
            await self._until_known(op, "activity", [profile.hex], _ACTIVITY, a=[happened])
        else:
            await self._contact(op, profile)
        if self.rng.random() < 0.3:
            await self._look(profile)

    async def _contact(self, op: str, profile: UUID) -> None:
        """A contact on a desk, then what it is about: one change that two streams tell."""
        agent = self.rng.choice(self.world.desks)
        desk = self.world.desk(agent).stream_id.hex
        answer = await self._until_known(op, "contact", [desk], _OPEN, input={"externalId": op, "channel": "VOICE", "agentId": agent})
        if answer is not None and answer["contact"] is not None:
            contact, target = answer["contact"]["id"], self.world.profile_id(profile)
            entity = parse_id(contact, "con")[0].hex
            await self._until_known(f"{op}+", "association", [desk, profile.hex], _ASSOCIATE, entity=entity, c=contact, p=target)

    async def _until_known(
        self, op: str, kind: str, streams: list[str], document: str, *, again: bool = True, entity: str | None = None, **variables: Any
    ) -> Any:
        """Ask, and ask again under the same key until the outcome is known. `again`: asking twice is allowed at all."""
        self.say("invoke", op, kind=kind, streams=streams, entity=entity)
        unknown = False
        while True:
            address = self.world.replica(self.rng).address(proxied=self.rng.random() < 0.2)
            try:
                answer = await self.world.web.ask(address, self._token, document, **variables)
            except (Refused, OSError) as error:
                self.say("unknown", op, why=str(error), final=not again)
                if not again:
                    return None
                unknown = True
                if self.world.settled.is_set():
                    return None
                await asyncio.sleep(self.rng.uniform(0.1, 0.6))
                continue
            if answer["userErrors"]:
                self.say("unknown" if unknown else "fail", op, why=[error["code"] for error in answer["userErrors"]])
                return None
            self.say("ok", op)
            if not again or self.rng.random() >= _AGAIN or self.world.over.is_set():
                return answer

    async def _look(self, profile: UUID) -> None:
        asked = asyncio.get_running_loop().time()
        stream = self.world.profile_stream(profile)
        self.world.history.add(self.name, "look", stream=stream.stream_id.hex, phase="asked")
        with contextlib.suppress(Refused, OSError):
            shown = await self.world.web.ask(
                self.world.replica(self.rng).address(), self._token, _CURSOR, id=self.world.profile_id(profile)
            )
            took = asyncio.get_running_loop().time() - asked
            seq = self.world.cursors.seq(stream, shown["streamCursor"])
            self.world.history.add(self.name, "look", stream=stream.stream_id.hex, phase="shown", seq=seq, took=took)


class OverlappingWriter(_Writer):
    """Transactions on a connection of our own, past the proxies, that overlap with whatever else writes."""

    def __init__(self, world: World, number: int, rate: float, bus: Bus | None, append: Callable[..., Awaitable[Any]] = append) -> None:
        """`bus`: rings after half of the commits, as a process of the gateway would; None: never. `append`: to the log."""
        super().__init__(world, f"overlap-{number}", rate)
        self._append = append
        self._bus = bus
        self._connection: Any = None
        self._principal = Principal(world.workspace, "demo", self.name, self.name, Role.AGENT, ROLE_SCOPES[Role.AGENT], None, None)

    async def run(self) -> None:
        """Write until the run is over."""
        try:
            await super().run()
        finally:
            if self._connection is not None:
                self._connection.terminate()

    async def write(self, op: str) -> None:
        """One transaction: the same note on one to three profiles."""
        rng = self.rng
        profiles = rng.sample(self.world.profiles, min(rng.choice((1, 1, 2, 3)), len(self.world.profiles)))
        before, after, back = rng.uniform(0, 0.05), rng.uniform(0, 0.05), rng.random() < 0.1
        self.say("invoke", op, kind="overlap", streams=[profile.hex for profile in profiles])
        committing = False

        async def commit() -> None:
            nonlocal committing
            unit = Unit(connection, self._principal, Configurations(Configuration()).of("demo"))
            async with contextlib.AsyncExitStack() as stack:
                transaction = connection.transaction()
                await transaction.start()
                stack.push_async_callback(_undo, transaction)
                for profile in profiles:
                    await self._note(unit, profile, op)
                await asyncio.sleep(before)
                await self._append(connection, unit.workspace, unit.changes)
                await asyncio.sleep(after)
                if back:
                    return
                committing = True
                stack.pop_all()
                await transaction.commit()

        try:
            async with asyncio.timeout(8):
                connection = await self._connected()
                await commit()
        except _LOST as error:
            self.say("unknown" if committing else "fail", op, why=type(error).__name__, final=True)
            if self._connection is not None:
                self._connection.terminate()
                self._connection = None
            await asyncio.sleep(0.1)
            return
        if back:
            self.say("fail", op, why="rolled back")
            return
        self.say("ok", op)
        if self._bus is not None and rng.random() < 0.5:
            self._bus.ring([StreamKey(self.world.workspace, profile) for profile in profiles])

    async def _note(self, unit: Unit, profile: UUID, body: str) -> None:
        note = uuid7()
        actor = self._principal.actor
        await unit.fetchrow("insert_note", profile, note, body, False, actor.id, actor.display_name, actor.kind.value, None)
        unit.profile_changed(profile, "notes", item_id=note)

    async def _connected(self) -> Any:
        if self._connection is None or self._connection.is_closed():
            self._connection = await connect(self.world.cluster.dsn(), server_settings={"application_name": "checker"})
        return self._connection


async def _undo(transaction: Any) -> None:
    with contextlib.suppress(*_LOST):
        await transaction.rollback()


async def disconnect(world: World, subject: str, mark: Callable[[float], Awaitable[None]]) -> None:
    """Take a subject's credentials back, asked until that is known; `mark` is called with the moment it was."""
    token = world.credentials.token("security", Role.ADMIN)
    rng = world.random(f"revoke:{subject}")
    while not world.settled.is_set():
        try:
            await world.web.ask(world.replica(rng).address(), token, _DISCONNECT, s=subject)
        except (Refused, OSError):
            await asyncio.sleep(0.2)
            continue
        await mark(asyncio.get_running_loop().time())
        return
