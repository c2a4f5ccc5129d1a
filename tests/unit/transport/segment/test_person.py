"""What an identify says of a person."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from gateway.commands.tracking import Person
from gateway.errors import Rejected
from gateway.transport.segment.person import person_of
from gateway.transport.segment.wire import Context


def read(traits: object, context: Context | None = None) -> tuple[Person, list[str]]:
    """The person, and what was warned of."""
    warnings: list[str] = []
    return person_of(traits, context, "GB", warnings.append), warnings


@pytest.mark.parametrize(
    "traits",
    [{"firstName": "Ana", "lastName": "Bell"}, {"first_name": "Ana", "last_name": "Bell"}, {"firstname": " Ana ", "lastname": "Bell"}],
)
def test_spellings_of_names(traits: dict[str, Any]) -> None:
    """First and last name are columns in every spelling Segment's libraries use, and no traits."""
    person, warnings = read(traits)

    assert (person.columns, person.traits, warnings) == ({"first_name": "Ana", "last_name": "Bell"}, {}, [])


@pytest.mark.parametrize(
    ("traits", "columns", "left"),
    [
        ({"name": "Ana Maria Bell"}, {"first_name": "Ana Maria", "last_name": "Bell"}, {}),
        ({"name": "Ana"}, {"first_name": "Ana", "last_name": None}, {}),
        ({"name": "  "}, {}, {}),
        ({"name": "Ana Bell", "firstName": "Ana", "lastName": "Bell"}, {"first_name": "Ana", "last_name": "Bell"}, {}),
        ({"name": "Ana Bell", "firstName": "Anna"}, {"first_name": "Anna"}, {"name": "Ana Bell"}),
        ({"name": 7}, {}, {"name": 7}),
    ],
)
def test_a_whole_name(traits: dict[str, Any], columns: dict[str, Any], left: dict[str, Any]) -> None:
    """A whole name is split at its last word, unless a part was given; what it says beyond the parts stays a trait."""
    person, _ = read(traits)

    assert (person.columns, person.traits) == (columns, left)


def test_everything_reserved() -> None:
    """Reserved traits and the context become columns and contact values, what was typed is kept, and all else is a trait."""
    person, warnings = read(
        {
            "email": " Ana.Bell@Example.COM ",
            "phone": "020 7946 0018",
            "avatar": "https://example.com/a.png",
            "birthday": "1985-04-12",
            "createdAt": 1_500_000_000,
            "lifetimeValue": 12.5,
            "Favourite Colours": ["red"],
            "nothing": None,
        },
        Context(locale="en-GB", timezone="Europe/London"),
    )

    assert person.columns == {
        "avatar_url": "https://example.com/a.png",
        "birth_date": date(1985, 4, 12),
        "customer_since": datetime(2017, 7, 14, 2, 40, tzinfo=UTC),
        "locale": "en-GB",
        "time_zone": "Europe/London",
    }
    assert (person.email, person.phone) == ("ana.bell@example.com", "+442079460018")
    assert person.raw == {"EMAIL": "Ana.Bell@Example.COM", "VOICE": "020 7946 0018"}
    assert person.traits == {"lifetime_value": 12.5, "favourite_colours": ["red"]}
    assert warnings == []


@pytest.mark.parametrize(
    "traits",
    [
        *({"email": "no address"}, {"email": 5}, {"email": {"a": 1}}, {"phone": "12"}, {"phone": "call me"}, {"phone": True}),
        *({"birthday": "tomorrow"}, {"created_at": "long ago"}, {"avatar": "javascript:alert(1)"}, {"first_name": 5}),
        *({"first_name": "x" * 201}, {"last_name": ["Bell"]}),
    ],
    ids=str,
)
def test_a_reserved_trait_that_cannot_be_one(traits: dict[str, Any]) -> None:
    """A value that is no e-mail, phone, day, moment, address or name stays a plain trait, with a warning that does not repeat it."""
    person, warnings = read({**traits, "plan": "gold"})

    assert person.traits == {**traits, "plan": "gold"}
    assert (person.columns, person.email, person.phone) == ({}, None, None)
    (name, value), (warning,) = *traits.items(), warnings
    assert warning.startswith(f"traits.{name}: ")
    assert str(value) not in warning


@pytest.mark.parametrize("traits", [{"email": ""}, {"phone": " "}, {"email": None}, {"firstName": ""}, None, {}], ids=str)
def test_a_blank_says_nothing(traits: object) -> None:
    """Blank and null values neither set anything nor leave a trait."""
    person, warnings = read(traits)

    assert (person.email, person.phone, dict(person.traits), warnings) == (None, None, {}, [])
    assert not any(person.columns.values())


def test_a_phone_as_a_number() -> None:
    """Digits sent as a number are a phone number too."""
    assert read({"phone": 442079460018})[0].phone == "+442079460018"
    assert read({"phone": 2079460018})[0].phone == "+442079460018"


@pytest.mark.parametrize(
    "context", [Context(locale="not a locale"), Context(locale=5), Context(timezone="../etc"), Context(timezone="x" * 65)]
)
def test_a_context_that_cannot_be_one(context: Context) -> None:
    """A locale or a time zone that is none is left out, with a warning."""
    person, warnings = read({}, context)

    assert (person.columns, len(warnings)) == ({}, 1)


def deep(levels: int) -> Any:
    """Lists within lists."""
    return [] if levels == 1 else [deep(levels - 1)]


@pytest.mark.parametrize(
    "traits",
    [[], "x", 5, {f"t{n}": n for n in range(201)}, {"x": deep(17)}, {"x": 2**70}, {"k" * 129: 1}, {"x": "y" * 33_000}],
    ids=["list", "text", "number", "201 traits", "deep", "huge number", "long key", "large"],
)
def test_traits_that_cannot_be_stored(traits: object) -> None:
    """Traits that are no object, too many, too deep, too large or no JSON refuse the event."""
    with pytest.raises(Rejected):
        read(traits)


def test_200_traits() -> None:
    """Two hundred traits are fine."""
    assert len(read({f"t{n}": n for n in range(200)})[0].traits) == 200


def test_a_trait_without_a_name() -> None:
    """A key of blanks names no trait."""
    person, warnings = read({" ": 1, "a": 2})

    assert (person.traits, len(warnings)) == ({"a": 2}, 1)
