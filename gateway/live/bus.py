"""The bus between processes: "something changed in these streams, look for yourselves".

Owns coalescing, the heartbeat, and the rebuild after a loss or a silence; one way of healing for every backend. A ring is best effort and carries no
content: a lost one costs the poll interval, never data. Nothing here waits for a server without an end, and nothing fails a caller. The package
`broadcaster` (unmaintained, exact pin) is subscribed once per process to one fixed channel. Called by commands (ring) and `live.hub` (listen).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import re
from collections.abc import Callable, Iterable
from typing import Any

import structlog
from broadcaster import Broadcast, BroadcastBackend

from gateway.live.bell import CHANNEL, EVERYTHING, HEARTBEAT, LOST, MOST_KEYS, ring_key
from gateway.live.bell_memory import MemoryBell
from gateway.model.change import StreamKey
from gateway.observe import BELL_HEALTHY, BELL_REBUILDS, BELL_RINGS, BELL_RINGS_LOST

__all__ = ["CHANNEL", "Bus", "ring_key"]

_FIRST_RETRY = 0.1
_SAY_AGAIN = 60.0
"""Seconds between two log lines of the same cause."""

log = structlog.get_logger()


class Bus:
    """Rings other processes and hears them ring. Start it once; it heals itself until it is stopped."""

    def __init__(
        self,
        backend: Callable[[], BroadcastBackend] | None = None,
        *,
        coalesce: float = 0.005,
        heartbeat: float = 5.0,
        silence: float = 10.0,
        patience: float = 1.0,
        connect: float = 3.0,
        retry: float = 2.0,
    ) -> None:
        """`backend` makes one (None: in-process).

        All in seconds: rings are gathered for `coalesce`; after `silence` without our own heartbeat the connection is built anew; sending one message
        may take `patience` and connecting may take `connect`; between attempts lie `retry` at most.
        """
        self._backend = backend or MemoryBell
        self._coalesce = coalesce
        self._heartbeat = heartbeat
        self._silence = silence
        self._patience = patience
        self._connect = connect
        self._retry = retry
        self._on_ring: Callable[[Iterable[str] | None], None] = lambda _: None
        self._pending: set[str] = set()
        self._due = asyncio.Event()
        self._beat = HEARTBEAT + os.urandom(6).hex()
        self._beat_at = 0.0
        self._silent_at = 0.0
        self._healthy = False
        self._healthy_since = 0.0
        self._delay = _FIRST_RETRY
        self._settled = asyncio.Event()
        self._broadcast: Broadcast | None = None
        self._sending: asyncio.Task[None] | None = None
        self._left: set[asyncio.Task[Any]] = set()
        self._leaving: set[asyncio.Task[None]] = set()
        self._said: dict[tuple[str, str], float] = {}
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def healthy(self) -> bool:
        """Whether our own heartbeat came back lately; when not, polling alone delivers."""
        return self._healthy

    async def start(self, on_ring: Callable[[Iterable[str] | None], None], *, wait: float = 2.0) -> None:
        """Listen; `on_ring` gets the keys that were rung, or None for "all of them". Waits up to `wait` seconds for the first heartbeat,
        no longer than the first attempt fails, then goes on without: a gateway whose bell is dead still polls.
        """
        self._on_ring = on_ring
        self._tasks = [asyncio.create_task(work, name=name) for name, work in (("bus-listen", self._listen()), ("bus-ring", self._ring()))]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._settled.wait()

    async def stop(self) -> None:
        """Stop listening and ringing."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*self._leaving)
        self._note(healthy=False)

    def ring(self, streams: Iterable[StreamKey]) -> None:
        """Ring for these streams, soon; never blocks and never fails."""
        self._pending.update(map(ring_key, streams))
        self._due.set()

    async def _ring(self) -> None:
        loop = asyncio.get_running_loop()
        self._beat_at = loop.time() + self._heartbeat
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(self._beat_at):
                    await self._due.wait()
            if self._due.is_set():
                await asyncio.sleep(self._coalesce)  # a batch of changes rings once
            self._due.clear()
            keys, self._pending = list(self._pending), set()
            told = not self._healthy
            if keys and told:
                self._tell(keys)  # nobody brings our own rings back to us: wake those who listen here
            messages = [",".join(keys[start : start + MOST_KEYS]) for start in range(0, len(keys), MOST_KEYS)]
            if loop.time() >= self._beat_at:
                self._beat_at = loop.time() + self._heartbeat
                messages.insert(0, self._beat)
            for sent, message in enumerate(messages):
                if not await self._send(message):  # the rest would only delay the next ones
                    BELL_RINGS_LOST.inc(len(messages) - sent)
                    if keys and not told:
                        self._tell(keys)
                    break

    async def _send(self, message: str) -> bool:
        if self._broadcast is None or (self._sending is not None and not self._sending.done()):
            return False  # never two at once: what hangs holds one connection, not the pool
        self._sending = asyncio.create_task(self._broadcast.publish(CHANNEL, message))
        try:
            await self._within(self._patience, self._sending)
        except Exception as error:  # noqa: BLE001  # whatever a backend raises: the poll delivers
            if self._is_news("bell.ring_failed", error):
                log.warning("bell.ring_failed", error=type(error).__name__, detail=_without_password(error))
            return False
        BELL_RINGS.inc()
        return True

    async def _listen(self) -> None:
        while True:
            try:
                await self._live()
            except Exception as error:  # noqa: BLE001  # a backend may fail in any way; it is built anew
                if self._is_news("bell.lost", error):
                    log.warning("bell.lost", error=type(error).__name__, detail=_without_password(error))
            BELL_REBUILDS.inc()
            self._settled.set()
            await asyncio.sleep(self._delay * random.uniform(0.75, 1.25))  # noqa: S311  # not all processes at once
            self._delay = min(self._delay * 2, self._retry)

    async def _live(self) -> None:
        """The life of one backend, from the making to the loss."""
        backend = self._backend()
        broadcast = Broadcast(backend=backend)
        try:
            await self._within(self._connect, asyncio.create_task(broadcast.connect()))
            await self._hear_until_lost(broadcast)
        finally:
            self._broadcast = None
            if self._healthy and asyncio.get_running_loop().time() - self._healthy_since > self._retry:
                self._delay = _FIRST_RETRY  # it was no short-lived one
            self._note(healthy=False)
            leaving = asyncio.create_task(self._leave(broadcast, backend))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)
            await asyncio.shield(leaving)  # `stop` may come right now, and waits for it

    async def _leave(self, broadcast: Broadcast, backend: BroadcastBackend) -> None:
        for leave in (broadcast.disconnect, backend.disconnect):  # the first fails when it never got as far as to listen
            with contextlib.suppress(Exception):
                await self._within(self._patience, asyncio.create_task(leave()))

    async def _hear_until_lost(self, broadcast: Broadcast) -> None:
        async with broadcast.subscribe(CHANNEL) as events:
            self._broadcast = broadcast
            self._silent_at = asyncio.get_running_loop().time() + self._silence
            self._beat_at = 0.0
            self._due.set()  # our heartbeat, at once
            self._tell(None)  # whatever was rung before we could hear
            while True:
                try:
                    async with asyncio.timeout_at(self._silent_at):
                        event = await events.get()
                except TimeoutError:
                    raise TimeoutError("our own heartbeat does not come back") from None
                self._hear(event.message.split(","))

    def _hear(self, words: list[str]) -> None:
        if LOST in words:
            raise ConnectionError("the connection was lost")
        everything = EVERYTHING in words
        if self._beat in words:
            self._note(healthy=True)
            self._settled.set()
        if everything or self._beat in words:  # more than can be heard is no silence either
            self._silent_at = asyncio.get_running_loop().time() + self._silence
        keys = None if everything else [word for word in words if not word.startswith(HEARTBEAT)]
        if keys is None or keys:
            self._tell(keys)

    def _tell(self, keys: Iterable[str] | None) -> None:
        try:
            self._on_ring(keys)
        except Exception as error:  # a listener's bug must not end the bell
            log.exception("bell.not_told", error=type(error).__name__)

    def _note(self, *, healthy: bool) -> None:
        if healthy and not self._healthy:
            self._healthy_since = asyncio.get_running_loop().time()
            if self._said and self._is_news("bell.back"):
                log.info("bell.back")
        self._healthy = healthy
        BELL_HEALTHY.set(healthy)

    def _is_news(self, event: str, error: Exception | None = None) -> bool:
        """Whether to log it: each cause once a minute."""
        now, cause = asyncio.get_running_loop().time(), (event, type(error).__name__)
        news = now - self._said.get(cause, -_SAY_AGAIN) >= _SAY_AGAIN
        if news:
            self._said[cause] = now
        return news

    async def _within(self, seconds: float, task: asyncio.Task[Any]) -> None:
        """Wait for it, but no longer: a driver may not even end when it is cancelled (asyncpg, while the server is frozen)."""
        try:
            done, _ = await asyncio.wait({task}, timeout=seconds)
            if not done:
                raise TimeoutError(f"no answer within {seconds:g} s")
            task.result()
        finally:
            if task.done():
                self._forget(task)  # also when we are cancelled in the moment in which it fails
            else:
                task.cancel()
                self._left.add(task)
                task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._left.discard(task)
        if not task.cancelled():
            task.exception()  # seen: it is nobody's any more


def _without_password(error: Exception) -> str:
    return re.sub(r"//\S*@", "//", str(error))[:200]
