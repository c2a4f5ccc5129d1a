"""What a track, page or screen says happened, and that what is written can be read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.commands.tracking import Activity
from gateway.errors import Rejected
from gateway.model.activity import ExternalActivity, Interaction, Message, TimelineItem, TimelineKind
from gateway.model.source import Source
from gateway.sources.native import activity_of
from gateway.transport.segment.activity import CONVERSATIONS, page_view, tracked
from gateway.transport.segment.wire import Context, Item

AT = datetime(2026, 1, 31, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)


def track(event: object, properties: object = None, context: Context | None = None) -> tuple[Activity, datetime, list[str]]:
    """The activity of a track at ten o'clock, its moment, and what was warned of."""
    warnings: list[str] = []
    activity, at = tracked(Item(event=event, properties=properties, context=context), AT, warnings.append)
    return activity, at, warnings


def as_read(activity: Activity, at: datetime) -> TimelineItem:
    """The activity as the native source reads its row."""
    source = Source("tracking", "Tracking", ())
    row: Any = (UUID(int=1), at, "tracking", UUID(int=2), activity.kind.value, activity.type)
    return activity_of((*row, activity.channel, activity.direction, activity.account, dict(activity.detail)), source)


def conversation(**properties: Any) -> tuple[Interaction, list[str]]:
    """A conversation as it is read, and what was warned of."""
    activity, at, warnings = track("Engagement Completed", properties)
    item = as_read(activity, at)
    assert isinstance(item, Interaction)
    return item, warnings


def test_a_track() -> None:
    """A track is an external activity of its name with its properties."""
    activity, at, warnings = track(" Order Completed ", {"total": 5})

    assert activity == Activity(TimelineKind.EXTERNAL, "Order Completed", {"total": 5})
    assert (at, warnings) == (AT, [])


@pytest.mark.parametrize("event", [None, "", "  ", 5, {}, "x" * 129])
def test_a_track_without_a_name(event: object) -> None:
    """A track needs the name of its event, at most 128 characters."""
    with pytest.raises(Rejected):
        track(event)


def test_the_longest_name() -> None:
    """128 characters of any script are a name."""
    assert track("界" * 128)[0].type == "界" * 128


@pytest.mark.parametrize("properties", [[], "x", 5, True, {"x": 2**70}, {"a": {"b": "x" * 33_000}}], ids=range(6))
def test_properties_that_cannot_be_stored(properties: object) -> None:
    """Properties that are no object, or hold what cannot be stored, refuse the event."""
    with pytest.raises(Rejected):
        track("x", properties)
    with pytest.raises(Rejected):
        page_view(Item(properties=properties), "Page Viewed", lambda _: None)


def test_the_account() -> None:
    """The account comes from the context, else from the properties; an object of that name is an ordinary property."""
    assert track("x", {"account": "b"}, Context(account="a"))[0].account == "a"
    assert track("x", {"account": "b"})[0].account == "b"
    assert track("x", {"account": {"id": 1}})[0].account is None
    assert track("x", {"account": "y" * 200})[2] == ["account: The text is longer than 128 characters. It is left out."]


def test_a_page() -> None:
    """A page view says its name, and takes address and title from the context where its properties do not say them."""
    context = Context(page={"url": "https://a.example/x", "path": "/x", "title": "X", "referrer": "r"})
    activity = page_view(Item(name="Pricing", properties={"title": "Own", "tab": 1}, context=context), "Page Viewed", lambda _: None)

    assert activity.detail == {"title": "Own", "tab": 1, "name": "Pricing", "url": "https://a.example/x", "path": "/x"}
    item = as_read(activity, AT)
    assert isinstance(item, ExternalActivity)
    assert (item.kind, item.title) == (TimelineKind.WEB, "Viewed Own")


@pytest.mark.parametrize("page", [None, 5, "x", {"url": 5, "title": ""}])
def test_a_page_of_little_use(page: object) -> None:
    """A context.page that is none says nothing."""
    assert page_view(Item(name={}, context=Context(page=page)), "Screen Viewed", lambda _: None).detail == {}


