"""What a `track`, `page` or `screen` says happened, as an item of the timeline.

Owns which events are conversations of the contact centre, or messages of one, and how their properties become the item. A row that is
written can be read: `sources.native_rows.activity_of` takes agent, wrap-up, sentiment and moments as they are, so each is checked here, and
what cannot be one is left out with a warning. Called by `event`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from gateway.commands.tracking import Activity
from gateway.commands.validation import text_problem
from gateway.errors import Problem, Rejected
from gateway.model.activity import Direction, Sentiment, TimelineKind
from gateway.model.profile import Channel
from gateway.transport.segment.values import check_moment, iso_moment, json_object, one_of, plain_text, web_address
from gateway.transport.segment.wire import Item

__all__ = ["CONVERSATIONS", "MESSAGES", "page_view", "tracked"]

CONVERSATIONS: Final = frozenset({"Engagement Completed", "Live Chat Conversation Ended"})
"""Events that end a conversation with the contact centre."""
MESSAGES: Final = MappingProxyType(
    {
        "Live Chat Message Sent": Direction.INBOUND.value,
        "Message Sent": Direction.INBOUND.value,
        "Live Chat Message Received": Direction.OUTBOUND.value,
        "Message Received": Direction.OUTBOUND.value,
    }
)
"""Events that are one message of a conversation, if they name it, and who wrote it: a track tells what the customer did."""

_LONGEST_TYPE = 128
_LONGEST_TEXT = 16 * 1024
_LONGEST_WORD = 256

_CHANNELS: Final = MappingProxyType(
    {
        **{channel.value.lower(): channel.value for channel in Channel},
        **dict.fromkeys(("call", "phone", "telephone", "pstn", "sip"), Channel.VOICE.value),
        **dict.fromkeys(("webchat", "livechat", "flexchat", "inapp"), Channel.CHAT.value),
        **dict.fromkeys(("text", "textmessage", "mms"), Channel.SMS.value),
        **dict.fromkeys(("mail",), Channel.EMAIL.value),
        **dict.fromkeys(("facebook", "facebookmessenger", "fbm"), Channel.MESSENGER.value),
        **dict.fromkeys(("twitter",), Channel.X.value),
    }
)
_DIRECTIONS: Final = MappingProxyType(
    {"incoming": "INBOUND", "outgoing": "OUTBOUND", **{item.value.lower(): item.value for item in Direction}}
)
_SENTIMENTS: Final = MappingProxyType({item.value.lower(): item.value for item in Sentiment})

_CONVERSATION: Final = ("conversationId", "conversation_id")
_TEXTS: Final = ("text", "message_body", "messageBody", "body", "message")
_OURS: Final = frozenset({"conversation", "interaction", "contact", "parent", "notRecorded"})
"""Names under which an interaction keeps what belongs to it: nobody else writes there."""

Warn = Callable[[str], None]


def tracked(item: Item, at: datetime, warn: Warn) -> tuple[Activity, datetime]:
    """The activity of a `track`, and when it happened: a conversation stands where it began.

    Raises:
        Rejected: it has no name, or one too long, or properties that cannot be stored.
    """
    try:
        name = plain_text(item.event, _LONGEST_TYPE) if item.event is not None else None
    except ValueError as error:
        raise Rejected(Problem("INVALID", f"event: {error}", ("event",))) from None
    if name is None:
        raise Rejected(Problem("REQUIRED", "A track needs the name of its event.", ("event",)))
    properties = json_object(item.properties, "properties")
    account = _account(item, properties, warn)
    if name in CONVERSATIONS:
        return _interaction(name, properties, account, at, warn)
    if name in MESSAGES and any(properties.get(key) is not None for key in _CONVERSATION):
        return _message(name, properties, account, warn), at
    return Activity(TimelineKind.EXTERNAL, name, properties, account), at


def page_view(item: Item, type_: str, warn: Warn) -> Activity:
    """The activity of a `page` or a `screen`: its properties, its name, and from `context.page` what they do not say.

    Raises:
        Rejected: properties that cannot be stored.
    """
    detail = dict(json_object(item.properties, "properties"))
    page = item.context.page if item.context is not None else None
    spoken: dict[str, Any] = {"name": item.name, "category": item.category}
    if isinstance(page, dict):
        spoken |= {key: page.get(key) for key in ("url", "path", "title")}
    detail |= {key: value for key, value in spoken.items() if isinstance(value, str) and value and key not in detail}
    return Activity(TimelineKind.WEB, type_, json_object(detail, "properties"), _account(item, detail, warn))


def _account(item: Item, properties: dict[str, Any], warn: Warn) -> str | None:
    """The customer's account the event belongs to: from the context, else from the properties."""
    value = item.context.account if item.context is not None else None
    if value is None:
        value = properties.get("account")
    if not isinstance(value, str):
        return None  # an object or a number of this name is an ordinary property
    try:
        return plain_text(value, _LONGEST_TYPE)
    except ValueError as error:
        warn(f"account: {error} It is left out.")
        return None


