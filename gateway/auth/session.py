"""Sessions: one open socket each, whose credentials may be exchanged while it lives.

Owns the identity of a socket, its present principal, what must happen when it closes, and the register of open ones, so that a subject can be
disconnected. Must not touch a socket: the transport hands in how one is ended. Made by `transport.ws`, read through `engine.context`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from gateway.auth.principal import Principal
from gateway.errors import Forbidden

__all__ = ["Departure", "Session", "Sessions", "issued_before"]


@dataclass(frozen=True, slots=True)
class Departure:
    """That the server is about to end a session: what each of its streams says as `StreamGoAway` before it ends.

    `reason`: a word, such as TOKEN_EXPIRED or DRAINING; `retry_after_ms`: how long the client shall wait before it comes back.
    """

    reason: str
    retry_after_ms: int = 0


class Session:
    """One socket of one subject. Everything that runs on it reads the principal here, so that an exchange holds for what runs already."""

    __slots__ = ("_closers", "_end", "_leavers", "departure", "id", "principal")

    def __init__(self, principal: Principal, end: Callable[[str], None] = lambda _: None) -> None:
        """`end`: begins to close the socket; its argument is the reason, for the client."""
        self.id: UUID = uuid4()
        self.principal = principal
        self._end = end
        self._closers: dict[object, Callable[[], None]] = {}
        self._leavers: set[Callable[[], None]] = set()
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

    def on_close(self, key: object, callback: Callable[[], None]) -> None:
        """Call this once when the socket has closed, however it did; it must not block. One callback per key counts."""
        self._closers[key] = callback

    def on_leave(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call this when the session is told to leave; the function given back ends that. It must not block."""
        self._leavers.add(callback)
        return lambda: self._leavers.discard(callback)

    def leave(self, departure: Departure) -> None:
        """Let every stream of the session say goodbye and end. The socket stays until somebody closes it."""
        self.departure = departure
        for callback in tuple(self._leavers):
            callback()

    def end(self, reason: str) -> None:
        """Begin to close the socket."""
        self._end(reason)

    def closed(self) -> None:
        """The socket is gone: run what waited for that."""
        while self._closers:
            with contextlib.suppress(Exception):
                self._closers.popitem()[1]()


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
                session.end(_REASON)

    def _forget(self, key: tuple[UUID, str], session: Session) -> None:
        sessions = self._open.get(key)
        if sessions is not None:
            sessions.discard(session)
            if not sessions:
                del self._open[key]


_REASON = "Disconnected by an administrator"


def issued_before(principal: Principal, at: datetime) -> bool:
    """Whether a principal's credentials are older than a revocation; a key, which says nothing of its age, always is."""
    return principal.issued_at is None or principal.issued_at <= at
