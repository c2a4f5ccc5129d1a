"""Sessions: one open socket each, whose credentials may be exchanged while it lives.

Owns the identity of a socket, its present principal, what must happen when it closes, and the register of open ones, so that a subject can be
disconnected. Must not touch a socket: the transport hands in how one is ended. Made by `transport.ws`, read through `engine.context`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from gateway.auth.principal import Principal
from gateway.errors import Forbidden

__all__ = ["EXPIRY", "Departure", "Session", "Sessions", "issued_before"]

_WARNING = timedelta(seconds=30)
"""How long before its credentials end a session's streams say so; a tenth of what was left of them, where that is shorter."""


@dataclass(frozen=True, slots=True)
class Departure:
    """That the server is about to end a session: what each of its streams says as `StreamGoAway` before it ends.

    `reason`: a word: TOKEN_EXPIRED, REVOKED, or one of the transport's, such as DRAINING; `retry_after_ms`: how long the client shall wait before
    it comes back.
    """

    reason: str
    retry_after_ms: int = 0


EXPIRY = Departure("TOKEN_EXPIRED")
"""The credentials are about to end, or have: newer ones are taken at once."""


class Session:
    """One socket of one subject. Everything that runs on it reads the principal here, so that an exchange holds for what runs already."""

    __slots__ = ("_closers", "_end", "_leavers", "_warn_at", "_warning", "departure", "id", "principal")

    def __init__(self, principal: Principal, end: Callable[[str], None] = lambda _: None) -> None:
        """`end`: begins to close the socket; its argument is the reason, for the client."""
        self.id: UUID = uuid4()
        self.principal = principal
        self._end = end
        self._closers: dict[object, Callable[[], None]] = {}
        self._leavers: set[Callable[[], None]] = set()
        self._warn_at = _warn_at(principal)
        self._warning: asyncio.TimerHandle | None = None
        self.departure: Departure | None = None
        """Set once the session is about to end; streams look at it whenever they wake."""

    def exchange(self, principal: Principal) -> None:
        """Go on as this principal: the same subject of the same workspace with newer credentials.

        Raises:
            Forbidden: it is somebody else; nothing was changed.
        """
        if (principal.workspace_id, principal.subject) != (self.principal.workspace_id, self.principal.subject):
            raise Forbidden("A session can only be refreshed with credentials of the same subject and workspace.")
        self.principal = principal
        self._warn_at = _warn_at(principal)
        self._arm()

    def on_close(self, key: object, callback: Callable[[], None]) -> None:
        """Call this once when the socket has closed, however it did; it must not block. One callback per key counts."""
        self._closers[key] = callback

    @property
    def is_about_to_expire(self) -> bool:
        """Whether its credentials end soon. Nothing ends with that: newer ones make it untrue."""
        return self._warn_at is not None and datetime.now(UTC) >= self._warn_at

    def on_leave(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call this when the session is told to leave, and when it is about to expire; the function given back ends that. It must not block."""
        self._leavers.add(callback)
        if self._warning is None:
            self._arm()

        def forget() -> None:
            self._leavers.discard(callback)
            if not self._leavers:
                self._disarm()

        return forget

    def leave(self, departure: Departure) -> None:
        """Let every stream of the session say goodbye and end. The socket stays until somebody closes it."""
        self.departure = departure
        self._call()

    def end(self, reason: str) -> None:
        """Begin to close the socket."""
        self._end(reason)

    def closed(self) -> None:
        """The socket is gone: run what waited for that."""
        self._disarm()
        while self._closers:
            with contextlib.suppress(Exception):
                self._closers.popitem()[1]()

    def _arm(self) -> None:
        """One timer for all streams, and none without a stream."""
        self._disarm()
        if self._warn_at is not None and self._leavers:
            delay = max(0.0, (self._warn_at - datetime.now(UTC)).total_seconds())
            self._warning = asyncio.get_running_loop().call_later(delay, self._warn)

    def _disarm(self) -> None:
        if self._warning is not None:
            self._warning.cancel()
            self._warning = None

    def _warn(self) -> None:
        self._warning = None
        if self.is_about_to_expire:
            self._call()
        else:  # somebody set the clock back
            self._arm()

    def _call(self) -> None:
        for callback in tuple(self._leavers):
            callback()


class Sessions:
    """The open sockets of this process by who they belong to."""

    def __init__(self, revoked: Callable[[Principal], bool] = lambda _: False) -> None:
        """`revoked`: whether a principal's credentials were taken back meanwhile."""
        self._revoked = revoked
        self._open: dict[tuple[UUID, str], set[Session]] = {}

    def open(self, principal: Principal, end: Callable[[str], None]) -> Session:
        """A new session; ended at once when its credentials were taken back between their check and now."""
        session = Session(principal, end)
        key = principal.workspace_id, principal.subject
        self._open.setdefault(key, set()).add(session)
        session.on_close(self, lambda: self._forget(key, session))
        if self._revoked(principal):
            session.end(_REASON)
        return session

    def disconnect(self, workspace: UUID, subject: str, at: datetime) -> None:
        """End the sockets of a subject whose credentials were issued before this moment."""
        for session in tuple(self._open.get((workspace, subject), ())):
            if issued_before(session.principal, at):
                session.leave(_REVOKED)  # whatever closing the socket takes, nothing more is delivered
                session.end(_REASON)

    def _forget(self, key: tuple[UUID, str], session: Session) -> None:
        sessions = self._open.get(key)
        if sessions is not None:
            sessions.discard(session)
            if not sessions:
                del self._open[key]


_REASON = "Disconnected by an administrator"
_REVOKED = Departure("REVOKED")


def _warn_at(principal: Principal) -> datetime | None:
    """When to say that these credentials are about to end; None: they never do."""
    if principal.expires_at is None:
        return None
    return principal.expires_at - min(_WARNING, max(principal.expires_at - datetime.now(UTC), timedelta()) / 10)


def issued_before(principal: Principal, at: datetime) -> bool:
    """Whether a principal's credentials are older than a revocation; a key, which says nothing of its age, always is."""
    return principal.issued_at is None or principal.issued_at <= at
