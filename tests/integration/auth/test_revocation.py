"""Revocations on a real Postgres: what was issued before one opens nothing, in every process, within seconds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from gateway.auth.gate import Gate
from gateway.auth.principal import Role
from gateway.auth.revocation import Revocations
from gateway.errors import Unauthenticated
from gateway.storage.queries import SQL

SECONDS = 5.0


@pytest.fixture(name="revocations")
async def _revocations(demo: Any) -> AsyncIterator[Revocations]:
    """One process's copy, kept up by a poll ten times a second."""
    revocations = Revocations(demo.database, interval=0.1)
    await revocations.start()
    yield revocations
    await revocations.stop()


async def revoke(demo: Any, subject: str) -> None:
    """Take back what a subject of the workspace `demo` has, as another process would."""
    await demo.database.execute(SQL["upsert_revocation"], demo.workspace_id, subject, "ada", "left the company")


async def told(revocations: Revocations, subject: str) -> None:
    """Wait until the copy has heard of a new revocation of this subject."""
    heard = asyncio.Event()
    revocations.listen(lambda _workspace, who, _at: heard.set() if who == subject else None)
    async with asyncio.timeout(SECONDS):
        await heard.wait()


async def test_older_credentials_open_nothing(demo: Any, revocations: Revocations) -> None:
    """A token from before is refused, one from a later second is good, and other subjects are not concerned."""
    gate = Gate(demo.development.verifier(), demo.keyring, demo.workspaces, revocations)
    signer = demo.development.signer()
    old, other = signer.sign("demo", "ana", Role.AGENT), signer.sign("demo", "bob", Role.AGENT)
    assert (await gate.authenticate(f"Bearer {old}")).subject == "ana"
    await revoke(demo, "ana")
    await told(revocations, "ana")
    with pytest.raises(Unauthenticated, match="taken back"):
        await gate.authenticate(f"Bearer {old}")
    assert (await gate.authenticate(f"Bearer {other}")).subject == "bob"
    at = revocations._at[demo.workspace_id, "ana"]
    fresh = replace(await gate.authenticate(f"Bearer {other}"), subject="ana", issued_at=at + timedelta(seconds=1))
    assert not revocations.covers(fresh)
    assert revocations.covers(replace(fresh, issued_at=at))
    assert not revocations.covers(replace(fresh, workspace_id=uuid4(), issued_at=at))


async def test_a_key_stays_refused(demo: Any, revocations: Revocations) -> None:
    """A key, partner or write, that was named opens nothing any more."""
    gate = Gate(demo.development.verifier(), demo.keyring, demo.workspaces, revocations)
    partner, write = await demo.keyring.create("demo", "partner"), await demo.keyring.create("demo", "write")
    for text, door in ((f"Bearer {partner}", gate.authenticate), (write, gate.authenticate_write)):
        subject = (await door(text)).subject
        await revoke(demo, subject)
        await told(revocations, subject)
        with pytest.raises(Unauthenticated):
            await door(text)


async def test_a_new_process_knows_the_old_ones(demo: Any) -> None:
    """What was taken back before a process started is refused by it from its first moment."""
    await revoke(demo, "ana")
    revocations = Revocations(demo.database, interval=60)
    await revocations.start()
    try:
        assert (demo.workspace_id, "ana") in revocations._at
    finally:
        await revocations.stop()


async def test_a_bell_is_faster_than_the_poll(demo: Any) -> None:
    """Woken, the copy looks at once, however far the next poll is."""
    revocations = Revocations(demo.database, interval=3600)
    await revocations.start()
    try:
        await revoke(demo, "ana")
        revocations.wake()
        await told(revocations, "ana")
    finally:
        await revocations.stop()


async def test_a_second_revocation_counts(demo: Any, revocations: Revocations) -> None:
    """Whoever is disconnected again loses what was issued in between."""
    await revoke(demo, "ana")
    await told(revocations, "ana")
    first = revocations._at[demo.workspace_id, "ana"]
    await revoke(demo, "ana")
    await told(revocations, "ana")
    assert revocations._at[demo.workspace_id, "ana"] > first
