"""Requests to the tracking API before any event is looked at, keys, encodings, sizes, bodies; and a busy database."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib
from base64 import b64encode
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import asyncpg
import httpx2
import orjson
import pytest

from gateway.auth.keys import KeyKind
from gateway.transport import tracking
from gateway.transport.segment.event import CALLS, MAX_EVENT_BYTES
from gateway.transport.tracking import MAX_BATCH_BYTES

if TYPE_CHECKING:
    from .conftest import Ingest

TRACK = {"type": "track", "messageId": "m", "userId": "u", "event": "x"}


def error_of(response: httpx2.Response) -> tuple[int, str]:
    """Status and code of a refusal, whose body has the shape of one."""
    body = response.json()
    assert body["success"] is False
    assert set(body["error"]) == {"code", "message"}
    return response.status_code, body["error"]["code"]


def padded(size: int, **fields: Any) -> bytes:
    """A track of exactly `size` bytes."""
    empty = orjson.dumps({**TRACK, **fields, "properties": {"x": ""}})
    return orjson.dumps({**TRACK, **fields, "properties": {"x": "x" * (size - len(empty))}})


class TestKeys:
    """Who may send."""

    @pytest.mark.parametrize("call", ["batch", "track"])
    async def test_a_key_in_the_body(self, ingest: Ingest, call: str) -> None:
        """Without an Authorization header the body's writeKey counts, as browsers send it."""
        body = {"batch": [TRACK], "writeKey": ingest.key} if call == "batch" else {**TRACK, "writeKey": ingest.key}
        response = await ingest.post(body, call=call, auth=None, headers={"Content-Type": "text/plain"})

        assert (response.status_code, response.json()["accepted"]) == (200, 1)

    async def test_the_header_counts(self, ingest: Ingest) -> None:
        """A wrong key in the header is not mended by a right one in the body."""
        response = await ingest.post({"batch": [TRACK], "writeKey": ingest.key}, auth=("wrong", ""))

        assert error_of(response) == (401, "UNAUTHENTICATED")

    @pytest.mark.parametrize(
        "header",
        [
            *("Basic", "Basic !!!", "Basic " + b64encode(b"\xff:").decode(), "Basic " + b64encode(b"x" * 5000).decode()),
            *("Bearer KEY", "Basic KEY", "", "Digest x", "Basic " + b64encode(b":KEY").decode()),
        ],
    )
    async def test_a_header_that_is_no_key(self, ingest: Ingest, header: str) -> None:
        """Everything but the key as user name of HTTP Basic is refused, and says how to ask."""
        response = await ingest.post({"batch": []}, auth=None, headers={"Authorization": header.replace("KEY", ingest.key)})

        assert error_of(response) == (401, "UNAUTHENTICATED")
        assert response.headers["www-authenticate"].startswith("Basic ")

    @pytest.mark.parametrize("key", [None, "", 5, {}, "wrong", "pgw_write_x"])
    async def test_a_body_without_a_key(self, ingest: Ingest, key: object) -> None:
        """Without any key nobody is let in."""
        assert error_of(await ingest.post({"batch": [], "writeKey": key}, auth=None)) == (401, "UNAUTHENTICATED")

    async def test_keys_of_other_doors(self, ingest: Ingest) -> None:
        """A partner key does not open the tracking API, and nothing is written."""
        partner = await ingest.keyring.create("demo", KeyKind.PARTNER)
        response = await ingest.post({"batch": [TRACK]}, auth=(partner, ""))

        assert error_of(response) == (401, "UNAUTHENTICATED")
        assert await ingest.count("activity") == 0

    async def test_a_foreign_password(self, ingest: Ingest) -> None:
        """The password of HTTP Basic means nothing."""
        assert (await ingest.post({"batch": [TRACK]}, auth=(ingest.key, "any"))).status_code == 200


