"""Timeline cursors: a place in the total order as text a client can keep.

Owns the payload (microseconds since 1970 as a signed 64-bit integer, the source key, NUL, the source's own id) and what it is bound to: the
workspace. A place means the same in every profile's timeline, under every filter and in both orders. Must not ask whether an item is
there: a place outlives its item. Called by resolvers.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from struct import Struct
from uuid import UUID

from gateway.errors import CursorInvalid
from gateway.model.activity import Place, TimelineItem
from gateway.model.sealed import Sealer

__all__ = ["decode", "encode", "encoding"]

_MOMENT = Struct(">q")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def encode(sealer: Sealer, workspace: UUID, place: Place) -> str:
    """The place as opaque text."""
    return sealer.seal(_purpose(workspace), _payload(place.occurred_at, place.source, place.id))


def encoding(sealer: Sealer, workspace: UUID) -> Callable[[TimelineItem], str]:
    """A function from an item to its place as opaque text, for the many items of a page."""
    seal, pack, epoch = sealer.sealing(_purpose(workspace)), _MOMENT.pack, _EPOCH

    def text(item: TimelineItem) -> str:  # `_payload` of its place, written out
        since = item.occurred_at - epoch
        moment = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
        return seal(pack(moment) + f"{item.source.key}\0{item.native_id}".encode())

    return text


def _payload(at: datetime, source: str, native_id: str) -> bytes:
    since = at - _EPOCH
    moment = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return _MOMENT.pack(moment) + f"{source}\0{native_id}".encode()


def decode(sealer: Sealer, workspace: UUID, text: str) -> Place:
    """The place in a timeline cursor of this workspace.

    Raises:
        CursorInvalid: forged, damaged, or made for another workspace or for something else than a timeline.
    """
    payload = sealer.open(_purpose(workspace), text)
    source, separator, native_id = payload[_MOMENT.size :].partition(b"\x00")
    if not separator:
        raise CursorInvalid
    try:
        return Place(_EPOCH + _MOMENT.unpack_from(payload)[0] * _MICROSECOND, source.decode(), native_id.decode())
    except (OverflowError, UnicodeDecodeError):
        raise CursorInvalid from None


def _purpose(workspace: UUID) -> bytes:
    return b"timeline" + workspace.bytes
