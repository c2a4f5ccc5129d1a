"""The demo's contact centre: its past is told once, then calls and chats keep coming to one agent's desk.

Owns a thread that plays the routing system and, where one must choose, the agent; everything goes over HTTP, as it would from outside, so
what a subscriber of contactEvents sees has come the whole way. Must not touch the database. Called by `demo`.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import cycle
from random import Random
from typing import Any, Final
from uuid import uuid4

from gateway.cli.caller import Caller, basic
from gateway.cli.sample.residents import KNOWN_EMAIL, KNOWN_USER_ID
from gateway.cli.sample.story import FAMILY_EMAIL, KNOWN_PHONE, past_events
from gateway.cli.sample.vocabulary import AGENTS, SUMMARIES

__all__ = ["Rehearsal"]

_STEP: Final = 4.0
"""Seconds between two steps of a contact."""
_PORTION: Final = 100
_SSN: Final = "078-05-1120"
"""A number that was printed on sample cards and belongs to nobody."""

_ERRORS: Final = "userErrors { code message path }"
_OPEN: Final = f"mutation($input: OpenContactInput!) {{ openContact(input: $input) {{ contact {{ id }} {_ERRORS} }} }}"
_UPDATE: Final = f"mutation($input: UpdateContactInput!) {{ updateContact(input: $input) {{ contact {{ id state }} {_ERRORS} }} }}"
_LOOK: Final = "query($id: ID!) { contact(id: $id) { match profile { id } candidates { profile { id } } } }"
_ASSOCIATE: Final = f"""mutation($contact: ID!, $profile: ID!) {{
  associateContact(contactId: $contact, profileId: $profile, verifiedKeys: ["account_id"]) {{ {_ERRORS} }} }}"""
_UNLINK: Final = f"""mutation($contact: ID!, $reason: String) {{
  unlinkContact(contactId: $contact, reason: $reason) {{ {_ERRORS} }} }}"""
_FIND: Final = """query($user: String!) { profile(by: {identifier: {type: "user_id", value: $user}}) { id } }"""
_CONSENT: Final = (
    f"""mutation($id: ID!) {{ setConsent(profileId: $id, purpose: "marketing", channel: VOICE, status: DENIED) {{ {_ERRORS} }} }}"""
)
_IDENTIFY: Final = f"""mutation($id: ID!, $ssn: String!) {{
  updateProfile(input: {{id: $id, addIdentifiers: [{{type: "ssn", value: $ssn}}]}}) {{ {_ERRORS} }} }}"""
_FAMILY: Final = f"""mutation($input: CreateProfileInput!) {{ createProfile(input: $input) {{ {_ERRORS} }} }}"""
_PIN: Final = f"mutation($keys: [String!]!) {{ setVisibleAttributes(keys: $keys) {{ {_ERRORS} }} }}"

_BORROWED_PHONE: Final = "+447700900102"
"""Whose number it is lends the phone to a friend."""
_SCENES: Final[tuple[Mapping[str, Any], ...]] = (
    {"channel": "CHAT", "address": KNOWN_EMAIL, "queue": "Orders"},
    {"channel": "VOICE", "address": KNOWN_PHONE, "queue": "Orders"},
    {"channel": "CHAT", "address": FAMILY_EMAIL, "queue": "Product advice", "handoffContext": {"bot": "Asked for the size of a tent."}},
    {"channel": "VOICE", "address": "+12025550199", "queue": "Orders", "displayName": "Unknown caller"},
    {"channel": "EMAIL", "address": "chiara.rossi@example.com", "queue": "Billing"},
    {"channel": "VOICE", "address": _BORROWED_PHONE, "queue": "Billing", "displayName": "A friend of Ben's"},
)
"""An address one person has, a number that she has twice, an address two people share, a number nobody has, a known mailbox, a borrowed phone."""


class Rehearsal:
    """Plays until it is stopped. `tokens`: `routing` (an administrator's) and `agent`, whose desk it is."""

    def __init__(self, base_url: str, write_key: str, tokens: Mapping[str, str], step: float = _STEP) -> None:
        self._caller = Caller(base_url)
        self._write_key = write_key
        self._tokens = tokens
        self._step = step
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rehearsal", daemon=True)

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """End, after the call that is under way."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(15)

    def tell_the_past(self) -> None:
        """Send what happened before today; again changes nothing."""
        events = past_events(datetime.now(UTC))
        for start in range(0, len(events), _PORTION):
            self._caller.post("/v1/batch", basic(self._write_key), {"batch": events[start : start + _PORTION]})
        agent = self._tokens["agent"]
        known = self._caller.ask(agent, _FIND, user=KNOWN_USER_ID).get("id")
        if known is not None:
            self._caller.ask(agent, _CONSENT, id=known)
            self._caller.ask(agent, _IDENTIFY, id=known, ssn=_SSN)
        family = {"firstName": "Ned", "lastName": "Hughes", "contactPoints": [{"channel": "EMAIL", "value": FAMILY_EMAIL}]}
        if not self._stop.is_set() and len(self._matching(FAMILY_EMAIL)) < 2:  # noqa: PLR2004  # Nell and Ned
            self._caller.ask(agent, _FAMILY, input=family)
        self._caller.ask(agent, _PIN, keys=["plan", "loyalty_tier", "lifetime_value", "churn_likelihood", "language"])

    def _matching(self, email: str) -> list[Any]:
        document = """query($email: String!) { searchProfiles(keys: [{key: "email", values: [$email]}]) { nodes { id } } }"""
        return list(self._caller.ask(self._tokens["agent"], document, email=email).get("nodes") or ())

    def _run(self) -> None:
        self.tell_the_past()
        rng = Random()  # noqa: S311  # made-up data
        for scene in cycle(_SCENES):
            if self._stop.is_set():
                return
            self._play(scene, rng)

    def _play(self, scene: Mapping[str, Any], rng: Random) -> None:
        """One contact from OFFERED to CLOSED."""
        routing = self._tokens["routing"]
        given = {"externalId": f"demo-{uuid4().hex}", "agentId": AGENTS[0][0], **scene}
        contact = (self._caller.ask(routing, _OPEN, input=given).get("contact") or {}).get("id")
        topic, said = rng.choice(SUMMARIES)
        wrap_up = {
            "notes": "Nothing open.",
            "topic": topic,
            "dispositionCode": "RESOLVED",
            "sentiment": rng.choice(("POSITIVE", "NEUTRAL")),
        }
        for changes in ({"state": "CONNECTED"}, {"state": "WRAP_UP", "summary": said}, {"state": "CLOSED", "wrapUp": wrap_up}):
            if self._stop.wait(self._step) or contact is None:
                return
            if changes["state"] == "WRAP_UP":
                self._choose(contact, scene["address"], rng)
            if changes["state"] == "CLOSED" and scene["address"] == FAMILY_EMAIL:
                self._correct(contact)
            self._caller.ask(routing, _UPDATE, input={"id": contact, **changes})
        self._stop.wait(self._step)

    def _choose(self, contact: str, address: str, rng: Random) -> None:
        """Where several people may be meant, the agent has found out which; a borrowed phone says nothing of its caller."""
        agent = self._tokens["agent"]
        shown = self._caller.ask(agent, _LOOK, id=contact)
        if shown.get("match") == "MULTIPLE" and shown["candidates"]:
            self._caller.ask(agent, _ASSOCIATE, contact=contact, profile=rng.choice(shown["candidates"])["profile"]["id"])
        elif shown.get("match") == "ONE" and address == _BORROWED_PHONE:
            self._caller.ask(agent, _UNLINK, contact=contact, reason="Called from a friend's phone.")

    def _correct(self, contact: str) -> None:
        """It was the other one of the family."""
        agent = self._tokens["agent"]
        shown = self._caller.ask(agent, _LOOK, id=contact)
        chosen = (shown.get("profile") or {}).get("id")
        others = [one["profile"]["id"] for one in shown.get("candidates") or () if one["profile"]["id"] != chosen]
        if chosen is not None and others:
            self._caller.ask(agent, _ASSOCIATE, contact=contact, profile=others[0])
