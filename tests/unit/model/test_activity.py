"""Timeline items: their ids and titles, and the meaning of a filter."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadUserInput
from gateway.model.activity import (
    ActivityOrigin,
    ChangeItem,
    Direction,
    ExternalActivity,
    Interaction,
    InterestTriggered,
    Message,
    NoteItem,
    Place,
    TimelineFilter,
    TimelineItem,
    TimelineKind,
    TimelinePreset,
    item_id,
    parse_item_id,
    place_of,
)
from gateway.model.actor import Actor, ActorKind
from gateway.model.audit import ChangeAction, ChangeRecord, FieldChange
from gateway.model.note import Note
from gateway.model.profile import Channel
from gateway.model.source import Source, SourceKind

__all__: list[str] = []

ANA = UUID("01990000-0000-7000-8000-00000000000a")
NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TRACKING = Source("tracking", "Tracking API", (SourceKind.ACTIVITY,))
DEFAULT, ALL, NONE = TimelinePreset.DEFAULT, TimelinePreset.ALL, TimelinePreset.NONE


def external(kind: TimelineKind = TimelineKind.EXTERNAL, type_: str = "Order Completed", **properties: Any) -> ExternalActivity:
    """Something that happened outside the contact centre."""
    return ExternalActivity(ANA, "a1", NOON, TRACKING, kind, type_, "eu", properties)


def conversation(channel: Channel, direction: Direction, ended_at: datetime | None = None) -> Interaction:
    """A conversation with the contact centre."""
    empty = dict.fromkeys(("queue", "agent", "outcome", "summary", "wrap_up", "sentiment", "attributes", "measures", "recording_url"))
    return Interaction(ANA, "i1", NOON, TRACKING, None, channel, direction, ended_at, **empty)  # type: ignore[arg-type]


ORDER, VIEW = external(), external(TimelineKind.WEB, "page", title="Pricing")
CALL_IN, CALL_OUT = conversation(Channel.VOICE, Direction.INBOUND), conversation(Channel.VOICE, Direction.OUTBOUND)
CHAT_IN, CHAT_OUT = conversation(Channel.CHAT, Direction.INBOUND), conversation(Channel.CHAT, Direction.OUTBOUND)
EVERYTHING: list[TimelineItem] = [ORDER, VIEW, CALL_IN, CALL_OUT, CHAT_IN, CHAT_OUT]
WEB, EXTERNAL, INTERACTION = (TimelineKind.WEB,), (TimelineKind.EXTERNAL,), (TimelineKind.INTERACTION,)


@pytest.mark.parametrize(
    ("chosen", "shown"),
    [
        (TimelineFilter(), [ORDER, CALL_IN, CALL_OUT, CHAT_IN]),
        (TimelineFilter(ALL), EVERYTHING),
        (TimelineFilter(NONE), []),
        (TimelineFilter(NONE, kinds=WEB), [VIEW]),
        (TimelineFilter(DEFAULT, kinds=INTERACTION), [CALL_IN, CALL_OUT, CHAT_IN, CHAT_OUT]),
        (TimelineFilter(DEFAULT, kinds=WEB + EXTERNAL), [ORDER, VIEW]),
        (TimelineFilter(ALL, kinds=()), []),
        (TimelineFilter(ALL, channels=(Channel.CHAT, Channel.SMS)), [CHAT_IN, CHAT_OUT]),
        (TimelineFilter(DEFAULT, channels=(Channel.CHAT,)), [CHAT_IN]),
        (TimelineFilter(ALL, channels=()), []),
        (TimelineFilter(ALL, directions=(Direction.OUTBOUND,)), [CALL_OUT, CHAT_OUT]),
        (TimelineFilter(ALL, directions=(Direction.INBOUND,), channels=(Channel.VOICE,)), [CALL_IN]),
        (TimelineFilter(ALL, origins=(ActivityOrigin.EXTERNAL,)), [ORDER, VIEW]),
        (TimelineFilter(DEFAULT, origins=(ActivityOrigin.EXTERNAL,)), [ORDER]),
        (TimelineFilter(ALL, origins=(ActivityOrigin.CONTACT_CENTRE,), kinds=WEB), []),
        (TimelineFilter(ALL, types=("page", "interaction")), [VIEW, CALL_IN, CALL_OUT, CHAT_IN, CHAT_OUT]),
        (TimelineFilter(ALL, types=("PAGE",)), []),
        (TimelineFilter(ALL, accounts=("eu",)), [ORDER, VIEW]),
        (TimelineFilter(ALL, accounts=()), []),
    ],
)
def test_a_filter_shows_what_it_says(chosen: TimelineFilter, shown: list[TimelineItem]) -> None:
    """Presets choose kinds unless kinds are named; every other condition must hold too, any one value of a list sufficing."""
    assert [item for item in EVERYTHING if chosen.matches(item)] == shown


@pytest.mark.parametrize(
    ("since", "until", "matches"),
    [
        (NOON, None, True),
        (NOON + timedelta.resolution, None, False),
        (None, NOON, False),
        (None, NOON + timedelta.resolution, True),
        (NOON, NOON, False),
        (NOON - MINUTE, NOON + MINUTE, True),
    ],
)
def test_time_is_half_open(since: datetime | None, until: datetime | None, matches: bool) -> None:
    """`since` is included, `until` is not."""
    assert TimelineFilter(since=since, until=until).matches(ORDER) is matches


@given(
    profile=st.uuids(),
    source=st.from_regex(r"[a-z][a-z0-9-]{0,31}", fullmatch=True),
    native=st.text(st.characters(codec="utf-8", exclude_characters="\n"), min_size=1, max_size=200),
)
def test_item_ids_round_trip(profile: UUID, source: str, native: str) -> None:
    """An item's id gives back its profile, its source and the source's own id, dots and all."""
    assert parse_item_id(item_id(profile, source, native)) == (profile, source, native)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "act_",
        f"act_{ANA.hex}",
        f"act_{ANA.hex}.native",
        f"act_{ANA.hex}.native.",
        f"act_{ANA.hex}.native.{'a' * 201}",
        f"act_{ANA.hex}.Native.a",
        f"act_{ANA.hex}.1native.a",
        f"act_{ANA.hex}.{'n' * 33}.a",
        f"act_{ANA.hex}..a",
        f"act_{ANA.hex.upper()}.native.a",
        f"act_{ANA}.native.a",
        f"act_{ANA.hex[:-1]}٣.native.a",
        f"prf_{ANA.hex}",
        f"act_{ANA.hex}.native.a\n",
        "act_" * 250_000,
    ],
)
def test_a_malformed_item_id_is_bad_input(text: str) -> None:
    """Anything else is BAD_USER_INPUT with the argument's name."""
    with pytest.raises(BadUserInput) as caught:
        parse_item_id(text)

    assert caught.value.extensions == {"argument": "id"}


