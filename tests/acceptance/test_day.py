"""A day in a contact centre, told from outside: the installed gateway, a routing system, two agents, a supervisor and a website.

Each test is one scene of the day; they share a gateway, as a day does.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.running import Gateway

from .desk import CONTACTS, PROFILE, TIMELINE, Desk

__all__: list[str] = []

pytestmark = pytest.mark.slow

CONFIG = """
[attributes.define.ssn]
name = "Social security number"
identifier = true
sensitivity = "SENSITIVE"
[external_types."Order Completed"]
title = "Order {order_id}"
details = [{ label = "Items", path = "products[].name" }, { label = "Total", path = "total" }]
"""
SSN = "078-05-1120"

ERRORS = "userErrors { code message path }"
OPEN = f"mutation($input: OpenContactInput!) {{ openContact(input: $input) {{ contact {{ id match }} {ERRORS} }} }}"
UPDATE = f"mutation($input: UpdateContactInput!) {{ updateContact(input: $input) {{ contact {{ id state }} {ERRORS} }} }}"
ASSOCIATE = f"""mutation($contact: ID!, $profile: ID!, $keys: [String!]) {{
  associateContact(contactId: $contact, profileId: $profile, verifiedKeys: $keys) {{
    contact {{ id match association {{ profile {{ id }} verifiedKeys automatic }} }} {ERRORS} }} }}"""
UNLINK = f"""mutation($contact: ID!, $reason: String) {{ unlinkContact(contactId: $contact, reason: $reason) {{
  contact {{ id match profile {{ id }} }} {ERRORS} }} }}"""
CREATE = f"mutation($input: CreateProfileInput!) {{ createProfile(input: $input) {{ profile {{ id streamCursor }} {ERRORS} }} }}"
SCREEN = """query($id: ID!) { profile(by: {id: $id}) { id status redirectedFrom version displayName streamCursor
  contactPoints { channel value } identifiers { type value mask } mainCompany { name }
  notes { nodes { id body } } changes { nodes { action actor { displayName } fields { field } reason } }
  timeline(filter: {preset: ALL}) { nodes { __typename id title } } } }"""


@dataclass(frozen=True)
class Day:
    """Who is at work."""

    gateway: Gateway
    routing: str
    ann: str
    bob: str
    sue: str
    website: str

    def person(self, user: str, **traits: Any) -> str:
        """A customer who introduced themselves on the website; the profile's id."""
        body = {"type": "identify", "messageId": f"identify-{user}", "userId": user, "traits": traits}
        self.gateway.track(self.website, body)
        document = 'query($id: String!) { profile(by: {identifier: {type: "user_id", value: $id}}) { id } }'
        return str(self.gateway.query(self.ann, document, id=user)["profile"]["id"])

    def rings(self, external_id: str, agent: str = "ann", **given: Any) -> str:
        """The routing system offers a contact to an agent; its id."""
        document = {"externalId": external_id, "agentId": agent, "channel": "VOICE", **given}
        return str(self.gateway.change(self.routing, OPEN, input=document)["contact"]["id"])

    def moves(self, contact: str, **changes: Any) -> None:
        """The routing system says what became of a contact."""
        self.gateway.change(self.routing, UPDATE, input={"id": contact, **changes})

    def screen(self, profile: str, token: str | None = None) -> dict[str, Any]:
        """What an agent sees of a profile."""
        return dict(self.gateway.query(token or self.ann, SCREEN, id=profile)["profile"])


