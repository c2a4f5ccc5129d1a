"""Bad clients against a gateway process with the settings everybody has.

What needs exact times or a small engine is proven below `tests/unit/transport/ws` and `tests/integration/transport/ws`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from gateway.auth.development import DevelopmentKeys
from gateway.auth.principal import Role
from tests.faults.sockets import CREATE, SECONDS, UPDATE, WATCH, Client, client_of, opened
from tests.proxy import Proxy
from tests.running import Gateway

__all__: list[str] = []


@pytest.fixture(name="gateway", scope="module")
def _gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway as it is started, with nothing set."""
    gateway = Gateway(Path(sys.executable).with_name("profile-gateway"), tmp_path_factory.mktemp("sockets") / "data")
    gateway.start()
    yield gateway
    gateway.stop()


def token(gateway: Gateway, subject: str = "ana", role: Role = Role.AGENT) -> str:
    """A token of the demo workspace."""
    return DevelopmentKeys.open(gateway.data_dir).signer().sign("demo", subject, role)


def metric(gateway: Gateway, name: str) -> float:
    """The sum of a metric over its labels."""
    text = httpx2.get(f"{gateway.url}/metrics", timeout=SECONDS).text
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if re.match(rf"{name}[ {{]", line))


def memory(gateway: Gateway) -> float:
    """Kilobytes of the process that are in memory."""
    found = re.search(r"^VmRSS:\s+(\d+)", Path(f"/proc/{gateway.pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return float(found[1])


def processor_time(gateway: Gateway) -> float:
    """Seconds that the process has used."""
    fields = Path(f"/proc/{gateway.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def profile(gateway: Gateway, name: str) -> str:
    """A new profile's id."""
    payload = gateway.change(token(gateway), CREATE, input={"firstName": name})
    return str(payload["profile"]["id"])


async def quiet(gateway: Gateway) -> None:
    """Wait until no socket is open."""
    async with asyncio.timeout(SECONDS):
        while metric(gateway, "gateway_sockets") + metric(gateway, "gateway_streams"):  # noqa: ASYNC110  # another process
            await asyncio.sleep(0.05)


class TestFrames:
    """What a client may send, against the gateway as it is."""

    @pytest.mark.parametrize(
        ("text", "codes"),
        [
            ('{"type":"start"}', {4400}),
            ('{"type":"' + 60_000 * "x" + '"}', {4400}),
            ('{"type":"' + 1_000_000 * "x" + '"}', {1009}),
            ("[" * 60_000, {4400}),
            ("[" * 100_000, {1009}),
        ],
        ids=["unknown", "60 kB", "1 MB", "deep", "deeper"],
    )
    async def test_fault_049_050_nonsense(self, gateway: Gateway, text: str, codes: set[int]) -> None:
        """Nonsense closes with 4400, what is too long for a frame with 1009; the reason fits and echoes nothing long."""
        async with client_of(gateway.port, token(gateway)) as client:
            await client.send(text)
            code, reason = await client.close_code()

        assert code in codes
        assert len(reason.encode()) <= 123
        assert "xxx" not in reason

    async def test_fault_052_init_times(self, gateway: Gateway) -> None:
        """Introducing oneself 2.7 s after the upgrade is in time; who says nothing is closed with 4408 after 3 s."""
        async with client_of(gateway.port) as late, client_of(gateway.port) as silent:
            started = time.monotonic()
            closing = asyncio.create_task(silent.close_code())
            await asyncio.sleep(2.7)
            await late.ready(token(gateway))
            code, _ = await closing

            assert code == 4408
            assert 2.9 < time.monotonic() - started < 3.5

    async def test_fault_057_one_bad_among_five(self, gateway: Gateway) -> None:
        """A syntax error, an unknown operation name, an unknown field and a stored document that is not there each end their own operation only."""
        watched = profile(gateway, "Ada")
        document = f"{WATCH.replace('subscription', 'subscription Mine')} query Other {{ viewer {{ actor {{ id }} }} }}"
        bad = {
            "syntax": {"query": "subscription {"},
            "field": {"query": "subscription { nothingOfThatName }"},
            "name": {"query": document, "operationName": "Nobody"},
            "no name": {"query": document},
            "stored": {"query": None, "extensions": {"persistedQuery": {"version": 1, "sha256Hash": "0" * 64}}},
            "variable": {"query": WATCH, "variables": {"id": 5.5}},
            "cursor": {"query": WATCH, "variables": {"id": watched, "after": "nonsense"}},
        }
        async with client_of(gateway.port, token(gateway)) as client:
            for number in range(4):
                await client.subscribe(str(number), WATCH, variables={"id": watched})
                assert (await client.event(str(number)))["__typename"] == "StreamReady"
            for name, payload in bad.items():
                await client.send({"type": "subscribe", "id": name, "payload": payload})
                answer = await client.receive()
                assert (answer["id"], answer["type"]) == (name, "error")
                assert answer["payload"], name
                assert all(error["extensions"]["code"] != "INTERNAL" for error in answer["payload"]), answer
            gateway.change(token(gateway), UPDATE, input={"id": watched, "firstName": "Grace"})
            events = [await client.receive() for _ in range(4)]

        assert {event["id"] for event in events} == {"0", "1", "2", "3"}
        assert {event["payload"]["data"]["profileEvents"]["profile"]["firstName"] for event in events} == {"Grace"}

    async def test_fault_059_no_other_credentials(self, gateway: Gateway) -> None:
        """A token in a cookie, a header of the upgrade, the address or another key of the payload makes nobody known."""
        good = token(gateway)
        headers = {"Authorization": f"Bearer {good}", "Cookie": f"token={good}; Authorization=Bearer {good}", "X-Api-Key": good}
        async with client_of(gateway.port, headers=headers, path=f"/graphql?token={good}&access_token={good}") as client:
            await client.send(
                {"type": "connection_init", "payload": {"token": good, "authToken": good, "headers": {"Authorization": good}}}
            )

            assert await client.close_code() == (4403, "Forbidden")

    @pytest.mark.parametrize(
        "origin",
        [
            "https://evil.example",
            "null",
            "http://127.0.0.1:{port}.evil.example",
            "http://127.0.0.1",
            "https://127.0.0.1:{port}@evil.example",
            "x",
        ],
    )
    async def test_fault_059_foreign_origin(self, gateway: Gateway, origin: str) -> None:
        """Pages of other origins are refused at the upgrade, whatever their name looks like and whatever cookie comes along; our own is not."""
        with pytest.raises(InvalidStatus) as refused:
            await opened(gateway.port, origin=origin.format(port=gateway.port), headers={"Cookie": f"token={token(gateway)}"})

        assert refused.value.response.status_code == 403
        async with client_of(gateway.port, token(gateway), origin=f"http://127.0.0.1:{gateway.port}"):
            pass

    async def test_fault_062_far_too_big(self, gateway: Gateway) -> None:
        """Frames of 65 KiB, and one that says it will be 17 MB, close with 1009 at once; memory stays flat."""
        before = memory(gateway)
        for _ in range(20):
            async with client_of(gateway.port, token(gateway)) as client:
                await client.send('{"type":"ping","payload":{"x":"' + 65 * 1024 * "x" + '"}}')
                assert (await client.close_code())[0] == 1009
        async with client_of(gateway.port, token(gateway)) as client:
            client.connection.transport.write(struct.pack("!BBQ", 0x81, 0xFF, 17 << 20) + bytes(4) + 1000 * b"x")
            assert (await client.close_code())[0] == 1009
        await quiet(gateway)

        assert memory(gateway) - before < 5 * 1024


class TestCrowds:
    """More than there should be, against the gateway as it is."""

    async def test_fault_060_subject_and_operations(self, gateway: Gateway) -> None:
        """The 11th socket of an agent closes with 1013, the 51st operation of a socket is refused; another agent is let in."""
        watched, mine = profile(gateway, "Ada"), token(gateway, "crowd")
        async with AsyncExitStack() as stack:
            sockets = [await stack.enter_async_context(client_of(gateway.port, mine)) for _ in range(10)]
            surplus = await stack.enter_async_context(client_of(gateway.port))
            await surplus.send({"type": "connection_init", "payload": {"Authorization": f"Bearer {mine}"}})
            assert await surplus.close_code() == (1013, "Too many connections of this user (10); try again later.")
            await stack.enter_async_context(client_of(gateway.port, token(gateway, "another")))
            for number in range(51):
                await sockets[0].subscribe(str(number), WATCH, variables={"id": watched})
                await asyncio.sleep(0.02 if number > 40 else 0)
            answers = [await sockets[0].receive() for _ in range(51)]

        assert [answer["id"] for answer in answers if answer["type"] == "error"] == ["50"]
        assert [answer["payload"][0]["extensions"]["code"] for answer in answers if answer["type"] == "error"] == ["SUBSCRIPTION_LIMIT"]

    async def test_fault_069_upgrade_flood(self, gateway: Gateway) -> None:
        """Of 300 upgrades at once about 100 are taken, the others hear 503 with `Retry-After`; HTTP is answered meanwhile."""
        await asyncio.sleep(1)  # the burst of one second is full again, whatever ran before
        refused = metric(gateway, "gateway_connections_refused_total")
        started = time.monotonic()
        async with httpx2.AsyncClient(base_url=gateway.url, timeout=SECONDS) as http:
            flood = asyncio.gather(*(opened(gateway.port) for _ in range(300)), return_exceptions=True)
            health = await http.get("/healthz")
            answers = await flood
        took = time.monotonic() - started
        taken = [answer for answer in answers if isinstance(answer, Client)]
        for client in taken:
            client.connection.transport.abort()
        others = [answer.response for answer in answers if isinstance(answer, InvalidStatus)]

        assert health.status_code == 200
        assert len(taken) + len(others) == 300
        assert 100 <= len(taken) <= 101 + 100 * took
        assert {response.status_code for response in others} == {503}
        assert all(1 <= int(response.headers["Retry-After"]) <= 15 for response in others)
        assert metric(gateway, "gateway_connections_refused_total") == refused + len(others)
        await quiet(gateway)

    @pytest.mark.parametrize("flood", ["pairs", "pings", "pieces", "websocket pings"])
    async def test_fault_061_floods(self, gateway: Gateway, flood: str) -> None:
        """20 000 subscribe-complete pairs, 50 000 pings or as many frames of one byte close with 1008 and cost others nothing they would notice."""
        watched = profile(gateway, "Ada")
        variables = {"id": watched}
        used = processor_time(gateway)
        async with client_of(gateway.port, token(gateway)) as polite, client_of(gateway.port, token(gateway)) as loud:
            writing = asyncio.create_task(self._flood(loud, flood, variables))
            waits = []
            while len(waits) < 20 or not writing.done():
                started = time.monotonic()
                await polite.send({"type": "ping"})
                assert (await polite.receive())["type"] == "pong"
                waits.append(time.monotonic() - started)
                await asyncio.sleep(0.06)  # 20 messages a second are anybody's right
            code, _ = await loud.close_code()

        assert code in {1008, 1006}, "who goes on after the close frame is cut off"
        assert max(waits) < 5
        assert processor_time(gateway) - used < 2

    async def _flood(self, client: Client, kind: str, variables: dict[str, str]) -> None:
        """Write as much as it takes, for as long as there is somebody to write to."""
        transport = client.connection.transport
        ping, piece = b'{"type":"ping"}', struct.pack("!BB", 0, 0x81) + bytes(4) + b"x"
        with contextlib.suppress(ConnectionClosed, OSError):
            if kind == "pairs":
                for number in range(20_000):
                    await client.subscribe(str(number), WATCH, variables=variables)
                    await client.send({"type": "complete", "id": str(number)})
                return
            many = {
                "pings": 50_000 * (struct.pack("!BB", 0x81, 0x80 | len(ping)) + bytes(4) + ping),
                "pieces": struct.pack("!BB", 1, 0x81) + bytes(4) + b"x" + 50_000 * piece,
                "websocket pings": 50_000 * (struct.pack("!BB", 0x89, 0x80) + bytes(4)),
            }[kind]
            for start in range(0, len(many), 1 << 16):
                transport.write(many[start : start + (1 << 16)])
                await asyncio.sleep(0)
                if transport.is_closing():
                    return

    @pytest.mark.slow
    async def test_fault_068_storm(self, gateway: Gateway) -> None:
        """200 sockets are cut at once and come back with their cursors, honouring `Retry-After`: all catch up, and HTTP is answered meanwhile."""
        ids = [profile(gateway, f"Ada{number}") for number in range(10)]
        tokens = [token(gateway, f"storm{number}") for number in range(20)]
        people = [(tokens[number // 10], ids[number % 10]) for number in range(200)]
        async with Proxy.before(gateway.port) as proxy, httpx2.AsyncClient(base_url=gateway.url, timeout=SECONDS) as http:
            cursors = await asyncio.gather(*(self._come(proxy.port, who, watched, None) for who, watched in people))
            proxy.cut()
            for watched in ids:
                gateway.change(tokens[0], UPDATE, input={"id": watched, "firstName": "Grace"})
            started = time.monotonic()
            returns = [
                asyncio.create_task(self._come(proxy.port, who, watched, cursor))
                for (who, watched), cursor in zip(people, cursors, strict=True)
            ]
            statuses = set()
            while not all(task.done() for task in returns):
                body = {"query": "{ viewer { actor { id } } }"}
                answer = await http.post("/graphql", json=body, headers={"Authorization": f"Bearer {tokens[1]}"})
                statuses.add(answer.status_code)
                await asyncio.sleep(0.05)
            await asyncio.gather(*returns)

        assert time.monotonic() - started < 15
        assert statuses == {200}
        await quiet(gateway)

    async def _come(self, port: int, who: str, watched: str, after: str | None) -> str:
        """Subscribe, behind the cursor if there is one, and catch up; the cursor then. The socket stays open."""
        while True:
            try:
                client = await opened(port)
                break
            except InvalidStatus as refused:
                await asyncio.sleep(int(refused.response.headers["Retry-After"]) + random.random())
        await client.ready(who)
        await client.subscribe("1", WATCH, variables={"id": watched, "after": after})
        ready = await client.event("1")
        assert (ready["__typename"], ready["resumed"]) == ("StreamReady", after is not None)
        if after is None:
            return str(ready["cursor"])
        update = await client.event("1")
        assert (update["__typename"], update["profile"]["firstName"]) == ("ProfileUpdated", "Grace")
        return str(update["cursor"])

    @pytest.mark.slow
    async def test_fault_154_churn(self, gateway: Gateway) -> None:
        """450 sockets that come, subscribe and go leave no stream, and after the first third of them no memory either."""
        watched = [profile(gateway, f"Ada{number}") for number in range(5)]
        tokens = [token(gateway, f"churn{number}") for number in range(10)]
        sizes = []
        for _ in range(3):
            for start in range(0, 150, 10):
                await asyncio.gather(*(self._visit(gateway.port, tokens[number], watched[(start + number) % 5]) for number in range(10)))
            await quiet(gateway)
            sizes.append(memory(gateway))

        assert sizes[2] - sizes[0] < 1_200, sizes  # 4 kB for each of 300: a socket with a stream takes 26 while it is here

    async def _visit(self, port: int, who: str, watched: str) -> None:
        while True:
            try:
                async with client_of(port, who) as client:
                    await client.subscribe("1", WATCH, variables={"id": watched})
                    assert (await client.event("1"))["__typename"] == "StreamReady"
                    if random.random() < 0.5:
                        await client.connection.close()
                    return
            except InvalidStatus:
                await asyncio.sleep(random.random())
