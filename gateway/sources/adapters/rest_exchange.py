"""Sending: requests that are the same are sent once, answers that did not change are not sent again, and who asks for a pause gets one.

Owns what is remembered of answers, in bytes and number bounded; what it remembers is forgotten on demand (`forget`), since a change that was told
must be seen. Must not know what is asked. Called by `rest_question` and `rest_write`.

* Requests that overlap and are the same share one answer, whoever asks.
* Within `share` seconds an answer serves each kind of data once (PROFILE and TRAITS of one screen); a kind that asks again wants to know anew.
* An answer with an `ETag` is kept, and asked for with `If-None-Match`; `Cache-Control: max-age` counts only as far as `most_fresh` allows.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

import orjson

from gateway.errors import SourceUnavailable
from gateway.sources.adapters.rest_plan import Asked
from gateway.sources.adapters.rest_upstream import Api, Credentials, Paused
from gateway.sources.http import Refused, Reply

__all__ = ["Exchange"]

MOST_BYTES: Final = 32 * 1024 * 1024
"""Of all answers that are kept, as JSON."""
LARGEST_KEPT: Final = 2 * 1024 * 1024
_ETAG: Final = re.compile(r"(?:W/)?\"[\x21\x23-\x7e]{0,200}\"")
_MAX_AGE: Final = re.compile(r"(?:^|[\s,])max-age\s*=\s*\"?([0-9]{1,9})", re.IGNORECASE)
_NO_STORE: Final = re.compile(r"(?:^|[\s,])no-store(?=$|[\s,])", re.IGNORECASE)


@dataclass(slots=True)
class _Kept:
    reply: Reply
    size: int
    etag: str | None
    shared_until: float
    fresh_until: float
    served: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Flight:
    """One request on its way, and for which kinds."""

    task: asyncio.Task[Reply]
    waiting: int = 0
    kinds: set[str] = field(default_factory=set)


class Exchange:
    """Talks to one API. `longest_pause`: seconds that a pause it asks for is kept at most."""

    def __init__(
        self,
        api: Api,
        credentials: Credentials,
        *,
        share: float,
        most_fresh: float,
        kept: int,
        longest_pause: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.api = api
        self.source = api.source
        self._credentials = credentials
        self._share, self._most_fresh, self._most_kept, self._longest_pause = share, most_fresh, kept, longest_pause
        self._now = now
        self._kept: OrderedDict[Asked, _Kept] = OrderedDict()
        self._bytes = 0
        self._flights: dict[Asked, _Flight] = {}
        self._pause_until = 0.0

    async def read(self, asked: Asked, kind: str) -> Reply:
        """The answer to a request that changes nothing.

        Raises:
            SourceError: there is none.
        """
        kept = self._kept.get(asked)
        if kept is not None:
            self._kept.move_to_end(asked)
            if self._now() < kept.fresh_until:
                return kept.reply
            if self._now() < kept.shared_until and kind not in kept.served:
                kept.served.add(kind)
                return kept.reply
        flight = self._flights.get(asked)
        if flight is None:
            flight = self._flights[asked] = _Flight(asyncio.create_task(self._revalidated(asked, kept)))
            flight.task.add_done_callback(lambda task: self._landed(asked, task))
        flight.kinds.add(kind)
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.task.done():  # whoever asked went away
                flight.task.cancel()
                self._drop_flight(asked, flight.task)

    async def write(self, asked: Asked) -> Reply:
        """The answer to a request that changes something; sent exactly once.

        Raises:
            SourceError: it may or may not have happened.
        """
        return await self._sent(asked, {})

    def forget(self, key: str | None = None) -> None:
        """Ask anew whatever is asked next. `key`: only what was asked with this text in it (None: everything)."""
        for asked in [one for one in self._kept if key is None or _mentions(one, key)]:
            kept = self._kept[asked]
            kept.shared_until = kept.fresh_until = 0.0
        for asked in [one for one in self._flights if key is None or _mentions(one, key)]:
            del self._flights[asked]  # those who wait get what they asked for; who comes now wants to know what is so now

    async def close(self) -> None:
        """Lets go of everything."""
        for flight in [*self._flights.values()]:
            flight.task.cancel()
        self._flights.clear()
        self._kept.clear()
        self._bytes = 0
        await self._credentials.close()
        await self.api.close()

    async def _revalidated(self, asked: Asked, kept: _Kept | None) -> Reply:
        began = self._now()
        etag = kept.etag if kept is not None and asked.method == "GET" else None
        reply = await self._sent(asked, {} if etag is None else {"if-none-match": etag})
        if reply.status == 304:  # noqa: PLR2004
            if kept is None:
                raise SourceUnavailable(self.source, "The source says that nothing changed, and never said what there is.")
            reply = Reply(kept.reply.status, dict(kept.reply.headers) | dict(reply.headers), kept.reply.value)
        flight = self._flights.get(asked)
        if flight is not None and flight.task is asyncio.current_task():  # else it was forgotten: what came may be from before a change
            self._keep(asked, reply, began, flight.kinds)
        return reply

    async def _sent(self, asked: Asked, headers: Mapping[str, str]) -> Reply:
        left = self._pause_until - self._now()
        if left > 0:
            raise SourceUnavailable(self.source, "The source asked for a pause.", retryAfterMs=int(left * 1000))
        who = await self._credentials.headers()
        try:
            return await self._request(asked, headers, who)
        except Paused as error:
            self._pause_until = self._now() + min(error.pause, self._longest_pause)
            raise
        except Refused as error:
            if error.status == 401 and await self._credentials.refused(who):  # noqa: PLR2004  # not known: nothing was done
                return await self._request(asked, headers, await self._credentials.headers())
            raise

    async def _request(self, asked: Asked, headers: Mapping[str, str], who: Mapping[str, str]) -> Reply:
        return await self.api.request(
            asked.method,
            asked.path,
            params=asked.params,
            headers={**dict(asked.headers), **headers, **who},
            json=None if asked.body is None else orjson.Fragment(asked.body),
        )

    def _keep(self, asked: Asked, reply: Reply, began: float, kinds: set[str]) -> None:
        old = self._kept.pop(asked, None)
        self._bytes -= 0 if old is None else old.size
        control = reply.headers.get("cache-control", "")
        etag = reply.headers.get("etag", "")
        age = _MAX_AGE.search(control)
        is_kept = _NO_STORE.search(control) is None and reply.status == 200  # noqa: PLR2004
        fresh = min(float(age[1]), self._most_fresh) if age is not None and is_kept else 0.0
        known = etag if is_kept and self._most_kept > 0 and _ETAG.fullmatch(etag) else None
        if known is None and fresh <= 0 and self._share <= 0:
            return
        size = len(orjson.dumps(reply.value))
        if size > LARGEST_KEPT:
            return
        self._kept[asked] = _Kept(reply, size, known, began + self._share, began + fresh, kinds)
        self._bytes += size
        while len(self._kept) > max(self._most_kept, 1) or self._bytes > MOST_BYTES:
            _, gone = self._kept.popitem(last=False)
            self._bytes -= gone.size

    def _landed(self, asked: Asked, task: asyncio.Task[Reply]) -> None:
        if not task.cancelled():
            task.exception()  # whoever waited has it; nobody may have
        self._drop_flight(asked, task)

    def _drop_flight(self, asked: Asked, task: asyncio.Task[Reply]) -> None:
        flight = self._flights.get(asked)
        if flight is not None and flight.task is task:
            del self._flights[asked]


def _mentions(asked: Asked, key: str) -> bool:
    return (
        key in unquote(asked.path)
        or any(key in value for _, value in asked.params)
        or (asked.body is not None and key.encode() in asked.body)
    )
