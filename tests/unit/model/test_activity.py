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
    Direction,
    ExternalActivity,
    Interaction,
    Place,
    TimelineFilter,
    TimelineItem,
    TimelineKind,
    TimelinePreset,
    item_id,
    parse_item_id,
    place_of,
)
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
