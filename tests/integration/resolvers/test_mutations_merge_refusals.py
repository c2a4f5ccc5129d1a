"""What mergeProfiles, unmergeProfiles, mergePreview and dismissMergeProposal refuse: plainly, with nothing half-done and nothing leaked."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from gateway.model.ids import make_id, parse_id, uuid7

from .conftest import Graph, codes
from .test_mutations_merge import MERGE, UNMERGE, merge, unmerge

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

PREVIEW = """query ($survivor: ID!, $ids: [ID!]!, $winners: [KeyValueInput!]) {
  mergePreview(survivorId: $survivor, mergeIds: $ids, fieldWinners: $winners) { survivor { id } } }"""
DISMISS = "mutation ($id: ID!, $reason: String) { dismissMergeProposal(id: $id, reason: $reason) { deletedId userErrors { code path } } }"


async def refused(graph: Graph, survivor: str, ids: list[str], **more: Any) -> list[tuple[str, str]]:
    """(code, path) of what a merge is refused for; nothing was written, and the preview says no as well."""
    before = await graph.contents()
    payload = await graph.data(MERGE, {"input": {"survivorId": survivor, "mergeIds": ids, **more}}, graph.supervisor)
    assert payload["merge"] is None
    assert payload["streamCursor"] is None
    preview = await graph.error(PREVIEW, {"survivor": survivor, "ids": ids, "winners": more.get("fieldWinners")}, graph.supervisor)
    assert preview["extensions"]["code"] == "BAD_USER_INPUT"
    assert await graph.contents() == before
    return codes(payload)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"ids": []}, [("REQUIRED", "input.mergeIds")]),
        ({"ids": ["other"] * 25}, [("LIMIT_EXCEEDED", "input.mergeIds")]),
        ({"ids": ["survivor"]}, [("MERGE_CONFLICT", "input.mergeIds.0")]),
        ({"ids": ["other", "other"]}, [("MERGE_CONFLICT", "input.mergeIds")]),
        ({"ids": ["nobody"]}, [("NOT_FOUND", "input.mergeIds.0")]),
        ({"ids": ["other", "foreign"]}, [("NOT_FOUND", "input.mergeIds.1")]),
        ({"survivor": "foreign"}, [("NOT_FOUND", "input.survivorId")]),
        ({"winners": [("firstName", "foreign")]}, [("INVALID", "input.fieldWinners.0.value")]),
        ({"winners": [("firstName", "rubbish")]}, [("INVALID", "input.fieldWinners.0.value")]),
        ({"winners": [("frstName", "other")]}, [("INVALID", "input.fieldWinners.0.key")]),
        ({"winners": [("plan", "survivor")]}, [("INVALID", "input.fieldWinners.0.key")]),
        (
            {"winners": [("", "other")]},
            [
                ("REQUIRED", "input.fieldWinners.0.key"),
            ],
        ),
        ({"winners": [("a\x00", "other")]}, [("INVALID", "input.fieldWinners.0.key")]),
        ({"winners": [("lastName", "other"), ("lastName", "survivor")]}, [("INVALID", "input.fieldWinners.1.key")]),
        ({"winners": [(f"k{n}", "other") for n in range(101)]}, [("LIMIT_EXCEEDED", "input.fieldWinners")]),
    ],
)
async def test_merge_refuses(graph: Graph, given: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    """Too few, too many, the same twice, unknown ones, another workspace's, and winners that cannot be."""
    known = {
        "survivor": await graph.profile("Ana"),
        "other": await graph.profile("Anna", attributes={"plan": "gold"}),
        "foreign": await graph.profile("Eve", principal=graph.stranger),
        "nobody": make_id("prf", uuid4()),
        "rubbish": "prf_1",
    }
    winners = [{"key": key, "value": known[value]} for key, value in given.get("winners", ())]
    ids = [known[name] for name in given.get("ids", ["other"])]

    assert await refused(graph, known[given.get("survivor", "survivor")], ids, fieldWinners=winners) == expected


