"""Who may do what, and how values look to those who may not see them whole."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.auth.policy import (
    PARTNER_GRANTS,
    ROLE_SCOPES,
    Action,
    mask_email,
    mask_of,
    mask_phone,
    mask_text,
    may,
    may_edit_note,
    permissions,
    require,
)
from gateway.auth.principal import Principal, Role
from gateway.errors import Forbidden
from gateway.model.actor import Actor, ActorKind
from gateway.model.note import Note
from gateway.model.permissions import ProfilePermissions
from gateway.model.profile import MaskState
from gateway.model.source import Source, SourceKind

A_MOMENT = datetime(2026, 11, 22, tzinfo=UTC)
SCOPES = {
    *("profile:read", "profile:search", "profile:create", "profile:write", "profile:read:pii", "profile:merge", "pii:reveal"),
    *("note:read", "note:write", "history:read", "history:export", "activity:write", "ingest:write", "subscribe"),
    *("contact:read:all", "contact:write", "contact:associate", "privacy", "admin"),
}
"""Every scope there is."""


def principal(role: Role, subject: str = "ana", scopes: frozenset[str] | None = None) -> Principal:
    """Somebody with all the scopes of a role, or with these."""
    source = "tracking" if role is Role.SERVICE else None
    return Principal(UUID(int=1), "demo", subject, subject, role, ROLE_SCOPES[role] if scopes is None else scopes, None, source)


def note(author: Actor) -> Note:
    """A note by this author."""
    source = Source("native", "Profile Gateway", (SourceKind.NOTES,))
    return Note(
        UUID(int=2), UUID(int=3), 1, "Called back", is_pinned=False, author=author, created_at=A_MOMENT, updated_at=A_MOMENT, source=source
    )


class TestScopes:
    """Roles, scopes and actions fit together."""

    def test_names(self) -> None:
        """Roles hold known scopes only, and between them every scope there is."""
        assert frozenset().union(*ROLE_SCOPES.values()) == SCOPES
        assert PARTNER_GRANTS < SCOPES

    def test_each_role_has_scopes(self) -> None:
        """No role was forgotten, and the table cannot be changed."""
        assert set(ROLE_SCOPES) == set(Role)
        with pytest.raises(TypeError):
            ROLE_SCOPES[Role.AGENT] = frozenset()  # type: ignore[index]

    def test_people_rise(self) -> None:
        """A supervisor may do all an agent may, and an admin all a supervisor may."""
        assert ROLE_SCOPES[Role.AGENT] < ROLE_SCOPES[Role.SUPERVISOR] < ROLE_SCOPES[Role.ADMIN]

    def test_ingest_is_for_keys(self) -> None:
        """Nobody but a write key may ingest, and a write key may do nothing else."""
        assert [role for role in Role if may(principal(role), Action.INGEST)] == [Role.SERVICE]
        assert [action for action in Action if may(principal(Role.SERVICE), action)] == [Action.INGEST]

    def test_each_action_needs_a_known_scope(self) -> None:
        """With every scope every action is allowed, with none none is: each action is mapped to a scope that exists."""
        for action in Action:
            assert may(principal(Role.ADMIN, scopes=frozenset(SCOPES)), action)
            assert not may(principal(Role.ADMIN, scopes=frozenset()), action)

    def test_partner(self) -> None:
        """A partner reads profiles and history and records activities; it sees no notes, searches nothing and changes no profile."""
        allowed = {action for action in Action if may(principal(Role.PARTNER), action)}

        assert allowed == {Action.READ_PROFILE, Action.READ_TIMELINE, Action.READ_CHANGES, Action.EXPORT_HISTORY, Action.RECORD_ACTIVITIES}

    def test_agent(self) -> None:
        """An agent works with profiles and notes; merging, revealing, erasing, exporting and administering are for others."""
        refused = {action for action in Action if not may(principal(Role.AGENT), action)}

        assert refused == {
            Action.MERGE_PROFILES,
            Action.REVEAL_SENSITIVE,
            Action.ERASE_PROFILE,
            Action.EXPORT_HISTORY,
            Action.RECORD_ACTIVITIES,
            Action.ADMINISTER,
            Action.INGEST,
            Action.READ_ALL_CONTACTS,
            Action.REQUEST_PRIVACY,
        }

    def test_scopes_decide_not_roles(self) -> None:
        """An admin whose token carries one scope may do what that scope allows and nothing else (row 84)."""
        narrowed = principal(Role.ADMIN, scopes=frozenset({"history:read"}))

        assert [action for action in Action if may(narrowed, action)] == [Action.READ_TIMELINE, Action.READ_CHANGES]
        assert mask_of(narrowed) is MaskState.HIDDEN

    def test_require(self) -> None:
        """What is allowed passes in silence; what is not says which scope is missing."""
        require(principal(Role.AGENT), Action.ADD_NOTE)
        with pytest.raises(Forbidden, match="note:write") as caught:
            require(principal(Role.PARTNER), Action.ADD_NOTE)

        assert caught.value.extensions == {"scope": "note:write"}


class TestNotes:
    """Own notes only are editable, unless one supervises."""

    @pytest.mark.parametrize(
        ("role", "subject", "author", "expected"),
        [
            (Role.AGENT, "ana", Actor("ana", "Ana", ActorKind.AGENT), True),
            (Role.AGENT, "ana", Actor("ana", "Ana", ActorKind.SUPERVISOR), True),
            (Role.AGENT, "ana", Actor("bo", "Ana", ActorKind.AGENT), False),
            (Role.AGENT, "ana", Actor("ANA", "Ana", ActorKind.AGENT), False),
            (Role.AGENT, "tracking", Actor("tracking", "Tracking", ActorKind.SOURCE), False),
            (Role.AGENT, "key:1", Actor("key:1", "Partner", ActorKind.PARTNER), False),
            (Role.SUPERVISOR, "sam", Actor("ana", "Ana", ActorKind.AGENT), True),
            (Role.ADMIN, "root", Actor("tracking", "Tracking", ActorKind.SOURCE), True),
        ],
    )
    def test_may_edit(self, role: Role, subject: str, author: Actor, *, expected: bool) -> None:
        """The author may edit, promoted or demoted since; a namesake of another kind may not; supervisors and admins may."""
        assert may_edit_note(principal(role, subject), note(author)) is expected

    def test_partner_edits_its_own(self) -> None:
        """A partner with the right to write notes edits its own and no others."""
        partner = principal(Role.PARTNER, "key:1", frozenset({"note:write"}))

        assert may_edit_note(partner, note(partner.actor))
        assert not may_edit_note(replace(partner, subject="key:2"), note(partner.actor))

    @pytest.mark.parametrize("role", [Role.AGENT, Role.SUPERVISOR, Role.ADMIN])
    def test_without_the_scope(self, role: Role) -> None:
        """Without note:write not even one's own note may be edited."""
        reader = principal(role, scopes=frozenset({"note:read"}))

        assert not may_edit_note(reader, note(reader.actor))


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        (Role.AGENT, ProfilePermissions(update=True, merge=False, add_note=True, reveal_sensitive=False, erase=False)),
        (Role.SUPERVISOR, ProfilePermissions(update=True, merge=True, add_note=True, reveal_sensitive=True, erase=False)),
        (Role.ADMIN, ProfilePermissions(update=True, merge=True, add_note=True, reveal_sensitive=True, erase=True)),
        (Role.PARTNER, ProfilePermissions(update=False, merge=False, add_note=False, reveal_sensitive=False, erase=False)),
    ],
)
def test_permissions(role: Role, expected: ProfilePermissions) -> None:
    """What a screen may offer follows from the same scopes as what a command allows."""
    assert permissions(principal(role)) == expected


