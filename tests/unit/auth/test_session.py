"""Sessions: exchanging credentials, closing once, and being found by their subject."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from gateway.auth import session as module
from gateway.auth.principal import Principal, Role
from gateway.auth.session import Departure, Session, Sessions
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


def test_disconnected_streams_say_goodbye_and_no_more() -> None:
    """Whatever closing the socket takes: its streams are told first, and know why."""
    told: list[str] = []
    sessions = Sessions()
    session = sessions.open(replace(ANA, expires_at=None), lambda _: told.append("end"))
    session.on_leave(lambda: told.append("leave"))
    sessions.disconnect(ANA.workspace_id, "ana", NOW)
    assert told == ["leave", "end"]
    assert session.departure == Departure("REVOKED")


def lasting(seconds: float) -> Principal:
    """Credentials that end so soon."""
    return replace(ANA, expires_at=datetime.now(UTC) + timedelta(seconds=seconds))


@pytest.mark.parametrize(("life", "warned"), [(3600, 30.0), (300, 30.0), (200, 20.0), (10, 1.0)])
def test_how_long_before_the_end_the_warning_comes(life: float, warned: float) -> None:
    """Thirty seconds, or a tenth of what was left, where that is shorter."""
    principal = lasting(life)
    assert principal.expires_at is not None
    at = Session(principal)._warn_at
    assert at is not None
    assert (principal.expires_at - at).total_seconds() == pytest.approx(warned, abs=0.1)


def test_what_never_ends_is_never_about_to() -> None:
    """Credentials without an end need no warning."""
    assert not Session(replace(ANA, expires_at=None)).is_about_to_expire


async def test_the_warning_wakes_every_stream_once() -> None:
    """Shortly before the credentials end, everything that waits on the session is woken by one timer; nothing has ended by that."""
    session, woken = Session(lasting(0.2)), [asyncio.Event(), asyncio.Event()]
    for event in woken:
        session.on_leave(event.set)
    timer = session._warning
    assert not session.is_about_to_expire
    async with asyncio.timeout(5):
        await asyncio.gather(*(event.wait() for event in woken))
    assert timer is not None
    assert session.is_about_to_expire
    assert session.departure is None


async def test_newer_credentials_move_the_warning() -> None:
    """A refreshed session is not about to expire, and is warned of the newer end."""
    session, woken = Session(lasting(3600)), asyncio.Event()
    session.on_leave(woken.set)
    session.exchange(lasting(0))
    async with asyncio.timeout(5):
        await woken.wait()
    assert session.is_about_to_expire
    session.exchange(lasting(3600))
    assert not session.is_about_to_expire


async def test_a_clock_set_back_moves_the_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    """The timer runs by another clock than the credentials: it looks again before it warns."""
    session, woken = Session(lasting(0.05)), asyncio.Event()
    session.on_leave(woken.set)

    class Earlier(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return datetime.now(UTC) - timedelta(hours=1)

    with monkeypatch.context() as patch:
        patch.setattr(module, "datetime", Earlier)
        await asyncio.sleep(0.1)
        assert not woken.is_set()
        assert session._warning is not None
    session.closed()


@pytest.mark.parametrize("how", ["the last stream ends", "the socket closes"])
async def test_no_timer_is_left(how: str) -> None:
    """Without a stream, or without the socket, nobody needs to be warned."""
    session = Session(lasting(3600))
    forget = session.on_leave(lambda: None)
    assert session._warning is not None
    if how == "the socket closes":
        session.closed()
    else:
        forget()
    assert session._warning is None
