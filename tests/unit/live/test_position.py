"""Stream cursors: bound to workspace, stream, epoch and database."""

from __future__ import annotations

from uuid import uuid4

import pytest

from gateway.errors import CursorInvalid
from gateway.live.position import StreamCursors
from gateway.model.change import Position, StreamKey
from gateway.model.sealed import Sealer

STREAM = StreamKey(uuid4(), uuid4())
HERE = Position(uuid4(), 41)


@pytest.fixture(name="cursors")
def _cursors() -> StreamCursors:
    return StreamCursors(Sealer([b"s" * 32]), (7_000_000_000_000_000_001, 1))


def test_a_cursor_holds_its_position(cursors: StreamCursors) -> None:
    """What was sealed is read back, and its epoch is the stream's."""
    epoch, seq = cursors.decode(STREAM, cursors.encode(STREAM, HERE))

    assert seq == 41
    assert cursors.is_current(epoch, HERE)


def test_another_epoch_is_recognised(cursors: StreamCursors) -> None:
    """A stream that began anew is not the stream the cursor is of."""
    epoch, _ = cursors.decode(STREAM, cursors.encode(STREAM, HERE))

    assert not cursors.is_current(epoch, Position(uuid4(), 41))


@pytest.mark.parametrize("incarnation", [(7_000_000_000_000_000_001, 2), (-5, 1)])
def test_another_incarnation_of_the_database_is_recognised(cursors: StreamCursors, incarnation: tuple[int, int]) -> None:
    """After a failover (another timeline) or a restore elsewhere (another system) the same row is another history."""
    epoch, _ = cursors.decode(STREAM, cursors.encode(STREAM, HERE))
    cursors.incarnation = incarnation

    assert not cursors.is_current(epoch, HERE)


@pytest.mark.parametrize("other", [StreamKey(STREAM.workspace_id, uuid4()), StreamKey(uuid4(), STREAM.stream_id)])
def test_a_cursor_of_another_stream_or_workspace_is_invalid(cursors: StreamCursors, other: StreamKey) -> None:
    """A cursor opens for its own stream only."""
    with pytest.raises(CursorInvalid):
        cursors.decode(other, cursors.encode(STREAM, HERE))


@pytest.mark.parametrize("text", ["", "x", "é", "AcjF", "A" * 400, "\x00"])
def test_what_is_no_cursor_is_invalid(cursors: StreamCursors, text: str) -> None:
    """Any other text is refused the same way."""
    with pytest.raises(CursorInvalid):
        cursors.decode(STREAM, text)
