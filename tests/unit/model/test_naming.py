"""Names as in a telephone book: entries, spans, scores and slips of the pen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.ids import uuid7
from gateway.model.naming import Place, allowed, distance, entries, fits, is_first, parts, score, span, spellings, whole, words_of

__all__: list[str] = []

WORDS = st.text("abcé", min_size=1, max_size=9)


def test_a_name_stands_under_each_of_its_words() -> None:
    """Every word leads once, with the rest of the name behind it; a name twice in one is one entry."""
    assert entries(words_of("Ana  María LOPEZ")) == ["ana maría lopez", "maría lopez ana", "lopez ana maría"]
    assert entries(["ana", "ana"]) == ["ana ana"]
    assert entries([]) == []
    assert len(entries([str(n) for n in range(20)])) == 8


@given(st.lists(WORDS, min_size=1, max_size=4), WORDS)
def test_spans_hold_exactly_what_begins_so(words: list[str], beginning: str) -> None:
    """An entry is in a span when it begins like it, and in a whole span when its first word is it; each name has one first entry."""
    inside = [entry for entry in entries(words) if span(beginning)[0] <= entry < span(beginning)[1]]
    exact = [entry for entry in entries(words) if whole(beginning)[0] <= entry < whole(beginning)[1]]

    assert inside == [entry for entry in entries(words) if entry.startswith(beginning)]
    assert exact == [entry for entry in entries(words) if entry.split(" ")[0] == beginning]
    assert sum(is_first(entry, beginning) for entry in inside) == bool(inside)


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        ("", "", 0),
        ("a", "", 1),
        ("smith", "smiht", 1),
        ("smith", "smyth", 1),
        ("jonh", "john", 1),
        ("lopez", "opez", 1),
        ("ab", "cd", 2),
        ("ca", "abc", 3),
    ],
)
def test_slips_of_the_pen(one: str, other: str, apart: int) -> None:
    """Letters left out, put in, changed, and neighbours swapped count one each."""
    assert distance(one, other) == distance(other, one) == apart


@given(WORDS.filter(lambda word: len(word) > 2), st.data())
def test_one_slip_is_always_looked_for(word: str, data: st.DataObject) -> None:
    """Whatever one slip makes of a shorter word has a part in common by which the index leads to it."""
    place = data.draw(st.integers(0, len(word) - 1))
    slips = [word[:place] + word[place + 1 :], word[:place] + "x" + word[place:], word[:place] + "x" + word[place + 1 :]]
    slips.append(word[:place] + word[place + 1 : place + 2] + word[place] + word[place + 2 :])
    for typed in slips:
        if 3 <= len(typed) < 7:
            assert any(_like(word, part) for part in parts(typed)), (word, typed)


def _like(word: str, pattern: str) -> bool:
    before, _, after = pattern.partition("%")
    return len(word) >= len(before) + len(after) and word.startswith(before) and word.endswith(after)


def test_scores() -> None:
    """Whole words 0.9, beginnings less, similar ones below 0.5, others nothing."""
    assert score(["ana"], "ana lopez") == pytest.approx(0.9)
    assert 0.5 < score(["an"], "ana lopez") < 0.9
    assert fits(["ana", "lop"], ["ana", "lopez"]) == pytest.approx((0.9 + 0.74) / 2)
    assert fits(["ana", "lopze"], ["ana", "lopez"]) == pytest.approx(0.45)
    assert fits(["bob"], ["ana", "lopez"]) == fits([], ["ana"]) == fits(["ana"], []) == 0
    assert [allowed(word) for word in ("an", "ana", "antoni", "antonia")] == [0, 1, 1, 2]


def test_spellings_are_few_whatever_was_asked() -> None:
    """Many words with many candidates each do not make more beginnings than a search can look up."""
    known = [[f"ann{chr(97 + n)}" for n in range(26)] for _ in range(4)]

    assert len(spellings(["anna"] * 4, known)) <= 100
    assert spellings(["anna"], [["anna", "anne", "bob"]])[0] == ("anna", 0.5)
    assert spellings(["an"], [["ana"]]) == []


def test_places_come_back() -> None:
    """A place reads as it was written."""
    place = Place(1, "lopez ana", uuid7())

    assert Place.read(place.text()) == place
