"""uvicorn's WebSocket protocol, bounded: what one connection costs in memory, and how much work it can make before anybody sees a message.

Owns the frame rate, the number of pieces a message may come in, and what is let go of once the handshake is over. Must not know GraphQL: whole
messages are the business of `protocol`. uvicorn makes one per WebSocket; `server` names this class.

Why here: fragments, empty fragments and WebSocket pings never become messages, so nothing above could count them; and one read of 256 KB holds
up to 40 000 frames, which must not be parsed in one go.
"""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING, Any, ClassVar, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import Protocol, State

if TYPE_CHECKING:
    from uvicorn._types import ASGIReceiveEvent, ASGISendEvent
    from websockets.frames import Frame

__all__ = ["Wire"]

_PIECES: Final = 256
"""Frames of one message."""
_SLICE: Final = 2_048
"""Bytes that are parsed between two looks at the budget: at most 340 frames, a few milliseconds."""
_AFTER_CLOSE: Final = 64 * 1024
"""Bytes that are still read after our close frame, in search of the client's; who goes on sending is cut off."""
_POLICY_VIOLATION: Final = 1008
_TEXT: Final = 0x81
"""First byte of a text frame that is a whole message (RFC 6455, 5.2)."""
_SHORT: Final = 126
"""Bytes from which the length stands behind the second byte: in two bytes below `_LONG`, then in eight."""
_LONG: Final = 1 << 16
_HEAD: Final = struct.Struct("!BB")
_HEAD_SHORT: Final = struct.Struct("!BBH")
_HEAD_LONG: Final = struct.Struct("!BBQ")


class Wire(WebSocketsSansIOProtocol):
    """One WebSocket connection as uvicorn sees it."""

    frames_per_second: ClassVar[float] = 200.0
    """Ten times the rate of messages (`Limits.messages_per_second`): a message may come in pieces, and pings may come between."""
    burst: ClassVar[int] = 1_000

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.queue = _Inbox()  # type: ignore[assignment]  # asyncio's queue and event are five deques of 624 bytes
        self.writable = _Gate()  # type: ignore[assignment]
        self._frames_left = float(self.burst)
        self._counted_at = self.loop.time()
        self._late = 0
        self._read_ahead = False

    def data_received(self, data: bytes) -> None:
        """Parse in slices, for as long as the budget lasts."""
        if self.close_sent:
            self._late += len(data)
            if self._late > _AFTER_CLOSE:
                self.transport.abort()
                return
        self._read_ahead |= self.handshake_initiated and not self.handshake_complete
        for start in range(0, len(data), _SLICE):
            super().data_received(data[start : start + _SLICE])
            if self.transport.is_closing():
                return

    def handle_events(self) -> None:
        """Count what was parsed, then let it be handled."""
        if self.handshake_initiated and not self.close_sent and not self._afford(len(self.conn.events)):
            self._refuse()
            return
        super().handle_events()

    def handle_cont(self, event: Frame) -> None:
        """One more piece of a message."""
        if len(self.frames) >= _PIECES:
            self._refuse()
            return
        super().handle_cont(event)

    async def send(self, message: ASGISendEvent) -> None:
        """Send; once the handshake is over, forget it."""
        if message["type"] == "websocket.send" and self._sent(message.get("text")):
            return
        await super().send(message)
        if message["type"] == "websocket.accept" and self.handshake_complete:
            del self.request, self.response, self.scope
            if not self._read_ahead:  # else it stands in the middle of a frame
                # The handshake's parser holds the request for as long as it lives.
                self.conn.parser = Protocol.parse(self.conn)
                next(self.conn.parser)

    def _sent(self, text: str | None) -> bool:
        """Write one text as one frame, which is most of what is ever sent; False: it takes more than that, and was not begun."""
        conn = self.conn
        if text is None or not self.handshake_complete or self.close_sent or self.disconnected or not self.writable.is_set():
            return False
        if conn.state is not State.OPEN or conn.extensions or conn.writes or conn.expect_continuation_frame:
            return False
        data = text.encode()
        length = len(data)
        if length < _SHORT:
            head = _HEAD.pack(_TEXT, length)
        elif length < _LONG:
            head = _HEAD_SHORT.pack(_TEXT, _SHORT, length)
        else:
            head = _HEAD_LONG.pack(_TEXT, _SHORT + 1, length)
        self.transport.write(head + data)
        return True

    def _afford(self, frames: int) -> bool:
        now = self.loop.time()
        self._frames_left = min(self.burst, self._frames_left + (now - self._counted_at) * self.frames_per_second) - frames
        self._counted_at = now
        return self._frames_left >= 0

    def _refuse(self) -> None:
        """Close with 1008, and read no more than what may be the client's close frame."""
        if self.close_sent:
            return
        self.conn.events.clear()
        self.frames = []
        self.queue.put_nowait({"type": "websocket.disconnect", "code": _POLICY_VIOLATION})
        self.conn.send_close(_POLICY_VIOLATION, "Rate limit exceeded")
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.close_timer = self.loop.call_later(self.close_timeout, self.transport.close)
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()


class _Inbox:
    """As much of `asyncio.Queue` as uvicorn uses."""

    __slots__ = ("_items", "_waiter")

    def __init__(self) -> None:
        self._items: list[ASGIReceiveEvent] = []
        self._waiter: asyncio.Future[None] | None = None

    def put_nowait(self, item: ASGIReceiveEvent) -> None:
        self._items.append(item)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def empty(self) -> bool:
        return not self._items

    async def get(self) -> ASGIReceiveEvent:
        while not self._items:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._items.pop(0)


class _Gate:
    """As much of `asyncio.Event` as uvicorn uses; open from the start."""

    __slots__ = ("_waiters",)

    def __init__(self) -> None:
        self._waiters: list[asyncio.Future[None]] | None = None
        """None: open."""

    def is_set(self) -> bool:
        return self._waiters is None

    def set(self) -> None:
        waiters, self._waiters = self._waiters, None
        for waiter in waiters or ():
            if not waiter.done():
                waiter.set_result(None)

    def clear(self) -> None:
        if self._waiters is None:
            self._waiters = []

    async def wait(self) -> None:
        if self._waiters is not None:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter
