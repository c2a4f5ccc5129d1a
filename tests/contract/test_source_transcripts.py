"""The contract of sources, for every implementation: the messages of conversations, and the conversations of messages."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from gateway.model.activity import (
    Direction,
    TimelineItem,
    place_of,
)
from gateway.model.profile import Channel
from gateway.sources.contract import (
    ConversationKey,
    TranscriptKey,
    TranscriptWindow,
)
from gateway.sources.memory import MemoryData, MemorySource

from .timeline_scene import (
    ANA,
    BEN,
    ELSEWHERE,
    HERE,
    NATIVE,
    NOON,
    Load,
    conversation,
    external,
    message,
    profile,
    put,
)

__all__: list[str] = []


async def test_transcripts(load: Load) -> None:
    """A conversation's messages come oldest first, page by page, by the conversation's name or by the interaction's id, inside the span."""
    memory = MemorySource(NATIVE, MemoryData())
    memory.put_profile(HERE, profile(ANA))
    memory.put_profile(HERE, profile(BEN))
    call = conversation(ANA, NOON, Channel.CHAT, Direction.INBOUND, conversation="c-1")
    told = [message(ANA, NOON + timedelta(minutes=n // 2), list(Direction)[n % 2], conversation="c-1", text=str(n)) for n in range(6)]
    told.append(message(ANA, NOON + timedelta(minutes=9), Direction.INBOUND, interaction=call.native_id, author="Ana"))
    others: list[TimelineItem] = [call, *told]
    others += [
        message(ANA, NOON, Direction.INBOUND, conversation="c-2"),
        message(ANA, NOON, Direction.INBOUND, conversation="c-2", interaction=call.native_id),
        message(BEN, NOON, Direction.INBOUND, conversation="c-1"),
        message(ANA, NOON + timedelta(days=2), Direction.INBOUND, conversation="c-1"),
        message(ANA, NOON, Direction.INBOUND),
        external(ANA, NOON, properties={"conversation": "c-1"}),
    ]
    for item in others:
        put(memory, item)
    source = await load(memory._data)
    told.sort(key=lambda item: place_of(item).key)
    day = timedelta(days=1)
    key = TranscriptKey(ANA, call.native_id, "c-1", NOON - day, NOON + day)
    nameless = TranscriptKey(ANA, call.native_id, None, NOON - day, NOON + day)
    late = TranscriptKey(ANA, call.native_id, "c-1", NOON + timedelta(minutes=1), NOON + timedelta(minutes=2))

    assert await source.transcripts(HERE, [key, nameless, late, key], TranscriptWindow(99)) == [told, told[-1:], told[2:6], told]
    assert await source.transcripts(HERE, [key], TranscriptWindow(3)) == [told[:3]]
    assert await source.transcripts(HERE, [key], TranscriptWindow(3, place_of(told[2]))) == [told[3:6]]
    assert await source.transcripts(ELSEWHERE, [key], TranscriptWindow(99)) == [[]]
    assert await source.transcripts(HERE, [], TranscriptWindow(99)) == []


async def test_the_conversation_of_a_message(load: Load) -> None:
    """A message belongs to the interaction of its conversation that was under way, else to the next one that began; none is None."""
    memory = MemorySource(NATIVE, MemoryData())
    memory.put_profile(HERE, profile(ANA))
    day = timedelta(days=1)
    first, second = (conversation(ANA, at, Channel.CHAT, Direction.INBOUND, conversation="c-1") for at in (NOON, NOON + day))
    for item in (first, second, conversation(ANA, NOON, Channel.CHAT, Direction.INBOUND)):
        memory.put_item(HERE, item)
    source = await load(memory._data)

    def asked(at: datetime, name: str = "c-1", key: UUID = ANA) -> ConversationKey:
        return ConversationKey(key, name, at, NOON - 9 * day, NOON + 9 * day)

    keys = [asked(NOON), asked(NOON + day / 2), asked(NOON + day), asked(NOON - day), asked(NOON, "c-2"), asked(NOON, key=BEN)]
    assert await source.conversations(HERE, keys) == [first, first, second, first, None, None]
    assert await source.conversations(HERE, [ConversationKey(ANA, "c-1", NOON, NOON + day / 2, NOON + day)]) == [second]
    assert await source.conversations(ELSEWHERE, [asked(NOON)]) == [None]
