"""What follows from a principal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from gateway.auth.principal import Principal, Role
from gateway.model.actor import Actor, ActorKind

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def principal(role: Role, expires_at: datetime | None = None, source: str | None = None) -> Principal:
    """Somebody with no rights."""
    return Principal(UUID(int=1), "demo", "ana", "Ana Lima", role, frozenset(), expires_at, source)


@pytest.mark.parametrize(
    ("role", "kind"),
    [
        (Role.AGENT, ActorKind.AGENT),
        (Role.SUPERVISOR, ActorKind.SUPERVISOR),
        (Role.ADMIN, ActorKind.SUPERVISOR),
        (Role.PARTNER, ActorKind.PARTNER),
        (Role.SERVICE, ActorKind.SOURCE),
    ],
)
def test_actor(role: Role, kind: ActorKind) -> None:
    """A principal acts under its subject and name, as the kind of actor its role is."""
    assert principal(role).actor == Actor("ana", "Ana Lima", kind)


def test_a_write_key_acts_as_its_source() -> None:
    """What arrives with a write key is done by the key's source."""
    assert principal(Role.SERVICE, source="tracking").actor.id == "tracking"


def test_expiry() -> None:
    """A principal has expired from the very moment on that its credential names; without one it never does."""
    ending = principal(Role.AGENT, NOW)

    assert not ending.expired(NOW - timedelta(microseconds=1))
    assert ending.expired(NOW)
    assert not principal(Role.AGENT).expired(datetime.max.replace(tzinfo=UTC))


def test_equal_rights_are_equal() -> None:
    """Two resolutions of one credential are interchangeable, also as keys of a mapping."""
    assert len({principal(Role.AGENT, NOW), principal(Role.AGENT, NOW)}) == 1