@pytest.mark.parametrize("item", EVERYTHING)
def test_items_know_their_place_and_id(item: TimelineItem) -> None:
    """The place in the total order is made of the time, the source's key and the source's own id; so is the client's id."""
    assert place_of(item) == Place(NOON, "tracking", item.native_id)
    assert place_of(item).key == (NOON, "tracking", item.native_id)
    assert parse_item_id(item.id) == (ANA, "tracking", item.native_id)


@pytest.mark.parametrize(
    ("item", "title", "icon"),
    [
        (ORDER, "Order Completed", "star"),
        (VIEW, "Viewed Pricing", "globe"),
        (external(TimelineKind.WEB, "page", path="/pricing", url="https://example.com/pricing"), "Viewed /pricing", "globe"),
        (external(TimelineKind.WEB, "page", title="", url="https://example.com/"), "Viewed https://example.com/", "globe"),
        (external(TimelineKind.WEB, "page"), "page", "globe"),
        (CALL_IN, "Inbound call", "phone"),
        (CALL_OUT, "Outbound call", "phone"),
        (CHAT_IN, "Inbound chat conversation", "chat"),
        (conversation(Channel.EMAIL, Direction.OUTBOUND), "Outbound e-mail", "mail"),
        (conversation(Channel.MESSENGER, Direction.INBOUND), "Inbound Messenger conversation", "chat"),
    ],
)
def test_titles_and_icons(item: TimelineItem, title: str, icon: str) -> None:
    """A list shows what happened in one line, outside events with a star, page views with a globe, conversations by channel."""
    assert (item.title, item.icon) == (title, icon)


@pytest.mark.parametrize(
    ("item", "seconds"),
    [
        (conversation(Channel.VOICE, Direction.INBOUND, NOON + timedelta(seconds=90, milliseconds=900)), 90),
        (conversation(Channel.VIDEO, Direction.INBOUND, NOON), 0),
        (CALL_IN, None),
        (conversation(Channel.CHAT, Direction.INBOUND, NOON + MINUTE), None),
    ],
)
def test_calls_have_a_length(item: Interaction, seconds: int | None) -> None:
    """A call that has ended has a length in whole seconds; one that lasts, and any other conversation, has none."""
    assert item.duration_seconds == seconds
    assert item.started_at == item.occurred_at


def test_kinds_have_origins() -> None:
    """Conversations come from the contact centre, everything else from outside, page views included."""
    assert {(item.kind, item.origin) for item in EVERYTHING} == {
        (TimelineKind.INTERACTION, ActivityOrigin.CONTACT_CENTRE),
        (TimelineKind.EXTERNAL, ActivityOrigin.EXTERNAL),
        (TimelineKind.WEB, ActivityOrigin.EXTERNAL),
    }
    assert replace(ORDER, kind=TimelineKind.WEB).origin is ActivityOrigin.EXTERNAL


