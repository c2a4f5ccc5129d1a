"""The contract of sources, for every implementation: timelines, their windows, filters and items."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice, product
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.model.activity import (
    ActivityOrigin,
    Direction,
    ExternalActivity,
    Interaction,
    Place,
    Sentiment,
    TimelineFilter,
    TimelineItem,
    TimelineKind,
    TimelinePreset,
    WrapUp,
    place_of,
)
from gateway.model.actor import Actor, ActorKind
from gateway.model.change import Position
from gateway.model.ids import uuid7
from gateway.model.profile import Channel, Profile, ProfileLifecycle, ProfileStatus
from gateway.sources.contract import FIRST_PLACE, LAST_PLACE, ActivitySource, TimelineWindow
from gateway.sources.memory import MemoryData, MemorySource
from gateway.sources.registry import BUILT_IN

__all__: list[str] = []

HERE, ELSEWHERE = UUID(int=1), UUID(int=2)
NATIVE, TRACKING = BUILT_IN
NOON = datetime(2026, 3, 29, 12, 0, 0, 123_456, tzinfo=UTC)
ANA, BEN = uuid7(NOON), uuid7(NOON)
MOMENTS = [NOON - timedelta(days=40), NOON, NOON + timedelta.resolution, NOON + timedelta(days=40)]
ALL = TimelineFilter(TimelinePreset.ALL)

Load = Callable[[MemoryData], Awaitable[ActivitySource]]

shared_source = settings(
    max_examples=60,
    deadline=None,  # the first example loads the data
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # meant: examples only read
)


def profile(key: UUID) -> Profile:
    """A profile of which nothing is known."""
    empty = (None,) * 8
    return Profile(key, 1, ProfileStatus.ACTIVE, ProfileLifecycle.CUSTOMER, *empty, NOON, NOON, Position(uuid7(), 0))


def external(key: UUID, at: datetime, kind: TimelineKind = TimelineKind.EXTERNAL, **fields: Any) -> ExternalActivity:
    """Something that happened outside the contact centre."""
    values: dict[str, Any] = {"source": TRACKING, "type": "order", "account": None, "properties": {"total": 1.5}} | fields
    return ExternalActivity(profile_id=key, native_id=uuid7(at).hex, occurred_at=at, kind=kind, **values)


def conversation(key: UUID, at: datetime, channel: Channel, direction: Direction, **fields: Any) -> Interaction:
    """A conversation with the contact centre of which little is known."""
    names = "account ended_at queue agent outcome summary wrap_up sentiment attributes measures recording_url"
    values: dict[str, Any] = dict.fromkeys(names.split()) | fields
    return Interaction(
        profile_id=key, native_id=uuid7(at).hex, occurred_at=at, source=NATIVE, channel=channel, direction=direction, **values
    )


def history() -> Iterator[TimelineItem]:
    """One item of every sort at every one of a few moments, so that many share one."""
    accounts = cycle([None, "eu", "us"])
    for at, channel, direction in product(MOMENTS, (Channel.VOICE, Channel.CHAT), Direction):
        yield conversation(ANA, at, channel, direction, account=next(accounts))
    for at, kind, type_, source in product(MOMENTS, (TimelineKind.EXTERNAL, TimelineKind.WEB), ("order", "page"), BUILT_IN):
        yield external(ANA, at, kind, type=type_, source=source, account=next(accounts))


@pytest.fixture(name="items")
def _items() -> list[TimelineItem]:
    """Ana's whole timeline, oldest first."""
    return sorted(history(), key=lambda item: place_of(item).key)


@pytest.fixture(name="data")
def _data(items: list[TimelineItem]) -> MemoryData:
    """Ana's timeline, and next to it one of another profile and one of another workspace."""
    memory = MemorySource(NATIVE, MemoryData())
    for workspace, key in ((HERE, ANA), (HERE, BEN), (ELSEWHERE, ANA)):
        memory.put_profile(workspace, profile(key))
        memory.put_item(workspace, external(key, NOON, type="other"))
    (mine,) = memory._data.of(HERE).items[ANA]
    del memory._data.of(HERE).items[ANA][mine]
    for item in reversed(items):
        memory.put_item(HERE, item)
    return memory._data


@pytest.fixture(name="loaded")
def _loaded(load: Load, data: MemoryData) -> Callable[[], Awaitable[ActivitySource]]:
    """The source, loaded by the first test example that asks for it."""
    sources: list[ActivitySource] = []

    async def once() -> ActivitySource:
        if not sources:
            sources.append(await load(data))
        return sources[0]

    return once


Loaded = Callable[[], Awaitable[ActivitySource]]


async def page(source: ActivitySource, window: TimelineWindow) -> Sequence[TimelineItem]:
    """A window of Ana's timeline."""
    (answer,) = await source.activities(HERE, [ANA], window)
    assert isinstance(answer, Sequence)
    return answer


