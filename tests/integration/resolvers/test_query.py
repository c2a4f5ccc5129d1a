"""Reading profiles: by every kind of reference, and what a profile says of itself and of the viewer."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.auth.policy import ROLE_SCOPES
from gateway.auth.principal import Role
from gateway.model.change import Position, StreamKey
from gateway.model.ids import make_id, parse_id, uuid7

from .conftest import Graph

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

BY = "query ($by: ProfileRef!) { profile(by: $by) { id } }"
MANY = "query ($by: [ProfileRef!]!) { profiles(by: $by) { id } }"

ANA: dict[str, Any] = {
    "contactPoints": [
        {"channel": "EMAIL", "value": "Ana@Example.com"},
        {"channel": "VOICE", "value": "+44 20 7946 0958"},
        {"channel": "WHATSAPP", "value": "+442079460000"},
    ],
    "identifiers": [{"type": "accountId", "value": "A-100"}, {"type": "user_id", "value": "u-1"}],
}


async def test_profile_by_each_reference(graph: Graph) -> None:
    """An id, an identifier, a phone (of any channel that has one) and an e-mail each name the same profile, however they are written."""
    ana = await graph.profile("Ana", **ANA)
    references = [
        {"id": ana},
        {"email": "ana@example.com"},
        {"email": "ＡＮＡ@EXAMPLE.COM"},
        {"phone": "+442079460958"},
        {"phone": "+44 (0)20 7946 0000"},
        {"identifier": {"type": "account_id", "value": "A-100"}},
        {"identifier": {"type": "userId", "value": " u-1 "}},
    ]

    assert [await graph.data(BY, {"by": by}) for by in references] == [{"id": ana}] * len(references)


async def test_profile_by_nobody(graph: Graph) -> None:
    """A reference that nobody answers to is null without an error, and so is an identifier that differs in case alone."""
    await graph.profile("Ana", **ANA)
    nobody = [
        {"id": make_id("prf", uuid7())},
        {"email": "bob@example.com"},
        {"phone": "+442079461111"},
        {"identifier": {"type": "account_id", "value": "a-100"}},
        {"identifier": {"type": "loyalty_id", "value": "A-100"}},
    ]

    assert [await graph.run(BY, {"by": by}) for by in nobody] == [{"data": {"profile": None}}] * len(nobody)


async def test_profile_by_a_shared_phone(graph: Graph) -> None:
    """A phone that two profiles share is an error that says so, instead of either of them."""
    family = [{"channel": "VOICE", "value": "+442079460958"}]
    for name in ("Ana", "Bob"):
        await graph.profile(name, contactPoints=family)
    error = await graph.error(BY, {"by": {"phone": "+442079460958"}})

    assert (error["extensions"], error["path"]) == ({"code": "AMBIGUOUS_REFERENCE", "argument": "by"}, ["profile"])


async def test_profiles_in_the_order_asked(graph: Graph) -> None:
    """Many references are answered in their order, with null for nobody and the same profile twice where it is named twice."""
    ana = await graph.profile("Ana", **ANA)
    bob = await graph.profile("Bob")
    nobody = make_id("prf", uuid7())
    asked = [{"id": bob}, {"id": nobody}, {"email": "ana@example.com"}, {"phone": "+442079461111"}, {"id": bob}, {"id": ana}]
    found = await graph.data(MANY, {"by": asked})

    assert found == [{"id": bob}, None, {"id": ana}, None, {"id": bob}, {"id": ana}]


async def test_profiles_with_one_bad_reference(graph: Graph) -> None:
    """What is wrong with one reference is an error at its own place; the others are answered."""
    family = [{"channel": "VOICE", "value": "+442079460958"}]
    ana = await graph.profile("Ana", contactPoints=family)
    await graph.profile("Bob", contactPoints=family)
    answer = await graph.run(MANY, {"by": [{"id": ana}, {"email": "no address"}, {"phone": "+442079460958"}, {"id": "note_1"}]})

    assert answer["data"] == {"profiles": [{"id": ana}, None, None, None]}
    assert [(error["path"], error["extensions"]["code"]) for error in answer["errors"]] == [
        (["profiles", 1], "BAD_USER_INPUT"),
        (["profiles", 2], "AMBIGUOUS_REFERENCE"),
        (["profiles", 3], "BAD_USER_INPUT"),
    ]


async def test_at_most_a_hundred(graph: Graph) -> None:
    """A hundred references or ids are answered, one more is refused as a whole."""
    ids = [make_id("prf", uuid7()) for _ in range(101)]

    assert await graph.data(MANY, {"by": [{"id": one} for one in ids[:100]]}) == [None] * 100
    assert await graph.data("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": ids[:100]}) == [None] * 100

    refused = await graph.error(MANY, {"by": [{"id": one} for one in ids]})
    assert refused["extensions"] == {"code": "BAD_USER_INPUT", "argument": "by"}
    refused = await graph.error("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": ids})
    assert refused["extensions"] == {"code": "BAD_USER_INPUT", "argument": "ids"}


async def test_a_profile_in_full(graph: Graph) -> None:
    """What was written comes back: names, contact points primary first and as typed, identifiers, and where they came from."""
    ana = await graph.profile("Ana", lastName="Lovelace", **ANA)
    shown = await graph.data(
        """query ($id: ID!) { profile(by: {id: $id}) {
          __typename version status lifecycle firstName middleName lastName displayName birthDate createdAt updatedAt
          contactPoints { id channel value mask phone email isPrimary isVerified source { key } }
          phones: contactPoints(channel: VOICE) { phone }
          identifiers { type value mask source { key displayName } }
          accounts: identifiers(types: ["account_id"]) { type } } }""",
        {"id": ana},
    )
    points = [(point["channel"], point["value"], point["phone"], point["email"], point["isPrimary"]) for point in shown["contactPoints"]]

    assert (shown["__typename"], shown["version"], shown["status"], shown["lifecycle"]) == ("Profile", 1, "ACTIVE", "PROSPECT")
    assert (shown["firstName"], shown["middleName"], shown["lastName"], shown["displayName"]) == ("Ana", None, "Lovelace", "Ana Lovelace")
    assert shown["birthDate"] is None
    assert shown["createdAt"].endswith("Z")
    assert points == [
        ("EMAIL", "Ana@Example.com", None, "ana@example.com", True),
        ("VOICE", "+44 20 7946 0958", "+442079460958", None, True),
        ("WHATSAPP", "+442079460000", "+442079460000", None, True),
    ]
    assert {point["mask"] for point in shown["contactPoints"]} == {"CLEAR"}
    assert shown["phones"] == [{"phone": "+442079460958"}]
    assert sorted((one["type"], one["value"]) for one in shown["identifiers"]) == [("account_id", "A-100"), ("user_id", "u-1")]
    assert shown["identifiers"][0]["source"] == {"key": "native", "displayName": "Profile Gateway"}
    assert shown["accounts"] == [{"type": "account_id"}]


async def test_a_profile_without_a_name(graph: Graph) -> None:
    """What to call a person is never empty, not even when nobody knows a name."""
    ana = await graph.profile("Ana")
    await graph.data("mutation ($id: ID!) { updateProfile(input: {id: $id, firstName: null}) { userErrors { code } } }", {"id": ana})
    shown = await graph.data("query ($id: ID!) { profile(by: {id: $id}) { firstName displayName } }", {"id": ana})

    assert shown["firstName"] is None
    assert shown["displayName"].startswith("Unnamed profile ")


async def test_companies_main_first(graph: Graph) -> None:
    """A profile's companies come with the main one first; a company can be fetched by its id."""
    ana = await graph.profile("Ana")
    await graph.join(ana, "Babbage & Co")
    engines = await graph.join(ana, "Analytical Engines", main=True)
    shown = await graph.data(
        "query ($id: ID!) { profile(by: {id: $id}) { companies { isMain since company { name } } mainCompany { id version name domain } } }",
        {"id": ana},
    )

    assert [(one["company"]["name"], one["isMain"]) for one in shown["companies"]] == [
        ("Analytical Engines", True),
        ("Babbage & Co", False),
    ]
    assert shown["mainCompany"] == {"id": engines, "version": 1, "name": "Analytical Engines", "domain": None}
    assert await graph.data("query ($id: ID!) { company(id: $id) { id name } }", {"id": engines}) == {
        "id": engines,
        "name": "Analytical Engines",
    }
    assert await graph.data("query ($id: ID!) { company(id: $id) { id } }", {"id": make_id("com", uuid7())}) is None


