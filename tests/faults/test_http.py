"""Bad requests against a gateway process: what they cost it, whose page may read it, by what name it may be called, and how event streams end."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import re
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from gateway.auth.development import DevelopmentKeys
from gateway.auth.principal import Role
from tests.running import Gateway

__all__: list[str] = []

VIEWER = json.dumps({"query": "{ viewer { actor { id } } }"}).encode()
PER_SECOND = 5


@pytest.fixture(name="strict", scope="module")
def _strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with names, origins and a rate limit of its own."""
    environment = {
        "GATEWAY_ALLOWED_HOSTS": "127.0.0.1,*.example.com",
        "GATEWAY_ALLOWED_ORIGINS": "https://app.example.com",
        "GATEWAY_RATE_LIMIT": str(PER_SECOND),
        "GATEWAY_SOCKETS_PER_SUBJECT": "2",
    }
    command = Path(sys.executable).with_name("profile-gateway")
    gateway = Gateway(command, tmp_path_factory.mktemp("strict") / "data", environment=environment)
    gateway.start()
    yield gateway
    gateway.stop()


def token(gateway: Gateway, subject: str = "ana", role: Role = Role.AGENT) -> str:
    """A token of the demo workspace; each subject has a rate limit of its own."""
    return DevelopmentKeys.open(gateway.data_dir).signer().sign("demo", subject, role)


def head(gateway: Gateway, subject: str, *lines: str) -> bytes:
    """The head of a POST."""
    usual = (
        "POST /graphql HTTP/1.1",
        "host: 127.0.0.1",
        f"authorization: Bearer {token(gateway, subject)}",
        "content-type: application/json",
    )
    return "".join(f"{line}\r\n" for line in (*usual, *lines, "")).encode()


def answered(gateway: Gateway, request: bytes, more: Callable[[], bytes] = bytes) -> bytes:
    """The answer to raw bytes, and to what `more` makes as long as the gateway takes it."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as client:
        client.sendall(request)
        with contextlib.suppress(OSError):
            while chunk := more():
                client.sendall(chunk)
        read = b""
        with contextlib.suppress(ConnectionError):
            while part := client.recv(65_536):
                read += part
    return read


def peak(gateway: Gateway) -> int:
    """The most memory that the process ever had, in bytes."""
    status = Path(f"/proc/{gateway.pid}/status").read_text()
    return int(re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)[1]) * 1024  # type: ignore[index]


def post(gateway: Gateway, body: bytes, subject: str = "ana", **headers: str) -> httpx2.Response:
    """POST a body."""
    sent = {"authorization": f"Bearer {token(gateway, subject)}", "content-type": "application/json"}
    return httpx2.post(f"{gateway.url}/graphql", content=body, headers={**sent, **headers}, timeout=10)


def test_fault_003_deep_json_is_refused_at_once(strict: Gateway) -> None:
    """100 000 levels of lists and of objects are 400 in less than 50 ms, the way there and back included."""
    client = httpx2.Client(headers={"authorization": f"Bearer {token(strict, 'deep')}", "content-type": "application/json"})
    with client:
        client.post(f"{strict.url}/graphql", content=VIEWER)
        for body in (b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 50_000):
            best = []
            for _ in range(6):  # a machine that is busy with something else proves nothing
                started = time.perf_counter()
                assert client.post(f"{strict.url}/graphql", content=body).status_code == 400
                best.append(time.perf_counter() - started)
            assert min(best) < 0.05


@pytest.mark.skipif(sys.platform != "linux", reason="reads memory from /proc")
def test_fault_006_007_large_bodies_take_no_memory(strict: Gateway) -> None:
    """300 MB, announced, chunked or compressed, leave the process's peak of memory where it was, give or take 5 MB."""
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    sent = 0

    def chunks() -> bytes:
        nonlocal sent
        sent += len(chunk)
        return chunk if sent < 300_000_000 else b""

    def whole() -> bytes:
        nonlocal sent
        sent += 65_536
        return b" " * 65_536 if sent < 300_000_000 else b""

    assert post(strict, VIEWER.ljust(256 * 1024), "large").status_code == 200
    before = peak(strict)
    announced = answered(strict, head(strict, "large", "content-length: 300000000"), whole)
    assert announced.startswith(b"HTTP/1.1 413 ") or announced == b""  # or the connection was gone before it could be read
    sent = 0
    chunked = answered(strict, head(strict, "large", "transfer-encoding: chunked"), chunks)
    assert chunked.startswith(b"HTTP/1.1 413 ") or chunked == b""
    assert sent < 30_000_000
    bomb = gzip.compress(b" " * 30_000_000, 9)
    assert len(bomb) < 256 * 1024
    assert post(strict, bomb, "large", **{"content-encoding": "gzip"}).status_code == 415
    assert post(strict, VIEWER, "large").status_code == 200

    assert peak(strict) - before < 5_000_000