async def test_merge_refuses_a_reason_that_cannot_be_kept(graph: Graph) -> None:
    """A reason has at most 1000 bytes and no NUL."""
    ana, anna = await graph.profile("Ana"), await graph.profile("Anna")
    for reason in ("x" * 1001, "a\x00b"):
        payload = await graph.data(MERGE, {"input": {"survivorId": ana, "mergeIds": [anna], "reason": reason}}, graph.supervisor)
        assert codes(payload) == [("INVALID", "input.reason")]


async def test_merge_of_ids_that_are_none(graph: Graph) -> None:
    """A text that is no profile's id is the request's own fault."""
    ana, note = await graph.profile("Ana"), make_id("note", uuid4(), uuid4())
    for wrong in ({"survivorId": "x", "mergeIds": [ana]}, {"survivorId": ana, "mergeIds": [note]}):
        assert (await graph.error(MERGE, {"input": wrong}, graph.supervisor))["extensions"]["code"] == "BAD_USER_INPUT"
    assert (await graph.error(UNMERGE, {"id": ana}, graph.supervisor))["extensions"]["code"] == "BAD_USER_INPUT"


async def test_merge_needs_the_right(graph: Graph) -> None:
    """Agents neither merge, preview, take back nor dismiss; the scope profile:merge alone decides."""
    ana, anna = await graph.profile("Ana"), await graph.profile("Anna")
    made = await merge(graph, ana, anna)
    bob = await graph.profile("Bob")
    before = await graph.contents()
    for query, variables in (
        (MERGE, {"input": {"survivorId": ana, "mergeIds": [bob]}}),
        (UNMERGE, {"id": made["id"]}),
        (PREVIEW, {"survivor": ana, "ids": [bob]}),
        (DISMISS, {"id": make_id("mpr", uuid4())}),
    ):
        for principal in (graph.agent, graph.narrowed(graph.admin, "profile:read", "profile:write")):
            error = await graph.error(query, variables, principal)
            assert (error["extensions"]["code"], error["extensions"]["scope"]) == ("FORBIDDEN", "profile:merge")
    assert await graph.contents() == before


async def test_merge_of_what_was_merged(graph: Graph) -> None:
    """A profile that was merged away neither survives nor is merged again; the answer names where it went."""
    ana, anna, bob = [await graph.profile(name) for name in ("Ana", "Anna", "Bob")]
    await merge(graph, ana, anna)

    assert await refused(graph, anna, [bob]) == [("MERGE_CONFLICT", "input.survivorId")]
    assert await refused(graph, bob, [anna]) == [("MERGE_CONFLICT", "input.mergeIds.0")]


async def test_merge_during_an_erasure(graph: Graph) -> None:
    """Somebody who is being erased is merged with nobody, and no merge of theirs is taken back meanwhile."""
    off = "DELETE FROM privacy_job WHERE workspace_id = $1"
    ana, anna = await graph.profile("Ana"), await graph.profile("Anna")
    supervisor = graph.supervisor
    job = """INSERT INTO privacy_job (workspace_id, id, profile_id, action, actor_id, actor_name, actor_kind, due_at)
      VALUES ($1, $2, $3, 'ERASE', 'a', 'A', 'AGENT', now() + interval '1 day')"""
    await graph.runtime.database.execute(job, supervisor.workspace_id, uuid7(), parse_id(anna, "prf")[0])

    assert await refused(graph, ana, [anna]) == [("MERGE_CONFLICT", "input.mergeIds")]
    await graph.runtime.database.execute(off, supervisor.workspace_id)
    made = await merge(graph, ana, anna)
    await graph.runtime.database.execute(job, supervisor.workspace_id, uuid7(), parse_id(ana, "prf")[0])
    assert codes(await graph.data(UNMERGE, {"id": made["id"]}, supervisor)) == [("MERGE_CONFLICT", "mergeId")]