class TestMasks:
    """Contact values in part."""

    def test_mask_of(self) -> None:
        """People see values, a partner sees masks unless it was given the scope, a write key sees nothing."""
        states = {role: mask_of(principal(role)) for role in Role}

        assert states == {
            Role.AGENT: MaskState.CLEAR,
            Role.SUPERVISOR: MaskState.CLEAR,
            Role.ADMIN: MaskState.CLEAR,
            Role.PARTNER: MaskState.MASKED,
            Role.SERVICE: MaskState.HIDDEN,
        }
        assert mask_of(principal(Role.PARTNER, scopes=frozenset({"profile:read", "profile:read:pii"}))) is MaskState.CLEAR

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ("+441632960123", "+44•••••123"),
            ("+14155550100", "+1•••••100"),
            ("+79161234567", "+7•••••567"),
            ("+351912345678", "+351•••••678"),
            ("+8613912345678", "+86•••••678"),
            ("+2901234", "•••••"),
            ("+44163", "•••••"),
            ("+", "•••••"),
            ("", "•••••"),
            ("07700900123", "•••••123"),
            ("+44 7700 900123", "•••••123"),
        ],
    )
    def test_phone(self, value: str, expected: str) -> None:
        """Country and last three digits of a number long enough to hide the rest; the length is not told."""
        assert mask_phone(value) == expected

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ("ana@example.com", "a•••@e•••.com"),
            ("al@example.com", "•••@e•••.com"),
            ("a@io.io", "•••@•••.io"),
            ("ana.lima@mail.example.co.uk", "a•••@m•••.uk"),
            ('"odd@local"@example.org', '"•••@e•••.org'),
            ("root@localhost", "r•••@•••"),
            ("no-address", "•••••ess"),
        ],
    )
    def test_email(self, value: str, expected: str) -> None:
        """First letters and the top-level domain; nothing of names so short that one letter would say much."""
        assert mask_email(value) == expected

    @pytest.mark.parametrize(("value", "expected"), [("ACC-0012345", "•••••345"), ("123456789", "•••••"), ("7", "•••••"), ("", "•••••")])
    def test_text(self, value: str, expected: str) -> None:
        """The end of a long value, nothing of a short one."""
        assert mask_text(value) == expected

    @given(value=st.text(max_size=40))
    def test_text_keeps_most(self, value: str) -> None:
        """Whatever the value, at most three characters of it are shown, and at least seven are not."""
        shown = mask_text(value).removeprefix("•••••")

        assert shown in {"", value[-3:]}
        assert not shown or len(value) - len(shown) >= 7

    @given(number=st.from_regex(r"\+[1-9][0-9]{0,14}", fullmatch=True))
    def test_phone_keeps_most(self, number: str) -> None:
        """Whatever the number, at least four digits between the country code and the end are not shown."""
        country, _, end = mask_phone(number).partition("•••••")

        assert number.startswith(country)
        assert number.endswith(end)
        assert not end or len(number) - len(country) - len(end) >= 4

    @given(local=st.text("abcdef", min_size=1, max_size=12), name=st.text("uvwxyz", min_size=1, max_size=12))
    def test_email_keeps_most(self, local: str, name: str) -> None:
        """Whatever the address, one letter of the local part and of the domain's name is shown at most, and none of short ones."""
        masked = mask_email(f"{local}@{name}.net")

        assert masked == f"{local[0] if len(local) > 2 else ''}•••@{name[0] if len(name) > 2 else ''}•••.net"