def test_fault_015_names_and_forwarded_addresses(strict: Gateway) -> None:
    """A foreign Host is 400; a forged X-Forwarded-For changes nothing: the rate limit goes by subject."""
    for host in ("evil", "evil.com:8080", "127.0.0.1.evil", "example.com.evil"):
        assert post(strict, VIEWER, "hosts", host=host).status_code == 400
    assert post(strict, VIEWER, "hosts", host="desk.example.com").status_code == 200
    assert httpx2.get(f"{strict.url}/healthz", headers={"host": "10.1.2.3"}).status_code == 200

    forwarded = {"x-forwarded-for": "198.51.100.1", "forwarded": "for=198.51.100.2", "x-real-ip": "198.51.100.3"}
    taken = 0
    while post(strict, VIEWER, "spoof", **{name: f"{value}{taken}" for name, value in forwarded.items()}).status_code == 200:
        taken += 1
        assert taken < 1000
    assert taken >= PER_SECOND * 3
    assert post(strict, VIEWER, "neighbour", **forwarded).status_code == 200


def test_fault_017_pages_of_others(strict: Gateway) -> None:
    """An origin that is not listed, null, or only looks like one gets no permission, neither when a browser asks first nor with the answer."""
    foreign = ("https://evil.example", "null", "https://app.example.com.evil", "http://app.example.com", "https://app.example.com:444")
    for origin in (*foreign, "https://xapp.example.com", "https://APP.example.com/", "file://"):
        for method in ("POST", "GET"):
            asked = {"origin": origin, "access-control-request-method": method, "access-control-request-headers": "authorization"}
            preflight = httpx2.options(f"{strict.url}/graphql", headers=asked)
            assert "access-control-allow-origin" not in preflight.headers
        assert "access-control-allow-origin" not in post(strict, VIEWER, "pages", origin=origin).headers
    for name in ("authorization", "content-type", "last-event-id", "apollo-require-preflight", "x-apollo-operation-name", "x-request-id"):
        asked = {"origin": "https://app.example.com", "access-control-request-method": "GET", "access-control-request-headers": name}
        preflight = httpx2.options(f"{strict.url}/graphql", headers=asked)
        assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (200, "https://app.example.com")
        assert "access-control-allow-credentials" not in preflight.headers
    answer = post(strict, VIEWER, "listed", origin="https://app.example.com")
    assert answer.headers["access-control-allow-origin"] == "https://app.example.com"
    assert {part.strip() for part in answer.headers["vary"].split(",")} == {"Accept", "Origin"}


# Event streams of a real gateway


