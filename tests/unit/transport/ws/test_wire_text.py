"""The short way of a text to the wire: the same bytes as the library's, or nothing at all."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from websockets.frames import Frame, Opcode
from websockets.protocol import State

from gateway.transport.ws.wire import Wire, _Gate

__all__: list[str] = []


def socket(**other: Any) -> Any:
    """As much of an open socket as the way looks at."""
    conn = SimpleNamespace(state=State.OPEN, extensions=[], writes=[], expect_continuation_frame=False)
    written: list[bytes] = []
    whole = {"conn": conn, "handshake_complete": True, "close_sent": False, "disconnected": False, "writable": _Gate(), "written": written}
    return SimpleNamespace(**{**whole, "transport": SimpleNamespace(write=written.append), **other})


@pytest.mark.parametrize("length", [0, 125, 126, 65_535, 65_536])
@pytest.mark.parametrize("sign", ["a", "é"])
def test_a_text_is_one_whole_frame(length: int, sign: str) -> None:
    """Byte for byte what the library writes, at every border of the length."""
    text = sign * length
    one = socket()
    assert Wire._sent(one, text)
    assert one.written == [Frame(Opcode.TEXT, text.encode()).serialize(mask=False)]


@pytest.mark.parametrize(
    "other",
    [
        {"handshake_complete": False},
        {"close_sent": True},
        {"disconnected": True},
        {"conn": SimpleNamespace(state=State.CLOSING, extensions=[], writes=[], expect_continuation_frame=False)},
        {"conn": SimpleNamespace(state=State.OPEN, extensions=["deflate"], writes=[], expect_continuation_frame=False)},
        {"conn": SimpleNamespace(state=State.OPEN, extensions=[], writes=[b"pong"], expect_continuation_frame=False)},
        {"conn": SimpleNamespace(state=State.OPEN, extensions=[], writes=[], expect_continuation_frame=True)},
    ],
    ids=["before the handshake", "after our close", "gone", "closing", "compressed", "behind others", "within a message"],
)
def test_whatever_takes_more_is_left_to_the_library(other: dict[str, Any]) -> None:
    """Nothing is written then."""
    one = socket(**other)
    assert not Wire._sent(one, "x")
    assert one.written == []


def test_a_full_buffer_takes_nothing() -> None:
    """Back-pressure is the library's way."""
    one = socket()
    one.writable.clear()
    assert not Wire._sent(one, "x")
    assert one.written == []