async def test_unmerge_refuses(graph: Graph) -> None:
    """Unknown merges, another workspace's, one that was undone, one whose survivor was merged since, and one below a later one."""
    ana, anna, bob, eve = [await graph.profile(name) for name in ("Ana", "Anna", "Bob", "Eve")]
    first = await merge(graph, ana, anna)
    second = await merge(graph, ana, bob)

    async def answer(merge_id: str, principal: Any = graph.supervisor) -> dict[str, Any]:
        payload: dict[str, Any] = await graph.data(UNMERGE, {"id": merge_id}, principal)
        assert payload["merge"] is None
        return payload

    assert codes(await answer(make_id("mrg", uuid4()))) == [("NOT_FOUND", "mergeId")]
    assert codes(await answer(second["id"], graph.stranger)) == [("NOT_FOUND", "mergeId")]
    later = await answer(first["id"])
    assert codes(later) == [("MERGE_CONFLICT", "mergeId")]
    assert second["id"] in later["userErrors"][0]["message"]
    third = await merge(graph, eve, ana)
    above = await answer(second["id"])
    assert codes(above) == [("MERGE_CONFLICT", "mergeId")]
    assert eve in above["userErrors"][0]["message"]
    query = "query ($ids: [ID!]!) { nodes(ids: $ids) { ... on MergeRecord { canUndo } } }"
    ids = [one["id"] for one in (first, second, third)]
    assert [one["canUndo"] for one in await graph.data(query, {"ids": ids})] == [False, False, True]
    for one in (third, second, first):
        assert (await unmerge(graph, one["id"]))["canUndo"] is False
    assert codes(await answer(first["id"])) == [("MERGE_CONFLICT", "mergeId")]


async def test_two_merges_of_the_same_pair(graph: Graph) -> None:
    """Of two merges of one pair at the same time, in the same or in opposite directions, exactly one is made."""
    for turned in (False, True):
        ana, anna = await graph.profile("Ana"), await graph.profile("Anna")
        ways = [(ana, anna), (anna, ana) if turned else (ana, anna)]
        answers = await asyncio.gather(
            *(graph.data(MERGE, {"input": {"survivorId": one, "mergeIds": [other]}}, graph.supervisor) for one, other in ways)
        )
        found = sorted((answer["merge"] is not None, [code for code, _ in codes(answer)]) for answer in answers)

        assert found == [(False, ["MERGE_CONFLICT"]), (True, [])]


async def test_two_undoings_at_once(graph: Graph) -> None:
    """Of two undoings of one merge at the same time, one takes it back and the other is told so."""
    ana, anna = await graph.profile("Ana"), await graph.profile("Anna")
    made = await merge(graph, ana, anna)
    answers = await asyncio.gather(*(graph.data(UNMERGE, {"id": made["id"]}, graph.supervisor) for _ in range(2)))

    assert sorted((answer["merge"] is not None, [code for code, _ in codes(answer)]) for answer in answers) == [
        (False, ["MERGE_CONFLICT"]),
        (True, []),
    ]


async def test_merge_against_other_writers(graph: Graph) -> None:
    """Notes and companies written while a merge runs are refused or on the survivor, never lost on the merged profile."""
    note = "mutation ($id: ID!, $body: String!) { addNote(input: {profileId: $id, body: $body}) { userErrors { code } } }"
    join = "mutation ($id: ID!, $body: String!) { addProfileToCompany(profileId: $id, companyName: $body) { userErrors { code } } }"
    left = "SELECT (SELECT count(*) FROM note WHERE profile_id = $1) + (SELECT count(*) FROM membership WHERE profile_id = $1)"
    for turn in range(4):
        ana, anna = await graph.profile("Ana"), await graph.profile("Anna")

        async def write(query: str, name: str, anna: str = anna) -> list[list[str]]:
            answers = [await graph.data(query, {"id": anna, "body": f"{name} {n}"}) for n in range(6)]
            return [[error["code"] for error in answer["userErrors"]] for answer in answers]

        made, *others = await asyncio.gather(
            graph.data(MERGE, {"input": {"survivorId": ana, "mergeIds": [anna]}}, graph.supervisor),
            *(write(query, f"{turn} {n}") for query in (note, join) for n in range(2)),
        )
        shown = await graph.data(
            "query ($id: ID!) { profile(by: {id: $id}) { notes { nodes { body } } companies { company { name } } } }", {"id": ana}
        )
        refusals = [one for own in others for one in own]

        assert made["userErrors"] == []
        assert set(map(tuple, refusals)) <= {(), ("MERGE_CONFLICT",)}
        assert len(shown["notes"]["nodes"]) + len(shown["companies"]) == refusals.count([])
        assert await graph.runtime.database.fetchval(left, parse_id(anna, "prf")[0]) == 0