class Listener:
    """An event stream, read block by block."""

    def __init__(self, response: httpx2.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()

    async def blocks(self) -> AsyncIterator[dict[str, str]]:
        """Each event as its fields; the end of the response ends it, however that came."""
        fields: dict[str, str] = {}
        with contextlib.suppress(httpx2.TransportError):
            async for line in self._lines:
                name, _, value = line.partition(":")
                if name:
                    fields[name] = value.removeprefix(" ")
                elif not line and fields:
                    yield fields
                    fields = {}


@contextlib.asynccontextmanager
async def listening(gateway: Gateway, subject: str, profile: str, after: str | None = None) -> AsyncIterator[AsyncIterator[dict[str, str]]]:
    """The timeline of a profile as an event stream."""
    query = """subscription ($id: ID!) { timelineEvents(profileId: $id) { __typename ... on LiveEvent { cursor seq }
      ... on StreamGoAway { reason } ... on TimelineItemUpserted { item { title } } } }"""
    headers = {"authorization": f"Bearer {token(gateway, subject)}", "accept": "text/event-stream"}
    headers |= {} if after is None else {"last-event-id": after}
    async with (
        httpx2.AsyncClient(timeout=15) as client,
        client.stream("POST", f"{gateway.url}/graphql", json={"query": query, "variables": {"id": profile}}, headers=headers) as response,
    ):
        assert response.status_code == 200
        yield Listener(response).blocks()


def event_of(block: dict[str, str]) -> Any:
    """The live event in a block."""
    return json.loads(block["data"])["data"]["timelineEvents"]


def profile_with(gateway: Gateway, key: str, user: str) -> str:
    """A profile that is known by a user id and an e-mail address."""
    gateway.track(key, {"type": "identify", "messageId": uuid4().hex, "userId": user, "traits": {"email": f"{user}@example.com"}})
    query = "query ($by: ProfileRef!) { profile(by: $by) { id } }"
    return str(gateway.query(token(gateway, "finder"), query, by={"email": f"{user}@example.com"})["profile"]["id"])


def order(gateway: Gateway, key: str, user: str, name: str) -> None:
    """Something for the timeline."""
    gateway.track(key, {"type": "track", "messageId": uuid4().hex, "userId": user, "event": name})


@pytest.mark.timeout(90)
async def test_a_stream_goes_on_behind_its_last_event_after_a_restart(strict: Gateway) -> None:
    """A restart ends a stream without `complete`; Last-Event-ID finds everything that came meanwhile, once, in order."""
    key = strict.write_key()
    profile = profile_with(strict, key, "restart")
    async with listening(strict, "restart", profile) as events:
        assert event_of(await anext(events))["__typename"] == "StreamReady"
        order(strict, key, "restart", "One")
        one = await anext(events)
        assert (event_of(one)["item"], one["id"]) == ({"title": "One"}, event_of(one)["cursor"])
        strict.stop()
        rest = [block async for block in events]
    assert [block for block in rest if block.get("event") == "complete"] == []
    goodbyes = [event_of(block) for block in rest if "data" in block]
    assert {event["__typename"] for event in goodbyes} <= {"StreamGoAway"}
    strict.start()
    for name in ("Two", "Three"):
        order(strict, key, "restart", name)
    async with listening(strict, "restart", profile, goodbyes[-1]["cursor"] if goodbyes else one["id"]) as events:
        assert event_of(await anext(events))["__typename"] == "StreamReady"
        found = [event_of(await anext(events)) for _ in range(2)]
    assert [event["item"]["title"] for event in found] == ["Two", "Three"]
    assert [event["seq"] - event_of(one)["seq"] for event in found] == [1, 2]


async def test_a_subject_that_is_disconnected_loses_its_streams(strict: Gateway) -> None:
    """The stream of a subject that an administrator disconnects ends within five seconds, says why, and is complete; its token opens no other."""
    profile = profile_with(strict, strict.write_key(), "disconnected")
    async with listening(strict, "disconnected", profile) as events:
        assert event_of(await anext(events))["__typename"] == "StreamReady"
        mine = token(strict, "disconnected")
        disconnect = 'mutation { disconnectSubject(subject: "disconnected", reason: "left") }'
        started = time.monotonic()
        strict.query(token(strict, "boss", Role.ADMIN), disconnect)
        refusal, complete = [block async for block in events]
    assert time.monotonic() - started < 5
    assert json.loads(refusal["data"])["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert complete == {"event": "complete", "data": ""}
    refused = post(strict, VIEWER, "disconnected", authorization=f"Bearer {mine}", accept="text/event-stream")
    assert refused.status_code == 401


async def until_open(gateway: Gateway, count: int) -> None:
    """Wait until the gateway has so many connections open."""
    async with asyncio.timeout(10):
        while f"gateway_sockets {count}.0" not in httpx2.get(f"{gateway.url}/metrics").text.splitlines():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_streams_count_like_sockets(strict: Gateway) -> None:
    """A subject has as many streams and sockets together as it may; one more stream is 429 until one of them has ended, others are not touched."""
    profile = profile_with(strict, strict.write_key(), "crowd")
    body = json.dumps({"query": f'subscription {{ profileEvents(profileId: "{profile}") {{ __typename }} }}'}).encode()
    hello = {"type": "connection_init", "payload": {"Authorization": f"Bearer {token(strict, 'crowd')}"}}
    async with listening(strict, "crowd", profile) as first:
        assert event_of(await anext(first))["__typename"] == "StreamReady"
        async with connect(strict.websocket_url, subprotocols=[Subprotocol("graphql-transport-ws")], proxy=None) as second:
            await second.send(json.dumps(hello))
            assert json.loads(await second.recv())["type"] == "connection_ack"
            refused = post(strict, body, "crowd", accept="text/event-stream")
            assert (refused.status_code, refused.json()["errors"][0]["extensions"]["code"]) == (429, "RATE_LIMITED")
            assert int(refused.headers["retry-after"]) >= 1
            async with listening(strict, "somebody", profile) as others:
                assert event_of(await anext(others))["__typename"] == "StreamReady"
        await until_open(strict, 1)
        async with listening(strict, "crowd", profile) as third:
            assert event_of(await anext(third))["__typename"] == "StreamReady"


@pytest.mark.parametrize(
    ("lines", "body", "status"),
    [
        (("content-type: application/json",), VIEWER, 200),
        (("content-type: application/json", "x-request-id: mine", "accept: application/graphql-response+json"), VIEWER, 200),
        (("content-type: application/json", "origin: https://app.example.com"), VIEWER, 200),
        (("content-type: application/json", "accept: text/event-stream"), VIEWER, 200),
        (("content-type: application/json", "accept: image/png"), VIEWER, 406),
        (("content-type: text/plain",), VIEWER, 415),
        (("content-type: application/json",), VIEWER.replace(b"}", b"{"), 400),
        (("content-type: application/json", "accept: application/graphql-response+json"), VIEWER.replace(b"actor", b"aktor"), 400),
    ],
    ids=["plain", "named", "origin", "events", "picture", "text", "no JSON", "no field"],
)
def test_a_request_like_the_ones_before_is_answered_like_them(strict: Gateway, lines: tuple[str, ...], body: bytes, status: int) -> None:
    """The same bytes again on one connection, which may be answered the quick way, get the same status, headers and body, but for ids and time."""
    subject = f"again-{hash((lines, body)) % 1_000_000}"
    usual = ("POST /graphql HTTP/1.1", "host: 127.0.0.1", f"authorization: Bearer {token(strict, subject)}")
    sent = "".join(f"{line}\r\n" for line in (*usual, *lines, f"content-length: {len(body)}", "")).encode() + body
    answers = []
    with socket.create_connection(("127.0.0.1", strict.port), timeout=10) as client:
        for _ in range(4):
            client.sendall(sent)
            read = b""
            while not _is_whole(read):
                part = client.recv(65_536)
                assert part
                read += part
            head, _, rest = read.partition(b"\r\n\r\n")
            first, *fields = head.split(b"\r\n")
            answers.append((first, sorted(re.sub(rb"(?i)^(date|x-request-id): (?!mine).*", rb"\1", one) for one in fields), rest))
    assert answers[0][0].startswith(b"HTTP/1.1 %d " % status)
    assert [one for one in answers if one != answers[0]] == []


def _is_whole(read: bytes) -> bool:
    """Whether all of an answer is there: as long as its head says, or up to its last chunk."""
    head, end, rest = read.partition(b"\r\n\r\n")
    found = re.search(rb"\r\ncontent-length: (\d+)", head)
    return bool(end) and (len(rest) >= int(found[1]) if found else rest.endswith(b"\r\n0\r\n\r\n"))
