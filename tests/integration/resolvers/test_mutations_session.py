"""Sessions on real sockets: presence that ends with them, newer credentials on them, and an administrator who ends them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from gateway.app import open_runtime
from gateway.auth.principal import Principal
from gateway.auth.rate import RateLimiter

from .conftest import Gateway, Graph, Http
from .events_scene import CONTACTS, PROFILE, TIMELINE, VIEWING, names, opened, renamed
from .subscription_socket_scene import Server, serving

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

REFRESH = "mutation ($token: String!) { refreshSession(token: $token) { actor { id } scopes } }"
DISCONNECT = "mutation ($subject: String!, $reason: String!) { disconnectSubject(subject: $subject, reason: $reason) }"
SCOPES = "{ viewer { scopes rateLimit { limit remaining cost resetAt } } }"
WITHIN = 5.0
"""Seconds within which a disconnected subject is gone from every process."""


@pytest_asyncio.fixture(name="server", loop_scope="module")
async def _server(gateway: Gateway) -> AsyncIterator[Server]:
    async with serving(gateway.settings, gateway.runtime) as server:
        yield server


def token(graph: Graph, principal: Principal, seconds: float = 3600, scopes: list[str] | None = None) -> str:
    """A token of the principal."""
    life = timedelta(seconds=seconds)
    return graph.signer.sign(principal.workspace_key, principal.subject, principal.role, name="A", scopes=scopes, lifetime=life)


@pytest.mark.parametrize("how", ["close", "reset", "complete"])
async def test_presence_ends_with_its_socket(graph: Graph, server: Server, how: str) -> None:
    """Whoever has a profile open is gone when the socket is: closed in order, or reset in the middle; ending a stream on it ends nothing."""
    ana = await graph.profile()
    stream, _ = await opened(graph, PROFILE, id=ana)
    client = await server.ready(token(graph, graph.colleague))
    watching = await client.start(PROFILE, id=ana)
    assert (await client.next(watching))["__typename"] == "StreamReady"
    assert (await client.ask(VIEWING, id=ana, editing=True))["data"] == {"setViewing": True}
    here = await stream.next()
    if how == "reset":
        client.reset()
    elif how == "close":
        await client.connection.close()
    else:
        await client.send({"id": watching, "type": "complete"})
        assert (await client.ask(SCOPES))["data"]
        await renamed(graph, ana, "Ada")
        assert (await stream.next())["__typename"] == "ProfileUpdated"
        await client.connection.close()
    gone = await stream.next()
    await stream.close()

    assert (names(here["viewers"]), names(here["editing"])) == (["bob"], ["bob"])
    assert (gone["__typename"], gone["viewers"]) == ("ViewersChanged", [])
    assert await graph.count("presence") == 0
    assert graph.runtime.services.presence._held == {}


async def test_two_sockets_of_one_agent(graph: Graph, server: Server) -> None:
    """Each socket has its own place: closing one leaves the agent where the other is."""
    ana = await graph.profile()
    stream, _ = await opened(graph, PROFILE, id=ana)
    first, second = [await server.ready(token(graph, graph.colleague)) for _ in range(2)]
    await first.ask(VIEWING, id=ana)
    assert names((await stream.next())["viewers"]) == ["bob"]
    await second.ask(VIEWING, id=ana, editing=True)
    assert names((await stream.next())["editing"]) == ["bob"]
    await second.connection.close()
    after = await stream.next()
    await first.connection.close()
    last = await stream.next()
    await stream.close()

    assert (names(after["viewers"]), after["editing"], last["viewers"]) == (["bob"], [], [])


async def test_a_refreshed_session_outlives_its_first_token(graph: Graph, server: Server) -> None:
    """With a newer token the socket and its running streams live on beyond the first one's end, without a reconnect."""
    ana = await graph.profile()
    brief = token(graph, graph.agent, 3)
    end = datetime.now(UTC) + timedelta(seconds=3)
    client = await server.ready(brief)
    state = await client.start(PROFILE, id=ana)
    assert (await client.next(state))["__typename"] == "StreamReady"
    refreshed = await client.ask(REFRESH, token=token(graph, graph.agent))
    assert refreshed["data"]["refreshSession"]["actor"] == {"id": "ann"}
    await asyncio.sleep((end - datetime.now(UTC)).total_seconds() + 0.5)
    await renamed(graph, ana, "Ada")
    event = await client.next(state)

    assert (event["__typename"], event["updated"]["firstName"]) == ("ProfileUpdated", "Ada")


