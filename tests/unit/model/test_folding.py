"""Text as it is searched."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.model.folding import folded, like_pattern, texts_of

__all__: list[str] = []


@pytest.mark.parametrize(("text", "lower"), [("ÜBER", "über"), ("İ", "i"), ("ΟΔΟΣ", "οδοσ"), ("ß", "ß"), ("", "")])
def test_case_is_folded_one_for_one(text: str, lower: str) -> None:
    """Each character becomes one: as many as before, a word's last sigma like any other."""
    assert folded(text) == lower
    assert len(folded(text)) == len(text)


@pytest.mark.parametrize(("text", "pattern"), [("100%", r"100\%"), ("A_b", r"a\_b"), ("a\\b", r"a\\b"), ("x", "x")])
def test_a_pattern_has_no_wildcards(text: str, pattern: str) -> None:
    """What means something to LIKE means itself."""
    assert like_pattern(text) == pattern


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        ("x", ["x"]),
        (7, ["7"]),
        (1.5, ["1.5"]),
        (1e22, ["10000000000000000000000"]),
        (1e-7, ["0.0000001"]),
        (True, []),
        (None, []),
        ({"key": ["a", {"b": "c"}, None, False, 2]}, ["a", "c", "2"]),
        (("a", ["b"]), ["a", "b"]),
    ],
)
def test_what_a_value_says(value: Any, texts: list[str]) -> None:
    """Strings and numbers at any depth, as Postgres writes them; keys, booleans and nulls say nothing."""
    assert list(texts_of(value)) == texts
