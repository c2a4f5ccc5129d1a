"""Whose contacts a principal sees, and what it may do with them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from gateway.auth.policy import ROLE_SCOPES, contact_permissions, is_agent_of, oversees_contacts, readable_contact
from gateway.auth.principal import Principal, Role
from gateway.model.activity import Direction
from gateway.model.actor import Actor, ActorKind
from gateway.model.contact import Contact, ContactPermissions, ContactState, MatchState
from gateway.model.profile import Channel

__all__: list[str] = []

CONTACT = Contact(
    *(UUID(int=1), 1, "x", ContactState.OFFERED, Channel.VOICE, None, None, None, None, Direction.INBOUND),
    *(Actor("ann", "Ann", ActorKind.AGENT), None, MatchState.NONE, None, None, None, None, None, None, None, None, None),
    *(datetime(2026, 11, 22, tzinfo=UTC), None, None, None),
)


def principal(role: Role, *scopes: str, subject: str = "ann") -> Principal:
    """Somebody of a role with these scopes, or all of the role's."""
    return Principal(UUID(int=1), "demo", subject, subject, role, frozenset(scopes) or ROLE_SCOPES[role], None, None)


@pytest.mark.parametrize(
    ("who", "own", "oversees"),
    [
        (principal(Role.AGENT), True, False),
        (principal(Role.AGENT, subject="bob"), False, False),
        (principal(Role.AGENT, "note:read"), True, False),
        (principal(Role.SUPERVISOR, subject="sue"), False, True),
        (principal(Role.SUPERVISOR, "contact:write", subject="sue"), False, False),
        (principal(Role.ADMIN, subject="ada"), False, True),
        (principal(Role.PARTNER), False, False),
        (principal(Role.PARTNER, "contact:write", subject="acd"), False, True),
        (principal(Role.PARTNER, "contact:read:all", subject="bi"), False, True),
        (principal(Role.SERVICE, subject="web"), False, False),
    ],
)
def test_who_sees_a_contact(who: Principal, *, own: bool, oversees: bool) -> None:
    """Its agent, supervisors and routing systems; a key that is called like the agent is not the agent."""
    assert is_agent_of(who, CONTACT) is own
    assert oversees_contacts(who) is oversees
    assert readable_contact(who, CONTACT) is (own or oversees)
    assert readable_contact(who, replace(CONTACT, agent=None)) is oversees


def test_what_one_may_do_with_it() -> None:
    """Associating takes the scope, the contact and that it is open; creating a profile takes its scope alone."""
    agent = principal(Role.AGENT)

    assert contact_permissions(agent, CONTACT) == ContactPermissions(associate=True, create_profile=True)
    assert contact_permissions(agent, replace(CONTACT, state=ContactState.CLOSED)).associate is False
    assert contact_permissions(principal(Role.AGENT, subject="bob"), CONTACT).associate is False
    assert contact_permissions(principal(Role.AGENT, "contact:write"), CONTACT) == ContactPermissions(associate=False, create_profile=False)