async def test_a_refreshed_token_ends_the_session_when_it_ends(graph: Graph, server: Server) -> None:
    """The newer token's end is the session's, also when it lies before the first one's."""
    client = await server.ready(token(graph, graph.agent))
    await client.ask(REFRESH, token=token(graph, graph.agent, 2))

    assert await client.close_code() == (4403, "token expired")


async def test_nobody_else_takes_over_a_session(graph: Graph, server: Server) -> None:
    """A token of another subject or workspace, an expired one or none at all is refused; the session goes on as it was."""
    client = await server.ready(token(graph, graph.agent))
    wrong = [token(graph, graph.colleague), token(graph, graph.stranger), token(graph, graph.agent, -100), "nonsense", ""]
    codes = [(await client.ask(REFRESH, token=one))["errors"][0]["extensions"]["code"] for one in wrong]
    answer = await client.ask(SCOPES)

    assert codes == ["FORBIDDEN", "FORBIDDEN", "UNAUTHENTICATED", "UNAUTHENTICATED", "UNAUTHENTICATED"]
    assert answer["data"]["viewer"]["scopes"] == sorted(graph.agent.scopes)


async def test_a_session_is_not_refreshed_over_http(graph: Graph, http: Http) -> None:
    """Without a socket there is nothing to refresh."""
    answer = (await http.ask(REFRESH, {"token": token(graph, graph.agent)})).json()

    assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        (PROFILE, "subscribe note:read"),
        (TIMELINE, "subscribe profile:read"),
        (CONTACTS, "subscribe profile:read"),
        (PROFILE, "profile:read"),
    ],
    ids=["profile", "timeline", "contacts", "subscribe"],
)
async def test_running_streams_read_the_rights_of_now(graph: Graph, server: Server, query: str, kept: str) -> None:
    """A newer token without the right that a stream needs ends that stream at its next change, with a gap that says why; the socket lives on."""
    ana = await graph.profile()
    client = await server.ready(token(graph, graph.agent))
    stream = await client.start(query, **({} if query is CONTACTS else {"id": ana}))
    ready = await client.next(stream)
    answer = await client.ask(REFRESH, token=token(graph, graph.agent, scopes=kept.split()))
    assert answer["data"]["refreshSession"]["scopes"] == sorted(kept.split())
    if query is CONTACTS:
        new = {"externalId": ana, "channel": "VOICE", "agentId": "ann"}
        await graph.data("mutation ($i: OpenContactInput!) { openContact(input: $i) { contact { id } } }", {"i": new})
    await renamed(graph, ana, "Ada")
    await graph.happened(ana, {})
    gap = await client.next(stream)

    assert (gap["__typename"], gap["gap"], gap["cursor"]) == ("StreamGap", "PERMISSION_CHANGED", ready["cursor"])
    assert await client.receive() == {"id": stream, "type": "complete"}
    assert "data" in await client.ask(SCOPES)


