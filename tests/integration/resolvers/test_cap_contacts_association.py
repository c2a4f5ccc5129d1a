"""associateContact and unlinkContact: the last word counts, nothing of the profile changes, and what an agent detached stays detached."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.model.ids import parse_id

from .conftest import TABLES, Graph, codes
from .contact_view_scene import Calls

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

PHONE = "+442079460001"
CREATE = """mutation ($input: CreateProfileInput!) { createProfile(input: $input) {
  profile { id contacts { nodes { id profile { id } } } } streamCursor userErrors { code message path } } }"""


@pytest.fixture(name="calls")
def _calls(graph: Graph) -> Calls:
    return Calls(graph)


async def of_profile(graph: Graph, profile: str) -> dict[str, Any]:
    """Every row that belongs to a profile, by table; without the audit, which tells of the contact, and the positions of its stream."""
    found = {}
    for table in set(TABLES) - {"change", "change_log", "stream_head", "contact", "contact_association", "contact_candidate"}:
        for column in ("profile_id", "id"):
            rows = await graph.runtime.database.fetch(
                f"SELECT to_jsonb(t) AS row FROM {table} t WHERE to_jsonb(t) ->> '{column}' = $1", str(parse_id(profile, "prf")[0])
            )
            found[f"{table}.{column}"] = sorted(str(row["row"]) for row in rows)
    return found


async def test_cap_016_what_was_verified_is_kept(calls: Calls) -> None:
    """The agent associates the right one of two candidates, with what the customer confirmed."""
    ana, bob = await calls.caller("Ana", PHONE), await calls.caller("Bob", PHONE)
    contact = await calls.rings(address=PHONE)
    done = await calls.associated(contact["id"], bob, ["email", " account_id ", "email"])
    association = done["contact"]["association"]

    assert done["userErrors"] == []
    assert (association["profile"]["id"], association["verifiedKeys"], association["automatic"]) == (bob, ["email", "account_id"], False)
    assert association["by"] == {"id": "ann", "kind": "AGENT"}
    assert done["contact"]["match"] == "MULTIPLE"
    assert await calls.audit(bob) == [("ASSOCIATED", "ann", None)]
    assert await calls.audit(ana) == []


async def test_cap_018_an_agent_associates_where_nobody_was_found(calls: Calls) -> None:
    """NONE is no obstacle: whoever the agent finds by searching is associated."""
    ana = await calls.caller("Ana")
    contact = await calls.rings(address="anonymous")
    done = await calls.associated(contact["id"], ana)

    assert (done["contact"]["match"], done["contact"]["profile"]["id"]) == ("NONE", ana)


async def test_cap_025_the_method_of_verification_is_a_free_name(calls: Calls) -> None:
    """A customer who showed an id card on video is verified by `video_id`."""
    ana = await calls.caller("Ana")
    contact = await calls.rings(channel="VIDEO")
    done = await calls.associated(contact["id"], ana, ["video_id", "Personalausweis (gültig)"])

    assert done["contact"]["association"]["verifiedKeys"] == ["video_id", "Personalausweis (gültig)"]


async def test_cap_026_associating_twice_is_associating_once(calls: Calls) -> None:
    """The same word again changes nothing and answers the same, with the keys given again or not at all."""
    ana = await calls.caller("Ana")
    contact = await calls.rings()
    first = await calls.associated(contact["id"], ana, ["email"])
    before = await calls.graph.contents()

    assert await calls.associated(contact["id"], ana, ["email"]) == first
    assert await calls.associated(contact["id"], ana) == first
    assert await calls.graph.contents() == before


async def test_cap_026_an_agent_confirms_the_automatic_match(calls: Calls) -> None:
    """Confirming what the rules chose makes it the agent's own association; the automatic one is history."""
    ana = await calls.caller("Ana", PHONE)
    contact = await calls.rings(address=PHONE)
    done = await calls.associated(contact["id"], ana, ["birth date"])
    history = done["contact"]["associationHistory"]

    assert [(one["automatic"], one["supersededAt"] is None, one["profile"]["id"]) for one in history] == [
        (False, True, ana),
        (True, False, ana),
    ]
    assert await calls.audit(ana) == [("ASSOCIATED", "system", None), ("ASSOCIATED", "ann", None)]


