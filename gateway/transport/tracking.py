"""The tracking API: Segment's HTTP calls, so that its libraries work with the gateway as their host.

Owns reading the request (key, encoding, sizes) and the shape of the answer. A body that can be read is always answered with 200, since
libraries send a whole batch again, or drop it, for anything else; what became of each event stands in the answer. Must not interpret an
event (`segment` does) nor decide whose it is (`commands.tracking` does). `app` mounts `Tracking(…).routes()`.
"""

from __future__ import annotations

import asyncio
import re
import zlib
from base64 import b64decode
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, Protocol

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.auth.policy import Action, require
from gateway.auth.principal import Principal
from gateway.commands.tombstones import Tombstones
from gateway.commands.tracking import CHUNK, Event, take_in
from gateway.commands.unit import Receipt, Unit, Writer
from gateway.configuration import Configurations
from gateway.errors import (
    BadRequest,
    BadUserInput,
    GatewayError,
    PayloadTooLarge,
    Problem,
    RequestTimeout,
    Unauthenticated,
    UnsupportedMediaType,
)
from gateway.model.configuration import Configuration
from gateway.observe import ERRORS, INGEST_ITEMS
from gateway.sources.contract import LookupKey
from gateway.transport.segment.event import CALLS, MAX_EVENT_BYTES, Arrival, Reading, read_event
from gateway.transport.segment.screening import Screen
from gateway.transport.segment.wire import Batch, read_batch, read_single
from gateway.vault import Vault

__all__ = ["MAX_BATCH_BYTES", "Tracking", "WriteGate"]

MAX_BATCH_BYTES = 500 * 1024
"""Bytes of a batch, both as sent and inflated."""

_BODY_SECONDS = 10.0
_LONGEST_AUTHORIZATION = 1024
_BASIC: Final = re.compile(r"basic +([A-Za-z0-9+/]+=*)", re.IGNORECASE | re.ASCII)
_GZIP: Final = frozenset({"gzip", "x-gzip"})
_GZIP_WINDOW = 16 + zlib.MAX_WBITS
_CHALLENGE: Final = 'Basic realm="write key", charset="UTF-8"'
_RETRY_AFTER: Final = "1"


class WriteGate(Protocol):
    """What the tracking API needs of `auth.gate.Gate`."""

    async def authenticate_write(self, basic_user: str | None) -> Principal: ...


@dataclass(slots=True)
class _Outcome:
    """What became of the events of one request, as it is answered."""

    accepted: int = 0
    duplicates: int = 0
    ignored: list[dict[str, Any]] = field(default_factory=list)
    rejected: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[dict[str, Any]] = field(default_factory=list)

    def reject(self, index: int, message_id: str | None, problem: Problem) -> None:
        self.rejected.append({"index": index, "messageId": message_id, "code": problem.code, "message": problem.message})

    def ignore(self, index: int, message_id: str | None) -> None:
        message = "This person was erased; nothing is kept of the event."
        self.ignored.append({"index": index, "messageId": message_id, "code": "ERASED", "message": message})

    def warn(self, index: int, message_id: str | None, message: str) -> None:
        self.warnings.append({"index": index, "messageId": message_id, "message": message})

    def answer(self) -> dict[str, Any]:
        return {
            "success": not self.rejected,
            "accepted": self.accepted,
            "duplicates": self.duplicates,
            "ignored": sorted(self.ignored, key=_by_index),
            "rejected": sorted(self.rejected, key=_by_index),
            "warnings": sorted(self.warnings, key=_by_index),
        }