@pytest.mark.parametrize("newest_first", [False, True])
async def test_the_whole_list_in_either_direction(loaded: Loaded, items: list[TimelineItem], newest_first: bool) -> None:
    """Without bounds every item comes in the total order (time, source, id) or its reverse, each exactly as it was put in."""
    source = await loaded()

    assert await page(source, TimelineWindow(100, newest_first, filter=ALL)) == (items[::-1] if newest_first else items)


async def test_answers_belong_to_their_keys(loaded: Loaded, items: list[TimelineItem]) -> None:
    """Each profile is answered with its own items, in the order of the keys, `limit` for each; other workspaces stay out."""
    source = await loaded()

    answers = await source.activities(HERE, [BEN, uuid7(), ANA, BEN], TimelineWindow(3, filter=ALL))
    told = [[item.type for item in answer] for answer in answers if isinstance(answer, Sequence)]
    (foreign,) = await source.activities(ELSEWHERE, [ANA], TimelineWindow(100, filter=ALL))

    assert told == [["other"], [], [item.type for item in items[:3]], ["other"]]
    assert isinstance(foreign, Sequence)
    assert [item.type for item in foreign] == ["other"]


moments = st.sampled_from([*MOMENTS, NOON - timedelta.resolution, NOON + timedelta(days=1)])
places = st.one_of(
    st.integers(0, 47),
    st.sampled_from([FIRST_PLACE, LAST_PLACE]),
    st.builds(Place, moments, st.sampled_from(["native", "tracking"]), st.sampled_from(["0" * 32, "f" * 32])),
    st.builds(Place, moments, st.sampled_from(["", "a", "native-2", "orders", "~"]), st.sampled_from(["", "f" * 32, "order 7", "~"])),
)
"""The place of an item by its number, an end of the order, a place without an item, or one of another source, whose ids are of its make."""


@given(lower=places, upper=places, limit=st.integers(1, 60), newest_first=st.booleans())
@shared_source
async def test_a_window_is_strictly_between(
    loaded: Loaded, items: list[TimelineItem], lower: int | Place, upper: int | Place, limit: int, newest_first: bool
) -> None:
    """Exactly the items strictly between two places are read, from the end asked for, `limit` at most, wherever the places come from."""
    source = await loaded()
    low, high = (place_of(items[place]) if isinstance(place, int) else place for place in (lower, upper))
    between = [item for item in items if low.key < place_of(item).key < high.key]

    read = await page(source, TimelineWindow(limit, newest_first, low, high, ALL))

    assert read == (between[::-1] if newest_first else between)[:limit]


@given(size=st.integers(1, 50), newest_first=st.booleans())
@shared_source
async def test_page_by_page_gives_the_whole_list(loaded: Loaded, items: list[TimelineItem], size: int, newest_first: bool) -> None:
    """Going on behind the last item shown reads every item once, with any page size and although moments are shared."""
    source = await loaded()
    shown: list[TimelineItem] = []
    while True:
        last = place_of(shown[-1]) if shown else None
        bounds = {"upper" if newest_first else "lower": last} if last else {}
        found = await page(source, TimelineWindow(size, newest_first, filter=ALL, **bounds))
        shown += found
        if len(found) < size:
            break

    assert shown == (items[::-1] if newest_first else items)


def some(values: Any) -> st.SearchStrategy[tuple[Any, ...] | None]:
    """No condition, or any few of the values."""
    return st.none() | st.lists(st.sampled_from(values), max_size=2, unique=True).map(tuple)


filters = st.builds(
    TimelineFilter,
    st.sampled_from(TimelinePreset),
    some(list(TimelineKind)),
    some([Channel.VOICE, Channel.CHAT, Channel.EMAIL]),
    some(list(Direction)),
    some(list(ActivityOrigin)),
    some(["order", "page", "interaction", "%"]),
    some(["eu", "us", ""]),
    st.none() | moments,
    st.none() | moments,
)


@given(chosen=filters, newest_first=st.booleans(), bounds=st.tuples(st.integers(0, 47), st.integers(0, 47)) | st.none())
@settings(shared_source, max_examples=150)
async def test_a_filter_means_the_same_everywhere(
    loaded: Loaded, items: list[TimelineItem], chosen: TimelineFilter, newest_first: bool, bounds: tuple[int, int] | None
) -> None:
    """Under every combination of conditions, inside any bounds, a source answers what `TimelineFilter.matches` says."""
    source = await loaded()
    low, high = (place_of(items[number]) for number in bounds) if bounds else (FIRST_PLACE, LAST_PLACE)
    matching = [item for item in items if low.key < place_of(item).key < high.key and chosen.matches(item)]

    read = await page(source, TimelineWindow(7, newest_first, low, high, chosen))

    assert read == (matching[::-1] if newest_first else matching)[:7]


