"""What a bell is: its channel, its words, and the one way in which every backend keeps what it hears.

Owns the grammar of messages and their border: what is not a list of our words is counted and forgotten here, whatever its size or encoding. What was
heard is kept as a set and not as a queue, so that memory is bounded however slowly it is taken. Backends (`bell_*`) build on `Bell`; `live.bus`
makes them, listens and rings.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from hashlib import blake2b

from broadcaster import BroadcastBackend, Event

from gateway.model.change import StreamKey
from gateway.observe import BELL_FOREIGN, BELL_OVERFLOWS

__all__ = ["CHANNEL", "EVERYTHING", "HEARTBEAT", "LOST", "MOST_KEYS", "Bell", "Heard", "ring_key"]

CHANNEL = "profile_gateway"
"""The one channel of every gateway."""
HEARTBEAT = "*"
"""Begins the word that says who rings: six random bytes of one process, in hex."""
EVERYTHING = "!"
"""Not sent, only handed on: too much was heard at once, look at every stream."""
LOST = "?"
"""Not sent, only handed on: the backend lost its connection, build a new one now instead of after the silence."""
MOST_KEYS = 100
"""Keys of one message: 1.7 kB, far below the 7 999 bytes of a NOTIFY."""

_WORD = r"(?:[0-9a-f]{16}|\*[0-9a-f]{12})"
_MESSAGE = re.compile(f"{_WORD}(?:,{_WORD})*", re.ASCII)
_LONGEST = 8000
_MOST_HEARD = 10_000
_MOST_BEATS = 1000
_GOODBYE = 0.25


def ring_key(stream: StreamKey) -> str:
    """A stream's name on the bus: a hash, so that the bus never carries an id. A collision costs one needless read."""
    return blake2b(stream.workspace_id.bytes + stream.stream_id.bytes, digest_size=8).hexdigest()


class Heard:
    """What a connection has heard since it was last asked. Putting never waits, and what is kept is bounded."""

    __slots__ = ("_beats", "_everything", "_keys", "_lost", "_most", "_news")

    def __init__(self, most: int = _MOST_HEARD) -> None:
        """`most` different keys are kept; with one more, "look at everything" stands for all of them."""
        self._most = most
        self._keys: set[str] = set()
        self._beats: set[str] = set()
        self._everything = False
        self._lost = False
        self._news = asyncio.Event()

    def __len__(self) -> int:
        """Words that are kept."""
        return len(self._keys) + len(self._beats) + self._everything + self._lost

    def put(self, message: str | bytes) -> None:
        """A message came in over the channel."""
        text = _ours(message)
        if text is None:
            BELL_FOREIGN.inc()
            return
        for word in text.split(","):
            if not word.startswith(HEARTBEAT):
                if not self._everything:
                    self._keys.add(word)
            elif len(self._beats) < _MOST_BEATS:
                self._beats.add(word)
        if len(self._keys) > self._most:
            self.overflow()
        self._news.set()

    def overflow(self) -> None:
        """More came than is kept, here or in the driver."""
        BELL_OVERFLOWS.inc()
        self._everything = True
        self._keys.clear()
        self._news.set()

    def lost(self) -> None:
        """The connection ended."""
        self._lost = True
        self._news.set()

    async def next(self) -> Event:
        """All that was heard, as one message; waits until there is something."""
        await self._news.wait()
        self._news.clear()
        words = [LOST] * self._lost + [EVERYTHING] * self._everything + [*self._beats, *self._keys]
        self._lost = self._everything = False
        self._beats.clear()
        self._keys.clear()
        return Event(CHANNEL, ",".join(words))


class Bell(BroadcastBackend):
    """A backend that hears the one channel from `connect` to `disconnect`; it lives once. Each kind says how it is opened and closed.

    Subscribing does not suspend and leaving does nothing: the package loses subscribers that join or leave while a backend does (two first
    ones at once, the last one out and the next one in).
    """

    def __init__(self) -> None:
        self.heard = Heard()
        self._over = False
        self._still = asyncio.Event()
        """Set while nobody is in the middle of `connect`."""
        self._still.set()

    async def connect(self) -> None:
        """Connect and hear the channel from then on.

        Raises:
            Exception: of the driver or the system; `disconnect` is still to be called.
        """
        self._still.clear()
        try:
            await self._open()
        finally:
            if self._over:
                await self._close()
            self._still.set()
        if self._over:  # given up meanwhile, and the driver has swallowed the cancellation
            raise ConnectionError("given up")

    async def disconnect(self) -> None:
        """End it, also in the middle of `connect`, without waiting long for a server that does not answer."""
        self._over = True
        with contextlib.suppress(TimeoutError):  # drivers leave things behind that are closed while they open them
            async with asyncio.timeout(_GOODBYE):
                await self._still.wait()
        await self._close()

    async def _open(self) -> None:
        raise NotImplementedError

    async def _close(self) -> None:
        """Close whatever is open, perhaps nothing."""
        raise NotImplementedError

    async def subscribe(self, group: str) -> None:
        """Nothing: `connect` listens already."""

    async def unsubscribe(self, group: str) -> None:
        """Nothing: `disconnect` ends it."""

    async def next_published(self) -> Event:
        """What was heard since the last time."""
        return await self.heard.next()


def _ours(message: str | bytes) -> str | None:
    if len(message) > _LONGEST:
        return None
    if isinstance(message, str):
        text = message
    else:
        try:
            text = message.decode("ascii")
        except UnicodeDecodeError:
            return None
    return text if _MESSAGE.fullmatch(text) else None
