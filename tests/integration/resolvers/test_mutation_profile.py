"""createProfile and updateProfile: what they write, what they refuse, and that a refusal writes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.model.ids import make_id, parse_id, uuid7

from .conftest import Graph, codes

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

ERRORS = "userErrors { __typename code message path ... on StaleVersionError { currentVersion current { id } } "
ERRORS += "... on DuplicateIdentifierError { existing { id firstName } } }"
SHOWN = "profile { id version firstName lastName displayName lifecycle streamCursor contactPoints { id channel value label isPrimary } "
SHOWN += "identifiers { id type value } traits { nodes { key value } } }"
CREATE = f"mutation ($input: CreateProfileInput!) {{ createProfile(input: $input) {{ {SHOWN} {ERRORS} streamCursor }} }}"
UPDATE = f"mutation ($input: UpdateProfileInput!) {{ updateProfile(input: $input) {{ {SHOWN} {ERRORS} streamCursor }} }}"


async def update(graph: Graph, profile: str, principal: Any = None, **changes: Any) -> dict[str, Any]:
    """The payload of an update."""
    payload: dict[str, Any] = await graph.data(UPDATE, {"input": {"id": profile, **changes}}, principal)
    return payload


def points(payload: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """Channel, value and primary place of each contact point."""
    return [(point["channel"], point["value"], point["isPrimary"]) for point in payload["profile"]["contactPoints"]]


def traits(payload: dict[str, Any]) -> dict[str, Any]:
    """Key → value."""
    return {trait["key"]: trait["value"] for trait in payload["profile"]["traits"]["nodes"]}


async def test_create(graph: Graph) -> None:
    """A new profile has everything it was given, one entry in its log, and the payload's cursor is the profile's."""
    given = {
        "firstName": "  Ana ",
        "lastName": "Lovelace",
        "contactPoints": [
            {"channel": "VOICE", "value": "+44 20 7946 0958", "label": "home"},
            {"channel": "VOICE", "value": "+442079460000"},
            {"channel": "CUSTOM", "customChannel": "Fax", "value": "12345"},
        ],
        "identifiers": [{"type": "accountId", "value": "A-100"}],
        "attributes": {"plan": "pro", "nothing": None},
    }
    payload = await graph.data(CREATE, {"input": given})
    profile = payload["profile"]

    assert payload["userErrors"] == []
    assert (profile["version"], profile["firstName"], profile["lastName"], profile["lifecycle"]) == (1, "Ana", "Lovelace", "PROSPECT")
    assert points(payload) == [("VOICE", "+44 20 7946 0958", True), ("CUSTOM", "12345", True), ("VOICE", "+442079460000", False)]
    assert [(one["type"], one["value"]) for one in profile["identifiers"]] == [("account_id", "A-100")]
    assert traits(payload) == {"plan": "pro"}
    assert payload["streamCursor"] == profile["streamCursor"]
    (entry,) = await graph.log(profile["id"])
    assert (entry[0], set(entry[1]), entry[2]) == (1, {"firstName", "lastName", "contactPoints", "identifiers", "traits"}, "ann")


async def test_create_with_a_first_name_alone(graph: Graph) -> None:
    """Only the first name is required."""
    payload = await graph.data(CREATE, {"input": {"firstName": "Ana"}})

    assert payload["profile"]["displayName"] == "Ana"
    assert len(await graph.log(payload["profile"]["id"])) == 1


async def test_absent_keeps_and_null_clears(graph: Graph) -> None:
    """What an update leaves out stays, what it sets to null is gone, and each change counts one version and one log entry."""
    ana = await graph.profile("Ana", lastName="Lovelace", attributes={"plan": "pro", "seats": 2})
    first = await update(graph, ana, firstName="Ada", attributes={"plan": "basic"})
    second = await update(graph, ana, lastName=None, attributes={"seats": None})
    third = await update(graph, ana, lifecycle="CUSTOMER")

    assert [payload["userErrors"] for payload in (first, second, third)] == [[], [], []]
    assert (first["profile"]["firstName"], first["profile"]["lastName"], traits(first)) == (
        "Ada",
        "Lovelace",
        {"plan": "basic", "seats": 2},
    )
    assert (second["profile"]["firstName"], second["profile"]["lastName"], traits(second)) == ("Ada", None, {"plan": "basic"})
    assert (third["profile"]["firstName"], third["profile"]["lifecycle"], third["profile"]["version"]) == ("Ada", "CUSTOMER", 4)
    log = await graph.log(ana)
    assert [(entry[0], set(entry[1])) for entry in log[1:]] == [
        (2, {"firstName", "traits"}),
        (3, {"lastName", "traits"}),
        (4, {"lifecycle"}),
    ]
    for payload in (first, second, third):
        assert payload["streamCursor"] == payload["profile"]["streamCursor"]


async def test_blank_is_null(graph: Graph) -> None:
    """A name of blanks is no name."""
    ana = await graph.profile("Ana", lastName="Lovelace")
    payload = await update(graph, ana, lastName="   ")

    assert payload["profile"]["lastName"] is None


async def test_updates_that_change_nothing(graph: Graph) -> None:
    """An update to what is there already succeeds, writes nothing, and its cursor is where the stream stands."""
    email = {"channel": "EMAIL", "value": "ana@example.com", "label": "home", "isPrimary": True}
    account = {"type": "account_id", "value": "A-100"}
    ana = await graph.profile(
        "Ana", lastName="Lovelace", contactPoints=[email], identifiers=[account], attributes={"plan": "pro", "n": [1]}
    )
    shown = await graph.data("query ($id: ID!) { profile(by: {id: $id}) { contactPoints { id } streamCursor } }", {"id": ana})
    before = await graph.contents()
    same: list[dict[str, Any]] = [
        {},
        {"firstName": "Ana", "lastName": " Lovelace "},
        {"lifecycle": "PROSPECT"},
        {"attributes": {"plan": "pro", "n": [1], "absent": None}},
        {"attributes": None, "addIdentifiers": None, "upsertContactPoints": None},
        {"upsertContactPoints": [email]},
        {"upsertContactPoints": [{"channel": "EMAIL", "value": "ANA@example.com"}]},
        {"upsertContactPoints": [{"id": shown["contactPoints"][0]["id"], **email}]},
        {"addIdentifiers": [account]},
        {"removeContactPointIds": [make_id("cpt", parse_id(ana, "prf")[0], uuid7())]},
        {"removeIdentifierIds": [make_id("idn", uuid7(), uuid7())]},
    ]

    for changes in same:
        payload = await update(graph, ana, **changes)
        assert (payload["userErrors"], payload["profile"]["version"]) == ([], 1), changes
        assert payload["streamCursor"] == shown["streamCursor"], changes
        assert await graph.contents() == before, changes


async def test_true_is_not_one(graph: Graph) -> None:
    """A trait that changes from 1 to true, or from a number to its text, has changed."""
    ana = await graph.profile(attributes={"flag": 1})
    for value in (True, "1", 1, [1], {"a": 1}, 1.5):
        assert traits(await update(graph, ana, attributes={"flag": value})) == {"flag": value}

    assert len(await graph.log(ana)) == 7


async def test_contact_points(graph: Graph) -> None:
    """Contact points are added, changed by id, taken over by value, promoted and removed; each channel keeps exactly one primary, and
    every address is found as long as it is there and no longer.
    """
    ana = await graph.profile(contactPoints=[{"channel": "VOICE", "value": "+442079460958"}])
    by_phone = "query ($phone: PhoneNumber!) { profile(by: {phone: $phone}) { id } }"
    added = await update(graph, ana, upsertContactPoints=[{"channel": "VOICE", "value": "+442079460000", "isPrimary": True}])
    assert points(added) == [("VOICE", "+442079460000", True), ("VOICE", "+442079460958", False)]

    again = await update(
        graph, ana, upsertContactPoints=[{"channel": "VOICE", "value": "+44 2079460958", "isPrimary": True, "label": "work"}]
    )
    assert points(again) == [("VOICE", "+442079460958", True), ("VOICE", "+442079460000", False)]
    assert again["profile"]["contactPoints"][0]["label"] == "work"

    changed_id = again["profile"]["contactPoints"][1]["id"]
    changed = await update(graph, ana, upsertContactPoints=[{"id": changed_id, "channel": "VOICE", "value": "+442079461111"}])
    assert points(changed) == [("VOICE", "+442079460958", True), ("VOICE", "+442079461111", False)]
    assert await graph.data(by_phone, {"phone": "+442079461111"}) == {"id": ana}
    assert await graph.data(by_phone, {"phone": "+442079460000"}) is None

    removed = await update(graph, ana, removeContactPointIds=[changed["profile"]["contactPoints"][0]["id"]])
    assert points(removed) == [("VOICE", "+442079461111", True)]
    assert await graph.data(by_phone, {"phone": "+442079460958"}) is None
    log = await graph.log(ana)
    assert [(entry[0], entry[1]) for entry in log[1:]] == [(seq, ["contactPoints"]) for seq in (2, 3, 4, 5)]


async def test_a_number_on_two_channels(graph: Graph) -> None:
    """A number that is taken away as a phone and stays for texts is still found by phone."""
    number = "+442079460958"
    ana = await graph.profile(contactPoints=[{"channel": "VOICE", "value": number}, {"channel": "SMS", "value": number}])
    shown = await graph.data("query ($id: ID!) { profile(by: {id: $id}) { contactPoints(channel: VOICE) { id } } }", {"id": ana})
    payload = await update(graph, ana, removeContactPointIds=[shown["contactPoints"][0]["id"]])

    assert points(payload) == [("SMS", number, True)]
    assert await graph.data("query ($p: PhoneNumber!) { profile(by: {phone: $p}) { id } }", {"p": number}) == {"id": ana}


async def test_identifiers(graph: Graph) -> None:
    """An identifier belongs to one profile, is free again once it is removed, and finds its profile meanwhile."""
    ana = await graph.profile(identifiers=[{"type": "account_id", "value": "A-100"}])
    bob = await graph.profile("Bob")
    taken = await update(graph, bob, addIdentifiers=[{"type": "user_id", "value": "u-2"}, {"type": "accountId", "value": " A-100 "}])
    (error,) = taken["userErrors"]
    assert (error["__typename"], error["code"], error["existing"]) == ("DuplicateIdentifierError", "TAKEN", {"id": ana, "firstName": "Ana"})
    assert error["path"] == ["input", "addIdentifiers", "1", "value"]
    assert (taken["profile"], taken["streamCursor"], len(await graph.log(bob))) == (None, None, 1)

    held = await graph.data("query ($id: ID!) { profile(by: {id: $id}) { identifiers { id } } }", {"id": ana})
    removed = await update(graph, ana, removeIdentifierIds=[held["identifiers"][0]["id"]])
    added = await update(graph, bob, addIdentifiers=[{"type": "account_id", "value": "A-100"}])
    assert (removed["profile"]["identifiers"], added["userErrors"]) == ([], [])
    assert [entry[1] for entry in await graph.log(ana)][1:] == [["identifiers"]]
    by = {"identifier": {"type": "account_id", "value": "A-100"}}
    assert await graph.data("query ($by: ProfileRef!) { profile(by: $by) { id } }", {"by": by}) == {"id": bob}


async def test_create_with_a_taken_identifier(graph: Graph) -> None:
    """A new profile with somebody else's identifier is refused whole, and says whose it is."""
    ana = await graph.profile(identifiers=[{"type": "account_id", "value": "A-100"}])
    before = await graph.contents()
    given = {"firstName": "Bob", "identifiers": [{"type": "user_id", "value": "u-2"}, {"type": "account_id", "value": "A-100"}]}
    payload = await graph.data(CREATE, {"input": given})
    (error,) = payload["userErrors"]

    assert (error["code"], error["path"], error["existing"]["id"]) == ("TAKEN", ["input", "identifiers", "1", "value"], ana)
    assert await graph.contents() == before


