"""`POST /v1/sources/<key>/events`: what a system elsewhere tells of its changes, signed after Standard Webhooks.

Owns the request (its size while it streams in, signature and its time, the workspace it is for, bursts) and the shape of the answer. Must not decide
what a message means (`webhook_messages` does) or does (`commands.arrivals`). Mounted by `app`.

Whoever cannot sign learns nothing: a forged, missing or expired signature, a source that takes no webhooks and one that does not exist have one
answer, for the same work. The signature covers the message's id, its time and its body, and not the address: a message is refused when address and
body disagree about the workspace, and bodies should name it where a source serves several (docs/live.md says what follows when they do not).
"""

from __future__ import annotations

import asyncio
import math
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol
from uuid import UUID

from standardwebhooks.webhooks import Webhook
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.auth.principal import Principal
from gateway.auth.rate import RateLimiter
from gateway.commands.arrivals import Arrivals, Outcome
from gateway.errors import BadUserInput, ConfigurationError, GatewayError, RateLimited, RequestTimeout, Unauthenticated
from gateway.observe import SOURCE_EVENTS
from gateway.sources.definition import Definition, WebhookPolicy
from gateway.sources.expressions import Expression
from gateway.transport.export import refusal
from gateway.transport.http.request import MAX_BODY, decoded, read_body
from gateway.transport.webhook_messages import Told, read_message

__all__ = ["Webhooks", "WorkspaceIds"]

_BODY_SECONDS: Final = 10.0
_LONGEST_SIGNATURES: Final = 2048
_SIGNED_BY: Final = ("webhook-id", "webhook-timestamp", "webhook-signature")
_TIMESTAMP: Final = re.compile(r"[0-9]{1,12}", re.ASCII)
_PRINTABLE: Final = re.compile(r"[!-~]{1,200}", re.ASCII)
_REFUSED: Final = "The message is not signed by this source, or no longer valid."


class WorkspaceIds(Protocol):
    """What webhooks need of `auth.workspaces.Workspaces`."""

    async def by_key(self, key: str) -> UUID:
        """The id of a workspace, or `Unauthenticated`."""


@dataclass(frozen=True, slots=True)
class _Hook:
    """One source that tells: how its messages are checked, read and counted."""

    definition: Definition
    signers: Sequence[Webhook]
    expressions: Mapping[str, Expression]
    rate: RateLimiter = field(default_factory=lambda: RateLimiter(0))


class Webhooks:
    """The endpoint of every source whose definition has a webhook."""

    def __init__(self, definitions: Iterable[Definition], arrivals: Arrivals, workspaces: WorkspaceIds) -> None:
        """Reads the secrets.

        Raises:
            ConfigurationError: one is not there, or is none.
        """
        self._arrivals = arrivals
        self._workspaces = workspaces
        self._hooks = {one.key: _hook(one, one.webhook) for one in definitions if one.webhook is not None and not one.is_disabled}
        self._most = max((len(hook.signers) for hook in self._hooks.values()), default=1)
        self._nobody = [Webhook(secrets.token_bytes(32)) for _ in range(self._most)]
        """Secrets that nobody has: every message is checked with as many, so that the time it takes tells nothing of a source."""

    def routes(self) -> list[Route]:
        """The one route."""
        return [Route("/v1/sources/{key}/events", self._endpoint, methods=["POST"], name="sources:events")]

    async def _endpoint(self, request: Request) -> Response:
        hook = self._hooks.get(request.path_params["key"])
        try:
            return await self._receive(request, hook)
        except GatewayError as error:
            after = _retry_after(error)
            label = (
                "unauthenticated" if isinstance(error, Unauthenticated) else "rate_limited" if isinstance(error, RateLimited) else "refused"
            )
            SOURCE_EVENTS.labels("" if hook is None else hook.definition.key, label).inc()
            return refusal(error.http_status, error.code, error.message, after)

    async def _receive(self, request: Request, hook: _Hook | None) -> Response:
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                body = await read_body(request, MAX_BODY)
        except TimeoutError:
            raise RequestTimeout from None
        signed = _signed_headers(request)
        signers = [*(() if hook is None else hook.signers), *self._nobody][: self._most]
        if not _is_signed(signers, signed, body) or hook is None:
            raise Unauthenticated(_REFUSED)
        told = read_message(decoded(body), hook.expressions)
        workspace_key = _workspace_of(hook.definition, request, told.workspace)
        try:
            workspace = await self._workspaces.by_key(workspace_key)
        except Unauthenticated:
            raise BadUserInput("There is no such workspace.", argument="workspace") from None
        principal = self._arrivals.principal(hook.definition, workspace, workspace_key)
        hook.rate.take(principal)
        return await self._taken_in(hook.definition, principal, told, told.id or signed["webhook-id"])

    async def _taken_in(self, definition: Definition, principal: Principal, told: Told, message_id: str) -> Response:
        taken = await self._arrivals.take_in(definition, principal, message_id, told.key, told.news)
        status = 202 if taken.outcome is Outcome.WAITING else 200
        return JSONResponse({"outcome": taken.outcome.value, "entries": taken.entries}, status, {"Cache-Control": "no-store"})


