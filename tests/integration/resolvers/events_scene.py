"""What the tests of live delivery subscribe to, and what they do meanwhile."""

from __future__ import annotations

from typing import Any

from gateway.auth.principal import Principal
from gateway.commands.unit import Receipt, Unit
from gateway.model.change import ChangeKind
from gateway.model.ids import parse_id

from .conftest import Graph, Stream

__all__ = ["CONTACTS", "PROFILE", "SOURCES", "TIMELINE", "VIEWING", "erased", "merged", "names", "opened", "renamed", "seen", "unmerged"]

LIVE = "__typename ... on LiveEvent { cursor seq at } ... on StreamReady { resumed } ... on StreamGap { gap: reason } "
LIVE += "... on StreamGoAway { reason retryAfterMs }"
MERGED = "... on ProfileMerged { merge { id survivor { id } mergedIds reason: by { id } } profile { id firstName } }"
PROFILE = f"""subscription ($id: ID!, $fields: [String!], $after: StreamCursor) {{
  profileEvents(profileId: $id, fields: $fields, after: $after) {{ {LIVE} {MERGED}
    ... on ProfileUpdated {{ changedFields actor {{ id }} updated: profile {{ id firstName }} }}
    ... on ProfileErased {{ profileId }}
    ... on ViewersChanged {{ viewers {{ id displayName kind }} editing {{ id }} }} }} }}"""
TIMELINE = f"""subscription ($id: ID!, $filter: TimelineFilter, $after: StreamCursor) {{
  timelineEvents(profileId: $id, filter: $filter, after: $after) {{ {LIVE} {MERGED}
    ... on TimelineItemRemoved {{ itemId }}
    ... on TimelineItemUpserted {{ isNew item {{ __typename id title
      ... on NoteItem {{ note {{ id body }} }} ... on ChangeItem {{ change {{ id action }} }} }} }} }} }}"""
CONTACTS = f"""subscription ($agent: ID, $states: [ContactState!], $after: StreamCursor) {{
  contactEvents(agentId: $agent, states: $states, after: $after) {{ {LIVE}
    ... on ContactChanged {{ contact {{ id state match address agent {{ id }} handoffContext
      candidates {{ profile {{ id firstName }} }} profile {{ id firstName }} }} }} }} }}"""
SOURCES = f"""subscription ($after: StreamCursor) {{ sourceEvents(after: $after) {{ {LIVE}
    ... on SourceChanged {{ source {{ key state displayName lastSuccessAt latencyMs }} }} }} }}"""
VIEWING = "mutation ($id: ID!, $editing: Boolean! = false) { setViewing(profileId: $id, editing: $editing) }"
_MERGE = """mutation ($input: MergeProfilesInput!) { mergeProfiles(input: $input) { merge { id } userErrors { code message } } }"""
_UNMERGE = "mutation ($id: ID!) { unmergeProfiles(mergeId: $id) { merge { id } userErrors { code message } } }"
_RENAME = "mutation ($id: ID!, $name: String) { updateProfile(input: {id: $id, firstName: $name}) { streamCursor userErrors { code } } }"


async def opened(graph: Graph, query: str, principal: Principal | None = None, **variables: Any) -> tuple[Stream, dict[str, Any]]:
    """A subscription and its first event."""
    stream = graph.stream(query, variables, principal)
    return stream, await stream.next()


async def renamed(graph: Graph, profile: str, name: str, principal: Principal | None = None) -> str:
    """Change a first name; where the stream stands then."""
    payload = await graph.data(_RENAME, {"id": profile, "name": name}, principal)
    assert payload["userErrors"] == []
    return str(payload["streamCursor"])


async def merged(graph: Graph, survivor: str, *others: str) -> str:
    """Merge profiles; the merge."""
    payload = await graph.data(_MERGE, {"input": {"survivorId": survivor, "mergeIds": others}}, graph.supervisor)
    assert payload["userErrors"] == [], payload
    return str(payload["merge"]["id"])


async def unmerged(graph: Graph, merge: str) -> None:
    """Take a merge back."""
    payload = await graph.data(_UNMERGE, {"id": merge}, graph.supervisor)
    assert payload["userErrors"] == [], payload


async def erased(graph: Graph, profile: str) -> None:
    """What an erasure does first: the person is gone and the stream says so, in one transaction."""
    (profile_id,) = parse_id(profile, "prf")

    async def work(unit: Unit) -> Receipt:
        await unit.connection.execute(
            "UPDATE profile SET status = 'ERASED', first_name = NULL WHERE workspace_id = $1 AND id = $2", unit.workspace, profile_id
        )
        unit.logged(profile_id, ChangeKind.ERASED)
        return Receipt(profile_id)

    await graph.runtime.writer.run(graph.admin, work)


def names(actors: list[dict[str, Any]]) -> list[str]:
    """The ids of actors."""
    return [actor["id"] for actor in actors]


def seen(events: list[dict[str, Any]]) -> list[tuple[str, int]]:
    """(type, seq) of events."""
    return [(event["__typename"], event["seq"]) for event in events]
