"""The address of an export's file: the token is the credential, and every state of the job has its own answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx2
import pytest
from starlette.applications import Starlette

from gateway.auth.workspaces import Workspaces
from gateway.commands.export import LIFETIME, export_token
from gateway.model.ids import make_id, uuid7
from gateway.model.sealed import Sealer
from gateway.storage.database import Database
from gateway.transport.export import Exports

__all__: list[str] = []

SEALER = Sealer([b"s" * 32])


@dataclass(frozen=True)
class Shelf:
    """The endpoint, and jobs put into the database as the runner leaves them."""

    client: httpx2.AsyncClient
    database: Database
    workspace: UUID

    async def job(self, *parts: bytes, state: str = "DONE", action: str = "EXPORT", hours: float = 24) -> UUID:
        """A job with these parts of a file, which expire in so many hours."""
        job_id = uuid7()
        await self.database.execute(
            "INSERT INTO privacy_job (workspace_id, id, profile_id, action, state, actor_id, actor_name, actor_kind) "
            "VALUES ($1, $2, $3, $4, $5, 'ada', 'Ada', 'SUPERVISOR')",
            *(self.workspace, job_id, uuid7(), action, state),
        )
        for number, data in enumerate(parts, 1):
            await self.database.execute(
                "INSERT INTO privacy_file VALUES ($1, $2, $3, $4, now() + $5::interval)",
                *(self.workspace, job_id, number, data, timedelta(hours=hours)),
            )
        return job_id

    async def get(self, job_id: UUID, *, asked: datetime | None = None, workspace: UUID | None = None) -> httpx2.Response:
        """The answer at a job's address, made when it was asked for."""
        token = export_token(SEALER, workspace or self.workspace, job_id, asked or datetime.now(UTC))
        return await self.client.get(f"/v1/exports/{token}")


@pytest.fixture(name="shelf")
async def _shelf(database: Database) -> AsyncIterator[Shelf]:
    """The endpoint over a database of its own."""
    workspace = await Workspaces(database).ensure("demo", "Demo")
    app = Starlette(routes=Exports(database, SEALER).routes())
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://gateway") as client:
        yield Shelf(client, database, workspace)


async def test_a_file(shelf: Shelf) -> None:
    """A finished export is an attachment, its parts in order, with its length, never cached, and needs nothing but its address."""
    job_id = await shelf.job(*(f'{{"n":{number}}}\n'.encode() for number in range(12)))
    response = await shelf.get(job_id)

    assert response.status_code == 200
    assert response.text == "".join(f'{{"n":{number}}}\n' for number in range(12))
    assert response.headers["content-type"] == "application/x-ndjson"
    assert response.headers["content-disposition"] == f'attachment; filename="{make_id("job", job_id)}.ndjson"'
    assert (response.headers["cache-control"], response.headers["referrer-policy"]) == ("no-store", "no-referrer")
    assert int(response.headers["content-length"]) == len(response.content)


@pytest.mark.parametrize("state", ["QUEUED", "RUNNING"])
async def test_not_yet(shelf: Shelf, state: str) -> None:
    """Until the job is done nothing of its parts is shown, and the answer says when to come back."""
    response = await shelf.get(await shelf.job(b"half", state=state))

    assert (response.status_code, response.headers["retry-after"]) == (404, "2")
    assert response.json() == {"error": {"code": "NOT_READY", "message": "The export is not ready yet; try again in a moment."}}


async def test_gone(shelf: Shelf) -> None:
    """A token after its day, a file after its time, a file an erasure took and a job that failed are gone for good."""
    job_id = await shelf.job(b"x")
    answers = [
        await shelf.get(job_id, asked=datetime.now(UTC) - LIFETIME),
        await shelf.get(await shelf.job(b"x", hours=-1)),
        await shelf.get(await shelf.job()),
        await shelf.get(await shelf.job(state="FAILED")),
    ]

    assert [(one.status_code, one.json()["error"]["code"]) for one in answers] == [(410, "GONE")] * 4
    assert (await shelf.get(job_id, asked=datetime.now(UTC) - LIFETIME + timedelta(minutes=1))).status_code == 200


async def test_nothing_there(shelf: Shelf) -> None:
    """A forged token, an unknown job, a job of another kind and one of another workspace all get the same answer."""
    job_id, erasure = await shelf.job(b"x"), await shelf.job(action="ERASE")
    answers = [
        await shelf.client.get("/v1/exports/AQabcdefghijklmnop"),
        await shelf.client.get("/v1/exports/%00"),
        await shelf.get(uuid7()),
        await shelf.get(erasure),
        await shelf.get(job_id, workspace=uuid7()),
    ]

    assert [one.status_code for one in answers] == [404] * 5
    assert len({one.text for one in answers}) == 1


async def test_other_methods(shelf: Shelf) -> None:
    """The address is read, and nothing else."""
    assert (await shelf.client.post("/v1/exports/x")).status_code == 405
