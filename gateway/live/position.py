"""Stream cursors: a position in one stream as text a client can keep.

Owns the payload of a cursor and what it is bound to: the workspace and the stream (by its seal) and the incarnation of the database, so that a
cursor from before a failover or a restore is recognised instead of silently pointing at other changes. Called by `live.feed` and resolvers.
"""

from __future__ import annotations

import struct
from hashlib import blake2b
from uuid import UUID

from gateway.errors import CursorInvalid
from gateway.model.change import Position, StreamKey
from gateway.model.sealed import Sealer

__all__ = ["StreamCursors"]

_PAYLOAD = struct.Struct(">16sQ")


class StreamCursors:
    """Seals and opens positions. `incarnation` is (system identifier, timeline) of the database and is set again after each reconnect."""

    def __init__(self, sealer: Sealer, incarnation: tuple[int, int]) -> None:
        self._sealer = sealer
        self.incarnation = incarnation

    def encode(self, stream: StreamKey, position: Position) -> str:
        """The position as opaque text."""
        return self._sealer.seal(_purpose(stream), _PAYLOAD.pack(self._blend(position.epoch), position.seq))

    def decode(self, stream: StreamKey, text: str) -> tuple[bytes, int]:
        """The blended epoch and the seq in a cursor of this stream; compare the epoch with `blend`.

        Raises:
            CursorInvalid: forged, damaged, or made for another stream or workspace.
        """
        try:
            epoch, seq = _PAYLOAD.unpack(self._sealer.open(_purpose(stream), text))
        except struct.error:
            raise CursorInvalid from None
        return epoch, seq

    def is_current(self, epoch: bytes, position: Position) -> bool:
        """Whether a cursor's epoch is the stream's present one, in this incarnation of the database."""
        return epoch == self._blend(position.epoch)

    def _blend(self, epoch: UUID) -> bytes:
        system, timeline = self.incarnation
        return blake2b(epoch.bytes + system.to_bytes(8, signed=True) + timeline.to_bytes(8), digest_size=16).digest()


def _purpose(stream: StreamKey) -> bytes:
    return b"stream" + stream.workspace_id.bytes + stream.stream_id.bytes