async def test_expected_version(graph: Graph) -> None:
    """An update with a version that is not current is refused with the profile as it is; with the current one it is made."""
    ana = await graph.profile()
    await update(graph, ana, firstName="Ada")
    stale = await update(graph, ana, firstName="Eve", expectedVersion=1)
    (error,) = stale["userErrors"]
    assert (error["__typename"], error["code"], error["path"]) == ("StaleVersionError", "STALE_VERSION", ["input", "expectedVersion"])
    assert (error["currentVersion"], error["current"]) == (2, {"id": ana})
    assert stale["profile"] is None
    made = await update(graph, ana, firstName="Eve", expectedVersion=2)

    assert (made["profile"]["firstName"], made["profile"]["version"]) == ("Eve", 3)
    assert len(await graph.log(ana)) == 3


REFUSED: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
    ({"firstName": ""}, [("REQUIRED", "input.firstName")]),
    ({"firstName": "  "}, [("REQUIRED", "input.firstName")]),
    ({"firstName": "a" * 201}, [("INVALID", "input.firstName")]),
    ({"firstName": "a", "lastName": "b\x00"}, [("INVALID", "input.lastName")]),
    ({"contactPoints": [{"channel": "VOICE", "value": "nine"}]}, [("INVALID", "input.contactPoints.0.value")]),
    ({"contactPoints": [{"channel": "VOICE", "value": "020 7946 0958"}]}, [("INVALID", "input.contactPoints.0.value")]),
    ({"contactPoints": [{"channel": "EMAIL", "value": "ana@"}]}, [("INVALID", "input.contactPoints.0.value")]),
    ({"contactPoints": [{"channel": "CHAT", "value": " "}]}, [("REQUIRED", "input.contactPoints.0.value")]),
    ({"contactPoints": [{"channel": "CHAT", "value": "a" * 321}]}, [("INVALID", "input.contactPoints.0.value")]),
    ({"contactPoints": [{"channel": "CUSTOM", "value": "1234"}]}, [("REQUIRED", "input.contactPoints.0.customChannel")]),
    ({"contactPoints": [{"channel": "CHAT", "value": "ana", "label": "x" * 101}]}, [("INVALID", "input.contactPoints.0.label")]),
    ({"identifiers": [{"type": "phone", "value": "1"}]}, [("INVALID", "input.identifiers.0.type")]),
    ({"identifiers": [{"type": "account_id", "value": "null"}]}, [("INVALID", "input.identifiers.0.value")]),
    ({"identifiers": [{"type": "9!", "value": ""}]}, [("INVALID", "input.identifiers.0.type"), ("INVALID", "input.identifiers.0.value")]),
    ({"contactPoints": [{"channel": "CHAT", "value": f"ana{n}"} for n in range(51)]}, [("LIMIT_EXCEEDED", "input.contactPoints")]),
    ({"identifiers": [{"type": "account_id", "value": f"A-{n}"} for n in range(51)]}, [("LIMIT_EXCEEDED", "input.identifiers")]),
    ({"attributes": {"": 1}}, [("INVALID", "input.attributes.")]),
    ({"attributes": {"k" * 129: 1}}, [("INVALID", f"input.attributes.{'k' * 128}")]),
    ({"attributes": {"a": "x" * 32_768}}, [("INVALID", "input.attributes.a")]),
    ({"attributes": {"a": "\x00"}}, [("INVALID", "input.attributes.a")]),
    ({"attributes": {"a": {f"k{n}": n for n in range(201)}}}, [("INVALID", "input.attributes.a")]),
    ({"attributes": {f"a{n}": n for n in range(501)}}, [("LIMIT_EXCEEDED", "input.attributes")]),
]


