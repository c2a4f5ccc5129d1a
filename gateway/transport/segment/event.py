"""One item of the tracking API as a checked event, or the reason why it is none.

Owns what all calls have in common: the message id, the ids of the person, the moment. Pure: the same bytes at the same moment give the same
answer. Called by `transport.tracking`, once per item; nothing here may take longer than the size of the item warrants.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from gateway.commands.resolution import ANONYMOUS_ID, USER_ID
from gateway.commands.tracking import Event, Group, understood
from gateway.errors import BadUserInput, Problem, Rejected
from gateway.identity import normalize_identifier, normalize_type
from gateway.sources.contract import LookupKey
from gateway.transport.segment.activity import page_view, tracked
from gateway.transport.segment.person import person_of
from gateway.transport.segment.values import check_moment, host_name, iso_moment, json_object, plain_text, snake_case
from gateway.transport.segment.wire import Item, label_of, read_item

__all__ = ["CALLS", "MAX_EVENT_BYTES", "Arrival", "Reading", "read_event"]

CALLS: Final = ("identify", "track", "page", "screen", "group", "alias")
MAX_EVENT_BYTES = 32 * 1024

_LONGEST_MESSAGE_ID = 255
_LONGEST_NAME = 200
_MOST_EXTERNAL_IDS = 20
_STRENGTH: Final = MappingProxyType({USER_ID: 0, ANONYMOUS_ID: 2})
"""A user id decides before any other identifier, an anonymous id after all of them."""
_VIEWS: Final = MappingProxyType({"page": "Page Viewed", "screen": "Screen Viewed"})


@dataclass(frozen=True, slots=True)
class Arrival:
    """What an item cannot know: when its request arrived, when the request says it was sent, and the workspace's region (ISO 3166)."""

    received_at: datetime
    sent_at: Any = None
    region: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What became of an item: an `event`, or a `problem` (REQUIRED, INVALID or LIMIT_EXCEEDED). `message_id` as far as it could be read.

    `linked`: identifiers that an alias says belong to one person.
    """

    message_id: str | None
    event: Event | None = None
    problem: Problem | None = None
    warnings: tuple[str, ...] = ()
    linked: tuple[LookupKey, ...] = ()


def read_event(raw: bytes, call: str | None, arrival: Arrival) -> Reading:
    """Read one item. `call` is what the address says it is; None takes the item's own `type`. Never raises for what a sender wrote."""
    if len(raw) > MAX_EVENT_BYTES:
        return Reading(_label(label_of(raw)), problem=Problem("LIMIT_EXCEEDED", f"The event is larger than {MAX_EVENT_BYTES} bytes."))
    try:
        item = read_item(raw)
    except ValueError as error:
        return Reading(_label(label_of(raw)), problem=Problem("INVALID", str(error)))
    warnings: list[str] = []
    message_id = _label(item.message_id)
    try:
        event, linked = _event(item, call or item.type, arrival, warnings.append)
    except Rejected as refused:
        return Reading(message_id, problem=refused.problems[0])
    return Reading(message_id, event, None, tuple(warnings), linked)


def _event(item: Item, call: object, arrival: Arrival, warn: Callable[[str], None]) -> tuple[Event, tuple[LookupKey, ...]]:
    message_id = _message_id(item.message_id)
    if call not in CALLS:
        raise _invalid("type", f"It is one of {', '.join(CALLS)}.")
    at = _happened(item, arrival)
    if call == "alias":
        return _alias(item, message_id, at)
    keys, raw_keys = _identifiers(item, warn)
    if call == "identify":
        person = person_of(item.traits, item.context, arrival.region, warn)
        return Event(message_id, at, keys, raw_keys, person=person), ()
    if call == "group":
        return Event(message_id, at, keys, raw_keys, group=_group(item, warn)), ()
    if call == "track":
        activity, at = tracked(item, at, warn)
    else:
        activity = page_view(item, _VIEWS[str(call)], warn)
    activity, signal = understood(activity)
    return Event(message_id, at, keys, raw_keys, activity=activity, signal=signal), ()


def _message_id(value: object) -> str:
    if value is None or value == "":
        raise Rejected(Problem("REQUIRED", "An event needs a messageId, so that sending it twice records it once.", ("messageId",)))
    if not isinstance(value, str) or len(value) > _LONGEST_MESSAGE_ID:
        raise _invalid("messageId", f"A text of at most {_LONGEST_MESSAGE_ID} characters is expected.")
    return value


def _happened(item: Item, arrival: Arrival) -> datetime:
    """When it happened, in UTC. An `originalTimestamp` is the sender's clock, which `sentAt` shows to be ahead or behind."""
    name, value = "timestamp", item.timestamp
    try:
        if value is not None:
            return check_moment(iso_moment(value))
        if item.original_timestamp is None:
            return arrival.received_at
        name, moment = "originalTimestamp", iso_moment(item.original_timestamp)
        sent_at = arrival.sent_at if item.sent_at is None else item.sent_at
        if sent_at is not None:
            name = "sentAt"
            moment = arrival.received_at - (iso_moment(sent_at) - moment)
        return check_moment(moment)
    except (ValueError, OverflowError) as error:
        raise _invalid(name, "There is no such moment." if isinstance(error, OverflowError) else str(error)) from None


