"""By what names the gateway may be called: the `Host` of a request.

Owns the ASGI middleware that refuses foreign names with 400, where the operator listed the right ones. Addresses that say nothing of a person are
left out: probes ask for them by IP. What a proxy claims in `X-Forwarded-*` is read by nobody. Added by `app`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["AllowedHosts"]

_PROBED: Final = frozenset({"/healthz", "/readyz", "/metrics"})


class AllowedHosts:
    """ASGI middleware; without names every one is fine."""

    def __init__(self, app: ASGIApp, names: Sequence[str]) -> None:
        self._app = app
        self._guarded: ASGIApp = TrustedHostMiddleware(app, names, www_redirect=False) if names else app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or answer 400."""
        app = self._app if scope.get("path") in _PROBED else self._guarded
        await app(scope, receive, send)
