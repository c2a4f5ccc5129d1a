"""Prints: two looks at a person are compared by hashes, and what merely moved in or out of the window is no news."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from gateway.live.prints import NOTHING, WINDOW, Prints, difference, prints_of
from gateway.model.activity import ExternalActivity, TimelineKind
from gateway.model.source import Source, SourceKind, SourceState
from gateway.sources.contract import Cut, Place

__all__: list[str] = []

START = datetime(2026, 1, 1, tzinfo=UTC)
SOURCE = Source("shop", "Shop", (SourceKind.ACTIVITY,))


def item(key: str, minute: int, source: Source = SOURCE, **properties: Any) -> ExternalActivity:
    """Something that happened."""
    return ExternalActivity(
        profile_id=UUID(int=1),
        native_id=key,
        occurred_at=START + timedelta(minutes=minute),
        source=source,
        kind=TimelineKind.EXTERNAL,
        type="Order",
        account=None,
        properties=properties,
    )


def seen(history: Sequence[ExternalActivity]) -> Prints:
    """The prints of the newest of a history, through JSON as they are kept."""
    newest = sorted(history, key=lambda one: (one.occurred_at, one.native_id), reverse=True)[:WINDOW]
    return prints_of(SourceKind.ACTIVITY, newest)


def test_how_the_source_stands_is_no_part_of_an_item() -> None:
    """The same item from a source in another state is the same."""
    late = SOURCE.standing(SourceState.OK, START, 12.0)

    assert difference(seen([item("a", 1)]), seen([item("a", 1, late)])) == NOTHING


def test_an_item_that_changed() -> None:
    """Its id stays, what it shows does not; the order of its properties is nothing."""
    before = seen([item("a", 1, x=1, y=2)])

    assert difference(before, seen([item("a", 1, y=2, x=1)])) == NOTHING
    assert difference(before, seen([item("a", 1, x=2, y=2)])).items == (("a", False),)


def test_the_window_moves_on() -> None:
    """A new item pushes the oldest out of the window, which is not removed; a removed one lets an old one in, which is not new."""
    history = [item(f"i{n:03}", n) for n in range(WINDOW + 5)]

    came = difference(seen(history), seen([*history, item("new", 100)]))
    went = difference(seen(history), seen([one for one in history if one.native_id != "i050"]))

    assert (came.items, came.removed) == ((("new", True),), ())
    assert (went.items, went.removed) == ((), ("i050",))


def test_a_cut_answer_says_nothing_of_what_lies_behind() -> None:
    """What a source could not tell is not gone."""
    told = [item("b", 2), item("a", 1)]
    cut = Cut([item("b", 2)], Place(START + timedelta(minutes=2), "", ""))

    assert difference(prints_of(SourceKind.ACTIVITY, told), prints_of(SourceKind.ACTIVITY, cut)) == NOTHING


def test_fields_are_told_by_name_and_what_was_not_looked_at_is_not_told() -> None:
    """A field that appeared, changed or went; a kind that only one of the looks saw is no difference."""
    before = prints_of(SourceKind.PROFILE, {"first_name": "Ana", "locale": "de", "time_zone": None})
    after = prints_of(SourceKind.PROFILE, {"first_name": "Anna", "last_name": "Roe"})

    assert difference(before, after | seen([item("a", 1)])).fields == ("firstName", "lastName", "locale")
    assert difference(before, prints_of(SourceKind.PROFILE, None)).fields == ("firstName", "locale")


histories = st.sets(st.integers(0, 120), max_size=90).map(lambda minutes: [item(f"i{one}", one) for one in sorted(minutes)])


@given(histories, histories)
def test_what_is_told_happened(old: list[ExternalActivity], new: list[ExternalActivity]) -> None:
    """What is said to have come was not there before, what is said to have gone is not there any more; nothing is left out within the window."""
    news = difference(seen(old), seen(new))
    before, after = {one.native_id for one in old}, {one.native_id for one in new}

    assert {key for key, _ in news.items} <= after - before
    assert set(news.removed) <= before - after
    if len(old) < WINDOW and len(new) < WINDOW:
        assert ({key for key, _ in news.items}, set(news.removed)) == (after - before, before - after)
