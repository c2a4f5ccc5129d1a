"""Stream cursors: a position in one stream as text a client can keep.

Owns the payload of a cursor and what it is bound to: the workspace and the stream, by its seal. Its epoch names the stream's history and the
incarnation of the very database that was read (see `incarnated` in the migrations), so that a cursor from before a failover or a restore is
recognised instead of silently pointing at other changes. Called by `live.feed` and resolvers.
"""

from __future__ import annotations

import struct
from uuid import UUID

from gateway.errors import CursorInvalid
from gateway.model.change import Position, StreamKey
from gateway.model.sealed import Sealer

__all__ = ["StreamCursors"]

_PAYLOAD = struct.Struct(">16sQ")


class StreamCursors:
    """Seals and opens positions."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer
        self._last: tuple[StreamKey, Position, str] | None = None
        """What was sealed last: the readers of a stream ask for the same, one after the other."""

    def encode(self, stream: StreamKey, position: Position) -> str:
        """The position as opaque text."""
        last = self._last
        if last is not None and last[1] == position and last[0] == stream:
            return last[2]
        text = self._sealer.seal(_purpose(stream), _PAYLOAD.pack(position.epoch.bytes, position.seq))
        self._last = stream, position, text
        return text

    def decode(self, stream: StreamKey, text: str) -> Position:
        """The position in a cursor of this stream, whether it is still one or not.

        Raises:
            CursorInvalid: forged, damaged, or made for another stream or workspace.
        """
        try:
            epoch, seq = _PAYLOAD.unpack(self._sealer.open(_purpose(stream), text))
        except struct.error:
            raise CursorInvalid from None
        return Position(UUID(bytes=epoch), seq)


def _purpose(stream: StreamKey) -> bytes:
    return b"stream" + stream.workspace_id.bytes + stream.stream_id.bytes
