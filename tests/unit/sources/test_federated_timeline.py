"""Windows of a timeline, read from a system that pages by moments: always what the reference source says, or how far it could be read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from gateway.errors import SourceError, SourceUnavailable
from gateway.model.activity import Direction, Place, TimelineFilter, TimelineItem, TimelineKind, TimelinePreset, place_of
from gateway.model.profile import Channel
from gateway.sources.contract import FIRST_PLACE, LAST_PLACE, Cut, Stale, TimelineWindow
from gateway.sources.federated_records import item_of
from gateway.sources.federated_timeline import MAX_CALLS, first_window
from gateway.sources.memory import MemorySource
from gateway.sources.remote import ItemRecord
from tests.unit.sources.federated_system import ANA, CRM, HERE, NOON, System, federated

__all__: list[str] = []

EVERYTHING = TimelineFilter(preset=TimelinePreset.ALL)
MOST_AT_ONCE = 4
"""Items of one moment, and the fewest that a page of the system holds."""

moments = st.integers(0, 12).map(lambda hours: NOON + timedelta(hours=hours))


@st.composite
def _records(draw: st.DrawFn) -> list[ItemRecord]:
    """What happened: several things at one moment, of all kinds."""
    found: list[ItemRecord] = []
    for moment in draw(st.lists(moments, max_size=10, unique=True)):
        for _ in range(draw(st.integers(1, MOST_AT_ONCE))):
            kind = draw(st.sampled_from([TimelineKind.EXTERNAL, TimelineKind.WEB, TimelineKind.INTERACTION]))
            name = f"{draw(st.sampled_from('aZé~'))}{len(found)}"
            record = ItemRecord(name, moment, draw(st.sampled_from(["Order", "Refund"])), kind, draw(st.sampled_from([None, "EU"])))
            if kind is TimelineKind.INTERACTION:
                channel = draw(st.sampled_from([Channel.VOICE, Channel.CHAT]))
                record = replace(record, channel=channel, direction=draw(st.sampled_from(Direction)), queue="sales", agent_id="b7")
            found.append(record)
    return found


filters = st.builds(
    TimelineFilter,
    preset=st.sampled_from([TimelinePreset.ALL, TimelinePreset.DEFAULT]),
    kinds=st.none() | st.lists(st.sampled_from(TimelineKind), max_size=3, unique=True).map(tuple),
    types=st.none() | st.just(("Refund",)),
    accounts=st.none() | st.just(("EU",)),
    channels=st.none() | st.just((Channel.VOICE,)),
    since=st.none() | moments,
    until=st.none() | moments,
    agent_ids=st.none() | st.just(("b7",)),
    search=st.none() | st.just("order"),
    external_types=st.none() | st.just(("Order",)),
    retained=st.just(()) | moments.map(lambda at: tuple((kind, at) for kind in TimelineKind)),
)
names = st.sampled_from(["", "aaa", "crm", "zzz", "~"])
places = st.builds(Place, moments, names, st.sampled_from(["", "a1", "Z2", "é3", "~"]))


def rest_of(moved: list[TimelineItem], window: TimelineWindow, place: Place) -> TimelineWindow:
    """The window behind what was read of it."""
    rest = replace(window, limit=window.limit - len(moved))
    return replace(rest, upper=place) if window.newest_first else replace(rest, lower=place)


async def read(source: Any, window: TimelineWindow) -> tuple[list[TimelineItem], int]:
    """The whole window, going on behind each cut, and in how many pages."""
    found: list[TimelineItem] = []
    pages = 0
    left = window
    while True:
        (page,) = await source.activities(HERE, [ANA], left)
        assert not isinstance(page, SourceError | Stale)
        pages += 1
        if not isinstance(page, Cut):
            assert len(page) <= left.limit
            return [*found, *page], pages
        assert len(page.items) < left.limit
        begin = left.upper if left.newest_first else left.lower
        assert page.place.key < begin.key if left.newest_first else page.place.key > begin.key
        found += page.items
        left = rest_of([*page.items], left, page.place)


def reference(records: Sequence[ItemRecord]) -> MemorySource:
    """What a source that keeps everything in order answers."""
    source = MemorySource(CRM)
    for record in records:
        source.put_item(HERE, item_of(record, CRM, ANA))
    return source


@settings(max_examples=150)
@given(
    records=_records(),
    page=st.integers(MOST_AT_ONCE, 9),
    limit=st.integers(1, 8),
    newest_first=st.booleans(),
    lower=st.just(FIRST_PLACE) | places,
    upper=st.just(LAST_PLACE) | places,
    wanted=filters | st.just(EVERYTHING),
)
def test_any_window_is_read_as_the_reference_source_does(
    records: list[ItemRecord], page: int, limit: int, newest_first: bool, lower: Place, upper: Place, wanted: TimelineFilter
) -> None:
    """However small the system's pages are, and in whatever order it tells items of one moment: the same items in the same order."""

    async def check() -> None:
        window = TimelineWindow(limit, newest_first, lower, upper, wanted)
        expected = (await reference(records).activities(HERE, [ANA], window))[0]
        system = System({"items": {"a": records}}, page=page)
        told, pages = await read(federated(system), window)
        assert told == expected
        assert len(system.asked) <= pages * MAX_CALLS

    asyncio.run(check())


