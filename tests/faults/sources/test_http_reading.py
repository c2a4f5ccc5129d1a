"""The HTTP client and what it reads: too much, broken, mislabelled, or an answer of another kind. Each ends in a bounded, named error, and nothing
of theirs gets out.
"""

from __future__ import annotations

import gzip
import json
import time
import tracemalloc
import zlib
from collections.abc import Iterable

import pytest
from structlog.testing import capture_logs

from gateway.errors import SourceUnavailable
from gateway.sources.http import Reply
from tests.wire import Answer, answer, endlessly, failing, saying, serving, to

__all__: list[str] = []


MEGABYTE = 1_000_000
SECRET = "what-the-server-says-of-ana@example.com"
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


def _bomb(size: int, *, deflated: bool = False) -> Iterable[bytes]:
    """What inflates to so many zeros."""
    packer = zlib.compressobj(9, wbits=15 if deflated else 31)
    yield packer.compress(b'"')
    for _ in range(size // MEGABYTE):
        yield packer.compress(b"0" * MEGABYTE)
    yield packer.flush()


BOMB = b"".join(_bomb(100 * MEGABYTE))
DEEP = b"[" * 200 + b"]" * 200
NOT_READ: dict[str, Answer] = {
    "100 MB announced": endlessly(answer(b"", length=100 * MEGABYTE), b"x" * 65536),
    "a length of 5000 digits": saying(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n"),
    "a negative length": saying(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: -1\r\n\r\n{}"),
    "two lengths": saying(answer(b"{}", "Content-Length: 3")),
    "endless chunks": endlessly(CHUNKED, b"ffff\r\n" + b"x" * 0xFFFF + b"\r\n"),
    "an endless body without a length": endlessly(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", b" " * 65536),
    "a gzip bomb": saying(answer(BOMB, "Content-Encoding: gzip")),
    "a bomb in a bomb": saying(answer(gzip.compress(BOMB), "Content-Encoding: gzip, gzip")),
    "an encoding that was not asked for": saying(answer(b"\x00", "Content-Encoding: br")),
    "no gzip, though called so": saying(answer(b"{}", "Content-Encoding: gzip")),
    "half of what was compressed": saying(answer(gzip.compress(b'{"a": "' + b"b" * 999 + b'"}')[:-9], "Content-Encoding: gzip")),
    "more behind what was compressed": saying(answer(gzip.compress(b"{}") + b"{}", "Content-Encoding: gzip")),
    "10 000 headers": saying(b"HTTP/1.1 200 OK\r\n" + b"a:b\r\n" * 10_000 + answer(b"{}")[17:]),
    "101 headers": saying(answer(b"{}", *(f"X-{number}: 1" for number in range(99)))),
    "a header of 40 kB": saying(answer(b"{}", f"X-Long: {'x' * 40_000}")),
    "a header that never ends": endlessly(b"HTTP/1.1 200 OK\r\nX-Long: ", b"x" * 65536),
    "JSON of 200 levels": saying(answer(DEEP)),
    "JSON of 100 000 levels": saying(answer(b"[" * 100_000 + b"]" * 100_000)),
    "a million empty lists": saying(answer(b"[" + b"[]," * 1_000_000 + b"[]]")),
    "a million numbers": saying(answer(b"[" + b"1," * 1_000_000 + b"1]")),
    "an integer of 5000 digits": saying(answer(b'{"id": ' + b"9" * 5000 + b"}")),
    "an integer of 65 bits": saying(answer(b'{"id": 18446744073709551616}')),
    "a negative integer of 65 bits": saying(answer(b'["", -9223372036854775809]')),
    "infinity": saying(answer(b"[1e400]")),
    "not a number": saying(answer(b"[NaN]")),
    "truncated JSON": saying(answer(b'{"a": [1, 2')),
    "two JSON values": saying(answer(b"{}{}")),
    "not UTF-8": saying(answer(b'["\xff"]')),
    "UTF-16": saying(answer('{"a": 1}'.encode("utf-16"))),
    "HTML with 200": saying(answer(b"<html>please log in</html>", content_type="text/html")),
    "JSON that is called HTML": saying(answer(b"{}", content_type="text/html; charset=utf-8")),
    "JSON that is called nothing": saying(answer(b"{}", content_type=None)),
    "another character set": saying(answer(b"{}", content_type='application/json; charset="latin-1"')),
    "a body shorter than its length, then the end": saying(answer(b'{"a": 1', length=999), close=True),
    "chunks without an end": saying(CHUNKED + b"2\r\n{}\r\n", close=True),
    "chunks with a size that is none": saying(CHUNKED + b"xyz\r\n{}\r\n"),
    "no HTTP": saying(f"220 smtp {SECRET}\r\n\r\n".encode()),
    "nothing, then the end": saying(close=True),
    "another protocol": saying(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"),
    "500": saying(answer(SECRET.encode(), status="500 " + SECRET)),
    "503 with JSON": saying(answer(json.dumps({"error": SECRET}).encode(), status="503 Busy")),
    "401": saying(answer(b"{}", status="401 Unauthorized")),
    "403": saying(answer(b"{}", status="403 Forbidden")),
    "429": saying(answer(b"{}", "Retry-After: 9", status="429 Too Many Requests")),
    "status 999": saying(answer(b"{}", status="999 Odd")),
}


@pytest.mark.parametrize("what", NOT_READ)
async def test_fault_129_what_is_broken_or_too_much_is_refused(what: str) -> None:
    """Soon, as the source's failure, in words that are ours; and the next request gets a connection of its own."""
    async with serving(NOT_READ[what]) as server:
        started = time.perf_counter()
        with capture_logs() as logs:
            error = await failing(server, deadline=5)

    assert isinstance(error, SourceUnavailable), error
    assert time.perf_counter() - started < 1
    assert error.extensions == {"source": "crm"}
    assert SECRET not in f"{error.message}{error.__cause__}{logs}"
    assert "127.0.0.1" not in error.message


LARGEST = [
    "100 MB announced",
    "endless chunks",
    "an endless body without a length",
    "a gzip bomb",
    "a header that never ends",
    "10 000 headers",
]


@pytest.mark.parametrize("what", LARGEST)
async def test_fault_129_memory_stays_flat(what: str) -> None:
    """Less than 10 MB, this server's share included, also with the limit of 8 MiB that there is without any word."""
    async with serving(NOT_READ[what]) as server, to(server, deadline=5) as upstream:
        tracemalloc.start()
        try:
            with pytest.raises(SourceUnavailable):
                await upstream.request("GET", "/people")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak < 10 * MEGABYTE


@pytest.mark.parametrize(
    ("body", "headers", "value"),
    [
        (b'{"a": [1, -9223372036854775808, 18446744073709551615, 1.5e300]}', [], {"a": [1, -(2**63), 2**64 - 1, 1.5e300]}),
        (b'"99999999999999999999999"', [], "99999999999999999999999"),
        (b"0.12345678901234567890123", [], 0.12345678901234568),
        (b"[" * 32 + b"]" * 32, [], json.loads("[" * 32 + "]" * 32)),
        (gzip.compress(b'["' + b"x" * 300_000 + b'"]'), ["Content-Encoding: gzip"], ["x" * 300_000]),
        (b"", [], None),
    ],
    ids=["numbers", "many digits in a text", "many digits in a fraction", "32 levels", "gzip", "nothing"],
)
async def test_what_is_within_the_bounds_is_read(body: bytes, headers: list[str], value: object) -> None:
    """Up to 64 bits, 32 levels, numbers within texts and fractions, and gzip."""
    async with serving(saying(answer(body, *headers))) as server, to(server) as upstream:
        assert (await upstream.request("GET", "/people")).value == value


@pytest.mark.parametrize("body", [b'["' + b"x" * 995 + b'"]', gzip.compress(b'["' + b"x" * 995 + b'"]')], ids=["plain", "gzip"])
async def test_the_limit_is_exact(body: bytes) -> None:
    """As many bytes as the limit are read, one more is not; inflated, if they are packed."""
    headers = ["Content-Encoding: gzip"] if body[:1] == b"\x1f" else []
    async with serving(saying(answer(body, *headers))) as server:
        async with to(server, max_bytes=999) as upstream:
            assert (await upstream.request("GET", "/people")).value == ["x" * 995]
        error = await failing(server, max_bytes=998)

    assert error.message == "The source sent more than 998 bytes."


@pytest.mark.parametrize("status", ["404 Not Found", "409 Conflict", "422 Unprocessable Content", "400 Bad Request"])
async def test_an_answer_about_the_question_is_an_answer(status: str) -> None:
    """The adapter sees the status, the headers, and the body if it is JSON."""
    async with (
        serving(saying(answer(b'{"message": "no"}', "ETag: x", "Vary: a", "vary: b", status=status))) as server,
        to(server) as upstream,
    ):
        reply = await upstream.request("GET", "/people/1")
    async with serving(saying(answer(b"<html>", content_type="text/html", status=status))) as server, to(server) as upstream:
        other = await upstream.request("GET", "/people/1")

    assert reply.status == other.status == int(status[:3])
    assert reply.value == {"message": "no"}
    assert (reply.headers["etag"], reply.headers["vary"]) == ("x", "a, b")
    assert other.value is None


async def test_an_unchanged_answer_has_no_value() -> None:
    """304 is an answer for who asked with If-None-Match."""
    async with serving(saying(b'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\n\r\n')) as server, to(server) as upstream:
        assert await upstream.request("GET", "/people", headers={"If-None-Match": '"1"'}) == Reply(304, {"etag": '"1"'})
    assert b'if-none-match: "1"\r\n' in server.requests[0]
