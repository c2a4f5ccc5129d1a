"""The client for systems that are asked over HTTP, built for servers that are broken or hostile.

Owns connections to one upstream: they go to an address that was looked at (`addresses`), the whole exchange has one deadline, what comes is read
within bounds (`reading`), and it must be JSON. Redirects are not followed, cookies are not kept, proxies and credentials of the environment are not
used, and only the headers that the source was configured with are sent: what a caller of the gateway sent is not known here. Used by the adapters.

Built on httpcore2, the transport inside httpx2: what httpx2 adds (redirects, cookies, environment, decoding without bounds) would all have to be
switched off, and its transport takes no resolver of ours.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote, urlencode

import httpcore2
import orjson
import structlog

from gateway.errors import ConfigurationError, SourceError, SourceTimeout, SourceUnavailable
from gateway.sources.addresses import Base, checked_headers, parsed_base, relative, target
from gateway.sources.dialling import NotDialled, Resolve, Vetted, resolved
from gateway.sources.reading import Body, Unreadable, parse, plain_headers

__all__ = ["CONNECT", "MAX_BYTES", "MAX_DEPTH", "Refused", "Reply", "Upstream"]

MAX_BYTES: Final = 8 * 1024 * 1024
MAX_DEPTH: Final = 32
CONNECT: Final = 0.5
"""Seconds to resolve a name and connect to one of its addresses; for TLS again."""

_KEPT: Final = 15.0
"""Seconds an idle connection stays open."""
_CONNECTIONS: Final = 64
"""More than a guard lets through at once, so that nobody waits here."""
_METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
_SUCCESS, _REDIRECTION, _CLIENT_ERROR = 2, 3, 4
"""Hundreds of a status."""
_FAILED: Final = frozenset({401, 403, 407, 408, 421, 425, 429})
"""Answers below 500 that say nothing about what was asked, but that the source does not answer (us, or now)."""

log = structlog.get_logger()
logging.getLogger("httpcore2").setLevel(logging.WARNING)  # what it says below that holds the headers, credentials among them


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that may be acted on: 2xx, 304, or a 4xx about what was asked (404, 409, 422, …).

    `headers`: names in lower case. `value`: the JSON value; None without a body, and for a 4xx whose body is not JSON.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    value: Any = None


class Refused(SourceUnavailable):
    """The source answered, with a `status` that says it does not answer this: 5xx, 401, 403, 408, 429, a redirect."""

    def __init__(self, source: str, status: int) -> None:
        self.status = status
        redirected = status // 100 == _REDIRECTION
        super().__init__(source, f"The source answered HTTP {status}{', and redirects are not followed' if redirected else ''}.")


class Upstream:
    """One server of a source; `async with`, or `close()` at the end.

    `headers`: what is sent with each request, credentials included. `allow_private`: whether addresses of private networks and of this machine are
    fine. `deadline`: seconds of one exchange from resolving to the last byte. `max_bytes`: of a body, as sent and as inflated. `verify`: the file of
    the authorities whose certificates are believed (None: those the system believes), or a context; verification cannot be switched off.

    Raises:
        ConfigurationError: a base URL or a header that is not used, or a file without certificates.
    """

    def __init__(
        self,
        base_url: str,
        *,
        source: str,
        headers: Mapping[str, str] | None = None,
        allow_private: bool = False,
        deadline: float = 2.0,
        max_bytes: int = MAX_BYTES,
        max_depth: int = MAX_DEPTH,
        verify: str | Path | ssl.SSLContext | None = None,
        connect: float = CONNECT,
        resolve: Resolve | None = None,
    ) -> None:
        self.base: Base = parsed_base(base_url, allow_private=allow_private)
        self.source = source
        self._headers = {"accept": "application/json", "accept-encoding": "gzip", "user-agent": "profile-gateway"} | checked_headers(
            headers or {}
        )
        self._deadline = deadline
        self._max_bytes = max_bytes
        self._max_depth = max_depth
        self._timeouts = {"timeout": {"connect": connect}}
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=_context(verify) if self.base.scheme == "https" else None,
            max_connections=_CONNECTIONS,
            max_keepalive_connections=16,
            keepalive_expiry=_KEPT,
            network_backend=Vetted(allow_private=allow_private, resolve=resolve or resolved),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Lets go of every connection."""
        await self._pool.aclose()

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | Sequence[tuple[str, Any]] | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
    ) -> Reply:
        """Asks, and reads the answer to its end.

        `path`: below the base URL, "" for itself, percent-encoded (`addresses.fill`), with a query if need be; `params`: more of the query, each
        element of a list for itself; `headers`: more of them, or others than the configured; `json` or `form`: a body.

        Raises:
            SourceTimeout: not all of it came within the deadline.
            Refused: it answered with a status that is no answer (5xx, 401, 403, 408, 429, a redirect).
            SourceUnavailable: it could not be reached, must not be, or sent what is not read.
        """
        try:
            async with asyncio.timeout(self._deadline):
                return await self._exchange(method, self._target(path, params), headers, _content(json, form))
        except (TimeoutError, httpcore2.TimeoutException):
            raise SourceTimeout(self.source) from None
        except SourceError:
            raise
        except Unreadable as error:
            raise self._failed(f"The source sent {error}.") from None
        except NotDialled:
            raise self._failed("The source's name leads to no address that may be dialled.") from None
        except Exception as error:  # noqa: BLE001  # a broken server may break its client anywhere; what it said stays out
            raise self._failed(_why(error)) from None

    def below(self, link: str) -> str | None:
        """The `path` for a link that an answer gave ("next page"); None if it leads anywhere but below the base URL."""
        return relative(self.base, link)

    def _target(self, path: str, params: Mapping[str, Any] | Sequence[tuple[str, Any]] | None) -> bytes:
        if params:
            path += ("&" if "?" in path else "?") + urlencode(params, doseq=True, quote_via=quote, safe="")
        try:
            return target(self.base.path, path).encode("ascii")
        except ValueError:
            raise self._failed("The request leads outside of the source's base URL.") from None

    async def _exchange(self, method: str, path: bytes, headers: Mapping[str, str] | None, content: tuple[str, bytes] | None) -> Reply:
        if method not in _METHODS:
            raise ValueError("no method of ours")
        sent = self._headers | checked_headers(headers or {}) | {"host": self.base.authority}
        media_type, body = content or ("", b"")
        if content is not None:
            sent |= {"content-type": media_type}
        if content is not None or method != "GET":
            sent |= {"content-length": str(len(body))}
        url = httpcore2.URL(scheme=self.base.scheme.encode(), host=self.base.host.encode(), port=self.base.port, target=path)
        async with self._pool.stream(method, url, headers=list(sent.items()), content=body or None, extensions=self._timeouts) as response:
            return await self._read(response)

    async def _read(self, response: httpcore2.Response) -> Reply:
        status = response.status
        family = status // 100
        is_about_the_request = family == _CLIENT_ERROR
        if status in _FAILED or not (is_about_the_request or family == _SUCCESS or status == HTTPStatus.NOT_MODIFIED):
            raise self._refused(status)
        headers = plain_headers(response.headers)
        body = Body(headers, self._max_bytes)
        async for chunk in response.aiter_stream():
            body.feed(chunk)
        _require_nothing_behind(response)
        text = body.whole()
        if not text:
            return Reply(status, headers)
        try:
            return Reply(status, headers, parse(text, self._max_depth, headers))
        except Unreadable:
            if is_about_the_request:
                return Reply(status, headers)
            raise

    def _refused(self, status: int) -> Refused:
        log.warning("source.refused", source=self.source, status=status)
        return Refused(self.source, status)

    def _failed(self, message: str) -> SourceUnavailable:
        log.warning("source.refused", source=self.source, reason=message)
        return SourceUnavailable(self.source, message)


