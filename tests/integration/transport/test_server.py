"""The HTTP side of `server`: what a connection may take before anybody looks at its request. Raw sockets, real server, the loop of production."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
import struct
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
import structlog
import uvloop
from prometheus_client import REGISTRY

from gateway.transport.server import RequestLimits
from tests.house import GET, SECONDS, House

__all__: list[str] = []

QUICK = RequestLimits(header_seconds=0.4, body_seconds=0.8, unacknowledged_seconds=1)


StartHouse = Callable[..., Awaitable[House]]


@pytest.fixture(name="house")
async def _house() -> AsyncIterator[StartHouse]:
    """Starts a server with these limits: `await house(QUICK)`."""
    async with AsyncExitStack() as cleanup:

        async def start(limits: RequestLimits = QUICK) -> House:
            opened = House(await cleanup.enter_async_context(AsyncExitStack()))
            thread = threading.Thread(target=lambda: uvloop.run(opened.serve(limits)), daemon=True)
            thread.start()

            async def stop() -> None:
                opened.release()
                await opened.guests.aclose()
                opened.server.should_exit = True
                await asyncio.to_thread(thread.join, SECONDS)
                assert not thread.is_alive()

            await asyncio.to_thread(opened.announced.wait, SECONDS)
            cleanup.push_async_callback(stop)
            return opened

        yield start


def with_headers(*lines: bytes) -> bytes:
    """A request with these header lines, `host` not among them."""
    return b"".join((b"GET /fast HTTP/1.1\r\n", *(line + b"\r\n" for line in lines), b"\r\n"))


async def test_fault_008_slow_clients_are_answered_408_or_dropped_and_others_do_not_notice(house: StartHouse) -> None:
    """Five hundred connections at once that are silent, stop in a header or stop in a body are gone when their time is over."""
    server = await house(RequestLimits(header_seconds=1.0, body_seconds=1.5))
    before = server.refused(408)
    beginnings = [b"", b"GET /fast HTTP/1.1\r\nhost: x\r\n", b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nhalf"]
    peers = []
    for number in range(500):
        peer = await server.peer()
        peers.append(peer)
        await peer.say(beginnings[number % 3])
    times = []
    while len(server.server._watched) > 100:  # until most of them were dropped
        begun = time.perf_counter()
        assert await server.ask() == (200, b"ok")
        times.append(time.perf_counter() - begun)
        await asyncio.sleep(0.01)
    answers = await asyncio.gather(*(peer.rest() for peer in peers))

    assert {answer[:12] for answer in answers[0::3]} == {b""}
    assert {answer[:12] for answer in answers[1::3]} == {b"HTTP/1.1 408"}
    assert {answer[:12] for answer in answers[2::3]} == {b"HTTP/1.1 408"}
    assert server.refused(408) - before == 500
    assert sorted(times)[len(times) // 2] < 0.1


async def test_fault_008_a_client_that_trickles_gains_no_time(house: StartHouse) -> None:
    """The time is for the whole header, not between two bytes of it."""
    server = await house()
    peer = await server.peer()
    await peer.say(b"GET /fast HTTP/1.1\r\n")
    begun = time.monotonic()
    while time.monotonic() - begun < 5:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.1):
                answer = await peer.reader.read(12)
                break
        await peer.say(b"x: y\r\n")

    assert answer == b"HTTP/1.1 408"


async def test_a_second_request_has_its_own_time(house: StartHouse) -> None:
    """On a kept connection the clock begins with the first byte of the next request, and line ends between requests start it as well."""
    server = await house()
    peers = [await server.peer(), await server.peer()]
    for _ in range(2):
        for peer in peers:
            await peer.say(GET)
            assert await peer.answer() == (200, b"ok")
        await asyncio.sleep(0.6)  # longer than a header may take: nobody is waiting for one
    for peer, beginning in zip(peers, (b"GET /fa", b"\r\n"), strict=True):
        await peer.say(beginning)

    assert [(await peer.rest())[:12] for peer in peers] == [b"HTTP/1.1 408"] * 2


async def test_time_that_we_take_is_not_the_clients(house: StartHouse) -> None:
    """A slow answer is not cut off, neither for a request whose next one is behind it already, half or whole."""
    server = await house()
    peers = [await server.peer() for _ in range(3)]
    for peer, behind in zip(peers, (b"", b"GET /fas", GET), strict=True):
        await peer.say(b"POST /slow HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nhi", behind)
    await asyncio.sleep(1.6)
    server.release()

    assert [await peer.answer() for peer in peers] == [(200, b"at last")] * 3
    assert await peers[2].answer() == (200, b"ok")


async def test_an_answer_before_its_body_ends_with_the_time_of_the_body(house: StartHouse) -> None:
    """Who was answered and never sends the body is closed without a second answer."""
    server = await house()
    peer = await server.peer()
    await peer.say(b"POST /early HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nhalf")

    assert await peer.answer() == (401, b"no need to read that")
    assert await peer.rest() == b""


@pytest.mark.parametrize("most", [100, 7])
async def test_fault_014_as_many_headers_as_allowed_and_one_more(house: StartHouse, most: int) -> None:
    """The limit passes, one more is 431."""
    server = await house(RequestLimits(headers=most))
    lines = [b"x-%d: y" % number for number in range(most)]

    assert await server.ask(with_headers(*lines)) == (200, b"ok")
    assert (await server.ask(with_headers(*lines, b"z: y")))[0] == 431


async def test_fault_014_as_large_a_header_as_allowed_and_a_byte_more(house: StartHouse) -> None:
    """Path and header lines count, 32 KiB in all."""
    server = await house(RequestLimits())
    room = 32 * 1024 - len(b"/fast") - len(b"cookie: \r\n")

    assert await server.ask(with_headers(b"cookie: " + b"c" * room)) == (200, b"ok")
    assert (await server.ask(with_headers(b"cookie: " + b"c" * (room + 1))))[0] == 431
    assert (await server.ask(with_headers(b"cookie: " + b"c" * 65536)))[0] == 431


@pytest.mark.parametrize("endless", [b"x-many: header\r\n", b"c" * 16384], ids=["many", "one"])
async def test_fault_014_twenty_megabytes_of_headers_are_refused_early(house: StartHouse, endless: bytes) -> None:
    """The client reads its 431 although it goes on sending; nothing of what it sends is kept."""
    server = await house(RequestLimits())
    peer = await server.peer()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    await peer.say(b"GET /fast HTTP/1.1\r\nhost: x\r\n", b"" if endless.endswith(b"\n") else b"cookie: ")
    told = asyncio.create_task(peer.reader.readuntil(b"\r\n"))  # read while it sends: a connection that breaks takes what is unread with it
    with contextlib.suppress(OSError):
        for _ in range(20 * 1024 * 1024 // len(endless) // 16):
            await peer.say(endless * 16)
            await asyncio.sleep(0)  # sending alone gives no turn to who reads
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before

    async with asyncio.timeout(SECONDS):
        assert (await told).startswith(b"HTTP/1.1 431")
    assert grown < 8 * 1024  # kilobytes, both ends included


NOT_HTTP = {
    "NUL in a value": with_headers(b"host: x", b"x-a: b\0c"),
    "NUL in a name": with_headers(b"host: x", b"x\0a: b"),
    "NUL in the path": b"GET /fa\0st HTTP/1.1\r\nhost: x\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01",
    "no such version": b"GET /fast HTTP/9.9\r\n\r\n",
    "a chunk without a size": b"POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    "two lengths": b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
}


async def test_fault_014_what_is_not_http_is_400(house: StartHouse) -> None:
    """NUL in a header, in a path, another protocol altogether: 400, counted, and the connection ends."""
    server = await house()
    before = server.refused(400)
    peers = {what: await server.peer() for what in NOT_HTTP}
    for what, peer in peers.items():
        await peer.say(NOT_HTTP[what])
    answers = {what: await peer.rest() for what, peer in peers.items()}

    assert {what for what, answer in answers.items() if not answer.startswith(b"HTTP/1.1 400")} == set()
    assert {answer.count(b"HTTP/1.1") for answer in answers.values()} == {1}
    assert server.refused(400) == before + len(NOT_HTTP)


async def test_a_malformed_request_behind_a_slow_one_is_not_answered_into_it(house: StartHouse) -> None:
    """What follows would be taken for the first one's answer: the connection ends instead."""
    server = await house()
    peer = await server.peer()
    await peer.say(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n", b"no http\r\n\r\n")

    assert await peer.rest() == b""


async def test_an_upgrade_whose_header_line_the_websocket_parser_refuses_is_answered(house: StartHouse) -> None:
    """A line over 8 KiB passes as HTTP, but not as a handshake: 431, instead of a connection that hears nothing."""
    server = await house()
    peer = await server.peer()
    handshake = [
        b"connection: Upgrade",
        b"upgrade: websocket",
        b"sec-websocket-version: 13",
        b"sec-websocket-key: MDEyMzQ1Njc4OWFiY2RlZg==",
    ]
    await peer.say(with_headers(b"host: x", *handshake, b"cookie: " + b"c" * 9000))

    assert (await peer.rest()).startswith(b"HTTP/1.1 431")


async def test_fault_065_a_client_that_takes_nothing_is_dropped_by_the_kernel(house: StartHouse) -> None:
    """With its window closed and our buffer full, an answer that nobody reads ends, and its generator with it; others are served."""
    server = await house()
    reluctant = []
    for _ in range(10):
        one = socket.socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.connect(server.address)
        one.sendall(b"GET /flood HTTP/1.1\r\nhost: x\r\n\r\n")
        reluctant.append(one)
    async with asyncio.timeout(SECONDS):
        while len(server.floods) < len(reluctant):
            assert await server.ask() == (200, b"ok")
            await asyncio.sleep(0.05)
    for one in reluctant:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        one.close()


async def test_fault_152_a_blocked_loop_is_measured_and_logged_and_costs_slow_clients_nothing(house: StartHouse) -> None:
    """After 0.8 s without a turn there is one log line and one sample, and who was in time before is not punished for ours."""
    server = await house(RequestLimits(header_seconds=1.2))
    peer = await server.peer()
    begun = time.monotonic()
    await peer.say(b"GET /fast HTTP/1.1\r\n")
    before = REGISTRY.get_sample_value("gateway_loop_lag_seconds_count") or 0
    slow = REGISTRY.get_sample_value("gateway_loop_lag_seconds_bucket", {"le": "0.25"}) or 0
    with structlog.testing.capture_logs() as lines:
        while time.monotonic() - begun < 1.5:
            assert await server.ask(b"GET /block HTTP/1.1\r\nhost: x\r\n\r\n") == (200, b"blocked")
        async with asyncio.timeout(SECONDS):
            while not (blocked := [line for line in lines if line["event"] == "loop.blocked"]):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    await peer.say(b"host: x\r\n\r\n")

    assert blocked[0]["seconds"] > 0.5
    assert blocked[0]["log_level"] == "warning"
    samples = (REGISTRY.get_sample_value("gateway_loop_lag_seconds_count") or 0) - before
    assert samples - ((REGISTRY.get_sample_value("gateway_loop_lag_seconds_bucket", {"le": "0.25"}) or 0) - slow) >= 1
    assert await peer.answer() == (200, b"ok")


async def test_while_draining_requests_are_answered_and_told_to_go(house: StartHouse) -> None:
    """From the signal on, answers say `Connection: close`; the request that runs is finished."""
    server = await house()
    kept, running = await server.peer(), await server.peer()
    await kept.say(GET)
    await running.say(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
    assert await kept.answer() == (200, b"ok")
    server.server.should_exit = True
    await kept.say(GET)
    answer = await kept.rest()
    server.release()

    assert answer.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in answer
    assert (await running.rest()).endswith(b"at last")


def echo(body: bytes, *lines: bytes) -> bytes:
    """A request whose answer is the length of its body."""
    return b"".join(line + b"\r\n" for line in (b"POST /echo HTTP/1.1", b"content-length: %d" % len(body), *lines)) + b"\r\n" + body


async def test_a_request_like_the_one_before_is_answered_however_it_comes(house: StartHouse) -> None:
    """Heads that were seen before, as a whole, in pieces, several at once, with another length, behind an empty line: each gets its own answer."""
    server = await house()
    peer = await server.peer()
    for _ in range(3):
        await peer.say(echo(b"abc"))
        assert await peer.answer() == (200, b"3")
    (connection,) = server.server._watched
    assert len(connection._heads) == 1

    whole, ways = echo(b"xyz"), list[str]()
    for pieces, answers in (
        ((whole,), [3]),
        ((whole[:20], whole[20:]), [3]),
        ((whole[:-1], whole[-1:]), [3]),
        ((b"\r\n", whole), [3]),
        ((b"\r\n" + whole,), [3]),
        ((whole,), [3]),
        ((echo(b"longer"),), [6]),
        ((whole + whole + echo(b"12") + whole[:30], whole[30:]), [3, 3, 2, 3]),
        ((whole,), [3]),
    ):
        for piece in pieces:
            await peer.say(piece)
            await asyncio.sleep(0.01)  # mostly they are read one by one, then; in either case the answers are these
        for size in answers:
            assert await peer.answer() == (200, b"%d" % size)
        ways.append(type(connection.cycle).__name__)
    assert ways[0] == ways[-1] == "_Exchange"


@pytest.mark.parametrize(
    "request_",
    [
        echo(b"abc", b"expect: 100-continue"),
        echo(b"abc", b"upgrade: h2c"),
        echo(b"abc", b"content-length: 3"),
        echo(b"abc", b"x: 1\n y: 2"),
    ],
    ids=["expect", "upgrade", "two lengths", "line feed"],
)
async def test_what_may_mean_more_is_parsed_each_time(house: StartHouse, request_: bytes) -> None:
    """Heads that say more than how long the body is, or are written in another way, are not remembered."""
    server = await house()
    peer = await server.peer()
    with contextlib.suppress(asyncio.IncompleteReadError, OSError):  # some are refused
        for _ in range(3):
            await peer.say(request_)
            async with asyncio.timeout(SECONDS):
                await peer.reader.readuntil(b"\r\n\r\n3")
    assert all(not connection._heads for connection in server.server._watched)


@pytest.mark.parametrize("requests", [1, 4])
async def test_a_connection_that_is_kept_for_nothing_is_closed(house: StartHouse, requests: int) -> None:
    """When its time between two requests is over, without an answer, whichever way the last request took."""
    server = await house(RequestLimits(keep_alive_seconds=1))
    peer = await server.peer()
    before = server.refused(408)
    for _ in range(requests):
        await peer.say(GET)
        assert await peer.answer() == (200, b"ok")
    begun = time.monotonic()
    assert await peer.rest() == b""
    assert 0.9 < time.monotonic() - begun < 5
    assert server.refused(408) == before