async def test_viewer(graph: Graph) -> None:
    """The viewer is whoever asks, with the scopes that the credential allows."""
    query = "{ viewer { actor { id displayName kind } scopes } }"
    shown = await graph.data(query)

    assert shown["actor"] == {"id": "ann", "displayName": "Ann", "kind": "AGENT"}
    assert shown["scopes"] == sorted(ROLE_SCOPES[Role.AGENT])
    assert (await graph.data(query, principal=graph.partner))["actor"]["kind"] == "PARTNER"
    assert (await graph.data(query, principal=graph.narrowed(graph.agent, "note:read")))["scopes"] == ["note:read"]


async def test_viewer_can(graph: Graph) -> None:
    """What the viewer may do with a profile follows from the scopes, not from the profile."""
    ana = await graph.profile("Ana")
    query = "query ($id: ID!) { profile(by: {id: $id}) { viewerCan { update merge addNote revealSensitive erase } } }"

    async def may(principal: Any) -> list[str]:
        shown = await graph.data(query, {"id": ana}, principal)
        return [name for name, allowed in shown["viewerCan"].items() if allowed]

    assert await may(graph.partner) == []
    assert await may(graph.agent) == ["update", "addNote"]
    assert await may(graph.supervisor) == ["update", "merge", "addNote", "revealSensitive"]
    assert await may(graph.admin) == ["update", "merge", "addNote", "revealSensitive", "erase"]
    assert await may(graph.narrowed(graph.agent, "profile:read")) == []


