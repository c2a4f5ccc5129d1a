"""Operations: is the process alive, is it ready, what does it measure.

Owns `/healthz` (the process), `/readyz` (database, migrations, bell) and `/metrics` (Prometheus). No credentials, no secrets, no values; and since
anybody may ask, asking costs next to nothing. Mounted by `app`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from gateway.observe import exposition

__all__ = ["Readiness", "ops_routes"]

_PATIENCE: Final = 2.5
_KEEP: Final = 0.5

Check = Callable[[], Awaitable[str]]
"""Answers how something stands: `ok`, or a word; raises when it is down."""


class Readiness:
    """How the parts stand, asked once for all who want to know: however many probes come, one asks the database, twice a second at most."""

    def __init__(self, checks: dict[str, Check], *, patience: float = _PATIENCE, keep: float = _KEEP) -> None:
        """In seconds: a check that takes longer than `patience` is down; an answer is good for `keep`."""
        self._checks = checks
        self._patience = patience
        self._keep = keep
        self._asked: asyncio.Task[dict[str, str]] | None = None
        self._good_until = 0.0

    async def states(self) -> dict[str, str]:
        """A word for each part; `down` for one that raised or took too long. Never older than `keep`, never later than `patience` and a moment."""
        if self._asked is None or (self._asked.done() and asyncio.get_running_loop().time() >= self._good_until):
            self._asked = asyncio.create_task(self._ask(), name="readiness")
        return await asyncio.shield(self._asked)  # whoever asked first may go away before the others

    async def _ask(self) -> dict[str, str]:
        states = await asyncio.gather(*map(self._state, self._checks.values()))
        self._good_until = asyncio.get_running_loop().time() + self._keep
        return dict(zip(self._checks, states, strict=True))

    async def _state(self, check: Check) -> str:
        try:
            async with asyncio.timeout(self._patience):
                return await check()
        except Exception:  # noqa: BLE001  # whatever the reason, the answer is "down"; the log of the part itself says why
            return "down"


def ops_routes(checks: dict[str, Check], draining: Callable[[], bool]) -> list[Route]:
    """The three routes; `checks` are what `/readyz` asks. It is red (503) when one is down or the process ends, and for no other word."""
    readiness = Readiness(checks)

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        states = dict(await readiness.states())
        if draining():
            states["process"] = "draining"
        ready = "down" not in states.values() and not draining()
        return JSONResponse({"ready": ready, **states}, 200 if ready else 503)

    async def metrics(_: Request) -> Response:
        return Response(await asyncio.to_thread(exposition), media_type="text/plain; version=0.0.4; charset=utf-8")

    return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]
