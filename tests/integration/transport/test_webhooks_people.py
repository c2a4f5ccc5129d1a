"""Whom a webhook is about: which workspace is meant, strangers who wait or are created, people who were erased or merged."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from gateway.commands.arrivals import Arrivals, News
from gateway.commands.jobs import JobRunner
from gateway.commands.retention import remove_old
from gateway.configuration import Configurations
from gateway.model.configuration import Configuration
from tests.integration.resolvers.conftest import Gateway, Graph, Http, _gateway, _graph, _http
from tests.senders import HOOKED, Sender, secrets_in_place
from tests.systems import System

__all__ = ["Gateway", "_gateway", "_graph", "_http", "secrets_in_place"]

pytestmark = pytest.mark.asyncio(loop_scope="module")

SOURCES_FILE = HOOKED


@pytest.fixture(name="crm")
def _crm(http: Http) -> Sender:
    """The CRM."""
    return Sender(http)


async def test_which_workspace_is_meant_is_beyond_doubt(graph: Graph, http: Http) -> None:
    """Of a source that serves several: the address, the signed body, or both alike; anything else is refused."""
    crm, system = Sender(http), System.of(graph)
    name, _ = await system.known()
    own, other = graph.agent.workspace_key, graph.stranger.workspace_key
    path = "/v1/sources/crm/events"

    async def told(query: str, **signed: str) -> int:
        return (await crm.send({"data": {"key": name, **signed}}, path=path + query)).status_code

    taken = [await told(f"?workspace={own}"), await told("", workspace=own), await told(f"?workspace={own}", workspace=own)]
    refused = [
        await told(""),
        await told(f"?workspace={own}", workspace=other),
        await told(f"?workspace={own}&workspace={other}"),
        await told(f"?workspace={own}&more=1"),
        await told("?workspace=nothing-here"),
    ]
    only, nobody = Sender(http, "only"), "prf_" + "0" * 32
    unmade = await only.send({"data": {"key": nobody}}, path="/v1/sources/only/events")

    assert (taken, refused) == ([200] * 3, [400] * 5)
    assert unmade.json()["error"]["message"] == "There is no such workspace."  # the only one it serves needs no name, and is not made yet
    assert (await only.send({"data": {"key": nobody, "workspace": own}})).status_code == 400


async def test_another_workspace_hears_nothing(graph: Graph, crm: Sender) -> None:
    """The same key in another workspace is another person."""
    system = System.of(graph)
    name, _ = await system.known()
    other = await graph.profile(principal=graph.stranger, identifiers=[{"type": "crm", "value": name}])
    await crm.tell(name, changed=["traits"])

    assert await system.entries(other) == []


async def test_news_of_a_stranger_waits_until_they_are_known(graph: Graph, crm: Sender) -> None:
    """With `unknown = "wait"`: kept under their key, entered in order when a profile with it appears, and then no more."""
    system = System.of(graph)
    said = [
        await crm.tell("C-later", items=["o1"], at="2026-01-01T00:00:00Z"),
        await crm.tell("C-later", removed=["o1"], at="2026-01-02T00:00:00Z"),
    ]
    arrivals = graph.runtime.services.commands
    settler = Arrivals(graph.runtime.database, arrivals.bound, arrivals.privacy.tombstones, arrivals.adoption, graph.runtime.definitions)
    nobody = await settler.settle()
    profile = await graph.profile(identifiers=[{"type": "crm", "value": "C-later"}])
    await settler.settle()

    assert [one["outcome"] for one in said] == ["waiting", "waiting"]
    assert nobody == 0
    assert [(kind, key) for kind, _, key in await system.entries(profile)] == [("ACTIVITY", "o1"), ("REMOVED", "o1")]
    assert await graph.count("arrival_waiting") == 0


async def test_so_many_wait_and_no_more(graph: Graph, crm: Sender) -> None:
    """A source that tells of strangers only fills no table; what is three days old is removed."""
    commands, database = graph.runtime.services.commands, graph.runtime.database
    limited = Arrivals(database, commands.bound, commands.privacy.tombstones, commands.adoption, graph.runtime.definitions, most_waiting=2)
    definition = System.of(graph).source.definition
    principal = limited.principal(definition, graph.agent.workspace_id, graph.agent.workspace_key)
    outcomes = [(await limited.take_in(definition, principal, f"w{n}", f"C-nobody-{n}", News(("traits",)))).outcome.value for n in range(4)]
    kept = await graph.count("arrival_waiting")
    await remove_old(database, Configurations(Configuration()), datetime.now(UTC) + timedelta(days=4))

    assert outcomes == ["waiting", "waiting", "ignored", "ignored"]
    assert (kept, await graph.count("arrival_waiting"), await graph.count("arrival")) == (2, 0, 0)


async def test_a_stranger_is_created_by_configuration(graph: Graph, http: Http) -> None:
    """With `unknown = "create"` and a body of the system's own shape: one profile with the key, however many messages come at once."""
    bodies = [{"user": {"mail": "Neu@Example.com"}, "order": {"id": n}, "rev": n, "shop": graph.agent.workspace_key} for n in (1, 2)]
    sender = Sender(http, "shop")
    answers = await asyncio.gather(*(sender.send(body, path="/v1/sources/shop/events") for body in bodies))
    found = await graph.data('query { profile(by: {email: "neu@example.com"}) { id lifecycle contactPoints { value } } }')

    assert sorted(one.json()["outcome"] for one in answers) == ["created", "entered"]
    assert found["lifecycle"] == "PROSPECT"
    assert await graph.count("profile") == 1
    assert ("ACTIVITY", [], "1") in await System.of(graph, "shop").entries(found["id"])


async def test_somebody_who_was_erased_stays_so(graph: Graph, crm: Sender) -> None:
    """A late message about them is ignored: neither kept, nor a profile made of it."""
    name, profile = await System.of(graph).known()
    ask = "mutation ($id: ID!) { requestPrivacyAction(profileId: $id, action: ERASE) { jobId userErrors { code } } }"
    asked = await graph.data(ask, {"id": profile}, graph.admin)
    database = graph.runtime.database
    runner = JobRunner(database, graph.runtime.writer, graph.runtime.services.commands.privacy.plans)
    async with asyncio.timeout(10):
        ended = "SELECT finished_at FROM privacy_job WHERE workspace_id = $1"
        while await database.fetchval(ended, graph.agent.workspace_id) is None:  # noqa: ASYNC110  # its steps say how long to wait
            await asyncio.sleep(min(await runner.advance() or 0.0, 0.1))
    said = await crm.tell(name, changed=["traits"])

    assert asked["userErrors"] == []
    assert said == {"outcome": "ignored", "entries": 0}
    assert await graph.count("arrival_waiting") == 0


async def test_a_merged_persons_news_go_to_the_survivor(graph: Graph, http: Http) -> None:
    """A key that came to another profile by a merge leads there."""
    system = System.of(graph)
    name, gone = await system.known()
    stays = await graph.profile("Bob")
    merged = await graph.data(
        "mutation ($i: MergeProfilesInput!) { mergeProfiles(input: $i) { userErrors { code message } } }",
        {"i": {"survivorId": stays, "mergeIds": [gone]}},
        graph.supervisor,
    )
    await Sender(http).tell(name, changed=["traits"])

    assert merged["userErrors"] == []
    assert await system.entries(stays) == [("PROFILE", ["traits"], None)]
