"""What of a contact is looked up, under which key, and what is no value at all. Without a database: the hash is a made-up one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.commands.matching import Rules, match_of
from gateway.errors import BadUserInput
from gateway.model.activity import Direction
from gateway.model.attribute import AttributeDefinition, Sensitivity
from gateway.model.configuration import DEFAULT_ATTRIBUTES, Autopopulate, Configuration
from gateway.model.contact import Candidate, Contact, ContactState, MatchState
from gateway.model.profile import Channel

__all__: list[str] = []

A_MOMENT = datetime(2026, 11, 22, tzinfo=UTC)
PHONE = "+442079460001"
SSN = AttributeDefinition("ssn", "SSN", is_identifier=True, sensitivity=Sensitivity.SENSITIVE)
CONTACT = Contact(
    *(UUID(int=1), 1, "x", ContactState.OFFERED, Channel.VOICE, None, PHONE, PHONE, "Ana Silva", Direction.INBOUND, None, None),
    *(MatchState.SEARCHING, None, None, None, None, None, None, None, None, None, A_MOMENT, None, None, None),
)


def rules(keys: Mapping[Channel, tuple[str, ...]] | None = None, region: str | None = None) -> Rules:
    """Rules with these keys; a hash that shows what was hashed."""
    settings = Autopopulate() if keys is None else Autopopulate(MappingProxyType(dict(keys)))
    configuration = Configuration(autopopulate=settings, attributes=(*DEFAULT_ATTRIBUTES, SSN))
    return Rules(configuration, region, lambda key, value: [f"{n}:{key}:{value}" for n in ("new", "old")])


def tried(contact: Contact, of: Rules) -> list[tuple[str, list[tuple[str, str]]]]:
    """Per step its key, and what is looked up."""
    return [(step.key, [(one.key, one.stored) for one in step.values]) for step in of.steps(contact)]


def contact(channel: Channel = Channel.VOICE, address: str | None = PHONE, **more: Any) -> Contact:
    """A contact."""
    return replace(CONTACT, channel=channel, address=address, **more)


def test_the_default_rules() -> None:
    """Calls are looked up by phone, chats by e-mail and then by phone, the rest under the channel's own address."""
    assert tried(contact(), rules()) == [("phone", [("phone", PHONE)])]
    assert tried(contact(Channel.CHAT, "A@Example.com"), rules()) == [("email", [("email", "a@example.com")]), ("phone", [])]
    assert tried(contact(Channel.X, "@Ana"), rules()) == [("x", [("x", "@ana")])]
    assert tried(contact(Channel.CUSTOM, "K-1", custom_channel="Kiosk"), rules()) == [("custom:kiosk", [("custom:kiosk", "k-1")])]


def test_rules_of_the_operator() -> None:
    """Keys are tried in their order; `attribute:` takes the value from the attributes, `name` from the name, the rest from the address."""
    keys = ("attribute:account_id", "name", "address", "attribute:email", "user_id")
    attributes = {"account_id": 4711, "email": "ana@example.com"}

    assert tried(contact(attributes=attributes), rules({Channel.VOICE: keys})) == [
        ("account_id", [("account_id", "4711")]),
        ("name", [("name", "Ana Silva")]),
        ("phone", [("phone", PHONE)]),
        ("email", [("email", "ana@example.com")]),
        ("user_id", [("user_id", PHONE)]),
    ]
    assert tried(contact(), rules({Channel.VOICE: ()})) == []


def test_a_region_lets_national_numbers_in() -> None:
    """Where the gateway has a default region a local number is understood, elsewhere it matches nobody."""
    assert tried(contact(address="020 7946 0001"), rules(region="GB")) == [("phone", [("phone", PHONE)])]
    assert tried(contact(address="020 7946 0001"), rules()) == [("phone", [])]


@pytest.mark.parametrize("address", [None, "", " ", "anonymous", "Private", "+266696687", "+7378742833", "+86282452253", "0", "12", "\x00"])
def test_withheld_numbers_are_nobodys(address: str | None) -> None:
    """A number that was withheld, in words or on the keypad, is no value, and no error."""
    assert tried(contact(address=address), rules()) == [("phone", [])]
    assert rules().address(Channel.VOICE, None, address) is None


@given(st.none() | st.text() | st.integers() | st.floats() | st.booleans() | st.lists(st.text()) | st.dictionaries(st.text(), st.text()))
def test_whatever_an_attribute_holds_is_looked_at_without_an_error(value: object) -> None:
    """No attribute of any shape breaks the look-up; what is found to be a value is text."""
    for key in ("phone", "email", "account_id", "ssn", "name"):
        of = rules({Channel.VOICE: (f"attribute:{key}",)})
        (step,) = of.steps(contact(attributes=of.kept({key: value}) or None))
        assert all(isinstance(one.stored, str) and one.stored for one in step.values)


def test_sensitive_values_are_hashed_at_once() -> None:
    """Of a SENSITIVE attribute only its hashes are kept, and they are what is looked up; nothing of it is ever shown."""
    of = rules({Channel.VOICE: ("attribute:ssn",)})
    kept = of.kept({"ssn": "078-05-1120", "topic": "tax", "gone": None})
    (step,) = of.steps(contact(attributes=kept))

    assert kept == {"ssn": {"hashed": ["new:ssn:078-05-1120", "old:ssn:078-05-1120"]}, "topic": "tax", "gone": None}
    assert [(one.stored, one.shown) for one in step.values] == [("new:ssn:078-05-1120", ""), ("old:ssn:078-05-1120", "")]
    assert of.kept({"ssn": None}) == {"ssn": None}
    assert of.kept({"ssn": [1]}) == {"ssn": {"hashed": []}}


def test_the_callers_own_search() -> None:
    """A searchKey replaces the rules; values that cannot be of the key are left out, SENSITIVE ones are hashed."""
    of = rules()
    for given_, stored in (
        (("phone", ["+44 20 7946 0001", "anonymous"]), {"key": "phone", "values": [PHONE]}),
        (("accountId", ["A-1", "null"]), {"key": "account_id", "values": ["A-1"]}),
        (("name", [" Ana "]), {"key": "name", "values": ["Ana"]}),
        (("ssn", ["1"]), {"key": "ssn", "values": ["new:ssn:1", "old:ssn:1"]}),
    ):
        assert of.search_key(*given_) == stored
        (step,) = of.steps(contact(search_key=stored))
        assert [one.stored for one in step.values] == stored["values"]
        assert all(bool(one.shown) is (stored["key"] != "ssn") for one in step.values)
    for key in ("voice", "", "Ä", "x" * 65):
        with pytest.raises(BadUserInput):
            of.search_key(key, ["1"])


@pytest.mark.parametrize(
    ("many", "state"), [(0, MatchState.NONE), (1, MatchState.ONE), (2, MatchState.MULTIPLE), (50, MatchState.MULTIPLE)]
)
def test_what_so_many_candidates_mean(many: int, state: MatchState) -> None:
    """Nobody, one, several."""
    found: Sequence[Candidate] = [Candidate(UUID(int=n), 1.0, ()) for n in range(many)]
    assert match_of(found) is state