def test_a_whole_conversation() -> None:
    """A conversation is read back with all that was said of it, standing where it began."""
    item, warnings = conversation(
        channel="voice",
        direction="outbound",
        startedAt="2026-01-31T09:00:00Z",
        endedAt="2026-01-31T10:05:00+01:00",
        queue="Billing",
        agent={"id": 7, "name": "Kim"},
        outcome="resolved",
        summary="A refund.",
        wrapUp={"notes": "n", "topic": "t", "dispositionCode": "d", "completedAt": "2026-01-31T09:06:00Z"},
        sentiment="positive",
        attributes={"a": 1},
        measures={"m": 2},
        recordingUrl="https://example.com/r",
        account="acme",
        conversationId="c-1",
    )

    assert (item.channel.value, item.direction.value, item.occurred_at) == ("VOICE", "OUTBOUND", AT - HOUR)
    assert (item.duration_seconds, item.queue, item.outcome, item.summary) == (300, "Billing", "resolved", "A refund.")
    assert item.agent is not None
    assert (item.agent.id, item.agent.display_name) == ("7", "Kim")
    assert item.wrap_up is not None
    assert (item.wrap_up.notes, item.wrap_up.topic, item.wrap_up.disposition_code) == ("n", "t", "d")
    assert item.wrap_up.completed_at == datetime(2026, 1, 31, 9, 6, tzinfo=UTC)
    assert item.sentiment is not None
    assert (item.sentiment.value, item.attributes, item.measures) == ("POSITIVE", {"a": 1}, {"m": 2})
    assert (item.recording_url, item.account, warnings) == ("https://example.com/r", "acme", [])


def test_the_event_itself_ends_a_conversation() -> None:
    """With a beginning and no end, it ended when the event was sent; without both it stands at the event."""
    assert conversation(startedAt="2026-01-31T09:00:00Z")[0].ended_at == AT
    assert (conversation()[0].occurred_at, conversation()[0].ended_at) == (AT, None)


def test_segments_live_chat_names_its_agent() -> None:
    """`agent_id` and `agent_name` of Segment's live chat events name the agent."""
    activity, at, _ = track("Live Chat Conversation Ended", {"agent_id": "a-1", "agent_name": "Kim", "conversation_id": "c"})
    item = as_read(activity, at)

    assert isinstance(item, Interaction)
    assert (item.channel.value, item.direction.value) == ("CHAT", "INBOUND")
    assert item.agent is not None
    assert (item.agent.id, item.agent.display_name) == ("a-1", "Kim")
    assert item.conversation == "c"


@pytest.mark.parametrize(
    ("word", "channel"),
    [("webchat", "CHAT"), ("Web Chat", "CHAT"), ("call", "VOICE"), ("sms", "SMS"), ("WhatsApp", "WHATSAPP"), ("twitter", "X")],
)
def test_channels(word: str, channel: str) -> None:
    """Channels have the names of the systems that send them."""
    assert (conversation(channelType=word)[0].channel.value, conversation(channel=word)[1]) == (channel, [])


@pytest.mark.parametrize(
    "properties",
    [
        *({"channel": "pigeon"}, {"channel": 5}, {"direction": "sideways"}, {"startedAt": "soon"}, {"endedAt": 5}, {"agent": "Kim"}),
        *({"agent": {"name": "Kim"}}, {"agent": {"id": {}}}, {"wrapUp": []}, {"wrapUp": {"completedAt": "x"}}, {"wrapUp": {"notes": 1.5}}),
        *({"sentiment": "meh"}, {"sentiment": {}}, {"attributes": 5}, {"measures": []}, {"recordingUrl": "file:///x"}, {"summary": []}),
        *({"endedAt": "2026-01-31T09:00:00Z"}, {"queue": "x" * 300}),
    ],
    ids=str,
)
def test_a_part_that_cannot_be_one(properties: dict[str, Any]) -> None:
    """What cannot be part of an interaction is left out with a warning; the rest is taken and can be read."""
    item, warnings = conversation(**properties, outcome="resolved")

    assert item.outcome == "resolved"
    assert warnings
    assert warnings[0].startswith("properties.")


