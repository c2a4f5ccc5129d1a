"""createOnNone: a stranger becomes a profile, once, and only where anything is known of them."""

from __future__ import annotations

import asyncio

import pytest

from .conftest import Graph
from .contact_view_scene import Calls

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

PHONE = "+442079460001"
CONFIG = """
[autopopulate]
create_on_none = true
auto_associate = false
[autopopulate.keys]
CHAT = ["attribute:account_id", "email"]
"""
SHOWN = """query ($id: ID!) { profile(by: {id: $id}) { firstName lastName lifecycle contactPoints { channel value isPrimary }
  identifiers { type value } } }"""


@pytest.fixture(name="calls")
def _calls(graph: Graph) -> Calls:
    return Calls(graph)


async def test_cap_022_a_stranger_becomes_a_profile(calls: Calls, graph: Graph) -> None:
    """Nobody has the number: a profile with the caller's name and number is made and associated, by the gateway itself."""
    contact = await calls.rings(address="+44 20 7946 0001", displayName="Noor van Dijk")
    shown = await graph.data(SHOWN, {"id": contact["profile"]["id"]})

    assert (contact["match"], contact["candidates"]) == ("NONE", [])
    assert (contact["association"]["automatic"], contact["association"]["by"]["kind"]) == (True, "SYSTEM")
    assert shown == {
        "firstName": "Noor",
        "lastName": "van Dijk",
        "lifecycle": "PROSPECT",
        "contactPoints": [{"channel": "VOICE", "value": "+44 20 7946 0001", "isPrimary": True}],
        "identifiers": [],
    }
    assert [action for action, _, _ in await calls.audit(contact["profile"]["id"])] == ["ASSOCIATED"]


async def test_cap_022_whoever_was_made_is_found_again(calls: Calls, graph: Graph) -> None:
    """The next contact by the same key is from the profile that the first one made: by number, by e-mail, by account number."""
    for first in (
        {"channel": "VOICE", "address": PHONE},
        {"channel": "CHAT", "address": "ana@example.com"},
        {"channel": "CHAT", "attributes": {"account_id": "A-1"}, "displayName": "Ana"},
        {"channel": "MESSENGER", "address": "ana.silva"},
    ):
        made = await calls.rings(**first)
        again = await calls.rings(**first)

        assert made["profile"] is not None
        assert [one["profile"]["id"] for one in again["candidates"]] == [made["profile"]["id"]]
        assert again["association"] is None  # this operator lets agents decide
    assert await graph.count("profile") == 4


async def test_cap_022_two_calls_of_a_stranger_make_one_profile(calls: Calls, graph: Graph) -> None:
    """Contacts with the same unknown number that arrive together make one profile."""
    contacts = await asyncio.gather(*(calls.rings(address=PHONE) for _ in range(4)))

    assert await graph.count("profile") == 1
    assert sorted(contact["match"] for contact in contacts) == ["NONE", "ONE", "ONE", "ONE"]


async def test_cap_022_a_withheld_number_is_no_person(calls: Calls, graph: Graph) -> None:
    """Nothing is known of an anonymous caller, so nobody is made; a name alone is somebody, a missing one is Unknown."""
    withheld = await calls.rings(address="anonymous")
    named = await calls.rings(address="anonymous", displayName="Noor")
    unnamed = await calls.rings(address=PHONE)

    assert (withheld["profile"], withheld["match"]) == (None, "NONE")
    assert (named["profile"]["displayName"], unnamed["profile"]["displayName"]) == ("Noor", "Unknown")


async def test_cap_022_known_people_are_not_made_again(calls: Calls, graph: Graph) -> None:
    """Whoever is found, even several, is not made anew; and here nobody is associated by itself."""
    await calls.caller("Ana", PHONE)
    contact = await calls.rings(address=PHONE)

    assert (contact["match"], contact["association"]) == ("ONE", None)
    assert await graph.count("profile") == 1