NOTE_ITEM = NoteItem(Note(ANA, UUID(int=1), 1, "Wants a refund", True, Actor("ann", "Ann", ActorKind.AGENT), NOON, NOON, TRACKING))
CHANGE_ITEM = ChangeItem(
    ChangeRecord(
        ANA, UUID(int=2), NOON, Actor("bob", "Bob", ActorKind.AGENT), ChangeAction.MERGED, (FieldChange("email", "a", "b"),), "same"
    ),
    TRACKING,
)
HELLO = Message(ANA, "m1", NOON, TRACKING, "eu", Channel.SMS, Direction.OUTBOUND, "Hello")
HIKING = InterestTriggered(ANA, "t1", NOON, TRACKING, None, "Hiking", "Sports", 0.5)
OTHERS: list[TimelineItem] = [NOTE_ITEM, CHANGE_ITEM, HELLO, HIKING]


@pytest.mark.parametrize(
    ("chosen", "shown"),
    [
        (TimelineFilter(), []),
        (TimelineFilter(ALL), OTHERS),
        (TimelineFilter(ALL, hidden=(TimelineKind.NOTE,)), [CHANGE_ITEM, HELLO, HIKING]),
        (TimelineFilter(kinds=(TimelineKind.NOTE, TimelineKind.CHANGE), hidden=(TimelineKind.NOTE,)), [CHANGE_ITEM]),
        (TimelineFilter(ALL, agent_ids=("ann",)), [NOTE_ITEM]),
        (TimelineFilter(ALL, agent_ids=("bob", "ann")), [NOTE_ITEM, CHANGE_ITEM]),
        (TimelineFilter(ALL, origins=(ActivityOrigin.EXTERNAL,)), [HIKING]),
        (TimelineFilter(ALL, channels=(Channel.SMS,)), [HELLO]),
        (TimelineFilter(ALL, directions=(Direction.INBOUND,)), []),
        (TimelineFilter(ALL, accounts=("eu",)), [HELLO]),
        (TimelineFilter(ALL, types=("message", "interest")), [HELLO, HIKING]),
        (TimelineFilter(ALL, queues=("x",)), []),
        (TimelineFilter(ALL, attributes=(("a", "b"),)), []),
        (TimelineFilter(ALL, search="REFUND"), [NOTE_ITEM]),
        (TimelineFilter(ALL, search="email"), [CHANGE_ITEM]),
        (TimelineFilter(ALL, search="sport"), [HIKING]),
        (TimelineFilter(ALL, search="hello"), [HELLO]),
        (
            TimelineFilter(ALL, retained=((TimelineKind.NOTE, NOON + MINUTE), (TimelineKind.MESSAGE, NOON + MINUTE))),
            [NOTE_ITEM, CHANGE_ITEM, HIKING],
        ),
        (TimelineFilter(ALL, retained=((TimelineKind.MESSAGE, NOON),)), OTHERS),
    ],
)
def test_the_other_kinds(chosen: TimelineFilter, shown: list[TimelineItem]) -> None:
    """Notes, changes, messages and interests are shown only when kinds or ALL ask for them, never when hidden, a pinned note whatever its age;
    a kind that the filter says it cannot show is never shown.
    """
    assert [item for item in OTHERS if chosen.matches(item)] == shown
    assert all(chosen.shows_kind(item.kind) for item in shown)
    assert set(chosen.shown_kinds) >= {item.kind for item in shown}


def test_the_search_tells_nothing_that_is_masked() -> None:
    """Of a change its fields' names and its reason are searched, never the values."""
    assert not TimelineFilter(ALL, search="a@b").matches(
        replace(CHANGE_ITEM, change=replace(CHANGE_ITEM.change, fields=(FieldChange("x", "a@b"),)))
    )


@pytest.mark.parametrize(
    ("item", "title", "icon"),
    [
        (NOTE_ITEM, "Note by Ann", "note"),
        (CHANGE_ITEM, "Profiles merged by Bob", "history"),
        (HELLO, "Outbound SMS", "message"),
        (HIKING, "Interested in Hiking", "heart"),
    ],
)
def test_titles_of_the_other_kinds(item: TimelineItem, title: str, icon: str) -> None:
    """A title never holds what only some may read."""
    assert (item.title, item.icon) == (title, icon)
    assert parse_item_id(item.id) == (ANA, "tracking", item.native_id)


@pytest.mark.parametrize("action", ChangeAction)
def test_every_deed_has_a_title(action: ChangeAction) -> None:
    """Whatever was done, the list says it in words."""
    assert replace(CHANGE_ITEM, change=replace(CHANGE_ITEM.change, action=action)).title.endswith(" by Bob")


def test_default_shows_the_types_of_the_layout() -> None:
    """`external_types` narrows what DEFAULT shows, and nothing else."""
    assert not TimelineFilter(external_types=("Signed Up",)).matches(ORDER)
    assert TimelineFilter(external_types=("Order Completed",)).matches(ORDER)
    assert TimelineFilter(ALL, external_types=("Signed Up",)).matches(ORDER)
    assert TimelineFilter(kinds=EXTERNAL, external_types=("Signed Up",)).matches(ORDER)
    assert TimelineFilter(external_types=()).matches(CALL_IN)
