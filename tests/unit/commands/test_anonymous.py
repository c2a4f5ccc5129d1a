"""What stays of a timeline item and of traits when nobody may be recognised any more."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.commands.anonymous import anonymous_detail, identifying_traits
from gateway.model.attribute import AttributeDefinition, Sensitivity
from gateway.model.configuration import Configuration

__all__: list[str] = []

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
STRUCTURE = {
    *("agent", "category", "contact", "conversation", "endedAt", "interaction", "notRecorded"),
    *("outcome", "parent", "queue", "sentiment", "topic", "wrapUp"),
}


@pytest.mark.parametrize(
    ("kind", "detail", "kept"),
    [
        ("EXTERNAL", {"total": 12.5, "items": 3, "gift": True}, {"total": 12.5, "items": 3, "gift": True}),
        ("EXTERNAL", {"name": "Ana", "none": None, "list": [1, 2]}, {}),
        ("EXTERNAL", {"order": {"total": 1, "name": "Ana"}, "address": {"city": "Oslo"}}, {"order": {"total": 1}}),
        ("EXTERNAL", {"phone": 4155550, "card": 4_111_111_111, "lat": 59.9, "zip": 1234, "Postal_Code": 1}, {}),
        ("EXTERNAL", {"ana@example.com": 1, "+14155550100": 2, "a.b": 3}, {}),
        ("EXTERNAL", {"queue": "sales", "wrapUp": {"topic": "x"}}, {}),
        ("WEB", {"url": "https://example.com/ana", "seconds": 3}, {"seconds": 3}),
        ("INTEREST", {"topic": "Lamps", "category": "Home", "score": 0.5, "note": "x"}, {"topic": "Lamps", "category": "Home", "score": 0.5}),
        ("MESSAGE", {"text": "Hello", "author": "Ana", "interaction": "ab", "conversation": "c"}, {"interaction": "ab", "conversation": "c"}),
        ("INTERACTION", {"recordingUrl": "https://x", "summary": "x", "queue": "sales"}, {"queue": "sales"}),
        ("INTERACTION", {"measures": {"hold": 3, "word": "x"}, "attributes": {"plate": "AB 1"}}, {"measures": {"hold": 3}}),
        ("INTERACTION", {"wrapUp": {"notes": "x", "topic": "t", "dispositionCode": "d"}}, {"wrapUp": {"topic": "t", "dispositionCode": "d"}}),
        ("INTERACTION", {"wrapUp": "words"}, {}),
    ],
)  # fmt: skip
def test_details(kind: str, detail: dict[str, Any], kept: dict[str, Any]) -> None:
    """Structure, numbers and truth values stay; texts, lists, and numbers that lead to somebody go."""
    assert anonymous_detail(kind, detail) == kept


def texts(value: Any) -> list[str]:
    """Every text in a value."""
    if isinstance(value, dict):
        return [text for part in value.values() for text in texts(part)]
    return [value] if isinstance(value, str) else [text for part in value for text in texts(part)] if isinstance(value, list) else []


@given(st.sampled_from(["EXTERNAL", "WEB", "INTERACTION", "MESSAGE", "INTEREST"]), st.dictionaries(st.text(), JSON))
def test_no_text_survives(kind: str, detail: dict[str, Any]) -> None:
    """Whatever a source sent, no text is left outside the gateway's own structure; and doing it twice is doing it once."""
    once = anonymous_detail(kind, detail)

    assert texts({key: value for key, value in once.items() if key not in STRUCTURE}) == []
    assert anonymous_detail(kind, once) == once


def test_traits() -> None:
    """The registry decides for what is in it; of the rest, what describes the person goes."""
    configuration = Configuration(
        attributes=(
            AttributeDefinition("plan", "Plan", sensitivity=Sensitivity.INTERNAL),
            AttributeDefinition("allergy", "Allergy", sensitivity=Sensitivity.PERSONAL),
            AttributeDefinition("ssn", "Number", sensitivity=Sensitivity.SENSITIVE),
        )
    )
    traits = [
        ("plan", "PROFILE"),
        ("allergy", "COMPUTED"),
        ("ssn", "PREDICTIVE"),
        ("hobby", "PROFILE"),
        ("city", "DEMOGRAPHIC"),
        ("ltv", "COMPUTED"),
    ]

    assert identifying_traits(configuration, traits) == ["allergy", "city", "hobby", "ssn"]
