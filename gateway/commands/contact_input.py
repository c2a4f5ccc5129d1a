"""What a client may say of a contact: checked, trimmed, and ready to be stored.

Owns the limits of a contact's texts and JSON, and how new attributes and wrap-ups combine with those there are. Must not read or write rows.
Called by `contacts`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from gateway.commands.denied import denied_problem
from gateway.commands.matching import Rules
from gateway.commands.validation import Problems, json_problem, text_problem
from gateway.errors import BadUserInput, Problem, Rejected
from gateway.model.activity import Direction
from gateway.model.contact import ContactState
from gateway.model.profile import Channel

__all__ = [
    "MOST_VERIFIED_KEYS",
    "CheckedContact",
    "ContactChanges",
    "NewContact",
    "check_changes",
    "check_new",
    "check_reason",
    "check_verified_keys",
    "merged",
    "merged_attributes",
]

MOST_VERIFIED_KEYS: Final = 10
_LONGEST_KEY = 64
_LONGEST_EXTERNAL_ID = 255
_LONGEST_ADDRESS = 320
_LONGEST_NAME = 200
_LONGEST_SUBJECT = 255
_LONGEST_QUEUE = 200
_LONGEST_CODE = 200
_LONGEST_TEXT = 16 * 1024
_LONGEST_REASON = 1000
_MOST_SEARCHED = 20


@dataclass(frozen=True, slots=True)
class NewContact:
    """Input of `open`. `search_key`: (key, values) to look the person up by, instead of what the channel's rules say."""

    external_id: str
    channel: Channel
    custom_channel: str | None = None
    address: str | None = None
    display_name: str | None = None
    direction: Direction = Direction.INBOUND
    agent_id: str | None = None
    queue: str | None = None
    search_key: tuple[str, Sequence[str]] | None = None
    attributes: Any = None
    handoff_context: Any = None
    parent_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class ContactChanges:
    """Input of `update`. `given` holds only what was given, by the names of `Contact` (`agent_id` for the agent): absent keeps, None clears."""

    contact_id: UUID
    state: ContactState | None = None
    given: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CheckedContact:
    """A `NewContact` as it is stored."""

    new: NewContact
    external_id: str
    custom_channel: str | None
    address: str | None
    normalized: str | None
    display_name: str | None
    agent_id: str | None
    queue: str | None
    search_key: dict[str, Any] | None
    attributes: dict[str, Any] | None


def check_new(new: NewContact, rules: Rules) -> CheckedContact:
    """Everything that is wrong with a new contact, at once.

    Raises:
        Rejected: REQUIRED, INVALID, LIMIT_EXCEEDED or SENSITIVE_DATA_REJECTED.
    """
    problems = Problems()
    external_id = problems.text(new.external_id, _LONGEST_EXTERNAL_ID, "externalId")
    if external_id is None and not problems.found:
        problems.add("REQUIRED", "A contact has the id that its routing system knows it by.", "externalId")
    custom = problems.text(new.custom_channel, _LONGEST_NAME, "customChannel")
    if new.channel is Channel.CUSTOM and custom is None and not problems.found:
        problems.add("REQUIRED", "A CUSTOM contact names its customChannel.", "customChannel")
    custom = custom if new.channel is Channel.CUSTOM else None
    address = problems.text(new.address, _LONGEST_ADDRESS, "address")
    name = problems.text(new.display_name, _LONGEST_NAME, "displayName")
    agent = problems.text(new.agent_id, _LONGEST_SUBJECT, "agentId")
    queue = problems.text(new.queue, _LONGEST_QUEUE, "queue")
    attributes = _object(problems, new.attributes)
    problems.json(new.handoff_context, "handoffContext")
    search_key = None if new.search_key is None else _search_key(problems, rules, *new.search_key)
    for value, path in ((new.attributes, "attributes"), (new.handoff_context, "handoffContext"), (name, "displayName")):
        denied = denied_problem(rules.configuration, value, "input", path)
        if denied is not None:
            problems.found.append(denied)
    problems.refuse()
    assert external_id is not None
    kept = merged_attributes({}, attributes, rules) if attributes else None
    normalized = rules.address(new.channel, custom, address)
    return CheckedContact(new, external_id, custom, address, normalized, name, agent, queue, search_key, kept)


