"""What the mutations of contacts answer: the contact as it is then, and where its agent's desk stands.

Owns the value behind `ContactPayload`. Called by `resolvers.mutations.contact`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass

from gateway.commands.unit import Receipt
from gateway.engine.context import OperationContext
from gateway.model.change import StreamKey
from gateway.model.contact import Contact
from gateway.records.contacts import ensure_stream
from resolvers.contact_view import find_contact
from resolvers.payloads import InputProblem, attempt

__all__ = ["ContactResult", "contact_result"]


@dataclass(frozen=True, slots=True)
class ContactResult:
    """Value of `ContactPayload`."""

    contact: Contact | None
    user_errors: Sequence[InputProblem]
    stream_cursor: str | None = None


async def contact_result(context: OperationContext, command: Awaitable[Receipt]) -> ContactResult:
    """The contact as it is after the command. The receipt's `profile_id` names the stream of its agent's desk."""
    done = await attempt(context, command)
    if not isinstance(done, Receipt):
        return ContactResult(None, done)
    assert done.entity_id is not None
    cursor = None
    if done.profile_id is not None:
        database, workspace = context.services.database, context.principal.workspace_id
        assert database is not None
        # Without a change: read before the contact, so that whoever subscribes after it misses nothing that came later.
        position = done.position or await ensure_stream(database, workspace, done.profile_id)
        cursor = context.services.hub.cursors.encode(StreamKey(workspace, done.profile_id), position)
    return ContactResult(await find_contact(context, done.entity_id), (), cursor)