async def test_sources(graph: Graph) -> None:
    """A profile and its timeline say which sources answered, and when."""
    ana = await graph.profile("Ana")
    shown = await graph.data(
        """query ($id: ID!) { profile(by: {id: $id}) {
          sources { state asOf message source { id key displayName kinds party priority state writable lastSuccessAt latencyMs } }
          timeline { sources { state source { key } } } } }""",
        {"id": ana},
    )
    (report,) = shown["sources"]

    assert (report["state"], report["message"]) == ("OK", None)
    assert report["asOf"] is not None
    assert report["source"]["id"] == "src_native"
    assert (report["source"]["party"], report["source"]["priority"], report["source"]["writable"]) == ("FIRST", 100, True)
    assert set(report["source"]["kinds"]) == {"PROFILE", "TRAITS", "NOTES", "ACTIVITY", "IDENTITY", "COMPANY"}
    assert report["source"]["latencyMs"] > 0
    assert shown["timeline"]["sources"] == [{"state": "OK", "source": {"key": "native"}}]


async def test_stream_cursor_is_the_position_read(graph: Graph) -> None:
    """A profile and its timeline carry the position of the profile's stream: one more after each change."""
    ana = await graph.profile("Ana")
    (profile_id,) = parse_id(ana, "prf")
    stream = StreamKey(graph.agent.workspace_id, profile_id)
    cursors = graph.runtime.services.hub.cursors
    epoch = await graph.runtime.database.fetchval(
        "SELECT incarnated(epoch, incarnation()) FROM stream_head WHERE stream_id = $1", profile_id
    )
    query = "query ($id: ID!) { profile(by: {id: $id}) { streamCursor timeline { streamCursor } } }"
    for seq in (1, 2, 3):
        shown = await graph.data(query, {"id": ana})
        assert shown["streamCursor"] == shown["timeline"]["streamCursor"] == cursors.encode(stream, Position(epoch, seq))
        await graph.note(ana)


async def test_forbidden_without_the_scope(graph: Graph) -> None:
    """A field whose scope is missing is null with FORBIDDEN, and its siblings are answered."""
    ana = await graph.profile("Ana")
    writer = graph.narrowed(graph.agent, "profile:write")
    for query in ("{ profile(by: {id: $id}) { id } }", "{ profiles(by: [{id: $id}]) { id } }", "{ company(id: $id) { id } }"):
        error = await graph.error("query ($id: ID!) " + query, {"id": ana}, writer)
        assert error["extensions"] == {"code": "FORBIDDEN", "scope": "profile:read"}

    reader = graph.narrowed(graph.agent, "profile:read")
    answer = await graph.run("query ($id: ID!) { profile(by: {id: $id}) { firstName notes { nodes { id } } } }", {"id": ana}, reader)
    assert answer["data"] == {"profile": {"firstName": "Ana", "notes": None}}
    assert [(error["path"], error["extensions"]["code"]) for error in answer["errors"]] == [(["profile", "notes"], "FORBIDDEN")]
    timeline = await graph.error("query ($id: ID!) { profile(by: {id: $id}) { timeline { nodes { id } } } }", {"id": ana}, reader)
    assert (timeline["path"], timeline["extensions"]["scope"]) == (["profile", "timeline"], "history:read")