@pytest.fixture(name="day", scope="module")
def _day(command: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    """The gateway of this day, configured as a shop would."""
    place = tmp_path_factory.mktemp("day")
    (place / "gateway.toml").write_text(CONFIG)
    gateway = Gateway(command, place / "data", place / "gateway.toml")
    gateway.start()
    tokens = [gateway.token(role, subject) for role, subject in (("admin", "acd"), ("agent", "ann"), ("agent", "bob"), ("admin", "sue"))]
    yield Day(gateway, *tokens, gateway.write_key())
    gateway.stop()


async def test_a_known_number_calls(day: Day) -> None:
    """The profile pops at OFFERED, before the agent accepts; closing the call writes it into the customer's history."""
    profile = day.person("known", firstName="Ana", lastName="Souza", phone="+442079460001")
    async with Desk(day.gateway, day.ann) as ann:
        pops = await ann.watch(CONTACTS)
        contact = day.rings("call-1", address="+44 20 7946 0001", queue="Orders")
        shown = await ann.contact(pops, id=contact, match="ONE")

        assert (shown["state"], shown["profile"]["displayName"]) == ("OFFERED", "Ana Souza")
        assert shown["association"]["automatic"]
        assert shown["candidates"][0]["matchedOn"] == [{"key": "phone", "displayValue": "+442079460001"}]

        history = await ann.watch(TIMELINE, id=profile, filter={"preset": "DEFAULT"})
        day.moves(contact, state="CONNECTED")
        day.moves(contact, state="WRAP_UP", summary="Asked where her order is.")
        day.moves(contact, state="CLOSED", wrapUp={"topic": "Delivery", "dispositionCode": "ANSWERED", "notes": "Told her: tomorrow."})
        item = (await ann.until(history, "TimelineItemUpserted"))["item"]

        assert (item["__typename"], item["title"], item["queue"], item["icon"]) == ("Interaction", "Inbound call", "Orders", "phone")
        assert item["wrapUp"] == {"notes": "Told her: tomorrow.", "topic": "Delivery", "dispositionCode": "ANSWERED"}
        assert item["agent"]["displayName"] == "ann"
        await ann.contact(pops, id=contact, state="CLOSED")


async def test_a_chat_has_two_candidates(day: Day) -> None:
    """Two people share an e-mail address: nothing is chosen for the agent, who asks and associates."""
    first = day.person("twin-1", firstName="Kim", email="family@example.com")
    second = day.gateway.change(
        day.ann, CREATE, input={"firstName": "Lee", "contactPoints": [{"channel": "EMAIL", "value": "family@example.com"}]}
    )["profile"]["id"]
    async with Desk(day.gateway, day.ann) as ann:
        pops = await ann.watch(CONTACTS)
        contact = day.rings("chat-1", channel="CHAT", address="family@example.com")
        shown = await ann.contact(pops, id=contact, match="MULTIPLE")

        assert {one["profile"]["id"] for one in shown["candidates"]} == {first, second}
        assert shown["association"] is None

        done = day.gateway.change(day.ann, ASSOCIATE, contact=contact, profile=second, keys=["account_id", "street"])
        assert done["contact"]["association"] == {"profile": {"id": second}, "verifiedKeys": ["account_id", "street"], "automatic": False}
        assert (await ann.contact(pops, profile={"id": second, "displayName": "Lee"}))["id"] == contact


async def test_an_unknown_caller_is_created(day: Day) -> None:
    """Nobody has the number: NONE; the agent makes a profile with a first name, and the contact is associated in the same step."""
    async with Desk(day.gateway, day.ann) as ann:
        pops = await ann.watch(CONTACTS)
        contact = day.rings("call-2", address="+442079460099")
        assert (await ann.contact(pops, id=contact, match="NONE"))["candidates"] == []

        made = day.gateway.change(
            day.ann,
            CREATE,
            input={
                "firstName": "Noor",
                "contactPoints": [{"channel": "VOICE", "value": "+442079460099"}],
                "associateWithContactId": contact,
                "idempotencyKey": "noor",
            },
        )["profile"]["id"]
        shown = await ann.contact(pops, profile={"id": made, "displayName": "Noor"})

        assert shown["id"] == contact


async def test_a_borrowed_phone_is_unlinked(day: Day) -> None:
    """Somebody calls from Ana's phone: unlinked, the contact is never matched again, and Ana's profile is what it was."""
    profile = day.person("lender", firstName="Ana", phone="+442079460003")
    before = day.screen(profile)
    contact = day.rings("call-3", address="+442079460003")
    done = day.gateway.change(day.ann, UNLINK, contact=contact, reason="a friend's phone")
    day.moves(contact, state="CONNECTED", attributes={"topic": "returns"})
    again = day.gateway.query(day.ann, "query($id: ID!) { contact(id: $id) { match profile { id } } }", id=contact)["contact"]
    after = day.screen(profile)

    assert done["contact"] == {"id": contact, "match": "SUPPRESSED", "profile": None}
    assert again == {"match": "SUPPRESSED", "profile": None}
    assert (after["version"], after["contactPoints"]) == (before["version"], before["contactPoints"])


async def test_a_wrong_association_is_corrected_in_wrap_up(day: Day) -> None:
    """Associating again replaces the first one, which is kept for the record; the call lands in the right history."""
    wrong, right = (day.person(f"mixed-{n}", firstName=f"Mix{n}") for n in (1, 2))
    contact = day.rings("call-4", address="anonymous")
    day.moves(contact, state="CONNECTED")
    day.gateway.change(day.ann, ASSOCIATE, contact=contact, profile=wrong, keys=None)
    day.moves(contact, state="WRAP_UP")
    day.gateway.change(day.ann, ASSOCIATE, contact=contact, profile=right, keys=["birth date"])
    day.moves(contact, state="CLOSED")
    document = "query($id: ID!) { contact(id: $id) { association { profile { id } } associationHistory { profile { id } supersededAt } } }"
    shown = day.gateway.query(day.ann, document, id=contact)["contact"]
    late = day.gateway.query(day.ann, ASSOCIATE, contact=contact, profile=wrong, keys=None)["associateContact"]

    assert shown["association"]["profile"]["id"] == right
    assert {one["profile"]["id"]: one["supersededAt"] is not None for one in shown["associationHistory"]} == {wrong: True, right: False}
    assert [item["__typename"] for item in day.screen(right)["timeline"]["nodes"]].count("Interaction") == 1
    assert "Interaction" not in [item["__typename"] for item in day.screen(wrong)["timeline"]["nodes"]]
    assert [error["code"] for error in late["userErrors"]] == ["CONTACT_CLOSED"]


async def test_a_company_changes(day: Day) -> None:
    """The customer has a new employer: a colleague with the profile open sees it at once."""
    profile = day.person("mover", firstName="Mia")
    join = f"""mutation($id: ID!, $name: String!, $main: Boolean!) {{
      addProfileToCompany(profileId: $id, companyName: $name, makeMain: $main) {{ {ERRORS} }} }}"""
    day.gateway.change(day.ann, join, id=profile, name="Old Ltd", main=False)
    async with Desk(day.gateway, day.bob) as bob:
        state = await bob.watch(PROFILE, id=profile)
        day.gateway.change(day.ann, join, id=profile, name="New GmbH", main=True)
        event = await bob.until(state, "ProfileUpdated")

        assert event["profile"]["mainCompany"] == {"name": "New GmbH"}
        assert {"companies", "mainCompany"} <= set(event["changedFields"])


async def test_a_note_is_shared_live(day: Day) -> None:
    """One agent writes a note; the other reads it a moment later; deleted, it is gone for both and its text is nowhere."""
    profile = day.person("noted", firstName="Nia")
    async with Desk(day.gateway, day.bob) as bob:
        history = await bob.watch(TIMELINE, id=profile, filter={"kinds": ["NOTE"]})
        add = f"mutation($input: NoteInput!) {{ addNote(input: $input) {{ note {{ id }} {ERRORS} }} }}"
        note = day.gateway.change(day.ann, add, input={"profileId": profile, "body": "Prefers mornings."})["note"]["id"]
        event = await bob.until(history, "TimelineItemUpserted")

        assert event["item"]["note"] == {"body": "Prefers mornings.", "author": {"displayName": "ann"}}

        day.gateway.change(day.ann, f"mutation($id: ID!) {{ deleteNote(id: $id) {{ {ERRORS} }} }}", id=note)
        removed = await bob.until(history, "TimelineItemRemoved")
        after = day.screen(profile)

        assert removed["itemId"] == event["item"]["id"]
        assert after["notes"]["nodes"] == []
        assert "NOTE_DELETED" in [change["action"] for change in after["changes"]["nodes"]]
        assert "mornings" not in str(after)


async def test_an_order_arrives_live_with_its_star(day: Day) -> None:
    """The website tracks an order: it appears in the open history with a star and what was bought."""
    profile = day.person("buyer", firstName="Bea")
    async with Desk(day.gateway, day.ann) as ann:
        history = await ann.watch(TIMELINE, id=profile, filter={"preset": "DEFAULT"})
        order = {"order_id": "SO-7", "total": 49.9, "products": [{"name": "Tent"}, {"name": "Mat"}]}
        day.gateway.track(
            day.website, {"type": "track", "messageId": "order-7", "userId": "buyer", "event": "Order Completed", "properties": order}
        )
        item = (await ann.until(history, "TimelineItemUpserted"))["item"]

        assert (item["title"], item["icon"], item["origin"]) == ("Order SO-7", "star", "EXTERNAL")
        assert item["details"] == [{"label": "Items", "value": "Tent, Mat"}, {"label": "Total", "value": "49.9"}]


async def test_a_duplicate_is_merged_and_the_merge_undone(day: Day) -> None:
    """Both open screens are told; the old id answers with the survivor; undone, both are what they were."""
    kept, double = day.person("kept", firstName="Eva", phone="+442079460011"), day.person("double", firstName="Evi", phone="+442079460012")
    before = [day.screen(one) for one in (kept, double)]
    async with Desk(day.gateway, day.ann) as ann, Desk(day.gateway, day.bob) as bob:
        survivor, gone = await ann.watch(PROFILE, id=kept), await bob.watch(PROFILE, id=double)
        document = f"mutation($input: MergeProfilesInput!) {{ mergeProfiles(input: $input) {{ merge {{ id }} {ERRORS} }} }}"
        merge = day.gateway.change(day.sue, document, input={"survivorId": kept, "mergeIds": [double], "reason": "same person"})["merge"]
        told = await ann.until(survivor, "ProfileMerged"), await bob.until(gone, "ProfileMerged")

        assert [event["profile"]["id"] for event in told] == [kept, kept]
        assert (await bob.event(gone)).get("complete")

        redirected = day.screen(double)
        assert (redirected["id"], redirected["redirectedFrom"]) == (kept, double)
        assert {point["value"] for point in redirected["contactPoints"]} == {"+442079460011", "+442079460012"}

        undo = f"mutation($id: ID!) {{ unmergeProfiles(mergeId: $id) {{ merge {{ undoneAt canUndo }} {ERRORS} }} }}"
        assert day.gateway.change(day.sue, undo, id=merge["id"])["merge"]["canUndo"] is False
        await ann.until(survivor, "ProfileUpdated")
        after = [day.screen(one) for one in (kept, double)]

        for was, now in zip(before, after, strict=True):
            same = ("id", "status", "redirectedFrom", "displayName", "contactPoints", "identifiers", "mainCompany")
            assert {key: now[key] for key in same} == {key: was[key] for key in same}


async def test_a_social_security_number_is_verified_without_being_seen(day: Day) -> None:
    """Right, wrong, and after three wrong answers locked; the number is shown to nobody, and both questions are on record."""
    made = {"firstName": "Sam", "identifiers": [{"type": "ssn", "value": SSN}]}
    profile = day.gateway.change(day.ann, CREATE, input=made)["profile"]["id"]
    verify = (
        f'mutation($id: ID!, $value: String!) {{ verifyProfileAttribute(profileId: $id, key: "ssn", value: $value) {{ result {ERRORS} }} }}'
    )

    def ask(value: str) -> str:
        return str(day.gateway.change(day.ann, verify, id=profile, value=value)["result"])

    assert [ask(SSN), ask("078-05-1121"), ask(SSN)] == ["MATCH", "NO_MATCH", "MATCH"]
    assert [ask("1"), ask("2"), ask(SSN)] == ["NO_MATCH", "NO_MATCH", "LOCKED"]

    screen = day.screen(profile, day.sue)
    assert [one["mask"] for one in screen["identifiers"]] == ["MASKED"]
    assert SSN not in str(screen)
    assert "1120" not in re.sub(r"'id': '[^']*'", "", str(screen))  # an id may hold any four digits
    assert [change["action"] for change in screen["changes"]["nodes"]].count("VERIFIED") == 6


async def test_a_customer_is_erased_while_an_agent_watches(day: Day) -> None:
    """The open screen is told and its streams end; nothing of the person is left, and the website cannot bring them back."""
    profile = day.person("leaver", firstName="Lou", email="lou@example.com")
    async with Desk(day.gateway, day.bob) as bob:
        state = await bob.watch(PROFILE, id=profile)
        erase = f"mutation($id: ID!) {{ requestPrivacyAction(profileId: $id, action: ERASE) {{ jobId {ERRORS} }} }}"
        assert day.gateway.change(day.sue, erase, id=profile)["jobId"]
        assert (await bob.until(state, "ProfileErased"))["profileId"] == profile
        assert (await bob.event(state)).get("complete")

    after = day.screen(profile)
    assert after["status"] == "ERASED"
    assert "Lou" not in str(after)

    late = {"type": "identify", "messageId": "late", "userId": "leaver", "traits": {"firstName": "Lou", "email": "lou@example.com"}}
    answer = httpx2.post(f"{day.gateway.url}/v1/batch", json={"batch": [late]}, auth=(day.website, ""), timeout=10)
    found = day.gateway.query(day.ann, '{ profile(by: {email: "lou@example.com"}) { id } }')["profile"]

    assert answer.status_code == 200
    assert found is None


async def test_two_agents_see_each_other(day: Day) -> None:
    """Who has the profile open, and who edits it, is known to the other; it ends with the socket."""
    profile = day.person("shared", firstName="Una")
    viewing = "mutation($id: ID!, $editing: Boolean!) { setViewing(profileId: $id, editing: $editing) }"
    async with Desk(day.gateway, day.ann) as ann:
        state = await ann.watch(PROFILE, id=profile)
        async with Desk(day.gateway, day.bob) as bob:
            await bob.ask(viewing, id=profile, editing=True)
            here = await ann.until(state, "ViewersChanged")
            assert ([one["id"] for one in here["viewers"]], [one["id"] for one in here["editing"]]) == (["bob"], ["bob"])
        async with asyncio.timeout(15):
            while (await ann.event(state))["viewers"]:
                pass
