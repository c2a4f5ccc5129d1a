"""Operations: is the process alive, is it ready, what does it measure.

Owns `/healthz` (the process), `/readyz` (database, migrations, bell) and `/metrics` (Prometheus). No credentials, no secrets, no values.
Mounted by `app`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from prometheus_client import generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from gateway.observe import REGISTRY

__all__ = ["ops_routes"]

_PATIENCE = 3.0

Check = Callable[[], Awaitable[str]]
"""Answers how something stands: `ok`, or a word; raises when it is down."""


def ops_routes(checks: dict[str, Check], draining: Callable[[], bool]) -> list[Route]:
    """The three routes; `checks` are asked by `/readyz`, all at once, three seconds each at most."""

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        states = dict(zip(checks, await asyncio.gather(*map(_state, checks.values())), strict=True))
        if draining():
            states["process"] = "draining"
        ready = "down" not in states.values() and not draining()
        return JSONResponse({"ready": ready, **states}, 200 if ready else 503)

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(REGISTRY), media_type="text/plain; version=0.0.4; charset=utf-8")

    return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]


async def _state(check: Check) -> str:
    try:
        async with asyncio.timeout(_PATIENCE):
            return await check()
    except Exception:  # noqa: BLE001  # whatever the reason, the answer is "down"; the log of the part itself says why
        return "down"