class Tracking:
    """The endpoints of one gateway. `default_region` (ISO 3166) is assumed for phone numbers without a country code."""

    def __init__(
        self,
        gate: WriteGate,
        writer: Writer,
        default_region: str | None = None,
        configurations: Configurations | None = None,
        vault: Vault | None = None,
        tombstones: Tombstones | None = None,
    ) -> None:
        self._gate = gate
        self._writer = writer
        self._region = default_region
        self._configurations = configurations or Configurations(Configuration())
        self._vault = vault
        self._tombstones = tombstones

    def routes(self) -> list[Route]:
        """`POST /v1/batch` and one route per single call."""
        return [
            Route("/v1/batch", self._endpoint(None), methods=["POST"], name="tracking:batch"),
            *[Route(f"/v1/{call}", self._endpoint(call), methods=["POST"], name=f"tracking:{call}") for call in CALLS],
        ]

    def _endpoint(self, call: str | None) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            try:
                return _json(200, await self._receive(request, call))
            except GatewayError as error:
                return _refusal(error)
            except ClientDisconnect:
                return Response(status_code=400)  # nobody is there to read it

        return endpoint

    async def _receive(self, request: Request, call: str | None) -> dict[str, Any]:
        received_at = datetime.now(UTC)
        header = request.headers.get("authorization")
        principal = None if header is None else await self._gate.authenticate_write(_basic_user(header))
        body = await _body(request, MAX_BATCH_BYTES if call is None else MAX_EVENT_BYTES)
        batch = read_batch(body) if call is None else read_single(body)
        if principal is None:
            principal = await self._gate.authenticate_write(batch.write_key)
        require(principal, Action.INGEST)
        outcome = await self._take_in(principal, batch, call, Arrival(received_at, batch.sent_at, self._region))
        for name, count in (
            ("accepted", outcome.accepted),
            ("duplicate", outcome.duplicates),
            ("ignored", len(outcome.ignored)),
            ("rejected", len(outcome.rejected)),
        ):
            INGEST_ITEMS.labels(name).inc(count)
        return outcome.answer()

    async def _take_in(self, principal: Principal, batch: Batch, call: str | None, arrival: Arrival) -> _Outcome:
        """Chunk by chunk: each is one transaction, and other requests get their turn between two."""
        outcome = _Outcome()
        configuration = self._configurations.of(principal.workspace_key)
        screen = Screen(configuration, self._vault, principal.workspace_id, _source(principal))
        linked: list[tuple[int, Reading]] = []
        for start in range(0, len(batch.items), CHUNK):
            events: list[tuple[int, Event]] = []
            for index, raw in enumerate(batch.items[start : start + CHUNK], start):
                reading = read_event(raw, call, arrival)
                for warning in reading.warnings:
                    outcome.warn(index, reading.message_id, warning)
                if reading.problem is not None:
                    outcome.reject(index, reading.message_id, reading.problem)
                elif reading.event is not None:
                    kept = screen.check(reading.event, partial(outcome.warn, index, reading.message_id))
                    if isinstance(kept, Problem):
                        outcome.reject(index, reading.message_id, kept)
                        continue
                    events.append((index, kept))
                    if reading.linked:
                        linked.append((index, reading))
            await self._store(principal, events, outcome)
        if linked:
            await self._warn_of_separate_profiles(principal, linked, outcome)
        return outcome

    async def _store(self, principal: Principal, events: Sequence[tuple[int, Event]], outcome: _Outcome) -> None:
        """Take in the events of one chunk together; if the database refuses a value of one, each for itself."""
        source = _source(principal)
        try:
            taken = await take_in(
                self._writer, principal, source, [event for _, event in events], tombstones=self._tombstones, vault=self._vault
            )
        except BadUserInput as error:
            if len(events) == 1:
                index, event = events[0]
                outcome.reject(index, event.message_id, Problem("INVALID", error.message))
                return
            for one in events:
                await self._store(principal, [one], outcome)
        else:
            outcome.accepted += taken.accepted
            outcome.duplicates += taken.duplicates
            for index, event in events:
                if event.message_id in taken.ignored:
                    outcome.ignore(index, event.message_id)

    async def _warn_of_separate_profiles(self, principal: Principal, linked: Sequence[tuple[int, Reading]], outcome: _Outcome) -> None:
        """An alias between two known people joins nothing: its sender should know."""
        keys = list(dict.fromkeys(key for _, reading in linked for key in reading.linked))
        owners: dict[LookupKey, set[object]] = {key: set() for key in keys}

        async def look(unit: Unit) -> Receipt:
            for row in await unit.fetch("profile_ids_by_lookup", [key.key for key in keys], [key.value for key in keys]):
                owners[keys[row["n"] - 1]].add(row["profile_id"])
            return Receipt()

        await self._writer.run(principal, look)
        for index, reading in linked:
            if len(set().union(*(owners[key] for key in reading.linked))) > 1:
                outcome.warn(index, reading.message_id, "previousId and userId belong to two profiles; nothing was merged.")


def _source(principal: Principal) -> str:
    return principal.source or principal.subject


def _basic_user(header: str) -> str | None:
    """The user name of HTTP Basic (RFC 7617); None when the header is something else. The password means nothing."""
    match = _BASIC.fullmatch(header) if len(header) <= _LONGEST_AUTHORIZATION else None
    if match is None:
        return None
    try:
        return b64decode(match[1], validate=True).decode().partition(":")[0]
    except ValueError:
        return None


async def _body(request: Request, limit: int) -> bytes:
    """The body as JSON text, inflated if need be; what lies beyond the limit is neither read nor inflated."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in _GZIP and encoding != "identity":
        raise UnsupportedMediaType("A body is sent as it is or with Content-Encoding: gzip.")
    inflater = zlib.decompressobj(_GZIP_WINDOW) if encoding in _GZIP else None
    body = bytearray()
    received = 0
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for chunk in request.stream():
                received += len(chunk)
                if received > limit:
                    raise _too_large(limit)
                body += chunk if inflater is None else _inflate(inflater, chunk, limit + 1 - len(body))
                if len(body) > limit:
                    raise _too_large(limit)
    except TimeoutError:
        raise RequestTimeout from None
    if inflater is not None and not inflater.eof:
        raise BadRequest("The gzip body is incomplete.")
    return bytes(body)


def _inflate(inflater: Any, chunk: bytes, room: int) -> bytes:
    if inflater.eof and chunk:
        raise BadRequest("Something follows the gzip body.")
    try:
        inflated: bytes = inflater.decompress(chunk, room)
    except zlib.error:
        raise BadRequest("The body is not gzip.") from None
    if inflater.unused_data:
        raise BadRequest("Something follows the gzip body.")
    return inflated


def _too_large(limit: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"The body is larger than {limit} bytes.")


def _refusal(error: GatewayError) -> Response:
    headers = {}
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = _CHALLENGE
    if isinstance(error, UnsupportedMediaType):
        headers["Accept-Encoding"] = "gzip, identity"
    if error.retryable:
        headers["Retry-After"] = _RETRY_AFTER
    return _error(error.http_status, error.code, error.message, headers)


def _error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Response:
    ERRORS.labels(code).inc()
    return _json(status, {"success": False, "error": {"code": code, "message": message}}, headers)


def _json(status: int, content: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(content), status, headers, "application/json")


def _by_index(entry: dict[str, Any]) -> int:
    index: int = entry["index"]
    return index
