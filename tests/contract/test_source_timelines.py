"""The contract of sources, for every implementation: timelines, their windows, filters and items."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from itertools import islice
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.model.activity import (
    ActivityOrigin,
    Direction,
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
from gateway.model.ids import uuid7
from gateway.model.profile import Channel
from gateway.sources.contract import (
    FIRST_PLACE,
    LAST_PLACE,
    ActivitySource,
    TimelineWindow,
)
from gateway.sources.memory import MemoryData, MemorySource

from .timeline_scene import (
    ALL,
    ANA,
    BEN,
    COUNT,
    ELSEWHERE,
    HERE,
    MOMENTS,
    NATIVE,
    NOON,
    Load,
    conversation,
    external,
    history,
    profile,
    put,
)

__all__: list[str] = []

shared_source = settings(
    max_examples=60,
    deadline=None,  # the first example loads the data
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # meant: examples only read
)


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
        put(memory, item)
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

    assert await page(source, TimelineWindow(200, newest_first, filter=ALL)) == (items[::-1] if newest_first else items)


async def test_answers_belong_to_their_keys(loaded: Loaded, items: list[TimelineItem]) -> None:
    """Each profile is answered with its own items, in the order of the keys, `limit` for each; other workspaces stay out."""
    source = await loaded()

    answers = await source.activities(HERE, [BEN, uuid7(), ANA, BEN], TimelineWindow(3, filter=ALL))
    told = [[item.type for item in answer] for answer in answers if isinstance(answer, Sequence)]
    (foreign,) = await source.activities(ELSEWHERE, [ANA], TimelineWindow(200, filter=ALL))

    assert told == [["other"], [], [item.type for item in items[:3]], ["other"]]
    assert isinstance(foreign, Sequence)
    assert [item.type for item in foreign] == ["other"]


moments = st.sampled_from([*MOMENTS, NOON - timedelta.resolution, NOON + timedelta(days=1)])
places = st.one_of(
    st.integers(0, COUNT - 1),
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
    some(["a-7", "a-8", "nobody"]),
    some(["sales", "100%", "%"]),
    st.sampled_from([(), (("tier", "gold"),), (("lang", "de"), ("tier", "gold")), (("tier", "Gold"),), (("no", "x"),)]),
    st.none()
    | st.sampled_from(["über", "ÜBER", "100%", "0%", "a_b", "a\\b", "b\\C", "7", "1.5", "true", "firstname", "SEVEN", "order", "gold"]),
    some(["order", "page", "%"]),
    st.lists(st.sampled_from([TimelineKind.NOTE, TimelineKind.CHANGE]), max_size=2, unique=True).map(tuple),
    st.lists(st.tuples(st.sampled_from(TimelineKind), moments), max_size=4, unique_by=lambda pair: pair[0]).map(tuple),
)


@given(chosen=filters, newest_first=st.booleans(), bounds=st.tuples(st.integers(0, COUNT - 1), st.integers(0, COUNT - 1)) | st.none())
@settings(shared_source, max_examples=400)
async def test_a_filter_means_the_same_everywhere(
    loaded: Loaded, items: list[TimelineItem], chosen: TimelineFilter, newest_first: bool, bounds: tuple[int, int] | None
) -> None:
    """Under every combination of conditions, inside any bounds, a source answers what `TimelineFilter.matches` says."""
    source = await loaded()
    low, high = (place_of(items[number]) for number in bounds) if bounds else (FIRST_PLACE, LAST_PLACE)
    matching = [item for item in items if low.key < place_of(item).key < high.key and chosen.matches(item)]

    read = await page(source, TimelineWindow(7, newest_first, low, high, chosen))

    assert read == (matching[::-1] if newest_first else matching)[:7]


BOUNDARY = NOON + timedelta.resolution
ALONE: dict[str, TimelineFilter] = {
    **{f"kind {kind.value}": TimelineFilter(kinds=(kind,)) for kind in TimelineKind},
    **{f"hidden {kind.value}": TimelineFilter(TimelinePreset.ALL, hidden=(kind,)) for kind in (TimelineKind.NOTE, TimelineKind.CHANGE)},
    **{f"kept {kind.value}": TimelineFilter(TimelinePreset.ALL, retained=((kind, BOUNDARY),)) for kind in TimelineKind},
    **{
        f"search {text}": TimelineFilter(TimelinePreset.ALL, search=text)
        for text in ("über", "ÜBER", "100%", "0%", "a_b", "b\\C", "7", "1.5", "true", "firstname", "SEVEN", "order", "gold", "_", "%", "\\")
    },
    "everything kept": TimelineFilter(TimelinePreset.ALL, retained=tuple((kind, BOUNDARY) for kind in TimelineKind)),
    "agent": TimelineFilter(TimelinePreset.ALL, agent_ids=("a-7",)),
    "agents": TimelineFilter(TimelinePreset.ALL, agent_ids=("a-7", "a-8")),
    "queue": TimelineFilter(TimelinePreset.ALL, queues=("100%",)),
    "attribute": TimelineFilter(TimelinePreset.ALL, attributes=(("tier", "gold"),)),
    "attributes": TimelineFilter(TimelinePreset.ALL, attributes=(("tier", "gold"), ("lang", "de"))),
    "types of the layout": TimelineFilter(external_types=("order",)),
    "no type": TimelineFilter(external_types=()),
}


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("name", ALONE)
async def test_each_condition_alone(loaded: Loaded, items: list[TimelineItem], name: str, newest_first: bool) -> None:
    """Each condition by itself lets through what `TimelineFilter.matches` says: something (but where it says so), and not everything."""
    source = await loaded()
    matching = [item for item in items if ALONE[name].matches(item)]

    assert await page(source, TimelineWindow(200, newest_first, filter=ALONE[name])) == (matching[::-1] if newest_first else matching)
    assert len(matching) < len(items)
    assert bool(matching) is (name != "search true")


@pytest.mark.parametrize("number", range(0, COUNT, 5))
async def test_time_and_place_bound_together(loaded: Loaded, items: list[TimelineItem], number: int) -> None:
    """A place at the very moment of `since` or `until` keeps its items of that moment out, and `until` keeps out the whole moment."""
    source = await loaded()
    place, at = place_of(items[number]), items[number].occurred_at
    since, until = TimelineFilter(TimelinePreset.ALL, since=at), TimelineFilter(TimelinePreset.ALL, until=at)

    assert await page(source, TimelineWindow(199, lower=place, filter=since)) == items[number + 1 :]
    assert await page(source, TimelineWindow(199, upper=place, filter=until)) == [item for item in items if item.occurred_at < at]


@pytest.mark.parametrize("preset", TimelinePreset)
async def test_presets_differ(loaded: Loaded, items: list[TimelineItem], preset: TimelinePreset) -> None:
    """DEFAULT leaves page views, outgoing chats, messages, interests, notes and changes away, ALL nothing, NONE everything."""
    source = await loaded()
    counts = {TimelinePreset.ALL: COUNT, TimelinePreset.DEFAULT: 28, TimelinePreset.NONE: 0}

    assert len(await page(source, TimelineWindow(200, filter=TimelineFilter(preset)))) == counts[preset]


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
        conversation="c-1",
        parent="0" * 32,
        contact="f" * 32,
        not_recorded=("queue",),
        custom_channel="kiosk",
    )
    plain = conversation(ANA, later, Channel.X, Direction.INBOUND, wrap_up=WrapUp(None, None, None, None))
    memory.put_item(HERE, rich)
    memory.put_item(HERE, plain)
    source = await load(memory._data)

    assert await page(source, TimelineWindow(9, filter=ALL)) == [rich, plain]
    assert await source.activities_by_id(HERE, [(ANA, plain.native_id), (ANA, rich.native_id)]) == [plain, rich]


async def test_a_window_is_cut_over_all_tables(loaded: Loaded, items: list[TimelineItem]) -> None:
    """A page of a mixed timeline holds no more than its limit, the nearest of all kinds, whichever table holds them."""
    source = await loaded()
    own = [item for item in items if item.kind in (TimelineKind.NOTE, TimelineKind.CHANGE, TimelineKind.MESSAGE)]
    chosen = TimelineFilter(kinds=(TimelineKind.NOTE, TimelineKind.CHANGE, TimelineKind.MESSAGE))

    for limit in (1, 5, len(own)):
        assert await page(source, TimelineWindow(limit, filter=chosen)) == own[:limit]
        assert await page(source, TimelineWindow(limit, newest_first=True, filter=chosen)) == own[::-1][:limit]
