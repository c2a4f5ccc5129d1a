"""The HTTP client and time: servers that hang, drip, vanish or come back, and the connections to them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import pytest

from gateway.errors import SourceError, SourceTimeout, SourceUnavailable
from gateway.sources.http import Upstream
from tests.wire import DEADLINE, Answer, answer, endlessly, failing, saying, serving, to

__all__: list[str] = []


CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
HANGING: dict[str, Answer] = {
    "says nothing": lambda _: asyncio.sleep(60),
    "sends half a header": lambda writer: _then_wait(writer, b"HTTP/1.1 200 OK\r\nContent-"),
    "sends a byte of its header now and then": endlessly(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x", every=0.02),
    "sends a byte of its body now and then": endlessly(answer(b"", length=9999), b" ", every=0.02),
    "sends a chunk of one byte now and then": endlessly(CHUNKED, b"1\r\n \r\n", every=0.02),
    "promises more than it sends": lambda writer: _then_wait(writer, answer(b"{}", length=3)),
    "tells to continue for ever": endlessly(b"", b"HTTP/1.1 100 Continue\r\n\r\n", every=0.01),
}


async def _then_wait(writer: asyncio.StreamWriter, what: bytes) -> None:
    writer.write(what)
    await asyncio.sleep(60)


@pytest.mark.parametrize("behaviour", HANGING)
async def test_fault_127_a_source_that_hangs_or_drips_has_one_deadline_in_all(behaviour: str) -> None:
    """Not one for each read; and the connection is not used again."""
    async with serving(HANGING[behaviour]) as server:
        started = time.perf_counter()
        error = await failing(server)
        took = time.perf_counter() - started

    assert isinstance(error, SourceTimeout)
    assert error.extensions == {"source": "crm"}
    assert DEADLINE * 0.9 < took < DEADLINE + 0.3


async def test_fault_127_hanging_requests_hold_nothing_up() -> None:
    """While twenty requests hang, another source answers at once; after their deadline this one does again, and their connections are gone."""
    hang = True

    async def sometimes(writer: asyncio.StreamWriter) -> None:
        await (asyncio.sleep(60) if hang else saying(answer(b"{}"))(writer))

    async with serving(sometimes) as server, serving(saying(answer(b"[1]"))) as other, to(server) as slow, to(other) as quick:
        waiting = [asyncio.create_task(slow.request("GET", "/people")) for _ in range(20)]
        async with asyncio.timeout(5):
            while len(server.requests) < 20:  # noqa: ASYNC110  # nobody announces it
                await asyncio.sleep(0.005)
        started = time.perf_counter()
        assert (await quick.request("GET", "/people")).value == [1]
        assert time.perf_counter() - started < DEADLINE / 2
        errors = await asyncio.gather(*waiting, return_exceptions=True)
        hang = False
        assert (await slow.request("GET", "/people")).value == {}
        assert [type(error) for error in errors] == [SourceTimeout] * 20
        assert server.connections == 21


async def test_fault_127_a_handshake_that_hangs_is_broken_off() -> None:
    """At the deadline, and the connection is closed then, not when somebody collects it."""
    options: dict[str, Any] = {"source": "crm", "allow_private": True, "deadline": 0.1, "connect": 5}
    async with serving(saying()) as server, Upstream(f"https://127.0.0.1:{server.port}", **options) as upstream:
        with pytest.raises(SourceTimeout):
            await upstream.request("GET", "/")
        async with asyncio.timeout(5):
            while server.open or not server.connections:  # noqa: ASYNC110  # nobody announces it
                await asyncio.sleep(0.001)
        assert server.connections == 1


async def test_fault_127_a_name_that_does_not_resolve_in_time_is_a_timeout_too() -> None:
    """Resolving has its own, shorter limit, and requests that wait for the same name share one lookup."""
    lookups = 0

    async def hang(host: str, port: int) -> Sequence[str]:
        nonlocal lookups
        lookups += 1
        await asyncio.sleep(60)
        return []

    async with Upstream("https://crm.example.com", source="crm", deadline=2, connect=0.1, resolve=hang) as upstream:
        started = time.perf_counter()
        errors = await asyncio.gather(*(upstream.request("GET", "/") for _ in range(5)), return_exceptions=True)

    assert [type(error) for error in errors] == [SourceTimeout] * 5
    assert time.perf_counter() - started < 0.6
    assert lookups == 1


async def test_connections_are_kept_and_renewed() -> None:
    """Requests in a row share a connection; one that the server closed meanwhile is not used again."""
    async with serving(saying(answer(b"{}"))) as server, to(server) as upstream:
        for _ in range(3):
            await upstream.request("GET", "/people")
    closing = saying(answer(b"{}"), close=True)
    async with serving(closing) as other, to(other) as upstream:
        for _ in range(3):
            await upstream.request("GET", "/people")
            async with asyncio.timeout(5):
                while other.open:  # noqa: ASYNC110  # nobody announces it
                    await asyncio.sleep(0.001)

    assert (server.connections, other.connections) == (1, 3)


async def test_fault_130_an_answer_behind_an_answer_answers_nobody() -> None:
    """It would become the answer to the next question, about somebody else: both are dropped, with their connection."""
    asked = 0

    async def twice(writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        writer.write(answer(b'{"of": %d}' % asked) + (answer(b'{"of": "somebody else"}') if asked == 1 else b""))

    async with serving(twice) as server, to(server) as upstream:
        with pytest.raises(SourceUnavailable) as caught:
            await upstream.request("GET", "/people/1")
        assert (await upstream.request("GET", "/people/2")).value == {"of": 2}

    assert caught.value.message == "The source sent more than one answer."
    assert server.connections == 2


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    """At once, and the message does not tell the address."""
    async with serving(saying()) as server:
        pass
    error = await failing(server)

    assert isinstance(error, SourceUnavailable)
    assert error.message == "The source takes no connection."


async def test_a_name_that_is_not_known_is_unavailable() -> None:
    """The system's resolver is asked; names below .invalid never exist."""
    async with Upstream("https://crm.invalid", source="crm", deadline=5, connect=5) as upstream:
        with pytest.raises(SourceError):
            await upstream.request("GET", "/")
