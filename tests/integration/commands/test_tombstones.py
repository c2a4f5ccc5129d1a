"""Tombstones: late events do not bring an erased person back; somebody else with the same value, and a deliberate return, are not stopped."""

from __future__ import annotations

import pytest

from gateway.commands.profiles import ProfileChanges
from gateway.commands.reach import ContactPointChange
from gateway.commands.tombstones import Tombstones
from gateway.commands.tracking import Taken
from gateway.identity import EMAIL, PHONE
from gateway.model.ids import uuid7
from gateway.model.privacy import PrivacyAction
from gateway.model.profile import Channel
from gateway.sources.contract import LookupKey
from gateway.vault import Vault

from .conftest import SECRET, Office

__all__: list[str] = []

ANA = LookupKey("user_id", "ana")
NEW = LookupKey("anonymous_id", "new-device")


def outcome(taken: Taken) -> tuple[int, int, int]:
    """Accepted, duplicates, ignored."""
    return taken.accepted, taken.duplicates, len(taken.ignored)


@pytest.fixture(name="erased")
async def _erased(office: Office) -> None:
    """Ana, with a user id, an e-mail address and a phone, was erased."""
    ana = await office.person(email="ana@example.com", phone="+14155550100", key="ana")
    await office.done(ana, PrivacyAction.ERASE)


@pytest.mark.usefixtures("erased")
async def test_a_late_event_leaves_no_trace(office: Office) -> None:
    """By her user id, by her address on another device, or both: nothing is made, nobody is changed, and the sender is told which event."""
    for keys, email in (((ANA,), None), ((NEW,), "ana@example.com"), ((NEW, ANA), "new@example.com")):
        assert outcome(await office.identified(*keys, email=email)) == (0, 0, 1)

    assert await office.count("profile", status="ACTIVE") == 0
    assert await office.count("lookup") == 0
    assert await office.count("identifier") == 0


@pytest.mark.usefixtures("erased")
async def test_everybody_else_arrives(office: Office) -> None:
    """An event of somebody else in the same workspace is taken in as ever."""
    assert outcome(await office.identified(LookupKey("user_id", "bob"), email="bob@example.com")) == (1, 0, 0)


async def test_a_shared_value_gets_none(office: Office) -> None:
    """A phone that the family has too stays a way to find the family; what was hers alone does not."""
    ana = await office.person(email="ana@example.com", phone="+14155550100")
    await office.person("Bob", phone="+14155550100")
    await office.done(ana, PrivacyAction.ERASE)

    assert await office.count("tombstone") == 1
    assert await office.count("lookup", key=PHONE) == 1
    assert outcome(await office.identified(NEW, email="ana@example.com")) == (0, 0, 1)


@pytest.mark.usefixtures("erased")
async def test_an_agent_may_bring_somebody_back(office: Office) -> None:
    """A profile made with her address, or given it, lifts the tombstone of that value and of no other."""
    back = await office.person(email="ana@example.com")

    assert outcome(await office.identified(NEW, email="ana@example.com")) == (1, 0, 0)
    assert outcome(await office.identified(ANA)) == (0, 0, 1)
    phone = ContactPointChange(Channel.VOICE, "+14155550100")
    await office.commands.update_profile(office.admin, ProfileChanges(back, upsert_contact_points=[phone]))
    assert await office.count("tombstone") == 1
    assert await office.count("profile", status="ACTIVE") == 1


async def test_another_process_learns_within_five_seconds(office: Office) -> None:
    """A process that knew of no tombstone asks again after five seconds at the latest; the one that laid it knows at once."""
    now = 100.0
    elsewhere = Tombstones(office.vault, lambda: now)
    ana = await office.person(email="ana@example.com", key="ana")
    assert outcome(await office.identified(LookupKey("user_id", "bob"), tombstones=elsewhere)) == (1, 0, 0)
    await office.done(ana, PrivacyAction.ERASE)
    here = await office.identified(ANA)
    now += 5.0
    there = await office.identified(ANA, tombstones=elsewhere)

    assert [outcome(here), outcome(there)] == [(0, 0, 1)] * 2


@pytest.mark.usefixtures("erased")
async def test_secrets_rotate(office: Office) -> None:
    """What was laid under an old secret is found while that secret is configured, and a tombstone tells nothing of its value."""
    rotated = Tombstones(Vault([b"n" * 32, SECRET]))
    forgotten = Tombstones(Vault([b"n" * 32]))

    assert outcome(await office.identified(ANA, tombstones=rotated)) == (0, 0, 1)
    assert outcome(await office.identified(ANA, tombstones=forgotten)) == (1, 0, 0)
    rows = await office.database.fetch("SELECT hash FROM tombstone")
    assert {len(row["hash"]) for row in rows} == {32}


async def test_a_sensitive_identifier(office: Office) -> None:
    """A sealed identifier is opened for its tombstone, and its blind index goes too."""
    ana = await office.person()
    value, identifier = "078-05-1120", uuid7()
    blind = office.vault.blind(office.workspace, "ssn", value)
    await office.database.execute(
        "INSERT INTO identifier (workspace_id, profile_id, id, type, raw, normalized, source, sealed) VALUES ($1, $2, $3, 'ssn', '', $4, 'x', $5)",
        *(office.workspace, ana, identifier, blind, office.vault.seal(office.workspace, f"identifier:{identifier.hex}", value)),
    )
    await office.database.execute("INSERT INTO lookup VALUES ($1, 'ssn', $2, $3, true)", office.workspace, blind, ana)
    await office.done(ana, PrivacyAction.ERASE)

    assert await office.count("lookup") == 0
    assert outcome(await office.identified(LookupKey("ssn", value))) == (0, 0, 1)


@pytest.mark.usefixtures("erased")
async def test_a_workspace_without_any_asks_once(office: Office) -> None:
    """Where nobody was erased the price is one statement in five seconds; where somebody was, one per batch."""
    asked: list[str] = []

    class Unit:
        workspace = uuid7()

        async def fetchrow(self, name: str, *_: object) -> dict[str, bool]:
            asked.append(name)
            return {"present": False}

    tombstones = office.commands.privacy.tombstones
    for _ in range(3):
        assert await tombstones.among(Unit(), [LookupKey(EMAIL, "ana@example.com")]) == frozenset()  # type: ignore[arg-type]

    assert asked == ["has_tombstones"]
