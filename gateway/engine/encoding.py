"""JSON as every transport writes it, and a response that is written already.

Owns the one encoder and the shape of a response whose bytes are shared by many. Must not know how a transport frames it. Called by
`engine.groups` and by the transports.
"""

from __future__ import annotations

from typing import Any

import orjson

__all__ = ["Encoded", "encode"]


class Encoded:
    """A response with `data`, as JSON: written once, whoever it is sent to."""

    __slots__ = ("_text", "body", "cursor")

    def __init__(self, body: bytes, cursor: str | None = None) -> None:
        """`cursor`: the one that the response shows of its live event, None: it shows none."""
        self.body = body
        self.cursor = cursor
        self._text: str | None = None

    @property
    def text(self) -> str:
        """The same as text, made once."""
        if self._text is None:
            self._text = self.body.decode()
        return self._text


def encode(value: Any) -> bytes:
    """JSON as every transport writes it: UTF-8, moments in UTC with a Z."""
    return value.body if isinstance(value, Encoded) else orjson.dumps(value, option=orjson.OPT_UTC_Z)
