"""What is remembered of answers is bounded, and an answer without a question is an error."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.errors import SourceUnavailable
from gateway.sources.adapters import rest_exchange
from gateway.sources.adapters.rest_exchange import Exchange
from gateway.sources.adapters.rest_plan import Asked
from gateway.sources.adapters.rest_upstream import Static
from gateway.sources.http import Reply

__all__: list[str] = []


class Told:
    """An API that answers what it is told, and counts."""

    source = "crm"

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.asked = 0

    async def request(self, *_: Any, **more: Any) -> Reply:
        """The reply."""
        self.asked += 1
        return self.reply

    async def close(self) -> None:
        """Nothing is open."""


class Slow(Told):
    """Answers when it is let go, each request for itself."""

    def __init__(self) -> None:
        super().__init__(Reply(200))
        self.held: list[asyncio.Future[Reply]] = []

    async def request(self, *_: Any, **more: Any) -> Reply:
        """What the test says, when it says it."""
        self.asked += 1
        self.held.append(asyncio.get_running_loop().create_future())
        return await self.held[-1]


def exchange(api: Told, **more: Any) -> Exchange:
    """Around it."""
    return Exchange(api, Static({}), **{"share": 1.0, "most_fresh": 60.0, "kept": 3, "longest_pause": 1.0} | more)  # type: ignore[arg-type]


async def test_no_more_is_kept_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """By number and by bytes, the oldest goes first; what is large is not kept at all."""
    api = Told(Reply(200, {"cache-control": "max-age=60"}, "x" * 98))
    one = exchange(api)
    for number in range(5):
        await one.read(Asked("GET", f"/{number}"), "PROFILE")
    assert len(one._kept) == 3
    assert one._bytes == 300
    monkeypatch.setattr(rest_exchange, "MOST_BYTES", 250)
    await one.read(Asked("GET", "/5"), "PROFILE")
    assert (len(one._kept), one._bytes) == (2, 200)
    monkeypatch.setattr(rest_exchange, "LARGEST_KEPT", 50)
    await one.read(Asked("GET", "/6"), "PROFILE")
    assert (len(one._kept), api.asked) == (2, 7)


async def test_not_modified_without_a_question_is_an_error() -> None:
    """304 to somebody who has nothing, and an ETag that would break its header is not repeated."""
    with pytest.raises(SourceUnavailable):
        await exchange(Told(Reply(304))).read(Asked("GET", "/"), "PROFILE")
    one = exchange(Told(Reply(200, {"etag": '"a\r\nx: y"'}, 1)))
    await one.read(Asked("GET", "/"), "PROFILE")
    assert one._kept[Asked("GET", "/")].etag is None


async def test_an_answer_from_before_a_change_is_not_kept() -> None:
    """What was on its way when it was forgotten is told to who waits for it, and to nobody after."""
    api = Slow()
    one = exchange(api, most_fresh=0.0)
    before = asyncio.create_task(one.read(Asked("GET", "/7"), "PROFILE"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    one.forget("7")
    after = asyncio.create_task(one.read(Asked("GET", "/7"), "PROFILE"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    api.held[1].set_result(Reply(200, {}, "new"))
    assert (await after).value == "new"
    api.held[0].set_result(Reply(200, {}, "old"))
    assert (await before).value == "old"

    assert (await one.read(Asked("GET", "/7"), "TRAITS")).value == "new"
    assert api.asked == 2


async def test_the_last_to_go_ends_the_request() -> None:
    """One of two who goes away changes nothing; when both are gone the request is cancelled, and the next one asks anew."""
    api = Slow()
    one = exchange(api)
    asked = [asyncio.create_task(one.read(Asked("GET", "/"), "PROFILE")) for _ in range(2)]
    while not api.held:  # noqa: ASYNC110  # turns of the loop, no time
        await asyncio.sleep(0)
    asked[0].cancel()
    await asyncio.wait([asked[0]])
    assert not api.held[0].cancelled()
    asked[1].cancel()
    await asyncio.wait([asked[1]])
    await asyncio.sleep(0)
    assert api.held[0].cancelled()
    assert one._flights == {}