@pytest.mark.parametrize("mutation", ["createProfile", "updateProfile"])
async def test_what_is_refused(graph: Graph, mutation: str) -> None:
    """Each invalid value is a userErrors entry with its code and path, all of them at once, and nothing at all is written."""
    ana = await graph.profile("Ana", identifiers=[{"type": "account_id", "value": "A-1"}])
    before = await graph.contents()
    for given, expected in REFUSED:
        if mutation == "createProfile":
            payload = await graph.data(CREATE, {"input": {"firstName": "Bob", **given}})
            wanted = expected
        elif "" in (given.get("firstName", "x").strip(), *given.get("attributes", {"x": 1})):
            continue  # a name may be cleared in an update
        else:
            names = {"contactPoints": "upsertContactPoints", "identifiers": "addIdentifiers"}
            changes = {names.get(key, key): value for key, value in given.items()}
            payload = await graph.data(UPDATE, {"input": {"id": ana, "lastName": "Changed", **changes}})
            wanted = [
                (code, path.replace("contactPoints", names["contactPoints"]).replace("identifiers", names["identifiers"]))
                for code, path in expected
            ]
        assert (str(given)[:80], codes(payload)) == (str(given)[:80], wanted)
        assert (payload["profile"], payload["streamCursor"]) == (None, None)

    assert await graph.contents() == before


