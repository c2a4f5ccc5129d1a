"""The customers of the demo."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import phonenumbers
import pytest

from gateway.cli.sample.residents import KNOWN_EMAIL, KNOWN_USER_ID, company_rows, resident_rows, user_ids
from gateway.model.activity import Direction, Sentiment
from gateway.model.profile import Channel
from gateway.model.trait import TraitKind

__all__: list[str] = []

UNTIL = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(name="tables", scope="module")
def _tables() -> dict[str, list[tuple[Any, ...]]]:
    return resident_rows(UUID(int=1), [row[0] for row in company_rows(UNTIL)], UNTIL).tables


def test_about_thirty_people_whom_one_can_reach(tables: dict[str, list[tuple[Any, ...]]]) -> None:
    """Each has a name, an address at example.com or example.org, and a possible phone number of their own."""
    phones = [row[5] for row in tables["contact_point"] if row[3] == "VOICE"]
    mails = [row[5] for row in tables["contact_point"] if row[3] == "EMAIL"]

    assert len(tables["profile"]) == len(user_ids()) == len(set(phones)) == 30
    assert all(row[3] and row[4] for row in tables["profile"])
    assert all(phonenumbers.is_possible_number(phonenumbers.parse(phone)) for phone in phones)
    assert {mail.partition("@")[2] for mail in mails} == {"example.com", "example.org"}
    assert len(set(mails)) == len(mails)
    assert all(mail.isascii() for mail in mails)


def test_the_known_person_is_there(tables: dict[str, list[tuple[Any, ...]]]) -> None:
    """The address of the first query and the user id of the first event belong to the same person."""
    owners = {row[2]: row[3] for row in tables["lookup"]}

    assert owners[KNOWN_EMAIL] == owners[KNOWN_USER_ID]
    assert user_ids()[0] == KNOWN_USER_ID


def test_traits_of_every_kind_and_some_disputes(tables: dict[str, list[tuple[Any, ...]]]) -> None:
    """All kinds of traits occur; agents and the tracking API differ on some, and some values were typed by an agent."""
    kinds = {row[5] for row in tables["trait"]}
    values: dict[tuple[Any, Any], set[str]] = {}
    for row in tables["trait"]:
        values.setdefault((row[1], row[2]), set()).add(f"{row[3]}: {row[4]}")
    disputes = [said for said in values.values() if len(said) > 1]

    assert kinds == {kind.value for kind in TraitKind}
    assert len(disputes) >= 10
    assert any(row[12] for row in tables["trait"])


def test_a_timeline_of_many_channels_over_months(tables: dict[str, list[tuple[Any, ...]]]) -> None:
    """Conversations in and out over several channels, orders and page views, all of the past and over months."""
    conversations = [row for row in tables["activity"] if row[5] == "INTERACTION"]
    moments = [row[2] for row in tables["activity"]]

    assert {row[5] for row in tables["activity"]} == {"INTERACTION", "EXTERNAL", "WEB"}
    assert {row[7] for row in conversations} >= {"VOICE", "EMAIL", "CHAT", "WHATSAPP"}
    assert {row[7] for row in conversations} <= {channel.value for channel in Channel}
    assert {row[8] for row in conversations} == {direction.value for direction in Direction}
    assert {row[10].get("sentiment") for row in conversations} - {None} == {sentiment.value for sentiment in Sentiment}
    assert max(moments) < UNTIL
    assert (max(moments) - min(moments)).days > 180


def test_notes_of_several_agents(tables: dict[str, list[tuple[Any, ...]]]) -> None:
    """Several agents wrote, and a supervisor too."""
    authors = Counter(row[5] for row in tables["note"])

    assert len(authors) == 5
    assert {row[7] for row in tables["note"]} == {"AGENT", "SUPERVISOR"}
