"""The HTTP client with what REST APIs need besides: a refusal that says "later", and credentials, also such as end.

Owns `Paused` and how the gateway says who it is to an API; secrets are read when the source is made and are in no message. Built on
`gateway.sources.http`, whose bounds and rules hold for all of it. Called by `rest_exchange`.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, Protocol

import httpcore2

from gateway.errors import ConfigurationError, SourceUnavailable
from gateway.sources.adapters.rest_options import Auth, OAuth2
from gateway.sources.adapters.rest_plan import checked
from gateway.sources.addresses import checked_headers
from gateway.sources.conversions import UNREADABLE, to_number
from gateway.sources.definition import Secret
from gateway.sources.http import Refused, Reply, Upstream

__all__ = ["Api", "Credentials", "Paused", "Tokens", "credentials_of", "pause_of"]

_LATER: Final = frozenset({429, 503})
_LONGEST_TOKEN: Final = 8192
_EARLY: Final = 30.0
"""Seconds before its end that a token is replaced."""
_LONGEST_PAUSE: Final = 3600.0


class Paused(Refused):
    """It answered 429 or 503 and said for how many seconds it wants to be left alone."""

    def __init__(self, source: str, status: int, pause: float) -> None:
        super().__init__(source, status)
        self.extensions["retryAfterMs"] = int(pause * 1000)
        self.pause = pause


def pause_of(header: str | None, now: float) -> float | None:
    """Seconds that `Retry-After` names, as a number or a date; `now`: seconds since 1970."""
    if header is None:
        return None
    text = header.strip()[:40]
    number = to_number(text)
    if number is not UNREADABLE:
        return float(min(max(0.0, number), _LONGEST_PAUSE))
    try:
        moment = parsedate_to_datetime(text)
        return min(max(0.0, (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now), _LONGEST_PAUSE)
    except (ValueError, TypeError, OverflowError):
        return None


class Api(Upstream):
    """An upstream that hears "later"."""

    async def _read(self, response: httpcore2.Response) -> Reply:
        try:
            return await super()._read(response)
        except Refused as error:
            after = next((value.decode("latin-1") for name, value in response.headers if name.lower() == b"retry-after"), None)
            pause = pause_of(after, datetime.now(UTC).timestamp()) if error.status in _LATER else None
            if pause is None:
                raise
            raise Paused(self.source, error.status, pause) from None


class Credentials(Protocol):
    """Who the gateway is, as headers."""

    async def headers(self) -> Mapping[str, str]:
        """What is sent with a request."""

    async def refused(self, sent: Mapping[str, str]) -> bool:
        """The API did not take these; whether others may be had."""

    async def close(self) -> None:
        """Lets go of connections."""


class Static:
    """Credentials that do not change while the gateway runs."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    async def headers(self) -> Mapping[str, str]:
        """The same, always."""
        return self._headers

    async def refused(self, sent: Mapping[str, str]) -> bool:
        """There are no others."""
        return False

    async def close(self) -> None:
        """Nothing to let go of."""


def credentials_of(auth: Auth, where: str, source: str, *, allow_private: bool, ca_file: str | None, deadline: float) -> Credentials:
    """What `auth` names; none: nothing is sent.

    Raises:
        ConfigurationError: more than one is named, or a secret is not there; the message begins with `where`.
    """
    named = [name for name in ("bearer", "basic", "header", "oauth2") if getattr(auth, name) is not None]
    if len(named) > 1:
        raise ConfigurationError(f"{where}: names {' and '.join(named)}; one of them is used")
    if auth.oauth2 is not None:
        return Tokens(auth.oauth2, f"{where}.oauth2", source, allow_private=allow_private, ca_file=ca_file, deadline=deadline)
    headers: dict[str, str] = {}
    if auth.bearer is not None:
        headers["authorization"] = f"Bearer {revealed(auth.bearer, f'{where}.bearer')}"
    elif auth.basic is not None:
        user = auth.basic.user if isinstance(auth.basic.user, str) else revealed(auth.basic.user, f"{where}.basic.user")
        password = "" if auth.basic.password is None else revealed(auth.basic.password, f"{where}.basic.password")
        headers["authorization"] = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    elif auth.header is not None:
        headers[auth.header.name] = auth.header.prefix + revealed(auth.header.value, f"{where}.header.value")
    return Static(checked(where, checked_headers, headers))


def revealed(secret: Secret, where: str) -> str:
    """The secret; what is wrong with it is said to stand at `where`."""
    return str(checked(where, Secret.reveal, secret))


class Tokens:
    """OAuth 2 client credentials: one token at a time, asked for by one of those who need it.

    Raises:
        ConfigurationError: the token's URL cannot be used, or the secret is not there; the message begins with `where`.
    """

    def __init__(self, oauth: OAuth2, where: str, source: str, *, allow_private: bool, ca_file: str | None, deadline: float) -> None:
        self._api = checked(
            f"{where}.token_url",
            lambda url: Upstream(url, source=source, allow_private=allow_private, deadline=deadline, verify=ca_file, max_bytes=65536),
            oauth.token_url,
        )
        self._form = {"grant_type": "client_credentials", "client_id": oauth.client_id} | oauth.params
        self._form |= {} if oauth.scope is None else {"scope": oauth.scope}
        self._secret = revealed(oauth.client_secret, f"{where}.client_secret")
        self._source = source
        self._lock = asyncio.Lock()
        self._headers: dict[str, str] = {}
        self._until = 0.0

    async def headers(self) -> Mapping[str, str]:
        """The token as a header; asks for one when there is none that lasts.

        Raises:
            SourceError: none is to be had.
        """
        async with self._lock:
            if time.monotonic() >= self._until:
                await self._renew()
            return self._headers

    async def _renew(self) -> None:
        reply = await self._api.request("POST", "", form=self._form | {"client_secret": self._secret})
        given = reply.value if reply.status == 200 and isinstance(reply.value, dict) else {}  # noqa: PLR2004
        token, seconds = given.get("access_token"), to_number(given.get("expires_in", 300))
        if not isinstance(token, str) or len(token) > _LONGEST_TOKEN or str(given.get("token_type", "bearer")).lower() != "bearer":
            raise SourceUnavailable(self._source, "The source's token endpoint gave no token.")
        try:
            self._headers = checked_headers({"authorization": f"Bearer {token}"})
        except ConfigurationError:
            raise SourceUnavailable(self._source, "The source's token endpoint gave no token.") from None
        lasts = 300.0 if seconds is UNREADABLE else float(seconds)
        self._until = time.monotonic() + max(lasts - _EARLY, lasts / 2)

    async def refused(self, sent: Mapping[str, str]) -> bool:
        """A token that is refused before its time is replaced, once for all who used it."""
        if dict(sent) == self._headers:
            self._until = 0.0
        return True

    async def close(self) -> None:
        """Lets go of connections."""
        await self._api.close()