async def test_several_problems_at_once(graph: Graph) -> None:
    """A client hears of everything that is wrong in one answer."""
    given = {"firstName": "\x00", "contactPoints": [{"channel": "EMAIL", "value": "x"}], "identifiers": [{"type": "email", "value": "1"}]}
    payload = await graph.data(CREATE, {"input": given})

    assert codes(payload) == [
        ("INVALID", "input.firstName"),
        ("INVALID", "input.contactPoints.0.value"),
        ("INVALID", "input.identifiers.0.type"),
    ]


async def test_unknown_profiles_and_points(graph: Graph) -> None:
    """An update of nobody, or of a contact point that is not there, is NOT_FOUND."""
    ana = await graph.profile()
    nobody = await update(graph, make_id("prf", uuid7()), firstName="Eve")
    point = {"id": make_id("cpt", parse_id(ana, "prf")[0], uuid7()), "channel": "EMAIL", "value": "ana@example.com"}
    nothing = await update(graph, ana, firstName="Eve", upsertContactPoints=[point])

    assert codes(nobody) == [("NOT_FOUND", "input.id")]
    assert codes(nothing) == [("NOT_FOUND", "input.upsertContactPoints")]
    assert len(await graph.log(ana)) == 1


async def test_scopes(graph: Graph) -> None:
    """Creating and changing need their scopes; without the right to read profiles the change is made and the profile not shown."""
    ana = await graph.profile()
    for query, given, scope in (
        (CREATE, {"firstName": "Bob"}, "profile:create"),
        (UPDATE, {"id": ana, "firstName": "Eve"}, "profile:write"),
    ):
        error = await graph.error(query, {"input": given}, graph.partner)
        assert error["extensions"] == {"code": "FORBIDDEN", "scope": scope}
    blind = graph.narrowed(graph.agent, "profile:write")
    made = await update(graph, ana, blind, firstName="Ada")
    stale = await update(graph, ana, blind, firstName="Eve", expectedVersion=1)

    assert (made["profile"], made["userErrors"]) == (None, [])
    assert (stale["userErrors"][0]["currentVersion"], stale["userErrors"][0]["current"]) == (2, None)


