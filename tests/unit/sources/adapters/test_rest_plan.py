"""Templates and keys: what a request looks like, and what is not asked for."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sources.adapters.rest_options import Request, Selection
from gateway.sources.adapters.rest_plan import Keys, RequestTemplate, fields_of, writable

__all__: list[str] = []

SLOTS = frozenset({"key", "keys", "since", "limit", "value"})


@pytest.mark.parametrize(
    ("join", "texts"),
    [
        ("comma", ["a,b'c"]),
        ("space", ["a b'c"]),
        ("repeat", ["a", "b'c"]),
        ("json", ['["a","b\'c"]']),
        ("quoted", ["'a','b\\'c'"]),
    ],
)
def test_keys_are_written_as_the_api_reads_them(join: str, texts: list[str]) -> None:
    """One text or one for each key."""
    assert Keys(["a", "b'c"], join).texts == texts


@given(st.text(max_size=20))
def test_a_key_stays_one_key(key: str) -> None:
    """What is writable reads back as itself; quotes and backslashes do not end a string, commas and blanks are not written."""
    for join in ("comma", "space", "json", "quoted"):
        if not writable(key, join):
            continue
        text = Keys(["x", key, "y"], join).text
        if join == "json":
            assert orjson.loads(text) == ["x", key, "y"]
        elif join == "quoted":
            inside = text.removeprefix("'x','").removesuffix("','y'")
            assert inside.replace("\\\\", "").replace("\\'", "").count("'") == 0
            assert inside.replace("\\'", "'").replace("\\\\", "\\") == key or "\\" in key
        else:
            assert text.split("," if join == "comma" else " ") == ["x", key, "y"]


def test_a_lone_name_takes_its_value_as_it_is() -> None:
    """Lists and numbers stay what they are in a body; what has no value is left out, None is a null."""
    body = {"ids": "{keys}", "since": "{since}", "n": "{limit}", "deep": [{"text": "from {since} on"}], "{value}": "{value}"}
    template = RequestTemplate(Request(path="/x", method="POST", body=body), "t", SLOTS)
    asked = template.filled({"keys": Keys(["1", "2"]), "limit": 5, "open since": "ever", "value": "v"})
    null = template.filled({"keys": Keys(["1"]), "value": None})

    assert asked is not None
    assert null is not None
    assert orjson.loads(asked.body or b"") == {"ids": ["1", "2"], "n": 5, "deep": [{"text": "from ever on"}], "v": "v"}
    assert orjson.loads(null.body or b"")["null"] is None


@pytest.mark.parametrize(
    ("key", "path"), [("a/b", None), ("..", None), ("%2e%2e", None), ("a b?c#d", "/p/a%20b%3Fc%23d/x"), ("é", "/p/%C3%A9/x")]
)
def test_a_key_stays_one_step_of_a_path(key: str, path: str | None) -> None:
    """Whatever a key holds, it leads nowhere else; what could is not asked for."""
    asked = RequestTemplate(Request(path="/p/{key}/x"), "t", SLOTS).filled({"key": key})

    assert (asked.path if asked else None) == path


def test_keys_may_stand_in_a_path() -> None:
    """Each key is a step of its own among commas."""
    asked = RequestTemplate(Request(path="/p/{keys}"), "t", SLOTS).filled({"keys": Keys(["1", "2"])})

    assert asked is not None
    assert asked.path == "/p/1,2"


@pytest.mark.parametrize(
    ("wanted", "known", "names", "sent"),
    [
        (None, None, {}, None),
        (None, None, {"a": "A"}, ["Id", "A"]),
        (None, frozenset({"a", "b"}), {"a": "A"}, ["Id", "A", "b"]),
        (frozenset({"a", "z"}), frozenset({"a", "b"}), {"a": "A"}, ["Id", "A"]),
        (frozenset({"z"}), None, {}, ["Id", "z"]),
    ],
)
def test_only_what_is_wanted_is_named(wanted: Any, known: Any, names: dict[str, str], sent: Any) -> None:
    """As they call it, without what the mapping cannot fill; everything is no list of names where nobody knows all."""
    assert fields_of(Selection(names=names, always=["Id"]), wanted, known) == sent