async def test_a_disconnected_subject_is_gone_everywhere(graph: Graph, gateway: Gateway, server: Server, http: Http) -> None:
    """Every socket of the subject closes within five seconds, in this process and in another; its old tokens open nothing, newer ones do."""
    old = token(graph, graph.colleague)
    async with AsyncExitStack() as stack:
        second = await stack.enter_async_context(open_runtime(gateway.settings))
        other = await stack.enter_async_context(serving(gateway.settings, second))
        ours = [await server.ready(old) for _ in range(3)]
        theirs = await other.ready(old)
        ann = await server.ready(token(graph, graph.agent))
        namesake = await server.ready(token(graph, replace(graph.stranger, subject="bob")))
        done = await graph.data(DISCONNECT, {"subject": "bob", "reason": "lost laptop"}, graph.admin)
        async with asyncio.timeout(WITHIN):
            codes = await asyncio.gather(*(client.close_code() for client in (*ours, theirs)))
        for place in (server, other):
            assert await (await place.open(old)).close_code() == (4403, "Forbidden")
        answer = await http.client.post("/graphql", json={"query": SCOPES}, headers={"authorization": f"Bearer {old}"})
        assert "data" in await ann.ask(SCOPES)
        assert "data" in await namesake.ask(SCOPES)
        refused = await ann.ask(REFRESH, token=old)

    assert done is True
    assert set(codes) == {(4403, "Disconnected by an administrator")}
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (401, "UNAUTHENTICATED")
    assert refused["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    revoked = graph.runtime.sessions
    assert not any(subject == "bob" and workspace == graph.agent.workspace_id for workspace, subject in revoked._open)
    await asyncio.sleep(1.1)  # a token says the second it was issued in
    assert "data" in await (await server.ready(token(graph, graph.colleague))).ask(SCOPES)


async def test_disconnecting_takes_an_administrator(graph: Graph) -> None:
    """Others are refused, empty words too; it is true also when nobody was connected, and the record says who and why."""
    refused = await graph.error(DISCONNECT, {"subject": "bob", "reason": "why"}, graph.supervisor)
    wrong = [
        {"subject": "", "reason": "x"},
        {"subject": "bob", "reason": " "},
        {"subject": "x" * 256, "reason": "x"},
        {"subject": "a\x00", "reason": "x"},
    ]
    codes = [(await graph.error(DISCONNECT, one, graph.admin))["extensions"]["code"] for one in wrong]
    assert await graph.count("revocation") == 0
    done = await graph.data(DISCONNECT, {"subject": "nobody", "reason": "just in case"}, graph.admin)
    row = await graph.runtime.database.fetchrow(
        "SELECT subject, actor_id, reason FROM revocation WHERE workspace_id = $1", graph.admin.workspace_id
    )

    assert refused["extensions"] == {"code": "FORBIDDEN", "scope": "admin"}
    assert codes == ["BAD_USER_INPUT"] * 4
    assert (done, tuple(row or ())) == (True, ("nobody", "ada", "just in case"))


async def test_the_rate_limit_over_http_and_websocket(graph: Graph, gateway: Gateway) -> None:
    """What comes too fast is refused on both ways from one bucket: 429 with Retry-After, an error for that id; the socket and others live on."""
    limited = replace(gateway.runtime, services=replace(gateway.runtime.services, rates=RateLimiter(0.5)))
    async with serving(gateway.settings, limited) as server:
        client = await server.ready(token(graph, graph.agent))
        shown = (await client.ask(SCOPES))["data"]["viewer"]["rateLimit"]
        refused = await client.ask(SCOPES)
        async with httpx2.AsyncClient(base_url=f"http://{server.address[0]}:{server.address[1]}") as http:
            headers = {"authorization": f"Bearer {token(graph, graph.agent)}"}
            answer = await http.post("/graphql", json={"query": SCOPES}, headers=headers)
            headers = {"authorization": f"Bearer {token(graph, graph.colleague)}"}
            other = await http.post("/graphql", json={"query": SCOPES}, headers=headers)
        wait = refused["errors"][0]["extensions"]["retryAfterMs"]
        await asyncio.sleep(wait / 1000 + 0.05)
        again = await client.ask(SCOPES)

    assert (shown["limit"], shown["remaining"], shown["cost"]) == (1, 0, 2)
    assert datetime.now(UTC) - timedelta(seconds=10) < datetime.fromisoformat(shown["resetAt"]) < datetime.now(UTC) + timedelta(seconds=3)
    assert refused["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
    assert 0 < wait <= 2000
    error: dict[str, Any] = answer.json()["errors"][0]
    assert (answer.status_code, error["extensions"]["code"]) == (429, "RATE_LIMITED")
    assert answer.headers["retry-after"] in {"1", "2"}
    assert other.status_code == 200
    assert "data" in again


async def test_without_a_limit_the_viewer_is_told_so(graph: Graph) -> None:
    """In development there is no limit."""
    shown = (await graph.data(SCOPES))["rateLimit"]

    assert (shown["limit"], shown["remaining"], shown["cost"]) == (0, 0, 2)