async def test_fields_of_one_document_see_each_other(graph: Graph) -> None:
    """Of several mutations in one document each payload shows the state after its own change."""
    ana = await graph.profile()
    shown = await graph.data(
        """mutation ($id: ID!) {
          a: updateProfile(input: {id: $id, firstName: "A"}) { profile { firstName version streamCursor notes { totalCount } } streamCursor }
          n: addNote(input: {profileId: $id, body: "note"}) { profile { version streamCursor notes { totalCount } } streamCursor }
          b: updateProfile(input: {id: $id, firstName: "B"}) { profile { firstName version streamCursor notes { totalCount } } streamCursor } }""",
        {"id": ana},
    )

    assert [shown[name]["profile"]["version"] for name in "anb"] == [2, 2, 3]
    assert [shown[name]["profile"]["notes"]["totalCount"] for name in "anb"] == [0, 1, 1]
    assert (shown["a"]["profile"]["firstName"], shown["b"]["profile"]["firstName"]) == ("A", "B")
    assert all(shown[name]["streamCursor"] == shown[name]["profile"]["streamCursor"] for name in "anb")


async def test_the_same_twice_in_one_input(graph: Graph) -> None:
    """A value given twice in one input is there once; where one of the two is to be the primary, it is."""
    ana = await graph.profile(contactPoints=[{"channel": "CHAT", "value": "first"}])
    email = {"channel": "EMAIL", "value": "ana@example.com"}
    twice = [
        {"channel": "CHAT", "value": "ana"},
        email,
        {**email, "value": "ANA@example.com"},
        {"channel": "CHAT", "value": "ana", "isPrimary": True},
    ]
    ids = [{"type": "account_id", "value": "A-1"}, {"type": "accountId", "value": "A-1 "}]
    payload = await update(graph, ana, upsertContactPoints=twice, addIdentifiers=ids)

    assert points(payload) == [("CHAT", "ana", True), ("EMAIL", "ana@example.com", True), ("CHAT", "first", False)]
    assert len(payload["profile"]["identifiers"]) == 1


async def test_null_clears_a_label(graph: Graph) -> None:
    """A contact point's label that is set to null is gone; left out, it stays."""
    email = {"channel": "EMAIL", "value": "ana@example.com"}
    ana = await graph.profile(contactPoints=[{**email, "label": "home"}])
    kept = await update(graph, ana, upsertContactPoints=[{**email, "isPrimary": True}])
    point = kept["profile"]["contactPoints"][0]
    cleared = await update(graph, ana, upsertContactPoints=[{"id": point["id"], **email, "label": None}])

    assert (point["label"], cleared["profile"]["contactPoints"][0]["label"]) == ("home", None)


async def test_a_number_that_stays_on_another_channel_is_still_found(graph: Graph) -> None:
    """Changing or removing the SMS entry of a number does not stop the number, still there for calls, from finding its profile."""
    number = "+442079460958"
    ana = await graph.profile(contactPoints=[{"channel": "VOICE", "value": number}, {"channel": "SMS", "value": number}])
    points = await graph.data("query ($id: ID!) { profile(by: {id: $id}) { contactPoints { id channel value } } }", {"id": ana})
    (sms,) = [point["id"] for point in points["contactPoints"] if point["channel"] == "SMS"]
    query = "query ($phone: PhoneNumber!) { profile(by: {phone: $phone}) { id } }"
    await update(graph, ana, upsertContactPoints=[{"id": sms, "channel": "SMS", "value": "+442079460959"}])

    assert await graph.data(query, {"phone": number}) == {"id": ana}
    assert await graph.data(query, {"phone": "+442079460959"}) == {"id": ana}

    await update(graph, ana, removeContactPointIds=[sms])

    assert await graph.data(query, {"phone": number}) == {"id": ana}
    assert await graph.data(query, {"phone": "+442079460959"}) is None
