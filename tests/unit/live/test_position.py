"""Stream cursors: bound to workspace and stream."""

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
    return StreamCursors(Sealer([b"s" * 32]))


def test_a_cursor_holds_its_position(cursors: StreamCursors) -> None:
    """What was sealed is read back: the number, and the epoch in which it counts."""
    assert cursors.decode(STREAM, cursors.encode(STREAM, HERE)) == HERE


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
