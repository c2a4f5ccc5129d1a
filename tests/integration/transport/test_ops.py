"""Readiness costs next to nothing, whoever asks how often, and is never late."""

from __future__ import annotations

import asyncio
import time

import httpx2
import pytest
from starlette.applications import Starlette

from gateway.storage.database import Database
from gateway.transport.ops import Readiness, ops_routes

__all__: list[str] = []


async def test_many_probes_are_one_question(database: Database) -> None:
    """A flood of /readyz, which needs no credentials, asks the database once, and its delivery keeps its connections."""
    asked = 0

    async def standing() -> str:
        nonlocal asked
        asked += 1
        await database.standing()
        return "ok"

    app = Starlette(routes=ops_routes({"database": standing}, lambda: False))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://gateway") as client:
        answers = await asyncio.gather(*(client.get("/readyz") for _ in range(200)))

    assert {answer.status_code for answer in answers} == {200}
    assert asked == 1


async def test_an_answer_is_good_for_a_moment_only() -> None:
    """After `keep` seconds the parts are asked again."""
    words = iter(["ok", "polling"])

    async def bell() -> str:
        return next(words)

    readiness = Readiness({"bell": bell}, keep=0.05)
    assert await readiness.states() == {"bell": "ok"}
    assert await readiness.states() == {"bell": "ok"}
    async with asyncio.timeout(5):
        while await readiness.states() != {"bell": "polling"}:  # noqa: ASYNC110  # time is what it waits for
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("kind", ["hangs", "raises"])
async def test_a_part_that_does_not_answer_is_down(kind: str) -> None:
    """It hangs, or it raises: down in time, and the other parts' words are shown."""

    async def broken() -> str:
        if kind == "raises":
            raise RuntimeError("secret")
        await asyncio.Event().wait()
        return "never"

    async def fine() -> str:
        return "read-only"

    began = time.monotonic()
    states = await Readiness({"database": broken, "bell": fine}, patience=0.1).states()

    assert states == {"database": "down", "bell": "read-only"}
    assert time.monotonic() - began < 2


async def test_the_first_to_ask_may_go_away() -> None:
    """A probe that gives up does not spoil the answer for the others."""
    go = asyncio.Event()

    async def slow() -> str:
        await go.wait()
        return "ok"

    readiness = Readiness({"database": slow})
    first, second = (asyncio.create_task(readiness.states()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    go.set()

    assert await second == {"database": "ok"}
    assert first.cancelled()


async def test_only_down_and_draining_are_red() -> None:
    """`polling`, `read-only` and `at risk` are words for operators, not reasons to send clients elsewhere."""
    states = {"database": "read-only", "durability": "at risk", "bell": "polling"}
    draining = False

    def check(word: str) -> object:
        async def says() -> str:
            return word

        return says

    app = Starlette(routes=ops_routes({name: check(word) for name, word in states.items()}, lambda: draining))  # type: ignore[misc]
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://gateway") as client:
        green = await client.get("/readyz")
        draining = True
        red = await client.get("/readyz")

    assert (green.status_code, green.json()) == (200, {"ready": True, **states})
    assert (red.status_code, red.json()) == (503, {"ready": False, **states, "process": "draining"})
