"""`GET /v1/exports/<token>`: the file that an export of a person made.

Owns the address, its life and the headers. The address is the credential: whoever has it may read the file, for a day, and it says of nothing else
whether it is there. Mounted by `app`.
"""

from __future__ import annotations

from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from gateway.commands.export import read_export_token
from gateway.errors import CursorInvalid, GatewayError
from gateway.model.privacy import JobState, PrivacyAction
from gateway.model.sealed import Sealer
from gateway.observe import ERRORS
from gateway.records.jobs import file_data, file_parts, job_by_id
from gateway.storage.database import Database

__all__ = ["NDJSON", "Exports", "refusal"]

NDJSON = "application/x-ndjson"
_RETRY_AFTER = "2"
_PRIVATE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"}


class Exports:
    """`GET /v1/exports/<token>`."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    def routes(self) -> list[Route]:
        """The one route."""
        return [Route("/v1/exports/{token}", self._answer, methods=["GET"], name="exports:file")]

    async def _answer(self, request: Request) -> Response:
        try:
            return await self._file(request.path_params["token"])
        except CursorInvalid:
            return refusal(404, "NOT_FOUND", "There is no such export.")
        except GatewayError as error:
            return refusal(error.http_status, error.code, error.message, _RETRY_AFTER if error.retryable else None)

    async def _file(self, token: str) -> Response:
        workspace, job_id, ends = read_export_token(self._sealer, token)
        if datetime.now(UTC) >= ends:
            return _gone()
        job = await job_by_id(self._database, workspace, job_id)
        if job is None or job.action is not PrivacyAction.EXPORT:
            return refusal(404, "NOT_FOUND", "There is no such export.")
        if job.state is JobState.FAILED:
            return refusal(410, "GONE", "The export could not be made; ask for a new one.")
        if job.state is not JobState.DONE:
            return refusal(404, "NOT_READY", "The export is not ready yet; try again in a moment.", _RETRY_AFTER)
        parts = await file_parts(self._database, workspace, job_id)
        if not parts:
            return _gone()
        headers = {
            **_PRIVATE,
            "Content-Disposition": f'attachment; filename="{job.id}.ndjson"',
            "Content-Length": str(sum(size for _, size in parts)),
        }
        return StreamingResponse(file_data(self._database, workspace, job_id, [part for part, _ in parts]), 200, headers, NDJSON)


def refusal(status: int, code: str, message: str, retry_after: str | None = None) -> Response:
    """Why there is no file, as JSON."""
    ERRORS.labels(code).inc()
    headers = {**_PRIVATE, **({"Retry-After": retry_after} if retry_after else {})}
    return JSONResponse({"error": {"code": code, "message": message}}, status, headers)


def _gone() -> Response:
    return refusal(410, "GONE", "The export has expired; ask for a new one.")
