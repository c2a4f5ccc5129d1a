"""People made from a seed."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import phonenumbers
import pytest

from gateway.cli.sample.crowd import COMPANIES, Crowd, Portion, company_rows, user_id
from gateway.cli.sample.tables import Rows
from gateway.model.ids import uuid7_span

__all__: list[str] = []

WORKSPACE = UUID(int=1)
UNTIL = datetime(2026, 3, 1, tzinfo=UTC)


def crowd(seed: int = 1, portion: Portion | None = None) -> Crowd:
    """A crowd of the companies of the same seed."""
    return Crowd(seed, UNTIL, portion or Portion(), [row[0] for row in company_rows(seed, UNTIL)])


def made(numbers: range, seed: int = 1, portion: Portion | None = None) -> Rows:
    """The rows of these people."""
    return crowd(seed, portion).make(WORKSPACE, numbers)


def test_a_seed_repeats() -> None:
    """The same seed makes the same rows, ids included; another makes others."""
    assert made(range(1, 6)).tables == made(range(1, 6)).tables
    assert made(range(1, 6)).tables != made(range(1, 6), seed=2).tables


def test_a_person_does_not_depend_on_company() -> None:
    """A person is the same whoever is made before them: portions may be made in any order and size."""
    together, alone = made(range(1, 6)), made(range(5, 6))

    assert [row for row in together.tables["activity"] if row[1] == alone.tables["profile"][0][1]] == alone.tables["activity"]


@pytest.mark.parametrize("portion", [Portion(), Portion(0, 0, 0), Portion(60, 3, 7)], ids=str)
def test_everybody_has_their_portion(portion: Portion) -> None:
    """Each person has exactly the asked number of traits (each of another key), notes and activities, and three companies, one of them main."""
    tables = made(range(1, 4), portion=portion).tables

    for profile in tables["profile"]:
        count = {name: [row for row in tables[name] if profile[1] in row] for name in ("trait", "note", "activity", "membership")}
        assert len({row[2] for row in count["trait"]}) == len(count["trait"]) == portion.traits
        assert (len(count["note"]), len(count["activity"])) == (portion.notes, portion.activities)
        assert sorted(row[4] for row in count["membership"]) == [False, False, True]


def test_ids_are_of_the_moment_they_stand_for() -> None:
    """An activity's id names the millisecond it happened in, which is how it is found again; nothing lies after `until`."""
    for row in made(range(1, 4)).tables["activity"]:
        start, end = uuid7_span(row[4])

        assert start <= row[2] < end <= UNTIL


def test_phone_numbers_are_fiction() -> None:
    """Every number is possible and of the block 555-0100 to 555-0199 that is set aside for fiction."""
    numbers = [row[5] for row in made(range(1, 400), portion=Portion(0, 0, 0)).tables["contact_point"] if row[3] == "VOICE"]

    assert all(phonenumbers.is_possible_number(phonenumbers.parse(number)) for number in numbers)
    assert all(number[5:].startswith("55501") for number in numbers)
    assert len(set(numbers)) == len(numbers)


def test_everybody_can_be_found() -> None:
    """For each identifier there is an exclusive lookup and for each number and address a shared one, once however many channels have it."""
    tables = made(range(3, 4), portion=Portion(0, 0, 0)).tables
    lookups = {(row[1], row[2]): row[4] for row in tables["lookup"]}

    assert {(row[3], row[5]) for row in tables["identifier"]} == {key for key, exclusive in lookups.items() if exclusive}
    assert {row[5] for row in tables["contact_point"]} == {key[1] for key, exclusive in lookups.items() if not exclusive}
    assert len(tables["contact_point"]) == 3, "a call, an e-mail address and WhatsApp on the number of the call"
    assert ("user_id", user_id(3)) in lookups


def test_companies_are_distinct() -> None:
    """Each company has an id, a natural key and a domain of its own."""
    rows = company_rows(1, UNTIL)

    assert [len({row[column] for row in rows}) for column in (0, 1, 3)] == [COMPANIES] * 3