def check_changes(changes: ContactChanges, rules: Rules) -> dict[str, Any]:
    """What was given, trimmed; the same problems."""
    problems = Problems()
    given = dict(changes.given)
    for name, path, longest in (
        ("agent_id", "agentId", _LONGEST_SUBJECT),
        ("queue", "queue", _LONGEST_QUEUE),
        ("summary", "summary", _LONGEST_TEXT),
    ):
        if given.get(name) is not None:
            given[name] = problems.text(given[name], longest, path)
    if "attributes" in given:
        given["attributes"] = _object(problems, given["attributes"])
    wrap_up = given.get("wrap_up")
    if wrap_up:
        longest_of = {"notes": _LONGEST_TEXT, "topic": _LONGEST_CODE, "dispositionCode": _LONGEST_CODE}
        given["wrap_up"] = {
            key: problems.text(value, longest_of[key], "wrapUp", key) if key in longest_of else value for key, value in wrap_up.items()
        }
    for name, path in (("attributes", "attributes"), ("summary", "summary"), ("wrap_up", "wrapUp")):
        denied = denied_problem(rules.configuration, given.get(name), "input", path)
        if denied is not None:
            problems.found.append(denied)
    problems.refuse()
    return given


def check_verified_keys(keys: Sequence[str] | None) -> tuple[str, ...] | None:
    """Names of what the customer confirmed, each once; None stays None.

    Raises:
        Rejected: LIMIT_EXCEEDED or INVALID.
    """
    if keys is None:
        return None
    if len(keys) > MOST_VERIFIED_KEYS:
        raise Rejected(Problem("LIMIT_EXCEEDED", f"At most {MOST_VERIFIED_KEYS} verified keys.", ("verifiedKeys",)))
    for index, key in enumerate(keys):
        wrong = text_problem(key, 4 * _LONGEST_KEY)
        if wrong or not 1 <= len(key.strip()) <= _LONGEST_KEY:
            message = wrong or f"The name of a verified key has between 1 and {_LONGEST_KEY} characters."
            raise Rejected(Problem("INVALID", message, ("verifiedKeys", str(index))))
    return tuple(dict.fromkeys(key.strip() for key in keys))


def check_reason(reason: str | None, rules: Rules) -> str | None:
    """The reason without surrounding blanks; empty is none.

    Raises:
        Rejected: INVALID or SENSITIVE_DATA_REJECTED.
    """
    if reason is None:
        return None
    wrong = text_problem(reason, _LONGEST_REASON)
    problem = Problem("INVALID", wrong, ("reason",)) if wrong else denied_problem(rules.configuration, reason, "reason")
    if problem is not None:
        raise Rejected(problem)
    return reason.strip() or None


def merged(old: Mapping[str, Any] | None, given: Mapping[str, Any]) -> dict[str, Any] | None:
    """Key by key: absent keeps, None removes; None when nothing is left."""
    whole = {key: value for key, value in {**(old or {}), **given}.items() if value is not None}
    return whole or None


def merged_attributes(old: Mapping[str, Any] | None, given: Mapping[str, Any], rules: Rules) -> dict[str, Any] | None:
    """The contact's attributes after a change.

    Raises:
        Rejected: INVALID, together they are more than one contact holds.
    """
    whole = merged(old, rules.kept(given))
    wrong = json_problem(whole)
    if wrong:
        raise Rejected(Problem("INVALID", wrong, ("input", "attributes")))
    return whole


def _object(problems: Problems, value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        problems.add("INVALID", "attributes is an object from key to value.", "attributes")
        return {}
    problems.json(value, "attributes")
    if "" in value:
        problems.add("INVALID", "An attribute needs a key.", "attributes")
    return value


def _search_key(problems: Problems, rules: Rules, key: str, values: Sequence[str]) -> dict[str, Any] | None:
    if not 1 <= len(values) <= _MOST_SEARCHED:
        problems.add("INVALID", f"A key has between 1 and {_MOST_SEARCHED} values.", "searchKey", "values")
        return None
    for index, value in enumerate(values):
        problems.text(value, _LONGEST_ADDRESS, "searchKey", "values", index)
    if problems.found:
        return None
    try:
        return rules.search_key(key, values)
    except BadUserInput as error:
        problems.add("INVALID", error.message, "searchKey", "key")
        return None
