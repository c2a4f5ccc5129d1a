"""What `test_mutations_bad_input` asks of each mutation: one good call of it, and what of the call can be spoilt how.

Owns the table of mutations and the things a workspace needs for their good calls. Places are dotted names of arguments and input fields, as
`places_of` finds them in the schema; a list's entries are its own name. Must not judge answers.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import GraphQLArgument, GraphQLInputField, GraphQLInputObjectType, GraphQLList, GraphQLNonNull, Undefined, get_named_type

from gateway.auth.principal import Principal
from gateway.model.ids import uuid7
from resolvers.schema import build_schema

from .conftest import START, Graph

__all__ = ["CASES", "MUTATIONS", "Case", "World", "document", "holds_id", "is_list", "places_of", "spoilt", "unknown", "world"]

Variables = dict[str, Any]
SCHEMA = build_schema()
MUTATIONS = SCHEMA.mutation_type.fields if SCHEMA.mutation_type else {}

OPEN = "mutation ($v: OpenContactInput!) { openContact(input: $v) { contact { id } userErrors { code path } } }"
MERGE = "mutation ($v: MergeProfilesInput!) { mergeProfiles(input: $v) { merge { id } userErrors { code path } } }"
CLOSE = "mutation ($id: ID!) { updateContact(input: {id: $id, state: CLOSED}) { userErrors { code } } }"
SHOWN = """query ($id: ID!) { profile(by: {id: $id}) { mergeProposals { id } } }"""


@dataclass(frozen=True)
class World:
    """Ids of one workspace: what a mutation may name; empty what it does not."""

    profile: str
    other: str
    note: str = ""
    company: str = ""
    contact: str = ""
    closed: str = ""
    merge: str = ""
    proposal: str = ""


async def world(graph: Graph, principal: Principal, prefix: str, case: Case) -> World:
    """A workspace of this principal, who may do everything, with what the case names; `prefix` keeps two of them apart."""
    wanted = {*case.ids.values(), "closed" if case.closed else None}
    email = {"channel": "EMAIL", "value": f"{prefix}@example.com"}
    identifiers = [{"type": "account_id", "value": prefix}]
    made = {"profile": await graph.profile(prefix, principal, contactPoints=[email], identifiers=identifiers)}
    made["other"] = await graph.profile("Twin", principal, contactPoints=[email])
    for kind in ("contact", "closed"):
        if kind in wanted:
            opened = {"externalId": f"{prefix}-{kind}", "channel": "VOICE", "agentId": principal.subject}
            made[kind] = (await graph.data(OPEN, {"v": opened}, principal))["contact"]["id"]
    if "closed" in wanted:
        assert (await graph.data(CLOSE, {"id": made["closed"]}, principal))["userErrors"] == []
    if "note" in wanted:
        made["note"] = await graph.note(made["profile"], f"secret of {prefix}", principal)
    if "company" in wanted:
        made["company"] = await graph.join(made["profile"], f"{prefix} Ltd", principal=principal)
    if "merge" in wanted:
        survivor, merged = [await graph.profile(name, principal) for name in ("Survivor", "Merged")]
        made["merge"] = (await graph.data(MERGE, {"v": {"survivorId": survivor, "mergeIds": [merged]}}, principal))["merge"]["id"]
    if "proposal" in wanted:
        made["proposal"] = (await graph.data(SHOWN, {"id": made["profile"]}, principal))["mergeProposals"][0]["id"]
    return World(**made)


@dataclass(frozen=True)
class Case:
    """One mutation.

    `good` makes the variables of a call that succeeds. The rest must name every place of its kind that the schema has: `ids` (a place →
    the World's name for what it holds, or None for an id that another system gave), `lists` (a place → one more entry than there may
    be; None: see the reason beside it), `versions`, `keys` (a place → another value of another field of that input). `closed` is where the
    contact stands that must not be over; `refusal` and `too_long` are the codes for ids of nothing and lists that are too long.
    """

    scope: str | None
    good: Callable[[World], Variables]
    ids: Mapping[str, str | None] = field(default_factory=dict)
    lists: Mapping[str, Callable[[World], list[Any]] | None] = field(default_factory=dict)
    versions: tuple[str, ...] = ()
    keys: dict[str, tuple[str, Any]] = field(default_factory=dict)
    closed: str | None = None
    answer: str = "userErrors { code path message }"
    refusal: str = "NOT_FOUND"
    too_long: str = "LIMIT_EXCEEDED"


def _input(**given: Any) -> Variables:
    return {"input": given}


def _many(count: int, entry: Callable[[int], Any]) -> Callable[[World], list[Any]]:
    return lambda _: [entry(number) for number in range(count)]


def _ids(count: int, kind: str) -> Callable[[World], list[Any]]:
    return lambda one: [unknown(getattr(one, kind)) for _ in range(count)]


def _point(number: int) -> dict[str, str]:
    return {"channel": "EMAIL", "value": f"p{number}@example.org"}


def _identifier(number: int) -> dict[str, str]:
    return {"type": "account_id", "value": f"I-{number}"}


def _activity(profile: dict[str, Any], number: int = 0) -> dict[str, Any]:
    return {"profile": profile, "type": "Order Completed", "occurredAt": START.isoformat(), "messageId": f"m-{number}"}


def _section(number: int = 0, attributes: int = 1) -> dict[str, Any]:
    return {"key": f"s{number}", "title": "S", "component": "attributes", "attributes": [f"a{n}" for n in range(attributes)]}


def _layout(**given: Any) -> Variables:
    whole = {"name": "default", "header": ["displayName"], "sections": [_section()], "externalActivityTypes": [], "timelineOrder": "ASC"}
    return _input(**(whole | given))


_COMPANY = {"profileId": "profile", "companyId": "company"}

CASES: dict[str, Case] = {
    "createProfile": Case(
        "profile:create",
        lambda it: _input(
            firstName="New", contactPoints=[_point(0)], identifiers=[_identifier(0)], associateWithContactId=it.contact, idempotencyKey="k"
        ),
        # a new profile has no points to change: an id there is refused as BAD_USER_INPUT (test_inputs_malformed)
        ids={"input.associateWithContactId": "contact", "input.contactPoints.id": None},
        lists={"input.contactPoints": _many(51, _point), "input.identifiers": _many(51, _identifier)},
        keys={"input.idempotencyKey": ("lastName", "Other")},
        closed="input.associateWithContactId",
    ),
    "updateProfile": Case(
        "profile:write",
        lambda it: _input(
            id=it.profile,
            expectedVersion=None,
            firstName="Changed",
            upsertContactPoints=[_point(0)],
            addIdentifiers=[_identifier(1)],
        ),
        # ids of points and identifiers hold their profile's: another profile's are BAD_USER_INPUT, like what is no id at all
        ids={
            "input.id": "profile",
            "input.upsertContactPoints.id": None,
            "input.removeContactPointIds": None,
            "input.removeIdentifierIds": None,
        },
        lists={
            "input.upsertContactPoints": _many(51, _point),
            "input.addIdentifiers": _many(51, _identifier),
            # removing is one statement however many, and what is not there is no error
            "input.removeContactPointIds": None,
            "input.removeIdentifierIds": None,
        },
        versions=("input.expectedVersion",),
    ),
    "addProfileToCompany": Case("profile:write", lambda it: {"profileId": it.other, "companyId": it.company}, ids=_COMPANY),
    "removeProfileFromCompany": Case("profile:write", lambda it: {"profileId": it.profile, "companyId": it.company}, ids=_COMPANY),
    "setMainCompany": Case("profile:write", lambda it: {"profileId": it.profile, "companyId": it.company}, ids=_COMPANY),
    "addNote": Case(
        "note:write",
        lambda it: _input(profileId=it.profile, body="x", contactId=it.contact, idempotencyKey="k"),
        ids={"input.profileId": "profile", "input.contactId": "contact"},
        keys={"input.idempotencyKey": ("body", "y")},
    ),
    "updateNote": Case(
        "note:write", lambda it: _input(id=it.note, body="y"), ids={"input.id": "note"}, versions=("input.expectedVersion",)
    ),
    "deleteNote": Case("note:write", lambda it: {"id": it.note}, ids={"id": "note"}),
    "recordActivities": Case(
        "activity:write",
        lambda it: {"activities": [_activity({"id": it.profile})]},
        ids={"activities.profile.id": "profile", "activities.profile.contactId": "contact"},
        lists={"activities": lambda it: [_activity({"id": it.profile}, number) for number in range(1001)]},
        answer="accepted duplicates userErrors { code path message }",
    ),
    "setConsent": Case(
        "profile:write", lambda it: {"profileId": it.profile, "purpose": "marketing", "status": "GRANTED"}, ids={"profileId": "profile"}
    ),
    "openContact": Case(
        "contact:write",
        lambda it: _input(externalId="new", channel="CHAT", parentId=it.contact, searchKey={"key": "email", "values": ["a@example.com"]}),
        ids={"input.agentId": None, "input.parentId": "contact"},  # agents are known to the routing system, not to the gateway
        lists={"input.searchKey.values": _many(21, lambda number: f"p{number}@example.org")},
        too_long="INVALID",
    ),
    "updateContact": Case(
        "contact:write",
        lambda it: _input(id=it.contact, queue="Orders"),
        ids={"input.id": "contact", "input.agentId": None},
        closed="input.id",
    ),
    "associateContact": Case(
        "contact:associate",
        lambda it: {"contactId": it.contact, "profileId": it.profile, "verifiedKeys": ["email"]},
        ids={"contactId": "contact", "profileId": "profile"},
        lists={"verifiedKeys": _many(11, "key {}".format)},
        closed="contactId",
    ),
    "unlinkContact": Case("contact:associate", lambda it: {"contactId": it.contact}, ids={"contactId": "contact"}, closed="contactId"),
    "setVisibleAttributes": Case(
        "profile:read",
        lambda it: {"keys": ["plan"], "expectedVersion": None},
        lists={"keys": _many(101, "key_{}".format)},
        versions=("expectedVersion",),
    ),
    "saveLayout": Case(
        "admin",
        lambda it: _layout(),
        lists={
            "input.header": _many(21, "h{}".format),
            "input.sections": _many(51, _section),
            "input.sections.attributes": _many(201, "a{}".format),
            "input.externalActivityTypes": _many(201, "t{}".format),
        },
        versions=("input.expectedVersion",),
    ),
    "mergeProfiles": Case(
        "profile:merge",
        lambda it: _input(survivorId=it.profile, mergeIds=[it.other], fieldWinners=[]),
        ids={"input.survivorId": "profile", "input.mergeIds": "other"},
        lists={
            "input.mergeIds": _ids(25, "other"),
            "input.fieldWinners": lambda it: [{"key": f"k{number}", "value": it.profile} for number in range(101)],
        },
    ),
    "unmergeProfiles": Case("profile:merge", lambda it: {"mergeId": it.merge}, ids={"mergeId": "merge"}),
    "dismissMergeProposal": Case("profile:merge", lambda it: {"id": it.proposal}, ids={"id": "proposal"}),
    "requestPrivacyAction": Case("privacy", lambda it: {"profileId": it.profile, "action": "EXPORT"}, ids={"profileId": "profile"}),
    "setViewing": Case("profile:read", lambda it: {"profileId": it.profile}, ids={"profileId": "profile"}, answer="", refusal="false"),
    # only over a socket, with a token instead of a right: test_mutations_session.py
    "refreshSession": Case(None, lambda it: {"token": "x"}, answer="actor { id }"),
    "disconnectSubject": Case("admin", lambda it: {"subject": "bob", "reason": "left"}, answer=""),
    "verifyProfileAttribute": Case(
        "contact:associate",
        lambda it: {"profileId": it.profile, "key": "account_id", "value": "x"},
        ids={"profileId": "profile"},
        answer="result userErrors { code path message }",
    ),
    "revealSensitive": Case(
        "pii:reveal",
        lambda it: {"profileId": it.profile, "key": "account_id", "purpose": "a parcel came back"},
        ids={"profileId": "profile"},
        answer="value userErrors { code path message }",
    ),
}


def document(name: str) -> str:
    """A document of one mutation, with each argument a variable of the argument's name."""
    arguments = MUTATIONS[name].args
    types = {key: str(argument.type).removesuffix("!") if _defaults(argument) else argument.type for key, argument in arguments.items()}
    variables = ", ".join(f"${key}: {type_}" for key, type_ in types.items())
    values = ", ".join(f"{key}: ${key}" for key in arguments)
    answer = CASES[name].answer
    return f"mutation ({variables}) {{ {name}({values}) {f'{{ {answer} }}' if answer else ''} }}"


