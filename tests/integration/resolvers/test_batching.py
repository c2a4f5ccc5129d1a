"""The number of SQL statements of a screen depends on its depth, never on how many profiles it shows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import pytest

from gateway.loaders.batch import Loader
from gateway.loaders.bundle import Loaders
from gateway.storage.database import Database
from gateway.storage.queries import ALONE, SQL

from .conftest import START, Graph

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

K = TypeVar("K")
V = TypeVar("V")

AGENT_SCREEN = """query AgentScreen($by: [ProfileRef!]!) { profiles(by: $by) {
  id version status lifecycle firstName middleName lastName displayName avatarUrl locale timeZone birthDate customerSince createdAt updatedAt
  contactPoints { id channel value mask phone email label isPrimary isVerified source { key } }
  identifiers { id type value mask source { key } addedAt }
  traits(first: 40) { edges { cursor node { key displayName value displayValue provenance { source { key } observedAt } conflicts { value } } }
    pageInfo { hasNextPage endCursor } }
  traitSummary { category count top }
  notes(first: 10) { nodes { id version body isPinned createdAt author { id displayName kind } viewerCanEdit } pageInfo { hasNextPage } }
  timeline(last: 50) { edges { cursor node { __typename id occurredAt title icon source { key }
    ... on Interaction { channel direction agent { displayName } } ... on ExternalActivity { type properties } } }
    pageInfo { hasPreviousPage } streamCursor sources { state } }
  companies { company { id name } isMain } mainCompany { id name }
  viewerCan { update merge addNote revealSensitive erase }
  sources { state }
  streamCursor
} }"""
MOST_STATEMENTS = 6
BACKGROUND = frozenset({"revocations_since"})
"""What the gateway asks by itself, now and then, whatever a test does."""
NAMES = {statement: name for known in (SQL, ALONE) for name, statement in known.items()}


@contextmanager
def statements(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The names of the statements that reach Postgres outside a transaction."""
    seen: list[str] = []

    def noting(method: Any) -> Any:
        async def noted(self: Database, sql: str, *args: object, **options: Any) -> Any:
            if NAMES.get(sql) not in BACKGROUND:
                seen.append(NAMES.get(sql, sql))
            return await method(self, sql, *args, **options)

        return noted

    with monkeypatch.context() as patch:
        for name in ("fetch", "fetchrow", "execute"):
            patch.setattr(Database, name, noting(getattr(Database, name)))
        yield seen


async def crowd(graph: Graph, size: int) -> list[str]:
    """Profiles with something in every part of the screen."""
    made = []
    for n in range(size):
        profile = await graph.profile(
            f"P{n}",
            contactPoints=[{"channel": "EMAIL", "value": f"p{n}@example.com"}, {"channel": "VOICE", "value": "+442079460958"}],
            identifiers=[{"type": "account_id", "value": f"A-{n}"}],
            attributes={f"trait_{k}": k for k in range(3)},
        )
        await graph.note(profile)
        await graph.join(profile, f"Company {n % 3}")
        await graph.happened(profile, {}, {"kind": "INTERACTION", "channel": "VOICE", "direction": "INBOUND"})
        made.append(profile)
    return made


async def counted(graph: Graph, monkeypatch: pytest.MonkeyPatch, profiles: Sequence[str]) -> list[str]:
    """The statements of the agent screen of these profiles, of which every part is shown."""
    with statements(monkeypatch) as seen:
        shown = await graph.data(AGENT_SCREEN, {"by": [{"id": one} for one in profiles]})
    for n, profile in enumerate(shown):
        assert (profile["id"], len(profile["contactPoints"]), len(profile["identifiers"])) == (profiles[n], 2, 1)
        assert (len(profile["traits"]["edges"]), len(profile["traitSummary"]), len(profile["notes"]["nodes"])) == (3, 1, 1)
        assert (len(profile["timeline"]["edges"]), len(profile["companies"])) == (2, 1)
        assert profile["mainCompany"]["name"] == f"Company {n % 3}"
    return sorted(seen)


