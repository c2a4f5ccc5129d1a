"""Strawberry under Starlette and uvicorn, as fast as it goes without other executors: parser and validation caches, orjson, uvloop,
httptools.

The peer of Q2, Q4, S1, S2 and S3 (bench/README.md): subscriptions come through broadcaster, as Strawberry's documentation has it, each
subscriber's event is executed for itself. No authentication and no limits.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import uvicorn
from broadcaster import Broadcast
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from strawberry.asgi import GraphQL

from bench.peers.python.screen_types import ProfileUpdated, Query, make_schema, person

PEOPLE = {key: person(one) for key, one in json.loads(Path(os.environ["SCREEN_JSON"]).read_text()).items()}
Query.lookup = staticmethod(PEOPLE.get)  # type: ignore[assignment]
broadcast = Broadcast("memory://")
sequences: dict[str, int] = {}


async def events(profile: str) -> AsyncGenerator[ProfileUpdated]:
    """What is published of a profile."""
    async with broadcast.subscribe(channel=profile) as subscriber:
        async for event in subscriber:  # type: ignore[union-attr]
            yield ProfileUpdated(seq=int(event.message), profile=PEOPLE[profile])


schema = make_schema(events)


async def graphql(request: Request) -> Response:
    """GraphQL over HTTP, no more than the bench needs."""
    body = orjson.loads(await request.body())
    result = await schema.execute(body["query"], variable_values=body.get("variables"), operation_name=body.get("operationName"))
    answer: dict[str, Any] = {"data": result.data}
    if result.errors:
        answer["errors"] = [error.formatted for error in result.errors]
    return Response(orjson.dumps(answer), media_type="application/json")


async def publish(request: Request) -> JSONResponse:
    """See bench/README.md."""
    asked = orjson.loads(await request.body())
    for _ in range(asked["count"]):
        for key in asked.get("ids") or [asked["id"]]:
            sequences[key] = sequences.get(key, 0) + 1
            await broadcast.publish(channel=key, message=str(sequences[key]))
    return JSONResponse({"published": asked["count"]})


@asynccontextmanager
async def lifespan(_app: Starlette) -> Any:
    """Tell that it is there."""
    async with broadcast:
        yield


app = Starlette(
    lifespan=lifespan,
    routes=[
        Route("/graphql", graphql, methods=["POST"]),
        Route("/publish", publish, methods=["POST"]),
        WebSocketRoute("/graphql", GraphQL(schema, keep_alive=False)),
    ],
)


class Server(uvicorn.Server):
    """Says `ready`."""

    async def startup(self, sockets: Any = None) -> None:
        """Listen."""
        await super().startup(sockets)
        print("ready", flush=True)


if __name__ == "__main__":
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        loop="uvloop",
        http="httptools",
        log_level="error",
        access_log=False,
        ws_per_message_deflate=False,
        ws_ping_interval=None,
        backlog=2048,
    )
    Server(config).run()