def _identifiers(item: Item, warn: Callable[[str], None]) -> tuple[tuple[LookupKey, ...], dict[LookupKey, str]]:
    """The identifiers of a call, strongest first, and what was typed where that differs. One that identifies nobody is left out."""
    given: list[tuple[str, str, object]] = [("userId", USER_ID, item.user_id)]
    faults: list[str] = []
    if item.context is not None and item.context.external_ids is not None:
        given += _external_ids(item.context.external_ids, faults)
    given.append(("anonymousId", ANONYMOUS_ID, item.anonymous_id))
    found: dict[LookupKey, str] = {}
    for name, kind, value in given:
        try:
            text = _identifier_text(value)
            if text is not None:
                found.setdefault(LookupKey(kind, normalize_identifier(text)), text)
        except BadUserInput as error:
            faults.append(f"{name}: {error.message}")
    if not found:
        raise Rejected(Problem("INVALID" if faults else "REQUIRED", " ".join(["An event needs a userId or an anonymousId.", *faults])))
    for fault in faults:
        warn(f"{fault} It is left out.")
    keys = tuple(sorted(found, key=_strength))
    return keys, {key: text for key, text in found.items() if text != key.value}


def _external_ids(value: object, faults: list[str]) -> list[tuple[str, str, object]]:
    """`context.externalIds`: other systems' keys of the person; those of other collections than `users` are not about persons."""
    found: list[tuple[str, str, object]] = []
    entries = value if isinstance(value, list) else []
    if not isinstance(value, list) or len(value) > _MOST_EXTERNAL_IDS:
        faults.append(f"context.externalIds is a list of at most {_MOST_EXTERNAL_IDS} identifiers.")
    for index, entry in enumerate(entries[:_MOST_EXTERNAL_IDS]):
        name = f"context.externalIds[{index}]"
        if not isinstance(entry, dict) or not isinstance(entry.get("type"), str):
            faults.append(f"{name}: an object with id and type is expected.")
        elif entry.get("collection", "users") == "users":
            try:
                found.append((name, normalize_type(entry["type"]), entry.get("id")))
            except BadUserInput as error:
                faults.append(f"{name}: {error.message}")
    return found


def _identifier_text(value: object) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)  # several libraries send numbers as they are
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise BadUserInput("An identifier is a text.")
    return value


def _alias(item: Item, message_id: str, at: datetime) -> tuple[Event, tuple[LookupKey, ...]]:
    """`previousId` becomes an anonymous id of the user, if it is nobody's yet; two known people stay two, and are proposed to be one."""
    found: list[tuple[str, str]] = []
    for name, value in (("userId", item.user_id), ("previousId", item.previous_id)):
        try:
            text = _identifier_text(value)
            if text is None:
                raise Rejected(Problem("REQUIRED", f"An alias needs a {name}.", (name,)))
            found.append((normalize_identifier(text), text))
        except BadUserInput as error:
            raise _invalid(name, error.message) from None
    (user, typed_user), (previous, typed_previous) = found
    keys = LookupKey(USER_ID, user), LookupKey(ANONYMOUS_ID, previous)
    linked = (*keys, LookupKey(USER_ID, previous))
    return Event(message_id, at, keys, dict(zip(keys, (typed_user, typed_previous), strict=True)), linked=linked), linked


def _group(item: Item, warn: Callable[[str], None]) -> Group:
    try:
        text = _identifier_text(item.group_id)
        if text is None:
            raise Rejected(Problem("REQUIRED", "A group needs a groupId.", ("groupId",)))
        key = f"group:{normalize_identifier(text)}"
    except BadUserInput as error:
        raise _invalid("groupId", error.message) from None
    traits = {snake_case(name): value for name, value in json_object(item.traits, "traits").items() if value is not None}
    name = domain = None
    for trait in ("name", "website", "domain"):
        try:
            if trait not in traits:
                continue
            if trait == "name":
                name = plain_text(traits[trait], _LONGEST_NAME)
            else:
                domain = host_name(traits[trait]) or domain
        except ValueError as error:
            warn(f"traits.{trait}: {error} It is kept as a plain trait.")
    return Group(key, name or "", domain, traits)


def _invalid(name: str, message: str) -> Rejected:
    return Rejected(Problem("INVALID", f"{name}: {message}", (name,)))


def _label(value: object) -> str | None:
    """A message id as it may be repeated in an answer."""
    return value if isinstance(value, str) and len(value) <= _LONGEST_MESSAGE_ID else None


def _strength(key: LookupKey) -> int:
    return _STRENGTH.get(key.key, 1)
