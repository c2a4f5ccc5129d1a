"""Values of attributes: what each type takes, what it refuses, and that what is stored is accepted again."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.commands.attribute_values import MAX_LINE_BYTES, MAX_TEXT_BYTES, checked_value
from gateway.errors import BadUserInput
from gateway.model.attribute import AttributeDefinition, AttributeType

__all__: list[str] = []

OPTIONS = ("basic", "silver", "gold")

TAKEN: list[tuple[AttributeType, Any, Any]] = [
    (AttributeType.TEXT, "Ana", "Ana"),
    (AttributeType.TEXT, "  two words ", "two words"),
    (AttributeType.TEXT, "é" * (MAX_LINE_BYTES // 2), "é" * (MAX_LINE_BYTES // 2)),
    (AttributeType.LONG_TEXT, "line\nline", "line\nline"),
    (AttributeType.LONG_TEXT, "x" * MAX_TEXT_BYTES, "x" * MAX_TEXT_BYTES),
    (AttributeType.NUMBER, 0, 0),
    (AttributeType.NUMBER, -1.5e300, -1.5e300),
    (AttributeType.NUMBER, 2**63 - 1, 2**63 - 1),
    (AttributeType.MONEY, 12.5, 12.5),
    (AttributeType.MONEY, {"amount": -3, "currency": "EUR"}, {"amount": -3, "currency": "EUR"}),
    (AttributeType.BOOLEAN, True, True),
    (AttributeType.BOOLEAN, False, False),
    (AttributeType.DATE, "2024-02-29", "2024-02-29"),
    (AttributeType.DATETIME, "2026-01-31T09:30:00Z", "2026-01-31T09:30:00Z"),
    (AttributeType.DATETIME, "2026-01-31T09:30:00.123456+05:30", "2026-01-31T09:30:00.123456+05:30"),
    (AttributeType.DATETIME, "2026-01-31 09:30-08:00", "2026-01-31 09:30-08:00"),
    (AttributeType.PHONE, "+44 20 7946 0958", "+442079460958"),
    (AttributeType.EMAIL, " ANA@Example.com", "ana@example.com"),
    (AttributeType.URL, "https://example.com/ana?x=1#top", "https://example.com/ana?x=1#top"),
    (AttributeType.URL, "http://localhost:8080", "http://localhost:8080"),
    (AttributeType.SELECT, "gold", "gold"),
    (AttributeType.MULTI_SELECT, ["gold", "basic"], ["gold", "basic"]),
    (AttributeType.MULTI_SELECT, [], []),
    (AttributeType.JSON, {"a": [1, None, {"b": True}]}, {"a": [1, None, {"b": True}]}),
    (AttributeType.JSON, False, False),
]

REFUSED: list[tuple[AttributeType, Any]] = [
    *(
        (AttributeType.TEXT, value)
        for value in ("", "  ", "a\nb", "a\u2028b", "x" * (MAX_LINE_BYTES + 1), 1, True, ["a"], {}, "\ud800", "\x00")
    ),
    *((AttributeType.LONG_TEXT, value) for value in ("", "\n", "x" * (MAX_TEXT_BYTES + 1), 1, None, "\x00")),
    *((AttributeType.NUMBER, value) for value in ("1", True, None, [], float("nan"), float("inf"), 2**70)),
    *((AttributeType.MONEY, value) for value in ("12", True, {"amount": 1}, {"currency": "EUR"}, {"amount": "1", "currency": "EUR"})),
    *((AttributeType.MONEY, {"amount": 1, "currency": currency}) for currency in ("eur", "EU", "EURO", "", 1, None, "€€€")),
    (AttributeType.MONEY, {"amount": 1, "currency": "EUR", "tax": 1}),
    (AttributeType.MONEY, {"amount": True, "currency": "EUR"}),
    *((AttributeType.BOOLEAN, value) for value in (0, 1, "true", "yes", None, [True])),
    *(
        (AttributeType.DATE, value)
        for value in ("2023-02-29", "2026-1-31", "31.01.2026", "2026-01-31T00:00:00Z", "20260131", "", 20260131, None)
    ),
    *(
        (AttributeType.DATETIME, value)
        for value in (
            "2026-01-31",
            "2026-01-31T09:30:00",
            "2026-13-31T09:30:00Z",
            "2026-01-31T25:00:00Z",
            "now",
            0,
            None,
            "2026-W05-6T09:30Z",
        )
    ),
    *((AttributeType.PHONE, value) for value in ("020 7946 0958", "phone", "", "+1", 442079460958, None, "+44 20 7946 0958 ext 3")),
    *((AttributeType.EMAIL, value) for value in ("ana", "ana@", "@example.com", "", 1, None, "a b@example.com")),
    *(
        (AttributeType.URL, value)
        for value in (
            "example.com",
            "ftp://example.com",
            "javascript:alert(1)",
            "https://",
            "https://a b",
            "http://[",
            "https://x:99999",
            "",
            1,
            None,
        )
    ),
    (AttributeType.URL, "https://example.com/" + "x" * 2048),
    *((AttributeType.SELECT, value) for value in ("Gold", "", "platinum", ["gold"], 1, None)),
    *((AttributeType.MULTI_SELECT, value) for value in ("gold", ["gold", "gold"], ["platinum"], [1], [["gold"]], {"gold": 1}, None)),
    *((AttributeType.JSON, value) for value in (None, "\x00", float("nan"), "x" * 33_000, [[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]])),
]


def definition(type_: AttributeType) -> AttributeDefinition:
    """A definition of a type."""
    return AttributeDefinition("key", "Name", type_, OPTIONS if "SELECT" in type_.value else None)


@pytest.mark.parametrize(("type_", "given", "stored"), TAKEN)
def test_taken(type_: AttributeType, given: Any, stored: Any) -> None:
    """A value of its type is taken, normalized where equal values must be equal."""
    found = checked_value(definition(type_), given)

    assert found == stored
    assert type(found) is type(stored)


@pytest.mark.parametrize(("type_", "given"), REFUSED)
def test_refused(type_: AttributeType, given: Any) -> None:
    """Anything else is refused with a message that says what is expected."""
    with pytest.raises(BadUserInput) as refused:
        checked_value(definition(type_), given)

    assert refused.value.message.endswith(".")


@pytest.mark.parametrize("type_", [one for one in AttributeType if one not in {AttributeType.LONG_TEXT, AttributeType.JSON}])
def test_a_refusal_does_not_repeat_the_value(type_: AttributeType) -> None:
    """What was typed into the wrong field stays out of messages."""
    with pytest.raises(BadUserInput) as refused:
        checked_value(definition(type_), "a secret\nword")

    assert "secret" not in refused.value.message


def test_the_region_lets_national_numbers_in() -> None:
    """A national number is one only where a region is assumed."""
    assert checked_value(definition(AttributeType.PHONE), "020 7946 0958", "GB") == "+442079460958"


def junk(chance: random.Random) -> Iterator[Any]:
    """Values of every JSON kind, small and odd."""
    letters = "aZ0+-@. :/T\n\tü中🙂\x7f4"
    for _ in range(150):
        text = "".join(chance.choices(letters, k=chance.randint(0, 12)))
        number = chance.choice([chance.randint(-(10**6), 10**6), chance.random() * 1e9])
        yield from (text, number, [text], {text: number}, [number, text], chance.random() < 0.5, None)


@pytest.mark.parametrize("type_", AttributeType)
@pytest.mark.parametrize("seed", range(3))
def test_what_is_stored_is_accepted_and_stored_the_same(type_: AttributeType, seed: int) -> None:
    """Of any JSON value a type makes either a clear refusal or a value that it takes again unchanged."""
    given = [*junk(random.Random(seed)), *(value for kind, value, _ in TAKEN if kind is type_), *(value for _, value, _ in TAKEN)]
    taken = 0
    for value in given:
        try:
            stored = checked_value(definition(type_), value, "GB")
        except BadUserInput:
            continue
        taken += 1
        assert stored is not None
        assert checked_value(definition(type_), stored, "GB") == stored
    assert taken
