"""`GET /v1/export`: the history of a workspace for a warehouse, page by page, as NDJSON or CSV.

Owns the parameters, the shape of a line and what of it a credential may see. Needs `history:export`. What a page holds was logged within the
week that the change log is kept; a copy that fell further behind is told so and starts anew. Mounted by `app`.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from gateway.auth.policy import Action, mask_email, mask_phone, may, require
from gateway.auth.principal import Principal
from gateway.errors import BadUserInput, CursorInvalid, GatewayError, Unauthenticated
from gateway.model.activity import TimelineKind, item_id
from gateway.model.change import ChangeKind
from gateway.model.ids import make_id
from gateway.model.sealed import Sealer
from gateway.records.feed import open_position, seal_position
from gateway.records.history import HistoryEntry, HistoryPage, read_history, with_items
from gateway.storage.database import Database
from gateway.transport.export import NDJSON, refusal

__all__ = ["MOST_ENTRIES", "History"]

MOST_ENTRIES: Final = 10_000
"""Entries of a page at most."""
_USUAL: Final = 1000
_KNOWN: Final = frozenset({"after", "limit", "format"})
_COLUMNS: Final = ("op", "id", "profileId", "at", "occurredAt", "receivedAt", "source", "kind", "type", "channel", "direction", "account")
_OPERATIONS: Final = {ChangeKind.ACTIVITY: "upsert", ChangeKind.REMOVED: "remove", ChangeKind.MERGED: "merge", ChangeKind.ERASED: "erase"}
_EMAIL: Final = re.compile(r"[^\s@]{1,64}@[^\s@]{1,255}")
_PHONE: Final = re.compile(r"\+[0-9]{7,15}")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet would run when a cell begins with it."""


class Gate(Protocol):
    """What the endpoint needs of `auth.gate.Gate`."""

    async def authenticate(self, authorization: str | None) -> Principal: ...


@dataclass(frozen=True, slots=True)
class _Asked:
    after: str | None
    limit: int
    as_csv: bool


class History:
    """The endpoint."""

    def __init__(self, gate: Gate, database: Database, sealer: Sealer) -> None:
        self._gate = gate
        self._database = database
        self._sealer = sealer

    def routes(self) -> list[Route]:
        """The one route."""
        return [Route("/v1/export", _refusing(self._answer), methods=["GET"], name="exports:history")]

    async def _answer(self, request: Request) -> Response:
        principal = await self._gate.authenticate(request.headers.get("authorization"))
        require(principal, Action.EXPORT_HISTORY)
        asked = _asked(request)
        workspace = principal.workspace_id
        after = open_position(self._sealer, workspace, asked.after)
        page = await read_history(self._database, workspace, after, asked.limit)
        cursor = seal_position(self._sealer, workspace, page.position)
        headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Next-Cursor": cursor}
        headers["X-Has-More"] = "true" if page.has_more else "false"
        lines = self._lines(principal, page)
        if asked.as_csv:
            return StreamingResponse(_table(lines), 200, headers, "text/csv; charset=utf-8")
        return StreamingResponse(_ndjson(lines, cursor, page.has_more), 200, headers, NDJSON)

    async def _lines(self, principal: Principal, page: HistoryPage) -> AsyncIterator[dict[str, Any]]:
        async for entry, row in with_items(self._database, principal.workspace_id, page.entries):
            line = _line(principal, entry, row)
            if line is not None:
                yield line


def _refusing(answer: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            return await answer(request)
        except GatewayError as error:
            status = 410 if isinstance(error, CursorInvalid) and error.extensions else error.http_status
            refused = refusal(status, error.code, error.message, "1" if error.retryable else None)
            if isinstance(error, Unauthenticated):
                refused.headers["WWW-Authenticate"] = "Bearer"
            return refused

    return endpoint


def _asked(request: Request) -> _Asked:
    given = request.query_params
    unknown = sorted(set(given) - _KNOWN)
    if unknown:
        raise BadUserInput(f"There are the parameters {', '.join(sorted(_KNOWN))}.", argument=unknown[0][:64])
    if len(given.multi_items()) > len(given):
        raise BadUserInput("Give each parameter once.")
    form = given.get("format", "ndjson")
    if form not in {"ndjson", "csv"}:
        raise BadUserInput("format is ndjson or csv.", argument="format")
    limit = given.get("limit", str(_USUAL))
    if not re.fullmatch(r"[0-9]{1,5}", limit) or not 1 <= int(limit) <= MOST_ENTRIES:
        raise BadUserInput(f"limit is a number from 1 to {MOST_ENTRIES}.", argument="limit")
    return _Asked(given.get("after"), int(limit), form == "csv")


def _line(principal: Principal, entry: HistoryEntry, row: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What a page says of an entry. None for an item that is not (or no longer) one of the log's own activities: what took it away is told too,
    but what systems elsewhere hold, and let go, is theirs to export.
    """
    profile_id = make_id("prf", entry.profile_id)
    line: dict[str, Any] = {"op": _OPERATIONS[entry.kind], "profileId": profile_id, "at": entry.at}
    if entry.kind is ChangeKind.REMOVED:
        if entry.item_id is None or entry.source is None:
            return None
        return {**line, "id": item_id(entry.profile_id, entry.source, entry.item_id.hex)}
    if entry.kind is not ChangeKind.ACTIVITY:
        return line
    if row is None:
        return None
    return {
        **line,
        "id": item_id(row["profile_id"], row["source"], row["id"].hex),
        "occurredAt": row["occurred_at"],
        "receivedAt": row["received_at"],
        **{name: row[name] for name in ("source", "kind", "type", "channel", "direction", "account")},
        "detail": _shown(principal, row["kind"], row["detail"]),
    }


def _shown(principal: Principal, kind: str, detail: Mapping[str, Any]) -> Any:
    """The detail under the credential's rights: an agent's words with the notes, addresses with the contact values."""
    wrap_up = detail.get("wrapUp")
    if kind == TimelineKind.INTERACTION.value and isinstance(wrap_up, dict) and not may(principal, Action.READ_NOTES):
        detail = {**detail, "wrapUp": {key: value for key, value in wrap_up.items() if key != "notes"}}
    return detail if may(principal, Action.READ_CONTACT_VALUES) else _masked(detail)


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        if _EMAIL.fullmatch(value):
            return mask_email(value)
        return mask_phone(value) if _PHONE.fullmatch(value) else value
    if isinstance(value, Mapping):
        return {key: _masked(part) for key, part in value.items()}
    return [_masked(part) for part in value] if isinstance(value, list) else value


async def _ndjson(lines: AsyncIterator[dict[str, Any]], cursor: str, has_more: bool) -> AsyncIterator[bytes]:
    """The last line is the cursor: a page without it was cut off on the way."""
    options = orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE
    async for line in lines:
        yield orjson.dumps(line, option=options)
    yield orjson.dumps({"cursor": cursor, "hasMore": has_more}, option=options)


async def _table(lines: AsyncIterator[dict[str, Any]]) -> AsyncIterator[str]:
    yield ",".join(_COLUMNS) + "\r\n"
    async for line in lines:
        text = io.StringIO()
        csv.writer(text).writerow([_cell(line.get(column)) for column in _COLUMNS])
        yield text.getvalue()


def _cell(value: object) -> str:
    if value is None:
        return ""
    text = value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
