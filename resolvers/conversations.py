"""Conversations and what belongs to them: an interaction's messages, a message's interaction, and the one it was escalated from.

Owns in which span of time the one is looked for from the other, so that no more than a few months are opened. Called by `types.activity`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar
from uuid import UUID

from gateway.engine.context import OperationContext
from gateway.loaders.contacts import ContactLoaders
from gateway.model.activity import Interaction, Message, MessagePage, TimelineKind, place_of
from gateway.model.page import PageArgs
from gateway.sources.contract import FIRST_PLACE, ConversationKey, TranscriptKey, TranscriptWindow
from gateway.timeline import cursor as timeline_cursor
from resolvers.timeline import retained_since

__all__ = ["escalated_from", "interactions_of", "transcripts"]

_BEFORE: Final = timedelta(days=31)
"""How long before a conversation stands on the timeline its messages may begin: its sender may tell only of its end."""
_AFTER: Final = timedelta(days=31)
"""How long after its end messages may still come in."""
_LONGEST: Final = timedelta(days=186)
"""How long before a message its conversation may have begun."""
_LATEST: Final = datetime(9999, 1, 1, tzinfo=UTC)

K = TypeVar("K")


async def transcripts(context: OperationContext, parents: Sequence[Interaction], page: PageArgs) -> Sequence[object]:
    """A page of each interaction's messages, oldest first.

    Raises:
        CursorInvalid: see `timeline.cursor`.
    """
    sealer, workspace = context.services.sealer, context.principal.workspace_id
    after = FIRST_PLACE if page.after is None else timeline_cursor.decode(sealer, workspace, page.after)
    kept = retained_since(context, TimelineKind.MESSAGE)
    loader = context.loaders.transcript(TranscriptWindow(page.limit + 1, after))
    answers = await loader.load_many([(one.source.key, _transcript(one, kept)) for one in parents])

    def show(messages: Sequence[Message]) -> MessagePage:
        return MessagePage(
            messages[: page.limit],
            lambda message: timeline_cursor.encode(sealer, workspace, place_of(message)),
            len(messages) > page.limit,
            page.after is not None,
        )

    return [answer if isinstance(answer, BaseException) else show(answer) for answer in answers]


async def interactions_of(context: OperationContext, parents: Sequence[Message]) -> Sequence[object]:
    """The interaction that each message belongs to: the one it names itself, else the one of its conversation that was under way."""
    items = {id(one): (one.profile_id, one.source.key, one.interaction) for one in parents if one.interaction is not None}
    named = await _found(context.loaders.item, items)
    rest = {id(one): (one.source.key, _conversation(one)) for one in parents if one.conversation and named.get(id(one)) is None}
    spoken = await _found(context.loaders.conversation, rest)
    found = [named.get(id(one)) or spoken.get(id(one)) for one in parents]
    return [one if isinstance(one, Interaction | BaseException) else None for one in found]


async def escalated_from(context: OperationContext, parents: Sequence[Interaction]) -> Sequence[object]:
    """The interaction that each was escalated from: by the contacts that the two were, else as its source says."""
    loader = context.loaders.of(ContactLoaders).contact
    own = await _found(loader, {id(one): UUID(hex=one.contact) for one in parents if one.contact is not None})
    above = await _found(
        loader, {key: contact.parent_id for key, contact in own.items() if _known(contact) and contact.parent_id is not None}
    )
    refs = {id(one): (one.profile_id, one.source.key, one.parent) for one in parents if one.parent is not None}
    refs |= {
        key: (contact.profile_id, "native", contact.interaction_id.hex)
        for key, contact in above.items()
        if _known(contact) and contact.profile_id is not None and contact.interaction_id is not None
    }
    found = await _found(context.loaders.item, refs)
    return [one if isinstance(one := found.get(id(parent)), Interaction | BaseException) else None for parent in parents]


async def _found(loader: Any, wanted: Mapping[int, Any]) -> dict[int, Any]:
    """The loader's answer under each name; it is asked only when there is something to ask."""
    return dict(zip(wanted, await loader.load_many(wanted.values()), strict=True)) if wanted else {}


def _known(answer: Any) -> bool:
    return answer is not None and not isinstance(answer, BaseException)


def _transcript(one: Interaction, kept: datetime | None) -> TranscriptKey:
    since = one.occurred_at - _BEFORE
    until = _LATEST if one.ended_at is None else max(one.ended_at, one.occurred_at) + _AFTER
    return TranscriptKey(one.profile_id, one.native_id, one.conversation, since if kept is None else max(since, kept), until)


def _conversation(one: Message) -> ConversationKey:
    assert one.conversation is not None
    return ConversationKey(one.profile_id, one.conversation, one.occurred_at, one.occurred_at - _LONGEST, one.occurred_at + _BEFORE)
