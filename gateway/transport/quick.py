"""What the server and the application tell each other beside ASGI, under these names in a scope's `extensions`.

Owns the names, nothing else. All of it may be missing, and then everything goes as ASGI has it: whoever uses one of them has the long way too.
Set by `http_connection`, for a request that is there as a whole and whose head it has seen before; used by `shortcut` and `http.endpoint`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

__all__ = ["BODY", "KEPT", "WHOLE", "Whole"]

KEPT: Final = "gateway.kept"
"""A `dict[object, Any]` that comes with every request of this connection with the same method, path, query and headers, byte for byte. Whoever
looks at these may keep there what it found, under itself; never what depends on anything else, such as the time or who is known."""
BODY: Final = "gateway.body"
"""The body, as bytes: no more will come, and `receive` has the same."""
WHOLE: Final = "gateway.whole"
"""Sends a response at once instead of by two messages."""

Whole: TypeAlias = Callable[[int, bytes, bytes], bool]
"""Status, header lines, body. The lines end with CR LF each, and are written as they are; `date`, `content-length` and what concerns the connection
are not among them. False: nothing was sent; use `send`. Whoever has something to say to each message of an answer takes this out."""