async def test_cap_027_a_wrong_association_is_corrected(calls: Calls) -> None:
    """Another profile takes the place of the first; both streams and both audits tell of it, and the desk too."""
    wrong, right = await calls.caller("Ana"), await calls.caller("Bob")
    contact = await calls.rings()
    await calls.associated(contact["id"], wrong)
    done = await calls.associated(contact["id"], right)
    history = done["contact"]["associationHistory"]

    assert done["contact"]["association"]["profile"]["id"] == right
    assert [(one["profile"]["id"], one["supersededAt"] is None) for one in history] == [(right, True), (wrong, False)]
    assert [action for action, _, _ in await calls.audit(wrong)] == ["ASSOCIATED", "UNLINKED"]
    assert (await calls.audit(right))[0][0] == "ASSOCIATED"
    assert (await calls.changed(wrong), await calls.changed(right)) == (2, 1)
    assert len(await calls.desk()) == 4


async def test_cap_028_as_often_as_it_takes(calls: Calls) -> None:
    """Offered, connected and in wrap-up: each time the contact may be associated anew."""
    profiles = [await calls.caller(name) for name in ("Ana", "Bob", "Cid")]
    contact = await calls.rings()
    for profile, state in zip(profiles, ("CONNECTED", "WRAP_UP", None), strict=True):
        assert (await calls.associated(contact["id"], profile))["userErrors"] == []
        if state is not None:
            await calls.moves(contact["id"], state)
    shown = await calls.seen(contact["id"])

    assert [one["profile"]["id"] for one in shown["associationHistory"]] == profiles[::-1]


async def test_cap_029_closing_freezes_the_association(calls: Calls) -> None:
    """After CLOSED the last association stands: associating, unlinking and creating for it are CONTACT_CLOSED and change nothing."""
    ana, bob = await calls.caller("Ana"), await calls.caller("Bob")
    contact = await calls.rings()
    await calls.associated(contact["id"], ana)
    await calls.moves(contact["id"], "CONNECTED", "CLOSED")
    before = await calls.graph.contents()
    again = await calls.associated(contact["id"], bob)
    same = await calls.associated(contact["id"], ana)
    unlinked = await calls.unlinked(contact["id"])
    created = await calls.graph.data(CREATE, {"input": {"firstName": "New", "associateWithContactId": contact["id"]}})

    assert codes(again) == codes(same) == codes(unlinked) == [("CONTACT_CLOSED", "contactId")]
    assert codes(created) == [("CONTACT_CLOSED", "input.associateWithContactId")]
    assert (again["contact"], created["profile"]) == (None, None)
    assert await calls.graph.contents() == before
    assert (await calls.seen(contact["id"]))["profile"]["id"] == ana


async def test_cap_030_unlink_detaches_the_profile(calls: Calls) -> None:
    """The contact has no profile any more; what it had is history, and the profile's screen is told."""
    ana = await calls.caller("Ana", PHONE)
    contact = await calls.rings(address=PHONE)
    done = await calls.unlinked(contact["id"])

    assert (done["contact"]["profile"], done["contact"]["association"], done["contact"]["match"]) == (None, None, "SUPPRESSED")
    assert [one["supersededAt"] is not None for one in done["contact"]["associationHistory"]] == [True]
    assert [action for action, _, _ in await calls.audit(ana)] == ["ASSOCIATED", "UNLINKED"]
    assert await calls.changed(ana) == 2