@given(records=_records(), page=st.integers(MOST_AT_ONCE, 9), limit=st.integers(1, 5), newest_first=st.booleans())
def test_page_by_page_every_item_is_shown_once(records: list[ItemRecord], page: int, limit: int, newest_first: bool) -> None:
    """Going on behind the last item of each page leads through all of them, though several share a moment."""

    async def check() -> None:
        source = federated(System({"items": {"a": records}}, page=page))
        window = TimelineWindow(limit, newest_first, filter=EVERYTHING)
        found: list[TimelineItem] = []
        while True:
            told, _ = await read(source, window)
            found += told
            if len(told) < limit:
                break
            place = place_of(told[-1])
            window = replace(window, upper=place) if newest_first else replace(window, lower=place)
        everything = (await reference(records).activities(HERE, [ANA], TimelineWindow(99, newest_first, filter=EVERYTHING)))[0]
        assert found == everything

    asyncio.run(check())


@pytest.mark.parametrize("newest_first", [True, False])
async def test_a_system_that_keeps_items_of_a_moment_back_is_gone_past(newest_first: bool) -> None:
    """It tells two of five: those are shown, the log says so, and the reading comes to its end."""
    records = [ItemRecord(f"o-{number}", NOON, "Order") for number in range(5)]
    around = [ItemRecord("early", NOON - timedelta(1), "Order"), ItemRecord("late", NOON + timedelta(1), "Order")]
    system = System({"items": {"a": [*records, *around]}}, page=2)
    with capture_logs() as logs:
        told, _ = await read(federated(system), TimelineWindow(20, newest_first, filter=EVERYTHING))

    ids = [item.native_id for item in told]
    assert {"early", "late"} <= {*ids}
    assert len(ids) == 4
    assert {one["event"] for one in logs} == {"source.page_too_small"}


async def test_calls_for_one_page_are_bounded() -> None:
    """Nothing of a long history is wanted: after five calls the page ends where they came to."""
    records = [ItemRecord(f"o-{number}", NOON + timedelta(minutes=number), "Order") for number in range(100)]
    system = System({"items": {"a": records}}, page=10)
    window = TimelineWindow(5, newest_first=True, filter=TimelineFilter(types=("Refund",)))
    (page,) = await federated(system).activities(HERE, [ANA], window)

    assert isinstance(page, Cut)
    assert [*page.items] == []
    assert len(system.asked) == MAX_CALLS
    last = system.windows[-1].until
    assert last is not None
    assert page.place == Place(last - timedelta(minutes=9, microseconds=1), "~", "~")


