"""What one WebSocket may take from the gateway: numbers, their units and their defaults.

Owns the shape; `protocol` enforces all but `send_timeout`, which is `connection`'s. Pure; `app` makes it, or leaves the defaults.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one socket may take; times in seconds."""

    init_timeout: float = 3.0
    """From accept to `connection_init`."""
    auth_timeout: float = 5.0
    """From accept to the acknowledgement, waiting for `connection_init` included."""
    max_frame: int = 64 * 1024
    """Bytes of UTF-8 of one message. The server's own limit should be the same, so that a larger one is never in memory."""
    operations: int = 50
    """Live operations; as many again may still be ending."""
    messages_per_second: float = 20.0
    burst: int = 50
    """Messages that may come at once; after that `messages_per_second`. As many again beyond it close the socket."""
    ping_interval: float = 20.0
    pong_timeout: float = 20.0
    """From our ping to any message from the client."""
    idle_timeout: float = 60.0
    """Without a live operation."""
    max_age: float = 12 * 3600.0
    """From accept to the end, give or take `age_spread`, so that what came together does not go together."""
    age_spread: float = 0.1
    """Of `max_age`, earlier or later."""
    farewell: float = 5.0
    """Before the end: streams say goodbye; when all have ended, so does the socket."""
    send_timeout: float = 10.0
    """For one message to be taken by the transport; a client that reads nothing for this long is dropped."""