class TestEncodings:
    """How a body may be packed."""

    @pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip", "identity"])
    @pytest.mark.parametrize("call", ["batch", "track"])
    async def test_understood(self, ingest: Ingest, encoding: str, call: str) -> None:
        """Bodies come as they are or with gzip, on every route."""
        body = orjson.dumps({"batch": [TRACK]} if call == "batch" else TRACK)
        content = body if encoding == "identity" else gzip.compress(body)
        response = await ingest.post(content, call=call, headers={"Content-Encoding": encoding})

        assert (response.status_code, response.json()["accepted"]) == (200, 1)

    @pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip", "gzip, identity", "utf-8"])
    async def test_not_understood(self, ingest: Ingest, encoding: str) -> None:
        """Other encodings are refused, naming those that are understood."""
        response = await ingest.post({"batch": []}, headers={"Content-Encoding": encoding})

        assert error_of(response) == (415, "UNSUPPORTED_MEDIA_TYPE")
        assert response.headers["accept-encoding"] == "gzip, identity"

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"not gzip",
            orjson.dumps({"batch": []}),
            gzip.compress(b'{"batch":[]}')[:-1],
            gzip.compress(b'{"batch":[]}')[:-8] + bytes(8),
            gzip.compress(b'{"batch":[]}') + b"more",
            gzip.compress(b'{"batch":[]}') * 2,
            zlib.compress(b'{"batch":[]}'),
        ],
        ids=["empty", "text", "JSON", "cut", "wrong checksum", "more behind", "twice", "zlib"],
    )
    async def test_broken_gzip(self, ingest: Ingest, content: bytes) -> None:
        """A body that says gzip and is not one whole gzip stream cannot be read."""
        assert error_of(await ingest.post(content, headers={"Content-Encoding": "gzip"})) == (400, "BAD_REQUEST")

    @pytest.mark.parametrize("call", ["batch", "identify"])
    async def test_a_bomb_ends_early(self, ingest: Ingest, call: str) -> None:
        """30 MB of zeros in one piece of 30 KB are refused without ever being inflated beyond the limit."""
        squeeze = zlib.compressobj(9, wbits=31)
        bomb = b"".join([*(squeeze.compress(bytes(1 << 20)) for _ in range(30)), squeeze.flush()])

        async def once() -> AsyncIterator[bytes]:
            yield bomb

        tracemalloc.start()
        try:
            status = await self.streamed(ingest, call, once(), {"content-encoding": "gzip"})
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        assert status == 413
        assert peak < 4 * MAX_BATCH_BYTES

    async def test_gzip_of_nothing_without_an_end(self, ingest: Ingest) -> None:
        """Empty pieces of gzip count as they are sent, though they inflate to nothing."""
        sent = 0

        async def endless() -> AsyncIterator[bytes]:
            nonlocal sent
            yield gzip.compress(b"")[:10]
            for _ in range(1000):
                sent += 1
                yield b"\x00\x00\x00\xff\xff" * 13_107

        assert await self.streamed(ingest, "batch", endless(), {"content-encoding": "gzip"}) == 413
        assert sent <= MAX_BATCH_BYTES // 65_535 + 1

    async def test_a_body_without_an_end(self, ingest: Ingest) -> None:
        """A body is counted while it comes, whatever Content-Length says."""
        sent = 0

        async def endless() -> AsyncIterator[bytes]:
            nonlocal sent
            for _ in range(1000):
                sent += 1
                yield b" " * 65_536

        assert await self.streamed(ingest, "batch", endless(), {"content-length": "10"}) == 413
        assert sent <= MAX_BATCH_BYTES // 65_536 + 1

    async def test_a_body_that_does_not_come(self, ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
        """A sender who stops in the middle of a body is answered with 408, which libraries try again."""
        monkeypatch.setattr(tracking, "_BODY_SECONDS", 0.05)
        never = asyncio.Event()

        async def silent() -> AsyncIterator[bytes]:
            yield b'{"batch":['
            await never.wait()

        assert await self.streamed(ingest, "batch", silent(), {}) == 408

    async def test_a_sender_who_leaves(self, ingest: Ingest) -> None:
        """A connection that is cut in the middle of a body breaks nothing and writes nothing."""

        async def cut() -> AsyncIterator[bytes]:
            yield b'{"batch":['
            raise ConnectionResetError

        assert await self.streamed(ingest, "batch", cut(), {}) == 400
        assert await ingest.count("ingest_message") == 0

    @staticmethod
    async def streamed(ingest: Ingest, call: str, chunks: AsyncIterator[bytes], headers: dict[str, str]) -> int:
        """The status of a request whose body comes in these chunks, each produced only when the application asks for it."""
        credentials = b64encode(f"{ingest.key}:".encode())
        given = [(b"authorization", b"Basic " + credentials), *((name.encode(), value.encode()) for name, value in headers.items())]
        scope = {"type": "http", "method": "POST", "path": f"/v1/{call}", "query_string": b"", "headers": given, "app": ingest.app}
        status = 0

        async def receive() -> dict[str, Any]:
            try:
                chunk = await anext(chunks, None)
            except ConnectionResetError:
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": chunk or b"", "more_body": chunk is not None}

        async def send(message: Any) -> None:
            nonlocal status
            status = message.get("status", status)

        await ingest.app(scope, receive, send)
        return status


class TestSizes:
    """How much at once."""

    @pytest.mark.parametrize("encoding", ["identity", "gzip"])
    async def test_a_batch(self, ingest: Ingest, encoding: str) -> None:
        """A batch has at most 500 KB, sent or inflated; one byte more is too large."""
        body = orjson.dumps({"batch": [TRACK]})
        for size, status in ((MAX_BATCH_BYTES, 200), (MAX_BATCH_BYTES + 1, 413)):
            content = body + b" " * (size - len(body))
            packed = content if encoding == "identity" else gzip.compress(content)
            response = await ingest.post(packed, headers={"Content-Encoding": encoding})

            assert response.status_code == status

    async def test_a_single_call(self, ingest: Ingest) -> None:
        """A single call has at most 32 KB."""
        assert (await ingest.post(padded(MAX_EVENT_BYTES), call="track")).json()["accepted"] == 1
        assert error_of(await ingest.post(padded(MAX_EVENT_BYTES + 1), call="track")) == (413, "PAYLOAD_TOO_LARGE")

    async def test_an_event_of_a_batch(self, ingest: Ingest) -> None:
        """An event of more than 32 KB is rejected; its neighbours are kept."""
        large, small = padded(MAX_EVENT_BYTES + 1, messageId="large"), padded(MAX_EVENT_BYTES, messageId="small")
        answer = (await ingest.post(b'{"batch":[' + large + b"," + small + b"]}")).json()

        assert (answer["success"], answer["accepted"]) == (False, 1)
        assert [(item["index"], item["messageId"], item["code"]) for item in answer["rejected"]] == [(0, "large", "LIMIT_EXCEEDED")]

    async def test_too_many_events(self, ingest: Ingest) -> None:
        """2 501 events are too many, and none of them is taken in."""
        assert error_of(await ingest.post({"batch": [TRACK] * 2501})) == (413, "PAYLOAD_TOO_LARGE")
        assert await ingest.count("activity") == 0


class TestBodies:
    """What cannot be read."""

    @pytest.mark.parametrize("call", ["batch", *CALLS])
    async def test_no_json_object(self, ingest: Ingest, call: str) -> None:
        """What is not a JSON object is a bad request on every route: nothing, other values, cut or bottomless JSON, other encodings."""
        bodies = [
            b"",
            b"5",
            b'"x"',
            b"null",
            b"[]",
            b"[1]",
            b"{",
            b"{'a':1}",
            b"\xef\xbb\xbf{}",
            '{"batch":[]}'.encode("utf-16"),
            b"[" * 20_000,
        ]
        answers = [error_of(await ingest.post(body, call=call)) for body in bodies]

        assert answers == [(400, "BAD_REQUEST")] * len(bodies)

    @pytest.mark.parametrize("body", [{}, {"batch": None}, {"batch": {}}, {"batch": "x"}, {"events": []}], ids=str)
    async def test_no_batch(self, ingest: Ingest, body: Any) -> None:
        """A batch is a list called batch."""
        assert error_of(await ingest.post(body)) == (400, "BAD_REQUEST")

    async def test_other_methods(self, ingest: Ingest) -> None:
        """Only POST sends events."""
        assert (await ingest.client.get("/v1/batch")).status_code == 405


@pytest.fixture(name="rival")
async def _rival(dsn: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """Somebody else who writes to the same database, within a transaction."""
    connection = await asyncpg.connect(dsn, timeout=5)
    try:
        yield connection
    finally:
        await connection.close()


class TestBusyDatabase:
    """What a sender should try again."""

    async def test_a_later_part_fails(self, ingest: Ingest, rival: asyncpg.Connection[asyncpg.Record]) -> None:
        """When a later part of a batch cannot be written the answer is 503; sent again, nothing is doubled and nothing lost."""
        events = [ingest.message("track", userId="u", event="x") for _ in range(260)]
        blocked = rival.transaction()
        await blocked.start()
        await rival.execute(
            "INSERT INTO ingest_message (workspace_id, source, message_id) VALUES ($1, 'tracking', $2)",
            ingest.workspace,
            events[255]["messageId"],
        )
        response = await ingest.post({"batch": events})
        assert error_of(response) == (503, "SOURCE_TIMEOUT")
        assert response.headers["retry-after"] == "1"
        assert await ingest.count("activity") == 250
        await blocked.rollback()

        answer = await ingest.send(*events)
        assert (answer["success"], answer["accepted"], answer["duplicates"]) == (True, 10, 250)
        assert await ingest.count("activity") == 260

    async def test_no_database(self, ingest: Ingest) -> None:
        """Without a database the answer is 503 with Retry-After, and no word about why."""
        assert (await ingest.post({"batch": []})).status_code == 200  # from now on the key is remembered
        await ingest.database.close()
        response = await ingest.post({"batch": [TRACK]})

        assert error_of(response) == (503, "OVERLOADED")
        assert response.headers["retry-after"] == "1"
        assert "pool" not in response.text
