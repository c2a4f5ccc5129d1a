"""Which pages may open a WebSocket: the `Origin` check of the upgrade.

Owns the comparison of origins. A browser sends `Origin` with every WebSocket and a page cannot forge it; other clients send none and are
let through, because credentials travel in `connection_init` alone. Pure; called by `endpoint` before it accepts.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from urllib.parse import urlsplit

__all__ = ["OriginPolicy"]

_DEFAULT_PORTS = {"http": 80, "https": 443}


class OriginPolicy:
    """Same-origin pages and those on the list."""

    def __init__(self, allowed: Collection[str]) -> None:
        """`allowed`: whole origins such as `https://desk.example.com`, compared in full: no wildcards, no sub-domains."""
        self._exact = frozenset(allowed) - {"null"}
        self._allowed = frozenset(found for origin in allowed if (found := _split(origin)) is not None)

    def permits(self, origins: Sequence[str], hosts: Sequence[str]) -> bool:
        """`origins` and `hosts`: every `Origin` and `Host` header of the request. `null` (a sandboxed page) is nobody's origin."""
        if not origins:
            return True
        if len(origins) > 1:
            return False
        origin = _split(origins[0])
        if origin is None:
            return origins[0] in self._exact  # other schemes, e.g. a browser extension's
        # A proxy in front may speak TLS for us, so the page's scheme is taken for ours.
        return origin in self._allowed or (len(hosts) == 1 and origin == _split(f"{origin[0]}://{hosts[0]}"))


def _split(origin: str) -> tuple[str, str, int] | None:
    """Scheme, host and port in one spelling; None for anything but a plain http or https origin."""
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or "@" in parts.netloc or parts.path or "?" in origin or "#" in origin:
        return None
    return parts.scheme, parts.hostname, _DEFAULT_PORTS[parts.scheme] if port is None else port