async def test_the_agent_screen_of_one_and_of_fifty(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    """The agent screen takes six statements, for one profile and for fifty."""
    profiles = await crowd(graph, 50)
    one = await counted(graph, monkeypatch, profiles[:1])
    fifty = await counted(graph, monkeypatch, profiles)

    assert one == fifty
    assert len(one) <= MOST_STATEMENTS


@pytest.mark.proof
async def test_the_count_notices_a_loader_that_does_not_batch(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    """With loaders that ask for one key at a time the same screen takes more statements, so the test above can fail."""

    class OneByOne(Loader[Any, Any]):
        __slots__ = ("_fetch",)

        def __init__(self, fetch: Callable[[Sequence[Any]], Awaitable[Sequence[Any]]]) -> None:
            super().__init__(fetch)
            self._fetch = fetch

        async def load(self, key: Any) -> Any:
            return (await self._fetch([key]))[0]

        async def load_many(self, keys: Any) -> list[Any]:
            return [await self.load(key) for key in keys]

    profiles = await crowd(graph, 3)
    honest = await counted(graph, monkeypatch, profiles)
    original = Loaders.__init__

    def careless(self: Loaders, *args: Any) -> None:
        original(self, *args)
        self.contacts = OneByOne(self._load_contacts)

    with monkeypatch.context() as patch:
        patch.setattr(Loaders, "__init__", careless)
        broken = await counted(graph, monkeypatch, profiles)

    assert len(honest) <= MOST_STATEMENTS < len(broken)


async def test_references_are_looked_up_together(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty references by e-mail and account number take one look-up and one read."""
    await crowd(graph, 5)
    by = [{"email": f"p{n}@example.com"} for n in range(25)] + [
        {"identifier": {"type": "account_id", "value": f"A-{n}"}} for n in range(25)
    ]
    with statements(monkeypatch) as seen:
        found = await graph.data("query ($by: [ProfileRef!]!) { profiles(by: $by) { id } }", {"by": by})

    assert [one is not None for one in found] == ([True] * 5 + [False] * 20) * 2
    assert seen == ["profile_ids_by_lookup", "profiles_by_id"]


async def test_nodes_are_fetched_together(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many nodes of several types take one statement per type."""
    profiles = await crowd(graph, 4)
    shown = await graph.data(
        "query ($by: [ProfileRef!]!) { profiles(by: $by) { notes { nodes { id } } companies { company { id } } contactPoints { id } } }",
        {"by": [{"id": one} for one in profiles]},
    )
    ids = profiles + [note["id"] for profile in shown for note in profile["notes"]["nodes"]]
    ids += [one["company"]["id"] for profile in shown for one in profile["companies"]]
    ids += [point["id"] for profile in shown for point in profile["contactPoints"]]
    with statements(monkeypatch) as seen:
        found = await graph.data("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": ids})

    assert [node["id"] for node in found] == ids
    assert sorted(seen) == ["companies_by_id", "contacts_by_profile", "notes_by_id", "profiles_by_id"]


async def test_each_page_request_is_its_own_batch(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same relationship asked for twice with other arguments is read once per set of arguments, and answers each as asked."""
    profiles = await crowd(graph, 3)
    for profile in profiles:
        await graph.note(profile, "second")
    query = """query ($by: [ProfileRef!]!) { profiles(by: $by) {
      one: notes(first: 1) { nodes { body } totalCount } two: notes(first: 2) { nodes { body } } again: notes(first: 2) { nodes { body } } } }"""
    with statements(monkeypatch) as seen:
        shown = await graph.data(query, {"by": [{"id": one} for one in profiles]})

    first = "Called about the invoice."
    assert [(len(one["one"]["nodes"]), one["one"]["totalCount"]) for one in shown] == [(1, 2)] * 3
    assert [[note["body"] for note in one["two"]["nodes"]] for one in shown] == [["second", first]] * 3
    assert [one["again"] for one in shown] == [one["two"] for one in shown]
    assert sorted(seen) == ["note_counts", "notes_by_profile", "notes_by_profile", "profiles_by_id"]


async def test_a_fragment_used_twice(graph: Graph) -> None:
    """A fragment that two fields share answers each of them with its own profile's data."""
    ana, bob = await crowd(graph, 2)
    shown = await graph.data(
        """query ($a: ID!, $b: ID!) { a: profile(by: {id: $a}) { ...screen } b: profile(by: {id: $b}) { ...screen } }
        fragment screen on Profile { id contactPoints(channel: EMAIL) { value } identifiers { value } }""",
        {"a": ana, "b": bob},
    )

    assert shown == {
        "a": {"id": ana, "contactPoints": [{"value": "p0@example.com"}], "identifiers": [{"value": "A-0"}]},
        "b": {"id": bob, "contactPoints": [{"value": "p1@example.com"}], "identifiers": [{"value": "A-1"}]},
    }


async def test_one_bad_argument_fails_its_own_field(graph: Graph) -> None:
    """A refused argument of one relationship leaves the others of the same profiles answered."""
    profiles = await crowd(graph, 2)
    query = "query ($by: [ProfileRef!]!) { profiles(by: $by) { id notes(first: 0) { totalCount } timeline(first: 5) { nodes { id } } } }"
    answer = await graph.run(query, {"by": [{"id": one} for one in profiles]})

    assert [(one["id"], one["notes"], len(one["timeline"]["nodes"])) for one in answer["data"]["profiles"]] == [
        (one, None, 2) for one in profiles
    ]
    assert [error["path"] for error in answer["errors"]] == [["profiles", 0, "notes"], ["profiles", 1, "notes"]]


async def test_a_deep_history_is_one_statement(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred items of each of several profiles come in one statement, behind that of the profiles, which brings what the layout shows."""
    profiles = await crowd(graph, 3)
    for profile in profiles:
        await graph.happened(profile, *({"at": START + timedelta(days=1, minutes=n)} for n in range(120)))
    with statements(monkeypatch) as seen:
        shown = await graph.data(
            "query ($by: [ProfileRef!]!) { profiles(by: $by) { timeline(last: 100) { nodes { id } pageInfo { hasPreviousPage } } } }",
            {"by": [{"id": one} for one in profiles]},
        )

    assert [(len(one["timeline"]["nodes"]), one["timeline"]["pageInfo"]["hasPreviousPage"]) for one in shown] == [(100, True)] * 3
    assert seen == ["profiles_by_id", "plain_activities_descending"]


async def test_a_level_is_one_call(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relationship's batch function is called once with all parents of a list, not once per parent."""
    profiles = await crowd(graph, 5)
    calls: list[int] = []
    load_many = Loader.load_many

    async def noted(self: Loader[Any, Any], keys: Any) -> Any:
        wanted = list(keys)
        calls.append(len(wanted))
        return await load_many(self, wanted)

    monkeypatch.setattr(Loader, "load_many", noted)
    query = "query ($by: [ProfileRef!]!) { profiles(by: $by) { contactPoints { id } notes { totalCount } } }"
    await graph.data(query, {"by": [{"id": one} for one in profiles]})

    assert calls == [0, 5, 5, 5, 5]  # no look-up; then profiles, contact points, notes, counts
