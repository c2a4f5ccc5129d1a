"""The contract of sources, for every implementation: names, found by how their words begin and by how they are spelt."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from gateway.model.change import Position
from gateway.model.ids import uuid7
from gateway.model.profile import Profile, ProfileLifecycle, ProfileStatus
from gateway.sources.contract import IdentitySource
from gateway.sources.memory import MemoryData, MemorySource
from gateway.sources.registry import BUILT_IN

__all__: list[str] = []

HERE, ELSEWHERE = UUID(int=1), UUID(int=2)
NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ANA, BEN = (uuid7(NOON) for _ in range(2))

Load = Callable[[MemoryData], Awaitable[IdentitySource]]


def profile(key: UUID, first: str | None = None, last: str | None = None, status: ProfileStatus = ProfileStatus.ACTIVE) -> Profile:
    """A profile of which nothing but the name is known."""
    empty = (None,) * 3
    return Profile(key, 1, status, ProfileLifecycle.CUSTOMER, first, None, last, *empty, None, None, NOON, NOON, Position(uuid7(), 3))


@pytest.fixture(name="memory")
def _memory() -> MemorySource:
    """Where a test puts its data."""
    return MemorySource(BUILT_IN[0])


NAMES = [
    "Ana Lopez",
    "Anabel Ana",
    "Juan Analí",
    "Zoë O'Neil",
    "İpek Sığ",
    "100% Real",
    "under_score X",
    "back\\slash",
    "Σίσυφος Σ",
    "Mr. Jr.",
]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["ana"], ["Anabel Ana", "Ana Lopez", "Juan Analí"]),
        (["ANA", "lo"], ["Ana Lopez"]),
        (["lo", "ana"], ["Ana Lopez"]),
        (["lopez", "ana"], ["Ana Lopez"]),
        (["na"], []),
        (["zoë"], ["Zoë O'Neil"]),
        (["zoe"], []),
        (["İp"], ["İpek Sığ"]),
        (["ipek"], ["İpek Sığ"]),
        (["σίσυφος"], ["Σίσυφος Σ"]),
        (["%"], []),
        (["100%"], ["100% Real"]),
        (["under_"], ["under_score X"]),
        (["u_der"], []),
        (["back\\"], ["back\\slash"]),
        (["\\"], []),
        (["o'n"], ["Zoë O'Neil"]),
        (["ana", "xyz"], []),
    ],
)
async def test_names_are_found_by_how_their_words_begin(load: Load, memory: MemorySource, words: list[str], names: list[str]) -> None:
    """Every word asked for begins a word of the first or last name, in any case and order; no character is a wildcard."""
    keys = [uuid7(NOON + number * MINUTE) for number in range(len(NAMES))]
    for key, name in zip(keys, NAMES, strict=True):
        first, _, last = name.partition(" ")
        memory.put_profile(HERE, profile(key, first, last))
    memory.put_profile(HERE, profile(ANA, None, None))
    memory.put_profile(ELSEWHERE, profile(uuid7(NOON), "Ana", "Lopez"))
    source = await load(memory._data)

    found = await source.search_names(HERE, words, None, 100)

    assert [NAMES[keys.index(hit.profile_id)] for hit in found] == names


async def test_found_names_come_in_pages(load: Load, memory: MemorySource) -> None:
    """In the order of a telephone book and then of ids, `after` is excluded, `limit` holds, and only living profiles are found."""
    keys = [uuid7(NOON + number * MINUTE) for number in range(6)]
    more = [uuid7(NOON + number * MINUTE) for number in range(6, 10)]
    for key in reversed(keys):
        memory.put_profile(HERE, profile(key, "Zed", None, ProfileStatus.MERGED if key == keys[3] else ProfileStatus.ACTIVE))
    for number, name in enumerate(("Ze", "Zedekiah Zed", "Zed Al", "Bo Zed")):
        memory.put_profile(HERE, profile(more[number], *name.split(" ", 1), *([None] if " " not in name else [])))
    source = await load(memory._data)

    async def page(after: str | None, limit: int) -> list[tuple[UUID, str]]:
        return [(hit.profile_id, hit.place) for hit in await source.search_names(HERE, ["zed"], after, limit)]

    first = await page(None, 2)
    rest = await page(first[-1][1], 9)

    assert [key for key, _ in first] == keys[:2]
    assert [key for key, _ in rest] == [keys[2], keys[4], keys[5], more[2], more[3], more[1]]
    assert await page(rest[-1][1], 9) == []
    assert [*await source.search_names(HERE, [], None, 9)] == []


async def test_the_score_of_a_name_is_how_much_of_it_was_asked_for(load: Load, memory: MemorySource) -> None:
    """Whole words count 0.9, the least beginning more than 0.5; the rarest of several words leads the order."""
    memory.put_profile(HERE, profile(ANA, "Ana", "Lopez"))
    memory.put_profile(HERE, profile(BEN, "Anabel", "Lo"))
    source = await load(memory._data)

    async def scores(*words: str) -> dict[UUID, float]:
        return {hit.profile_id: round(hit.score, 3) for hit in await source.search_names(HERE, words, None, 9)}

    assert await scores("ana") == {ANA: 0.9, BEN: 0.7}
    assert await scores("lopez", "ana") == {ANA: 0.9}
    assert await scores("lo", "an") == {ANA: pytest.approx(0.713), BEN: pytest.approx(0.767)}


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["lopze"], ["Ana Lopez"]),
        (["oliver"], ["Olivier Martin"]),
        (["martni", "olivier"], ["Olivier Martin"]),
        (["ena", "lopex"], ["Ana Lopez"]),
        (["an"], []),
        (["lop"], []),
        (["lopezzz"], ["Ana Lopez"]),
        (["lopezzzz"], []),
        (["xana", "martin"], []),
        (["%"], []),
    ],
)
async def test_names_spelt_alike(load: Load, memory: MemorySource, words: list[str], names: list[str]) -> None:
    """One slip of the pen is forgiven from three letters on, two from seven, in every word; scores stay below any beginning's."""
    people = {ANA: "Ana Lopez", BEN: "Olivier Martin", uuid7(NOON): "Ana Schmidt"}
    for key, name in people.items():
        memory.put_profile(HERE, profile(key, *name.split()))
    memory.put_profile(ELSEWHERE, profile(uuid7(NOON), "Ana", "Lopez"))
    memory.put_profile(HERE, profile(uuid7(NOON), "Ana", "Lopez", ProfileStatus.ERASED))
    source = await load(memory._data)

    found = await source.similar_names(HERE, words, 9)

    assert [people[hit.profile_id] for hit in found] == names
    assert all(0 < hit.score < 0.5 for hit in found)