async def test_a_failure_on_the_way_ends_the_page_where_it_came_to() -> None:
    """What was read is shown, and who reads on asks again; a failure at the beginning is one."""
    records = [ItemRecord(f"o-{number}", NOON + timedelta(minutes=number), "Order") for number in range(30)]
    system = System({"items": {"a": records}}, page=10)
    system.fails = lambda _: SourceUnavailable("crm") if len(system.asked) > 1 else None
    source = federated(system)
    (page,) = await source.activities(HERE, [ANA], TimelineWindow(20, filter=EVERYTHING))
    (failed,) = await source.activities(HERE, [ANA], TimelineWindow(20, filter=EVERYTHING))

    assert isinstance(page, Cut)
    assert [item.native_id for item in page.items] == [f"o-{number}" for number in range(9)]
    assert page.place == Place(records[9].occurred_at, "", "")
    assert isinstance(failed, SourceUnavailable)


@pytest.mark.parametrize(
    ("first", "second", "limit"),
    [(range(0, 20, 2), range(1, 20, 2), 30), (range(10), range(10, 20), 5), (range(10, 20), range(10), 30), (range(0), range(20), 3)],
)
@pytest.mark.parametrize("newest_first", [True, False])
async def test_two_accounts_are_one_timeline(first: range, second: range, limit: int, newest_first: bool) -> None:
    """In one order, and cut where the first of them ends."""
    records = [ItemRecord(f"o-{number}", NOON + timedelta(minutes=number), "Order") for number in range(20)]
    system = System({"items": {"a": [records[number] for number in first], "b": [records[number] for number in second]}}, page=4)
    window = TimelineWindow(limit, newest_first, filter=EVERYTHING)
    told, _ = await read(federated(system, {ANA: ("a", "b")}), window)

    assert told == (await reference(records).activities(HERE, [ANA], window))[0]


@pytest.mark.parametrize(
    "wanted",
    [
        TimelineFilter(kinds=(TimelineKind.NOTE, TimelineKind.MESSAGE)),
        TimelineFilter(preset=TimelinePreset.NONE),
        TimelineFilter(since=NOON, until=NOON - timedelta(1)),
    ],
    ids=["kinds it cannot have", "nothing", "no time at all"],
)
async def test_nobody_is_asked_for_what_cannot_be_there(wanted: TimelineFilter) -> None:
    """The answer is an empty page."""
    system = System({"items": {"a": [ItemRecord("o", NOON, "Order")]}})

    assert [*await federated(system).activities(HERE, [ANA], TimelineWindow(9, filter=wanted))] == [()]
    assert system.asked == []


@pytest.mark.parametrize(
    ("change", "since", "until"),
    [
        (lambda window: window, None, None),
        (lambda window: replace(window, lower=Place(NOON, "crm", "x")), NOON, None),
        (lambda window: replace(window, lower=Place(NOON, "~", "~")), NOON + timedelta(microseconds=1), None),
        (lambda window: replace(window, upper=Place(NOON, "crm", "x")), None, NOON + timedelta(microseconds=1)),
        (lambda window: replace(window, upper=Place(NOON, "", "")), None, NOON - timedelta(microseconds=1)),
        (lambda window: replace(window, filter=replace(EVERYTHING, since=NOON, until=NOON + timedelta(1))), NOON, NOON + timedelta(1)),
        (lambda window: replace(window, filter=replace(EVERYTHING, retained=((TimelineKind.WEB, NOON),))), None, None),
        (
            lambda window: replace(window, filter=replace(EVERYTHING, kinds=(TimelineKind.WEB,), retained=((TimelineKind.WEB, NOON),))),
            NOON,
            None,
        ),
    ],
)
def test_a_window_as_moments(change: Callable[[TimelineWindow], TimelineWindow], since: Any, until: Any) -> None:
    """Both ends in, the later one by a microsecond more, since a system may know moments more exactly than the gateway does."""
    asked = first_window(change(TimelineWindow(5, filter=EVERYTHING)))

    assert asked is not None
    assert (asked.since, asked.until) == (since, until)
    assert asked.limit > 5