async def test_cap_031_unlink_suppresses_rematching(calls: Calls) -> None:
    """No later event of the contact, and no repetition of its opening, matches it again; an agent still may."""
    ana = await calls.caller("Ana", PHONE)
    contact = await calls.rings(externalId="x-1", address=PHONE)
    await calls.unlinked(contact["id"])
    await calls.updated(contact["id"], state="CONNECTED", attributes={"phone": PHONE}, queue="Orders")
    again = await calls.opened(externalId="x-1", address=PHONE)

    assert (again["contact"]["match"], again["contact"]["association"]) == ("SUPPRESSED", None)
    assert (await calls.associated(contact["id"], ana))["contact"]["profile"]["id"] == ana


async def test_cap_031_a_contact_without_a_person_can_be_suppressed(calls: Calls) -> None:
    """Unlinking before anybody was found is allowed, and holds; doing it again changes nothing."""
    contact = await calls.rings(address="anonymous")
    first = await calls.unlinked(contact["id"])
    before = await calls.graph.contents()

    assert first["contact"]["match"] == "SUPPRESSED"
    assert (await calls.unlinked(contact["id"]))["contact"] == first["contact"]
    assert await calls.graph.contents() == before


async def test_cap_032_the_reason_is_kept(calls: Calls) -> None:
    """Why an agent unlinked is in the audit, and the borrowed phone stays the owner's."""
    ana = await calls.caller("Ana", PHONE)
    contact = await calls.rings(address=PHONE)
    await calls.unlinked(contact["id"], "  called from a friend's phone ")
    found = await calls.graph.data("query ($phone: PhoneNumber!) { profile(by: {phone: $phone}) { id } }", {"phone": PHONE})

    assert (await calls.audit(ana))[-1] == ("UNLINKED", "ann", "called from a friend's phone")
    assert found == {"id": ana}


SITUATIONS = [
    (channel, moves, verified)
    for channel in ("VOICE", "CHAT", "EMAIL")
    for moves in ((), ("CONNECTED",), ("CONNECTED", "WRAP_UP"))
    for verified in (None, ["email"])
]


@pytest.mark.parametrize(("channel", "moves", "verified"), SITUATIONS)
async def test_cap_033_unlink_never_changes_the_profile(
    calls: Calls, channel: str, moves: tuple[str, ...], verified: list[str] | None
) -> None:
    """Whatever the contact went through, unlinking it leaves every row of the profile as it was: version, contact points, look-ups, all."""
    ana = await calls.caller(
        "Ana",
        PHONE,
        contactPoints=[{"channel": "EMAIL", "value": "ana@example.com"}],
        identifiers=[{"type": "account_id", "value": "A-1"}],
        attributes={"plan": "gold"},
    )
    await calls.graph.note(ana)
    await calls.graph.join(ana, "Babbage & Co")
    before = await of_profile(calls.graph, ana)
    contact = await calls.rings(
        channel=channel, address=PHONE if channel == "VOICE" else "ana@example.com", attributes={"email": "x@example.com"}
    )
    await calls.associated(contact["id"], ana, verified)
    await calls.moves(contact["id"], *moves)
    done = await calls.unlinked(contact["id"], "somebody else")

    assert done["userErrors"] == []
    assert done["contact"]["profile"] is None
    assert sum(map(len, before.values())) > 8
    assert await of_profile(calls.graph, ana) == before


async def test_cap_037_creating_links_the_contact(calls: Calls) -> None:
    """A profile created for an open contact is its association at once, and one commit shows both."""
    contact = await calls.rings(address=PHONE)
    given = {"firstName": "Noor", "contactPoints": [{"channel": "VOICE", "value": PHONE}], "associateWithContactId": contact["id"]}
    made = await calls.graph.data(CREATE, {"input": {**given, "idempotencyKey": "noor"}})
    again = await calls.graph.data(CREATE, {"input": {**given, "idempotencyKey": "noor"}})
    shown = await calls.seen(contact["id"])

    assert made["userErrors"] == []
    assert made["profile"]["contacts"]["nodes"] == [{"id": contact["id"], "profile": {"id": made["profile"]["id"]}}]
    assert again["profile"]["id"] == made["profile"]["id"]
    assert (shown["association"]["automatic"], shown["association"]["by"]["id"], shown["match"]) == (False, "ann", "NONE")
    assert len(shown["associationHistory"]) == 1


