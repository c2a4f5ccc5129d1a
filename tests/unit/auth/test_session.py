"""Sessions: exchanging credentials, closing once, and being found by their subject."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from gateway.auth.principal import Principal, Role
from gateway.auth.session import Session, Sessions
from gateway.errors import Forbidden

NOW = datetime(2026, 11, 22, tzinfo=UTC)
ANA = Principal(UUID(int=1), "demo", "ana", "Ana", Role.AGENT, frozenset({"subscribe"}), NOW, None, NOW)


def test_newer_credentials_take_the_place_of_the_old() -> None:
    """The same subject goes on with other rights and another expiry."""
    session = Session(ANA)
    newer = replace(ANA, scopes=frozenset(), expires_at=NOW + timedelta(hours=1))
    session.exchange(newer)
    assert session.principal is newer


@pytest.mark.parametrize("other", [replace(ANA, subject="bob"), replace(ANA, workspace_id=UUID(int=2))], ids=["subject", "workspace"])
def test_nobody_takes_over_a_session(other: Principal) -> None:
    """Another subject, or a namesake of another workspace, is refused and nothing changes."""
    session = Session(ANA)
    with pytest.raises(Forbidden):
        session.exchange(other)
    assert session.principal is ANA


def test_each_callback_runs_once() -> None:
    """What waits for the close runs once per key, also when another one fails."""
    ran: list[str] = []
    session = Session(ANA)
    session.on_close("a", lambda: ran.append("a"))
    session.on_close("a", lambda: ran.append("again"))
    session.on_close("b", lambda: ran.remove("what is not there"))
    session.closed()
    session.closed()
    assert ran == ["again"]


def test_a_subject_is_disconnected_by_the_age_of_its_credentials() -> None:
    """Sockets with credentials from before the moment end, of that subject in that workspace only; newer ones stay."""
    ended: list[str] = []
    sessions = Sessions()
    for name, who in {
        "old": ANA,
        "key": replace(ANA, issued_at=None),
        "new": replace(ANA, issued_at=NOW + timedelta(seconds=1)),
        "bob": replace(ANA, subject="bob"),
        "elsewhere": replace(ANA, workspace_id=UUID(int=2)),
    }.items():
        sessions.open(who, lambda _, name=name: ended.append(name))  # type: ignore[misc]
    sessions.disconnect(ANA.workspace_id, "ana", NOW)
    assert sorted(ended) == ["key", "old"]


def test_a_closed_session_is_forgotten() -> None:
    """Nothing is kept of a socket that closed."""
    sessions = Sessions()
    session = sessions.open(ANA, lambda _: None)
    session.closed()
    assert sessions._open == {}


def test_credentials_taken_back_while_the_socket_opened() -> None:
    """A session whose credentials were revoked after their check ends at once."""
    ended: list[str] = []
    Sessions(lambda who: who.subject == "ana").open(ANA, ended.append)
    assert ended == ["Disconnected by an administrator"]