@pytest.mark.parametrize("number", range(0, 48, 5))
async def test_time_and_place_bound_together(loaded: Loaded, items: list[TimelineItem], number: int) -> None:
    """A place at the very moment of `since` or `until` keeps its items of that moment out, and `until` keeps out the whole moment."""
    source = await loaded()
    place, at = place_of(items[number]), items[number].occurred_at
    since, until = TimelineFilter(TimelinePreset.ALL, since=at), TimelineFilter(TimelinePreset.ALL, until=at)

    assert await page(source, TimelineWindow(99, lower=place, filter=since)) == items[number + 1 :]
    assert await page(source, TimelineWindow(99, upper=place, filter=until)) == [item for item in items if item.occurred_at < at]


@pytest.mark.parametrize("preset", TimelinePreset)
async def test_presets_differ(loaded: Loaded, items: list[TimelineItem], preset: TimelinePreset) -> None:
    """DEFAULT leaves page views and outgoing chats away, ALL nothing, NONE everything."""
    source = await loaded()
    counts = {TimelinePreset.ALL: 48, TimelinePreset.DEFAULT: 28, TimelinePreset.NONE: 0}

    assert len(await page(source, TimelineWindow(100, filter=TimelineFilter(preset)))) == counts[preset]


async def test_items_are_found_by_id(loaded: Loaded, items: list[TimelineItem]) -> None:
    """An item's own id under its profile finds it, complete, as often as it is asked for and in that order."""
    source = await loaded()
    wanted = [*islice(items, 0, None, 7), items[0]]

    assert await source.activities_by_id(HERE, [(ANA, item.native_id) for item in wanted]) == wanted


@pytest.mark.parametrize(
    "native_id",
    [
        "",
        "x",
        "f" * 32,
        "0" * 32,
        "0197" + "ab" * 14,
        "٣" * 32,
        "0x" + "1" * 30,
        "1_" * 16,
        "{" + "1" * 32 + "}",
        "a" * 200,
        "\x00",
        "\ud800",
        "%",
    ],
)
async def test_any_other_id_finds_nothing(loaded: Loaded, items: list[TimelineItem], native_id: str) -> None:
    """An id that is none, one of a time that never comes and one that nobody has are answered like a missing item, beside a real one."""
    source = await loaded()

    found = await source.activities_by_id(HERE, [(ANA, native_id), (ANA, items[0].native_id), (BEN, items[0].native_id)])

    assert found == [None, items[0], None]


@pytest.mark.parametrize("variant", [str.upper, "{{{}}}".format, "urn:uuid:{}".format, " {}".format, lambda text: str(UUID(hex=text))])
async def test_an_item_has_one_id(loaded: Loaded, items: list[TimelineItem], variant: Callable[[str], str]) -> None:
    """Another way to write an item's id is another id, which nobody has."""
    source = await loaded()

    assert await source.activities_by_id(HERE, [(ANA, variant(items[0].native_id))]) == [None]


async def test_foreign_items_are_not_found(loaded: Loaded, items: list[TimelineItem]) -> None:
    """An item's id finds nothing from another workspace."""
    source = await loaded()

    assert await source.activities_by_id(ELSEWHERE, [(ANA, items[0].native_id)]) == [None]


async def test_a_conversation_is_told_completely(load: Load) -> None:
    """Every field of a conversation comes through, in a window and by id, and so does one of which nothing is known."""
    memory = MemorySource(NATIVE, MemoryData())
    memory.put_profile(HERE, profile(ANA))
    later = NOON + timedelta(minutes=7, microseconds=1)
    rich = conversation(
        *(ANA, NOON, Channel.VIDEO, Direction.OUTBOUND),
        account="eu",
        ended_at=later,
        queue="sales",
        agent=Actor("a-7", "Agent Seven", ActorKind.AGENT),
        outcome="resolved",
        summary='Sold "é"',
        wrap_up=WrapUp("done", "billing", "B2", later),
        sentiment=Sentiment.NEGATIVE,
        attributes={"tags": ["vip", None]},
        measures={"hold": 3.25},
        recording_url="https://example.com/r/1",
        type="video-call",
    )
    plain = conversation(ANA, later, Channel.X, Direction.INBOUND, wrap_up=WrapUp(None, None, None, None))
    memory.put_item(HERE, rich)
    memory.put_item(HERE, plain)
    source = await load(memory._data)

    assert await page(source, TimelineWindow(9, filter=ALL)) == [rich, plain]
    assert await source.activities_by_id(HERE, [(ANA, plain.native_id), (ANA, rich.native_id)]) == [plain, rich]