words = st.sampled_from(
    ["", "x", "POSITIVE", "voice", "2026-01-31T09:00:00Z", "2026-01-31", "https://example.com", "9999-12-31T23:59:59-12:00"]
)
values = st.recursive(
    words | st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "name", "notes", "topic", "dispositionCode", "completedAt"]), inner)
    ),
    max_leaves=6,
)
keys = st.sampled_from(
    [
        *("channel", "channelType", "direction", "startedAt", "endedAt", "queue", "agent", "agent_id", "agent_name", "outcome", "summary"),
        *("wrapUp", "sentiment", "attributes", "measures", "recordingUrl", "account", "other"),
    ]
)


@given(st.sampled_from(sorted(CONVERSATIONS)), st.dictionaries(keys, values))
def test_whatever_is_written_can_be_read(event: str, properties: dict[str, Any]) -> None:
    """No properties make a row of an interaction that the native source cannot read, or whose end lies before its beginning."""
    activity, at, _ = track(event, properties)
    item = as_read(activity, at)

    assert isinstance(item, Interaction)
    assert item.title
    assert item.ended_at is None or item.ended_at >= item.started_at
    assert isinstance(item.queue, str | None)
    assert item.agent is None or (isinstance(item.agent.id, str) and isinstance(item.agent.display_name, str))
    assert isinstance(item.attributes, dict | None)


@pytest.mark.parametrize(
    ("event", "direction"),
    [
        ("Live Chat Message Sent", "INBOUND"),
        ("Message Sent", "INBOUND"),
        ("Live Chat Message Received", "OUTBOUND"),
        ("Message Received", "OUTBOUND"),
    ],
)
@pytest.mark.parametrize("key", ["conversationId", "conversation_id"])
def test_a_message_of_a_conversation(event: str, direction: str, key: str) -> None:
    """What the customer sent is inbound, what it received outbound; the conversation is what its sender calls it."""
    activity, at, warnings = track(event, {key: "c-1", "message_body": "Hello", "agent_name": "Kim", "agent_id": "a-1"})
    item = as_read(activity, at)

    assert isinstance(item, Message)
    assert (item.direction.value, item.channel.value, item.text, item.conversation) == (direction, "CHAT", "Hello", "c-1")
    assert item.author == (None if direction == "INBOUND" else "Kim")
    assert (at, warnings) == (AT, [])


def test_a_message_says_its_own_way() -> None:
    """Channel, direction and author of the sender count; a text that cannot be one is left out, and the message stays."""
    properties = {"conversationId": 7, "channel": "sms", "direction": "outgoing", "author": "Bot", "text": 5}
    activity, at, warnings = track("Message Sent", properties)
    item = as_read(activity, at)

    assert isinstance(item, Message)
    assert (item.channel.value, item.direction.value, item.author, item.text, item.conversation) == ("SMS", "OUTBOUND", "Bot", None, "7")
    assert len(warnings) == 1


def test_a_message_without_a_conversation() -> None:
    """Without the name of its conversation it is an event like any other."""
    assert track("Message Sent", {"text": "Hi"})[0] == Activity(TimelineKind.EXTERNAL, "Message Sent", {"text": "Hi"})


def test_nobody_else_writes_what_links_a_conversation() -> None:
    """Properties by the names under which the gateway links interactions are left out."""
    item, _ = conversation(conversation="x", contact="0" * 32, parent="1" * 32, interaction="2" * 32, notRecorded=["agent"], topic="t")

    assert (item.conversation, item.contact, item.parent, item.not_recorded) == (None, None, None, ())