async def test_cap_037_a_key_stands_for_one_contact(calls: Calls, graph: Graph) -> None:
    """The same idempotency key for another contact is refused, and neither makes a profile nor associates anybody."""
    first, second = (await calls.rings())["id"], (await calls.rings())["id"]
    given = {"firstName": "Noor", "idempotencyKey": "noor"}
    await graph.data(CREATE, {"input": {**given, "associateWithContactId": first}})
    before = await graph.contents()
    error = await graph.error(CREATE, {"input": {**given, "associateWithContactId": second}})

    assert error["extensions"]["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert await graph.contents() == before


async def test_cap_037_creating_for_no_contact_creates_nobody(calls: Calls, graph: Graph) -> None:
    """A contact that is not there, another agent's or another workspace's refuses the profile too; so does a missing right."""
    theirs = (await calls.opened(graph.stranger))["contact"]["id"]
    others = (await calls.rings(agentId="bob"))["id"]
    mine = (await calls.rings())["id"]
    before = await graph.contents()
    for contact in ("con_" + "1" * 32, theirs, others):
        refused = await graph.data(CREATE, {"input": {"firstName": "Nobody", "associateWithContactId": contact}})
        assert codes(refused) == [("NOT_FOUND", "input.associateWithContactId")]
    unable = graph.narrowed(graph.agent, "profile:create", "profile:read", "contact:write")
    error = await graph.error(CREATE, {"input": {"firstName": "Nobody", "associateWithContactId": mine}}, unable)

    assert (error["extensions"]["code"], error["extensions"]["scope"]) == ("FORBIDDEN", "contact:associate")
    assert await graph.contents() == before


async def test_two_agents_associate_at_once(calls: Calls, graph: Graph) -> None:
    """Of two associations at the same moment both take effect in turn, and exactly one is current."""
    ana, bob = await calls.caller("Ana"), await calls.caller("Bob")
    contact = await calls.rings()
    answers = await asyncio.gather(
        *(calls.associated(contact["id"], profile, principal=who) for profile in (ana, bob) for who in (graph.agent, graph.supervisor))
    )
    current = await graph.runtime.database.fetchval(
        "SELECT count(*) FROM contact_association WHERE contact_id = $1 AND superseded_at IS NULL", parse_id(contact["id"], "con")[0]
    )
    shown = await calls.seen(contact["id"])

    assert [answer["userErrors"] for answer in answers] == [[]] * 4
    assert current == 1
    assert shown["profile"]["id"] == shown["association"]["profile"]["id"] == shown["associationHistory"][0]["profile"]["id"]


async def test_an_association_and_the_end_at_once(calls: Calls, graph: Graph) -> None:
    """Closing and associating at the same moment leave a closed contact whose interaction is where its association is."""
    for n in range(5):
        ana, bob = await calls.caller("Ana"), await calls.caller("Bob")
        contact = (await calls.rings(externalId=f"race-{n}"))["id"]
        await calls.associated(contact, ana)
        _, late = await asyncio.gather(calls.updated(contact, state="CLOSED"), calls.associated(contact, bob))
        shown = await calls.seen(contact)
        owner = await graph.runtime.database.fetchval(
            "SELECT profile_id FROM activity WHERE detail ->> 'contact' = $1", parse_id(contact, "con")[0].hex
        )

        assert codes(late) in ([], [("CONTACT_CLOSED", "contactId")])
        assert shown["state"] == "CLOSED"
        assert f"prf_{owner.hex}" == shown["profile"]["id"] == (ana if late["userErrors"] else bob)
