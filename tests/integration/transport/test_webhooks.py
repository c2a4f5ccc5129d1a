"""Signed webhooks over HTTP: what they bring to the screen, and what a forged, late, repeated or oversized one does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from standardwebhooks.webhooks import Webhook

from tests.integration.resolvers.conftest import Gateway, Graph, Http, _gateway, _graph, _http
from tests.senders import FOREIGN, HOOKED, NEW, OLD, Sender, secrets_in_place
from tests.systems import PROFILE_EVENTS, SCREEN, TIMELINE_EVENTS, System

__all__ = ["Gateway", "_gateway", "_graph", "_http", "secrets_in_place"]

pytestmark = pytest.mark.asyncio(loop_scope="module")

SOURCES_FILE = HOOKED


@pytest.fixture(name="crm")
def _crm(http: Http) -> Sender:
    """The CRM."""
    return Sender(http)


async def test_cap_128_what_a_system_tells_reaches_the_screen(graph: Graph, crm: Sender) -> None:
    """A signed event makes the open page show the new trait and the new item, and take the removed one away."""
    system = System.of(graph)
    name, profile = await system.known(traits={"tier": "gold"}, items=("o1",))
    state = graph.stream(PROFILE_EVENTS, {"id": profile})
    items = graph.stream(TIMELINE_EVENTS, {"id": profile})
    await state.next()
    await items.next()
    await graph.data(SCREEN, {"id": profile})  # from now on its answers are fresh for a minute
    system.person(name, traits={"tier": "platinum"}, items=("o2",))
    said = await crm.tell(name, changed=["traits"], items=["o2"], removed=["o1"], version=1)
    updated = await state.next()
    came = [await items.next(), await items.next()]
    await state.close()
    await items.close()

    assert said == {"outcome": "entered", "entries": 3}
    assert updated["changedFields"] == ["traits"]
    assert updated["profile"]["traits"]["nodes"] == [{"key": "tier", "value": "platinum"}]
    assert {one.get("itemId") or one["item"]["id"] for one in came} == {system.item(profile, "o1"), system.item(profile, "o2")}


async def test_cap_128_a_secret_is_replaced_without_a_pause(graph: Graph, http: Http) -> None:
    """While two secrets are configured, messages signed with either one are taken; the order of the signatures in a header does not matter."""
    name, _ = await System.of(graph).known()
    body = orjson.dumps({"data": {"key": name}})
    moment = datetime.now(UTC)
    answers = [await Sender(http, secret=secret).send(body) for secret in (OLD, NEW)]
    both = " ".join(Webhook(secret).sign("msg_both", moment, body.decode()) for secret in (FOREIGN, OLD))
    answers.append(await Sender(http).send(body, id_="msg_both", at=moment, webhook_signature=both))

    assert [one.status_code for one in answers] == [200, 200, 200]


@pytest.mark.parametrize(
    "headers",
    [
        {"webhook_signature": "v1,AAAA"},
        {"webhook_signature": "v1"},
        {"webhook_signature": "v2,abc v1,%%%"},
        {"webhook_signature": ""},
        {"webhook_id": "msg_another"},
        {"webhook_id": ""},
        {"webhook_timestamp": "1e9"},
        {"webhook_timestamp": "nan"},
        {"webhook_timestamp": "9" * 40},
        {"webhook_signature": "v1,AAAA " * 1000},
    ],
    ids=[
        "forged",
        "no signature in it",
        "other versions",
        "missing",
        "another id",
        "no id",
        "a float",
        "no number",
        "no time",
        "thousands",
    ],
)
async def test_fault_138_a_forged_signature(graph: Graph, crm: Sender, headers: dict[str, str]) -> None:
    """401 with one answer, whatever is wrong with it, and nothing is written."""
    name, _ = await System.of(graph).known()
    before = await graph.count("change_log")
    answer = await crm.send({"data": {"key": name, "changed": ["traits"]}}, **headers)

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "UNAUTHENTICATED")
    assert (await graph.count("change_log"), await graph.count("arrival")) == (before, 0)


async def test_fault_138_an_altered_body(graph: Graph, crm: Sender) -> None:
    """A body that is not the one that was signed, or no text at all."""
    moment = datetime.now(UTC)
    signature = Webhook(NEW).sign("msg_x", moment, '{"data": {"key": "C-1"}}')
    answers = [
        await crm.send(body, id_="msg_x", at=moment, webhook_signature=signature)
        for body in (b'{"data": {"key": "C-2"}}', b"\xff\xfe", b"")
    ]

    assert [one.status_code for one in answers] == [401, 401, 401]


@pytest.mark.parametrize("minutes", [-6, 6])
async def test_fault_138_a_message_from_another_time(graph: Graph, crm: Sender, minutes: int) -> None:
    """Signed rightly and more than five minutes off: replayed later, or by a clock that nobody can trust."""
    answer = await crm.send({"data": {"key": "C-1"}}, at=datetime.now(UTC) + timedelta(minutes=minutes))

    assert answer.status_code == 401


async def test_fault_138_a_source_that_is_not_there_looks_like_a_forged_message(graph: Graph, http: Http) -> None:
    """No such source, one without a webhook, one of another secret and a forged message: one answer to all of them."""
    senders = [Sender(http, "nothing-here"), Sender(http, "quiet"), Sender(http, "shop", OLD), Sender(http, "crm", FOREIGN)]
    answers = [await sender.send({"data": {"key": "C-1"}}) for sender in senders]
    shown = {(one.status_code, one.text, tuple(sorted(name for name in one.headers if name != "x-request-id"))) for one in answers}

    assert len(shown) == 1
    assert answers[0].status_code == 401


async def test_fault_138_a_replayed_message_counts_once(graph: Graph, crm: Sender) -> None:
    """The same id again, also many at a time: taken in once, and answered as a duplicate."""
    name, profile = await System.of(graph).known()
    body = {"data": {"key": name, "changed": ["traits"]}}
    answers = await asyncio.gather(*(crm.send(body, id_="msg_again") for _ in range(10)))
    outcomes = sorted(one.json()["outcome"] for one in answers)

    assert outcomes == ["duplicate"] * 9 + ["entered"]
    assert await System.of(graph).entries(profile) == [("PROFILE", ["traits"], None)]


async def test_fault_138_messages_out_of_order(graph: Graph, crm: Sender) -> None:
    """What is older than what was told of the same part of the person changes nothing; what it says of other parts counts."""
    system = System.of(graph)
    name, profile = await system.known()
    said = [
        await crm.tell(name, items=["o1"], version=7),
        await crm.tell(name, removed=["o1"], version=6),
        await crm.tell(name, removed=["o1"], items=["o2"], version=6),
        await crm.tell(name, changed=["traits"], at="2026-01-02T00:00:00Z"),
        await crm.tell(name, changed=["traits"], at="2026-01-01T00:00:00Z"),
        await crm.tell(name, changed=["traits"], at="2026-01-02T00:00:00Z"),
        await crm.tell(name, changed=["traits"]),
    ]

    assert [(one["outcome"], one["entries"]) for one in said] == [
        ("entered", 1),
        ("outdated", 0),
        ("entered", 1),
        ("entered", 1),
        ("outdated", 0),
        ("entered", 1),
        ("entered", 1),
    ]
    assert [key for kind, _, key in await system.entries(profile) if kind != "PROFILE"] == ["o1", "o2"]


async def test_fault_138_five_megabytes(graph: Graph, crm: Sender) -> None:
    """413, after no more than 256 KiB were read, signed or not, announced or not."""
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(80):
            sent += 65536
            yield b" " * 65536

    announced = await crm.send(b" " * 5_000_000)
    streamed = await crm.http.client.post(crm.path, content=endless())
    unknown = await crm.http.client.post("/v1/sources/nothing-here/events", content=b" " * 300_000)

    assert [one.status_code for one in (announced, streamed, unknown)] == [413, 413, 413]
    assert sent <= 6 * 65536


async def test_fault_138_a_burst(graph: Graph, http: Http) -> None:
    """Beyond three seconds' worth: 429 with Retry-After, and what was refused is not taken for a duplicate later."""
    sender = Sender(http, "shop")
    answers = await asyncio.gather(*(sender.send({"user": {"mail": f"p{n}@example.com"}}, id_=f"burst_{n}") for n in range(50)))
    refused = [one for one in answers if one.status_code == 429]

    assert len(refused) >= 46
    assert {one.headers["retry-after"] for one in refused} == {"1"}
    assert await graph.count("arrival") == 50 - len(refused)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"[" * 100 + b"]" * 100, "BAD_REQUEST"),
        (b'{"data": {"key": "a", "key": "b"}}', "BAD_REQUEST"),
        (b'{"data": NaN}', "BAD_REQUEST"),
        (b"not json", "BAD_REQUEST"),
        (b'"text"', "BAD_REQUEST"),
        (b'{"data": {"changed": ["traits"]}}', "BAD_REQUEST"),
        (b'{"data": {"key": "0"}}', "BAD_USER_INPUT"),
        (b'{"data": {"key": "C-1", "changed": ["secrets"]}}', "BAD_USER_INPUT"),
        (b'{"data": {"key": "C-1", "items": ["a\\nb"]}}', "BAD_USER_INPUT"),
        (b'{"data": {"key": "C-1", "version": -1}}', "BAD_USER_INPUT"),
        (b'{"data": {"key": "C-1", "at": "yesterday"}}', "BAD_USER_INPUT"),
        (orjson.dumps({"data": {"key": "C-1", "items": [str(n) for n in range(101)]}}), "BAD_USER_INPUT"),
    ],
    ids=["deep", "twice", "NaN", "no JSON", "no object", "no key", "nobody", "what", "two lines", "version", "at", "101 items"],
)
async def test_fault_138_a_signed_body_that_says_nothing(graph: Graph, crm: Sender, body: bytes, code: str) -> None:
    """400 that names what is wrong, and never what was sent; nothing is taken in."""
    answer = await crm.send(body)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    assert await graph.count("arrival") == 0