def _hook(definition: Definition, policy: WebhookPolicy) -> _Hook:
    where = f"sources.{definition.key}.webhook"
    signers = []
    for secret in policy.secrets:
        try:
            signers.append(Webhook(secret.reveal()))
        except ConfigurationError:
            raise
        except Exception:  # noqa: BLE001  # whatever the library says of it, it may repeat the secret
            raise ConfigurationError(f"{where}.secrets: a secret is no key to sign with (whsec_ and base64)") from None
    if not signers:
        raise ConfigurationError(f"{where}.secrets: names no secret")
    expressions = {name: Expression(text, f"{where}.mapping.{name}") for name, text in policy.mapping.items()}
    return _Hook(definition, signers, expressions, RateLimiter(policy.per_second))


# The signature


def _signed_headers(request: Request) -> dict[str, str]:
    """What the signature is checked with; a header that stands twice is as good as none."""
    given = {name: request.headers.getlist(name) for name in _SIGNED_BY}
    return {name: values[0] for name, values in given.items() if len(values) == 1}


def _is_signed(signers: Sequence[Webhook], headers: Mapping[str, str], body: bytes) -> bool:
    """Whether one of the secrets signed this message within the last five minutes (or the next). Every secret is tried, in every case."""
    well_formed = (
        len(headers) == len(_SIGNED_BY)
        and _PRINTABLE.fullmatch(headers["webhook-id"]) is not None
        and _TIMESTAMP.fullmatch(headers["webhook-timestamp"]) is not None
        and len(headers["webhook-signature"]) <= _LONGEST_SIGNATURES
    )
    found = False
    for signer in signers:
        try:
            signer.verify(body, dict(headers), json_parse=False)
        except Exception:  # noqa: BLE001, S112  # the library raises its own, and whatever decoding a made-up header does
            continue
        found = True
    return found and well_formed


def _workspace_of(definition: Definition, request: Request, signed: str | None) -> str:
    """The workspace a message is for, if that is beyond doubt: the only one, or the one that the body and the address agree on."""
    given = request.query_params.getlist("workspace")
    if len(given) > 1 or set(request.query_params) - {"workspace"}:
        raise BadUserInput("The address has one parameter, workspace, once.", argument="workspace")
    named = {*given, *([] if signed is None else [signed])}
    serves = definition.workspaces
    if not named and serves is not None and len(serves) == 1:
        return next(iter(serves))
    if len(named) != 1 or (serves is not None and not named <= serves):
        raise BadUserInput(
            "Say which of the source's workspaces the message is for: as data.workspace in the body or as ?workspace=, and alike in both.",
            argument="workspace",
        )
    return named.pop()


def _retry_after(error: GatewayError) -> str | None:
    if isinstance(error, RateLimited):
        return str(max(1, math.ceil(error.extensions.get("retryAfterMs", 1000) / 1000)))
    return "1" if error.retryable else None
