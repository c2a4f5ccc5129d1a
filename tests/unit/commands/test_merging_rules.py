"""Which value wins in a merge, what an undoing gives back, and what a request must look like."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from gateway.commands.merging import MergeRequest, checked_request
from gateway.errors import Rejected
from gateway.model.configuration import Configuration, Feature
from gateway.model.merge import FIELDS, divided_facts, merged_columns, returned_columns, winner_of
from gateway.model.source import DataParty, Source
from gateway.model.trait import Provenance, TraitFact, TraitKind

__all__: list[str] = []

ANA, ANNA = UUID(int=1), UUID(int=2)


def row(edited: list[str] | None = None, **columns: Any) -> dict[str, Any]:
    """A profile's columns; what is not given is empty."""
    return {**dict.fromkeys(FIELDS.values()), "lifecycle": "PROSPECT", "edited_fields": edited or [], **columns}


def fact(key: str, value: Any, source: str = "native") -> TraitFact:
    """What a source says."""
    described = Source(source, source, (), DataParty.FIRST, priority=1)
    return TraitFact(key, value, TraitKind.PROFILE, None, None, Provenance(described, datetime(2026, 1, 1, tzinfo=UTC)))


@pytest.mark.parametrize(
    ("values", "chosen", "winner"),
    [
        (("Ana", "Anna"), {}, 0),
        ((None, "Anna"), {}, 1),
        ((None, None, "Anne"), {}, 2),
        ((None, None), {}, 0),
        (("Ana", "Anna"), {"first_name": 1}, 1),
        (("Ana", None), {"first_name": 1}, 1),
    ],
)
def test_the_survivors_value_wins_unless_it_has_none(values: tuple[str | None, ...], chosen: dict[str, int], winner: int) -> None:
    """The survivor's value stays, a gap is filled by the first that has one, and a choice beats both, also the choice of nothing."""
    assert winner_of("first_name", [row(first_name=value) for value in values], chosen) == winner


def test_nobody_stays_anonymous() -> None:
    """An anonymous survivor takes the lifecycle of whoever is known; a customer stays one."""
    anonymous, customer = row(lifecycle="ANONYMOUS"), row(lifecycle="CUSTOMER")

    assert merged_columns([anonymous, customer], {})["lifecycle"] == "CUSTOMER"
    assert merged_columns([customer, anonymous], {})["lifecycle"] == "CUSTOMER"
    assert merged_columns([anonymous, anonymous], {})["lifecycle"] == "ANONYMOUS"


def test_what_was_set_by_hand_stays_so() -> None:
    """A value that an agent set on a merged profile, or that was chosen, is protected from sources on the survivor."""
    rows = [row(["first_name"], first_name="Ana"), row(["last_name", "locale"], last_name="Silva", locale="pt")]
    merged = merged_columns([rows[0] | {"locale": "en"}, rows[1]], {"time_zone": 0})

    assert merged["edited_fields"] == ["first_name", "last_name", "time_zone"]


def test_an_undoing_returns_what_nobody_changed_since() -> None:
    """What the merge gave goes, what was edited since stays, and so does its mark of having been edited."""
    before = row(["first_name"], first_name="Ana")
    after = merged_columns([before, row(["last_name", "locale"], last_name="Silva", locale="pt")], {})
    now = {**before, **after, "locale": "en", "first_name": "Anita"}
    returned = returned_columns(now, before, after)

    assert (returned["first_name"], returned["last_name"], returned["locale"]) == ("Anita", None, "en")
    assert returned["edited_fields"] == ["first_name", "locale"]
    assert returned_columns({**before, **after}, before, after) == {key: before[key] for key in after}


def test_facts_are_divided_by_place_or_by_choice() -> None:
    """Of one key and source the first profile's fact stays; of a key with a chosen winner the winner's alone."""
    facts = [[fact("plan", "gold"), fact("plan", "free", "crm"), fact("title", "Dr")], [fact("plan", "silver"), fact("title", "Prof")]]
    kept, aside = divided_facts(facts, {})
    assert [one.value for one in kept] == ["gold", "free", "Dr"]
    assert [(index, one.value) for index, one in aside] == [(1, "silver"), (1, "Prof")]
    kept, aside = divided_facts(facts, {"plan": 1})
    assert [one.value for one in kept] == ["Dr", "silver"]
    assert [(index, one.value) for index, one in aside] == [(0, "gold"), (0, "free"), (1, "Prof")]


def test_a_request_says_everything_that_is_wrong_with_it() -> None:
    """All problems of a request come at once, each at its field."""
    winners = [("firstName", "prf_x"), ("firstName", f"prf_{ANA.hex}")]
    with pytest.raises(Rejected) as refusal:
        checked_request(Configuration(), MergeRequest(ANA, [ANA], winners, "x" * 1001))

    assert [(one.code, one.path and ".".join(one.path)) for one in refusal.value.problems] == [
        ("MERGE_CONFLICT", "input.mergeIds.0"),
        ("INVALID", "input.fieldWinners.0.value"),
        ("INVALID", "input.fieldWinners.1.key"),
        ("INVALID", "input.reason"),
    ]


def test_a_workspace_without_merges() -> None:
    """Where the feature is off, nothing is merged."""
    off = Configuration(features=frozenset(Feature) - {Feature.MERGE})
    with pytest.raises(Rejected) as refusal:
        checked_request(off, MergeRequest(ANA, [ANNA]))

    assert [one.code for one in refusal.value.problems] == ["FORBIDDEN"]
    assert checked_request(Configuration(), MergeRequest(ANA, [ANNA], reason=" twins ")) == "twins"
