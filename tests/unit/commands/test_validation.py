"""Checks on what may be stored: each limit to the byte, and why a value is refused."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.commands.validation import MAX_JSON_BYTES, Problems, escapes_nul, json_element, json_problem, text_problem
from gateway.errors import BadUserInput, Rejected

__all__: list[str] = []


def nested(depth: int, kind: str) -> Any:
    """A value of this many levels."""
    value: Any = 1
    for _ in range(depth - 1):
        value = {"a": value} if kind == "object" else [value]
    return value


class TestText:
    """Texts."""

    @pytest.mark.parametrize("letter", ["x", "é", "€", "🙂"])
    def test_length_is_in_bytes(self, letter: str) -> None:
        """The limit counts UTF-8 bytes, whatever the letters."""
        size = len(letter.encode())
        longest = letter * (120 // size)

        assert text_problem(longest, 120) is None
        assert text_problem(longest + "x", 120) == "The text is longer than 120 bytes."

    @pytest.mark.parametrize("text", ["\x00", "a\x00b", "\ud800", "a\udfffb", "\ude00\ud83d"])
    def test_what_postgres_cannot_hold(self, text: str) -> None:
        """NUL and half of a surrogate pair are refused."""
        assert text_problem(text, 100) is not None

    @pytest.mark.parametrize("text", ["", " ", "\x01\x7f", "\u202e", "\ufeff", "e\u0301", "\uffff", "\U0010ffff"])
    def test_what_is_only_odd(self, text: str) -> None:
        """Control characters, direction marks and the ends of Unicode are text."""
        assert text_problem(text, 100) is None


class TestJson:
    """JSON values."""

    @pytest.mark.parametrize(
        "value", [None, True, 0, -1, 2**63 - 1, 2**64 - 1, 1.5, "", "x", [], {}, [1, [2]], {"a": None}, {"__proto__": 1}]
    )
    def test_values(self, value: Any) -> None:
        """Every ordinary JSON value can be stored."""
        assert json_problem(value) is None

    @pytest.mark.parametrize(
        "number",
        [float("inf"), float("-inf"), float("nan"), 2**64, -(2**63) - 1, 10**5000],
        ids=["inf", "-inf", "nan", "2**64", "-2**63-1", "10**5000"],
    )
    @pytest.mark.parametrize("wrap", [lambda it: it, lambda it: [it], lambda it: {"a": [{"b": it}]}], ids=["bare", "list", "deep"])
    def test_numbers_out_of_range(self, number: Any, wrap: Any) -> None:
        """A number that JSON cannot hold is refused at any depth."""
        assert json_problem(wrap(number)) is not None

    @pytest.mark.parametrize("value", ["\ud800", ["a\udfff"], {"\ud800": 1}, "\x00", ["\x00"], {"a\x00": 1}, {"a": {"b": "c\x00"}}])
    def test_text_inside(self, value: Any) -> None:
        """Half a surrogate pair and NUL are refused in values and in keys."""
        assert json_problem(value) is not None

    @pytest.mark.parametrize(
        ("text", "has_one"), [("\\u0000", False), ("\\\\u0000", False), ("\x00", True), ("\\\x00", True), ("\\\\\x00\\", True)]
    )
    def test_nul_and_its_spelling(self, text: str, has_one: bool) -> None:
        """A NUL character is told from the six letters that spell it, behind any number of backslashes."""
        assert escapes_nul(orjson.dumps(text)) is has_one
        assert (json_problem(text) is not None) is has_one

    @given(st.text(alphabet="\x00\\u0a", max_size=12))
    def test_nul_anywhere(self, text: str) -> None:
        """Whatever stands around it, a NUL is found exactly when there is one."""
        assert escapes_nul(orjson.dumps(text)) is ("\x00" in text)

    @pytest.mark.parametrize("kind", ["object", "list"])
    def test_depth(self, kind: str) -> None:
        """Sixteen levels are stored, seventeen are not, and no depth is an exception."""
        assert json_problem(nested(16, kind)) is None
        assert json_problem(nested(17, kind)) == "The value is nested deeper than 16 levels."
        assert json_problem(nested(250, kind)) is not None
        assert json_problem(nested(5_000, kind)) is not None

    def test_size(self) -> None:
        """Exactly 32 KiB as JSON are stored, one byte more is not."""
        assert json_problem("x" * (MAX_JSON_BYTES - 2)) is None
        assert json_problem("x" * (MAX_JSON_BYTES - 1)) == "The value is larger than 32768 bytes."
        assert json_problem("é" * (MAX_JSON_BYTES // 2)) is not None

    def test_keys(self) -> None:
        """An object has up to 200 keys of up to 128 characters, at every level."""
        assert json_problem({"a": [{f"k{n}": n for n in range(200)}]}) is None
        assert json_problem({"a": [{f"k{n}": n for n in range(201)}]}) == "An object in the value has more than 200 keys."
        assert json_problem({"k" * 128: 1}) is None
        assert json_problem([{"k" * 129: 1}]) == "A key in the value is longer than 128 characters."


class TestProblems:
    """The collection of what is wrong."""

    def test_nothing_wrong(self) -> None:
        """Without problems nothing is refused."""
        problems = Problems()

        assert problems.text("  ok ", 10, "name") == "ok"
        assert problems.text("   ", 10, "name") is None
        assert problems.text(None, 10, "name") is None
        assert problems.attempt(int, "5", path=("n",)) == 5
        problems.json({"a": 1}, "a")
        problems.refuse()
        assert problems.found == []

    def test_everything_wrong(self) -> None:
        """Every problem is told, each with its code and its path from `input` downwards."""

        def refuse(_: object) -> None:
            raise BadUserInput("Not this.")

        problems = Problems()
        assert problems.text("\x00", 10, "points", 3, "value") is None
        assert problems.attempt(refuse, "x", path=("ids", 0)) is None
        problems.json(float("nan"), "attributes", "a")
        problems.add("REQUIRED", "Missing.", "name")
        with pytest.raises(Rejected) as refused:
            problems.refuse()

        assert [(one.code, one.path) for one in refused.value.problems] == [
            ("INVALID", ("input", "points", "3", "value")),
            ("INVALID", ("input", "ids", "0")),
            ("INVALID", ("input", "attributes", "a")),
            ("REQUIRED", ("input", "name")),
        ]
        assert refused.value.problems[1].message == "Not this."


def test_lists_stay_one_element() -> None:
    """A list as an element of an array parameter is wrapped, so that the driver does not take it for another dimension; nothing else is."""
    assert orjson.dumps(json_element([1, [2]])) == b"[1,[2]]"
    assert not isinstance(json_element([1]), list)
    for value in (1, "x", None, {"a": [1]}):
        assert json_element(value) is value
