"""The interaction that a closed contact becomes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from gateway.commands.closing import interaction_detail
from gateway.errors import Rejected
from gateway.model.activity import Direction
from gateway.model.actor import Actor, ActorKind
from gateway.model.configuration import Configuration
from gateway.model.contact import Contact, ContactState, MatchState
from gateway.model.profile import Channel

__all__: list[str] = []

BEGAN = datetime(2026, 11, 22, 9, tzinfo=UTC)
OVER, DONE = BEGAN + timedelta(minutes=5), BEGAN + timedelta(minutes=7)
CONTACT = Contact(
    *(UUID(int=7), 3, "x", ContactState.CLOSED, Channel.VOICE, None, None, None, None, Direction.INBOUND),
    *(Actor("ann", "Ann", ActorKind.AGENT), "Orders", MatchState.ONE, UUID(int=1), None, None, None, None, None, None, None, None),
    *(BEGAN - timedelta(seconds=20), BEGAN, OVER, DONE),
)


def detail(limits: Configuration | None = None, **changes: Any) -> dict[str, Any]:
    """The detail of a contact with these values."""
    return interaction_detail(replace(CONTACT, **changes), limits or Configuration())


def test_what_is_known() -> None:
    """Agent, queue and end of the conversation (when the wrap-up began) are there; what is not known is left out."""
    assert detail() == {
        "agent": {"id": "ann", "name": "Ann"},
        "queue": "Orders",
        "endedAt": OVER.isoformat(),
        "contact": UUID(int=7).hex,
        "conversation": "x",
    }
    assert detail(wrap_up_at=None)["endedAt"] == DONE.isoformat()
    assert "agent" not in detail(agent=None)


def test_numbers_are_measures_and_texts_attributes() -> None:
    """Numbers and texts are told apart; truth values, lists and objects are neither."""
    found = detail(attributes={"a": "x", "b": 1, "c": 2.5, "d": True, "e": [1], "f": {"g": 1}, "h": ""})

    assert (found["attributes"], found["measures"]) == ({"a": "x", "h": ""}, {"b": 1, "c": 2.5})


def test_the_wrap_up() -> None:
    """The wrap-up is complete when the contact closes; its sentiment and its code are the interaction's."""
    found = detail(wrap_up={"topic": "Delivery", "dispositionCode": "DONE", "sentiment": "NEGATIVE", "notes": None})

    assert found["wrapUp"] == {"topic": "Delivery", "dispositionCode": "DONE", "completedAt": DONE.isoformat()}
    assert (found["sentiment"], found["outcome"]) == ("NEGATIVE", "DONE")
    assert "wrapUp" not in detail(wrap_up={"sentiment": "NEUTRAL"})


def test_a_missed_call() -> None:
    """What nobody accepted was missed, whatever was written of it."""
    assert detail(accepted_at=None, wrap_up={"dispositionCode": "DONE"})["outcome"] == "missed"


@pytest.mark.parametrize(
    ("attributes", "limits"),
    [
        ({f"m{n}": n for n in range(6)}, Configuration()),
        ({f"a{n}": "" for n in range(8)}, Configuration()),
        ({"a": "x"}, Configuration(most_attributes=0)),
        ({"a": 1, "b": 2}, Configuration(most_measures=1)),
    ],
)
def test_the_limits(attributes: dict[str, Any], limits: Configuration) -> None:
    """One more than the operator allows is LIMIT_EXCEEDED."""
    with pytest.raises(Rejected) as refused:
        detail(limits, attributes=attributes)
    assert [problem.code for problem in refused.value.problems] == ["LIMIT_EXCEEDED"]


def test_at_the_limits() -> None:
    """Five measures and seven attributes are allowed."""
    found = detail(attributes={**{f"m{n}": n for n in range(5)}, **{f"a{n}": "x" for n in range(7)}})

    assert (len(found["measures"]), len(found["attributes"])) == (5, 7)
