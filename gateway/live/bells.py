"""Which bell a setting names.

Owns the choice among the backends of `live.bus`, and what to say when its package or its address is wrong. Called by `app`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module

from broadcaster import BroadcastBackend

from gateway.errors import ConfigurationError
from gateway.live.bell_memory import MemoryBell
from gateway.live.bell_postgres import PostgresBell
from gateway.storage.database import Database

__all__ = ["bell_for"]

_EXTRAS = {
    "valkey": ("valkey", "ValkeyBell"),
    "valkeys": ("valkey", "ValkeyBell"),
    "redis": ("valkey", "ValkeyBell"),
    "rediss": ("valkey", "ValkeyBell"),
    "nats": ("nats", "NatsBell"),
    "tls": ("nats", "NatsBell"),
}


def bell_for(setting: str, database: Database) -> Callable[[], BroadcastBackend]:
    """What makes the backend that GATEWAY_BUS names, anew after each failure. Nothing is opened yet.

    Raises:
        ConfigurationError: its package is not installed, or the address cannot be read; the message never repeats the address.
    """
    if setting == "memory":
        return MemoryBell
    if setting == "postgres":
        return partial(PostgresBell, database)
    extra, name = _EXTRAS[setting.partition("://")[0]]
    try:
        bell = getattr(import_module(f"gateway.live.bell_{extra}"), name)
    except ImportError as error:
        raise ConfigurationError(f"GATEWAY_BUS needs a package that is not installed: pip install 'profile-gateway[{extra}]'") from error
    try:
        bell(setting)
    except ValueError as error:
        raise ConfigurationError(f"GATEWAY_BUS cannot be read: {error}") from error
    return partial(bell, setting)
