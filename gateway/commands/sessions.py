"""Sessions: going on with newer credentials, and ending a subject's sockets and credentials.

Owns who may do that and what a revocation is. Closing sockets and refusing credentials is `auth.session`'s, `auth.revocation`'s and `auth.gate`'s.
"""

from __future__ import annotations

from gateway.auth.gate import Gate
from gateway.auth.policy import Action, require
from gateway.auth.principal import Principal
from gateway.auth.session import Session
from gateway.commands.unit import Receipt, Unit, Writer
from gateway.errors import BadUserInput
from gateway.live.hub import Hub
from gateway.model.change import REVOCATIONS
from gateway.storage.queries import SQL

__all__ = ["disconnect_subject", "refresh_session"]

_LONGEST_SUBJECT = 255
_LONGEST_REASON = 500


async def refresh_session(gate: Gate, session: Session | None, token: str) -> Principal:
    """Exchange the credentials of a socket: what runs on it goes on with the rights and the expiry of the new ones.

    Raises:
        BadUserInput: there is no socket.
        Unauthenticated: the token is not valid.
        Forbidden: it is another subject's or another workspace's; nothing was changed.
    """
    if session is None:
        raise BadUserInput("A session is refreshed only on a WebSocket; over HTTP, send the new token with the next request.")
    session.exchange(await gate.authenticate(f"Bearer {token}"))
    return session.principal


async def disconnect_subject(writer: Writer, hub: Hub, principal: Principal, subject: str, reason: str) -> None:
    """Take back what was issued to a subject of the workspace until now: every socket closes within seconds, and older credentials open nothing.

    Credentials issued in a later second are good again. A key says nothing of its age: it stays refused.

    Raises:
        Forbidden: without `admin`.
        BadUserInput: subject or reason are empty or too long.
    """
    require(principal, Action.ADMINISTER)
    _check(subject, _LONGEST_SUBJECT, "subject")
    _check(reason, _LONGEST_REASON, "reason")

    async def work(unit: Unit) -> Receipt:
        await unit.connection.execute(SQL["upsert_revocation"], unit.workspace, subject, principal.actor.id, reason)
        return Receipt()

    await writer.run(principal, work)
    hub.ring([REVOCATIONS])


def _check(text: str, longest: int, argument: str) -> None:
    if not text.strip() or len(text) > longest or not text.isprintable():
        raise BadUserInput(f"{argument} has between 1 and {longest} printable characters.", argument=argument)
