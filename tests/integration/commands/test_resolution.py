"""Whose an event is: the identity rules of ingest over a real look-up table, and that deciding writes nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest

from gateway.auth.policy import ROLE_SCOPES
from gateway.auth.principal import Principal, Role
from gateway.commands.resolution import Bindings, resolve_profiles
from gateway.commands.unit import Unit
from gateway.model.configuration import Configuration
from gateway.model.ids import uuid7
from gateway.sources.contract import LookupKey
from gateway.storage.database import Database

__all__: list[str] = []


def user(value: str) -> LookupKey:
    """A known person's id."""
    return LookupKey("user_id", value)


def visitor(value: str) -> LookupKey:
    """An anonymous visitor's id."""
    return LookupKey("anonymous_id", value)


def email(name: str) -> LookupKey:
    """An e-mail address, which may only find."""
    return LookupKey("email", f"{name}@example.com")


@dataclass(frozen=True)
class World:
    """A workspace with a few people in it, and the unit in which events are resolved."""

    unit: Unit

    async def person(self, *identifiers: LookupKey, hints: Sequence[LookupKey] = ()) -> UUID:
        """A profile with these identifiers and contact values."""
        profile = uuid7()
        await self.unit.fetch("insert_profiles", [profile], ["PROSPECT"], ["X"], [None], [""])
        for key, exclusive in [*((one, True) for one in identifiers), *((one, False) for one in hints)]:
            await self.unit.fetch("claim_lookups", [key.key], [key.value], [profile], [exclusive])
            if exclusive:
                await self.unit.fetch("insert_identifiers", [profile], [uuid7()], [key.key], [key.value], [key.value], ["native"], [None])
        return profile

    async def resolve(self, *events: Sequence[LookupKey]) -> Bindings:
        """The bindings of events that carry these keys, in order; e-mails are hints, everything else identifies."""
        keys = [([key for key in event if key.key != "email"], [key for key in event if key.key == "email"]) for event in events]
        return await resolve_profiles(self.unit, keys, [None] * len(keys))


@pytest.fixture(name="world")
async def _world(database: Database) -> AsyncIterator[World]:
    """One open transaction in an empty workspace."""
    principal = Principal(uuid4(), "demo", "source", "Source", Role.SERVICE, ROLE_SCOPES[Role.SERVICE], None, "tracking")
    async with database.transaction() as connection:
        yield World(Unit(connection, principal, Configuration()))


async def test_a_known_id_decides(world: World) -> None:
    """A user id or an anonymous id that is known names its profile."""
    ana, bob = await world.person(user("ana")), await world.person(visitor("v1"))
    found = await world.resolve([user("ana")], [visitor("v1")], [user("ana")])

    assert (found.owners, found.claims, found.created, found.became_known) == ([ana, bob, ana], {}, set(), set())


async def test_nobody_yet(world: World) -> None:
    """Unknown ids make a profile each and claim their values for it; the same unknown id within a batch is one person."""
    found = await world.resolve([user("ana")], [visitor("v1")], [user("ana")])
    first, second, third = found.owners

    assert first == third != second
    assert found.created == {first, second}
    assert found.claims == {user("ana"): first, visitor("v1"): second}


async def test_nothing_is_written(world: World) -> None:
    """Resolving only decides."""
    await world.resolve([user("ana"), visitor("v1"), email("ana")])
    rows = [await world.unit.connection.fetchval(f"SELECT count(*) FROM {table}") for table in ("profile", "lookup", "identifier")]

    assert rows == [0, 0, 0]


async def test_a_visitor_becomes_known_once(world: World) -> None:
    """An unknown user id with a known anonymous visitor claims that visitor's profile, earlier events stay with it, and another user id
    of the same visitor is another person.
    """
    profile = await world.person(visitor("v1"))
    found = await world.resolve([visitor("v1")], [user("ana"), visitor("v1")], [user("bob"), visitor("v1")], [user("ana")])

    assert found.owners[:2] == [profile, profile]
    assert found.owners[3] == profile
    assert found.owners[2] != profile
    assert found.claims == {user("ana"): profile, user("bob"): found.owners[2]}
    assert (found.created, found.became_known) == ({found.owners[2]}, {profile})


async def test_two_known_people_are_never_joined(world: World) -> None:
    """An event with one person's user id and another's anonymous id belongs to the user id, and binds nothing."""
    ana, bob = await world.person(user("ana")), await world.person(user("bob"), visitor("v1"))
    found = await world.resolve([user("ana"), visitor("v1")])

    assert (found.owners, found.claims, found.created) == ([ana], {}, set())
    assert ana != bob


async def test_an_email_that_one_profile_has(world: World) -> None:
    """An unknown user id with an e-mail that exactly one profile without a user id has is that person."""
    imported = await world.person(hints=[email("ana")])
    found = await world.resolve([user("ana"), email("ana")])

    assert (found.owners, found.claims, found.created) == ([imported], {user("ana"): imported}, set())
    assert found.became_known == {imported}


async def test_an_email_that_identifies_nobody(world: World) -> None:
    """An e-mail that two profiles share, or that belongs to somebody with another user id, makes a new profile."""
    await world.person(hints=[email("family")])
    await world.person(hints=[email("family")])
    bob = await world.person(user("bob"), hints=[email("bob")])
    found = await world.resolve([user("ana"), email("family")], [user("eve"), email("bob")])

    assert bob not in found.owners
    assert found.created == set(found.owners)


async def test_an_email_within_a_batch(world: World) -> None:
    """An e-mail that nobody had finds, later in the same batch, the visitor who brought it, but not a person with a user id."""
    found = await world.resolve([visitor("v1"), email("new")], [user("ana"), email("new")], [user("bob"), email("new")])

    assert found.owners[0] == found.owners[1] != found.owners[2]


async def test_nothing_at_all(world: World) -> None:
    """An event without any key is a profile of its own; a profile that was named is taken as it is."""
    named = uuid7()
    found = await resolve_profiles(world.unit, [((), ()), ((), ()), ((), ())], [None, named, None])

    assert found.owners[1] == named
    assert found.created == {found.owners[0], found.owners[2]}
    assert len(found.created) == 2


async def test_other_workspaces(world: World, database: Database) -> None:
    """What another workspace knows finds nobody here."""
    theirs = World(
        Unit(world.unit.connection, Principal(uuid4(), "other", "s", "S", Role.SERVICE, frozenset(), None, "tracking"), Configuration())
    )
    profile = await theirs.person(user("ana"), hints=[email("ana")])
    found = await world.resolve([user("ana"), email("ana")])

    assert profile not in found.owners
    assert found.created == set(found.owners)