def _defaults(argument: GraphQLArgument) -> bool:
    return argument.default_value is not Undefined


def places_of(name: str, wanted: Callable[[str, Any], bool]) -> set[str]:
    """The places of a mutation's input for whose (name, type) `wanted` is true."""
    return {".".join(path) for path, type_ in _walk((), MUTATIONS[name].args) if wanted(path[-1], type_)}


def _walk(path: tuple[str, ...], parts: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, part in parts.items():
        assert isinstance(part, GraphQLArgument | GraphQLInputField)
        type_ = part.type.of_type if isinstance(part.type, GraphQLNonNull) else part.type
        yield (*path, name), type_
        named = get_named_type(type_)
        if isinstance(named, GraphQLInputObjectType):
            yield from _walk((*path, name), named.fields)


def holds_id(_: str, type_: Any) -> bool:
    """Whether a place holds an id, or several."""
    return bool(get_named_type(type_).name == "ID")


def is_list(_: str, type_: Any) -> bool:
    """Whether a place holds a list."""
    return isinstance(type_, GraphQLList)


def spoilt(variables: Variables, place: str, value: Any) -> Variables:
    """The variables with another value at the place (in the first entry of each list on the way); one value stands for a list of one."""
    changed: Any = copy.deepcopy(variables)
    *way, last = place.split(".")
    inner = changed
    for name in way:
        inner = inner.setdefault(name, {})
        inner = inner[0] if isinstance(inner, list) else inner
    if "profile" in way and last in {"id", "contactId"}:
        inner.clear()  # exactly one of a reference's ways may be given
    inner[last] = [value] if isinstance(inner.get(last), list) and not isinstance(value, list) else value
    return dict(changed)


def unknown(id_: str) -> str:
    """An id of the same make, of nothing."""
    return re.sub(r"[0-9a-f]{32}", lambda _: uuid7().hex, id_)