def _interaction(name: str, properties: dict[str, Any], account: str | None, at: datetime, warn: Warn) -> tuple[Activity, datetime]:
    given = {key: value for key, value in properties.items() if key not in _OURS}
    named = given.get("channel") or given.get("channelType")
    channel, direction = _way(given, Direction.INBOUND.value, warn)
    take = _Taker(given, "properties", warn)
    started: datetime | None = take("startedAt", _moment)
    ended: datetime | None = take("endedAt", _moment)
    if started is not None and ended is None:
        ended = at  # the event itself says that it is over
    begun = started or at
    if ended is not None and ended < begun:
        warn("properties.endedAt lies before the beginning; it is left out.")
        ended = None
    detail: dict[str, Any] = {
        "conversation": _conversation(take),
        "customChannel": take("customChannel", _word) or _named(named, channel),
        "endedAt": ended and ended.isoformat(),
        "queue": take("queue", _word),
        "agent": _agent(take, given),
        "outcome": take("outcome", _word),
        "summary": take("summary", _text),
        "wrapUp": _wrap_up(take("wrapUp", _mapping), warn),
        "sentiment": take("sentiment", _sentiment),
        "attributes": take("attributes", _mapping),
        "measures": take("measures", _mapping),
        "recordingUrl": take("recordingUrl", web_address),
    }
    detail = given | {
        key: value for key, value in detail.items() if value is not None
    }  # what else was sent stays, though no field shows it
    return Activity(TimelineKind.INTERACTION, name, json_object(detail, "properties"), account, channel, direction), begun


def _message(name: str, properties: dict[str, Any], account: str | None, warn: Warn) -> Activity:
    given = dict(properties)
    channel, direction = _way(given, MESSAGES[name], warn)
    take = _Taker(given, "properties", warn)
    texts = [take(key, _text) for key in _TEXTS]
    agent = _agent(take, given) if direction == Direction.OUTBOUND.value else None
    detail = {
        "conversation": _conversation(take),
        "text": next((text for text in texts if text is not None), None),
        "author": take("author", _word) or (agent and agent["name"]),
    }
    kept = {key: value for key, value in detail.items() if value is not None}
    return Activity(TimelineKind.MESSAGE, name, json_object(kept, "properties"), account, channel, direction)


def _conversation(take: _Taker) -> str | None:
    """What the sender calls the conversation: its messages and its end name it alike."""
    names = [take(key, _word) for key in _CONVERSATION]
    return next((name for name in names if name is not None), None)


def _named(word: object, channel: str) -> str | None:
    """What the sender called a channel that is none of ours."""
    known = channel != Channel.CUSTOM.value or not isinstance(word, str) or word.upper() == Channel.CUSTOM.value
    return None if known or text_problem(str(word), _LONGEST_WORD) else str(word)


def _way(given: dict[str, Any], direction: str, warn: Warn) -> tuple[str, str]:
    """Channel and direction, taken out of the properties; `direction` is what it is when nothing is said."""
    word = given.pop("channel", None) or given.pop("channelType", None)
    channel = Channel.CHAT.value if word is None else one_of(word, _CHANNELS)
    if channel is None:
        channel = Channel.CUSTOM.value
        warn("properties.channel is none we know; it counts as CUSTOM.")
    word = given.pop("direction", None)
    found = direction if word is None else one_of(word, _DIRECTIONS)
    if found is None:
        warn(f"properties.direction is none we know; it counts as {direction}.")
    return channel, found or direction


def _agent(take: _Taker, given: dict[str, Any]) -> dict[str, str] | None:
    """`agent: {id, name}`, or `agent_id` and `agent_name` as in Segment's live chat spec."""
    agent = take("agent", _mapping)
    if agent is None and "agent_id" in given:
        agent = {"id": given.pop("agent_id"), "name": given.pop("agent_name", None)}
    if agent is None:
        return None
    inner = _Taker(agent, "properties.agent", take.warn)
    agent_id, name = inner("id", _word), inner("name", _word)
    if agent_id is None:
        take.warn("properties.agent has no id; it is left out.")
        return None
    return {"id": agent_id, "name": name or agent_id}


def _wrap_up(given: dict[str, Any] | None, warn: Warn) -> dict[str, str] | None:
    if given is None:
        return None
    take = _Taker(given, "properties.wrapUp", warn)
    completed: datetime | None = take("completedAt", _moment)
    found = {
        "notes": take("notes", _text),
        "topic": take("topic", _word),
        "dispositionCode": take("dispositionCode", _word),
        "completedAt": completed and completed.isoformat(),
    }
    return {key: value for key, value in found.items() if value is not None} or None


class _Taker:
    """Takes values out of a mapping, read by a function of `values`; one that cannot be read is left out with a warning."""

    __slots__ = ("_given", "_name", "warn")

    def __init__(self, given: dict[str, Any], name: str, warn: Warn) -> None:
        self._given = given
        self._name = name
        self.warn = warn

    def __call__(self, key: str, read: Callable[[object], Any]) -> Any:
        value = self._given.pop(key, None)
        if value is None:
            return None
        try:
            return read(value)
        except ValueError as error:
            self.warn(f"{self._name}.{key}: {error} It is left out.")
            return None


def _moment(value: object) -> datetime:
    return check_moment(iso_moment(value))


def _word(value: object) -> str | None:
    return plain_text(str(value) if isinstance(value, int) and not isinstance(value, bool) else value, _LONGEST_WORD)


def _text(value: object) -> str | None:
    return plain_text(value, _LONGEST_TEXT)


def _mapping(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("A JSON object is expected.")  # noqa: TRY004  # as in `values`
    return dict(value)


def _sentiment(value: object) -> str:
    found = one_of(value, _SENTIMENTS)
    if found is None:
        raise ValueError("It is POSITIVE, NEUTRAL or NEGATIVE.")
    return found