def _require_nothing_behind(response: httpcore2.Response) -> None:
    """Bytes behind an answer would be read as the answer to the next question, which may be about somebody else: the connection ends here.

    httpcore2 leaves them where they are and shows them to its own parts alone; should those change, nothing is answered and every test says so.

    Raises:
        Unreadable: there are some.
    """
    connection = getattr(getattr(response.stream, "_stream", None), "_connection", None)
    state = getattr(connection, "_h11_state", None)
    if state is None:
        raise Unreadable("an answer whose end cannot be seen")
    if state.trailing_data[0]:
        state.send_failed()  # a state in which the pool closes it
        raise Unreadable("more than one answer")


def _content(json: Any, form: Mapping[str, str] | None) -> tuple[str, bytes] | None:
    """Media type and bytes of a body."""
    if form is not None:
        return "application/x-www-form-urlencoded", urlencode(form).encode("ascii")
    return None if json is None else ("application/json", orjson.dumps(json))


def _why(error: Exception) -> str:
    """What happened, in words that are ours alone."""
    causes: list[BaseException] = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None and cause not in causes:
        causes.append(cause)
    for one in causes:
        if isinstance(one, ssl.SSLCertVerificationError):
            return "The source's certificate is not valid for it."
        if isinstance(one, ssl.SSLError):
            return "The source does not speak TLS as it should."
        if isinstance(one, socket.gaierror):
            return "The source's name is not known."
    if isinstance(error, httpcore2.ConnectError):
        return "The source takes no connection."
    if isinstance(error, httpcore2.ProtocolError | httpcore2.NetworkError):
        return "The source broke off, or does not speak HTTP as it should."
    return "The source could not be asked."


def _context(verify: str | Path | ssl.SSLContext | None) -> ssl.SSLContext:
    if isinstance(verify, ssl.SSLContext):
        return verify
    return _system_context() if verify is None else _own_context(str(verify))


@lru_cache(maxsize=1)
def _system_context() -> ssl.SSLContext:
    return _strict(httpcore2.default_ssl_context())


def _own_context(path: str) -> ssl.SSLContext:
    try:
        return _strict(ssl.create_default_context(cafile=path))
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"the file of certificates {path} cannot be read or has none") from error


def _strict(context: ssl.SSLContext) -> ssl.SSLContext:
    """Without OpenSSL's way back to the name in the subject, which no authority vouches for since long."""
    context.hostname_checks_common_name = False
    return context
