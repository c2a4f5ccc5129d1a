"""The gate: from the text of a credential to a principal, for every way in.

Owns which credential opens which door: tokens and partner keys the graph, write keys the tracking API. Must not read a request: transport
hands it the one header, and never a query string or a cookie. Called by `engine` and `transport`, once per request or socket.

**Tokens that were good a moment ago.** To check a signature takes more than to answer a small query, and a client sends the same token with
every request. So who a good token makes somebody is remembered for a minute under the token's hash. What can end in that minute is asked each
time all the same: the token's own end, its workspace, and whether an administrator took it back. Keys cannot change without a new process, and
a refusal is never remembered. The look-up is no comparison with a secret: whoever hits an entry knows a text with that very hash, that is the token.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import Final

from gateway.auth.expiring import ExpiringMap
from gateway.auth.keys import KeyKind, KeyRing
from gateway.auth.policy import ROLE_SCOPES
from gateway.auth.principal import Principal
from gateway.auth.revocation import Revocations
from gateway.auth.tokens import TokenVerifier
from gateway.auth.workspaces import Workspaces
from gateway.errors import Unauthenticated

__all__ = ["Gate"]

_LONGEST_HEADER = 9 * 1024
"""A token of 8 KiB and the word before it."""
_BEARER: Final = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE | re.ASCII)
"""RFC 6750, 2.1; two headers joined by a comma do not fit."""
_REMEMBERED: Final = 10_000
_REMEMBERED_SECONDS: Final = 60.0


class Gate:
    """Authenticates; every refusal is Unauthenticated."""

    def __init__(self, verifier: TokenVerifier, keyring: KeyRing, workspaces: Workspaces, revocations: Revocations | None = None) -> None:
        self._verifier = verifier
        self._revocations = revocations
        self._keyring = keyring
        self._workspaces = workspaces
        self._recent = ExpiringMap[bytes, Principal](_REMEMBERED, _REMEMBERED_SECONDS)

    async def authenticate(self, authorization: str | None) -> Principal:
        """Who sent this `Authorization` header (or `connection_init` entry): `Bearer <token>` or `Bearer pgw_partner_…`.

        Raises:
            Unauthenticated: nobody we know, with a reason that helps the credential's owner only.
        """
        if not authorization or len(authorization) > _LONGEST_HEADER or not authorization.isascii():
            raise _no_credential()
        fingerprint = blake2b(authorization.encode(), digest_size=32).digest()
        recent = self._recent.get(fingerprint)
        if (
            recent is not None
            and not (recent.expires_at is not None and self._verifier.has_ended(recent.expires_at))
            and recent.workspace_id
            == (self._workspaces.remembered(recent.workspace_key) or await self._workspaces.by_key(recent.workspace_key))
        ):
            return self._current(recent)
        match = _BEARER.fullmatch(authorization)
        if match is None:
            raise _no_credential()
        credential = match[1]
        if credential.startswith("pgw_"):
            return await self._by_key(KeyKind.PARTNER, credential)
        principal = await self._by_token(credential)
        self._recent.put(fingerprint, principal)
        return principal

    async def _by_token(self, token: str) -> Principal:
        claims = self._verifier.verify(token)
        scopes = ROLE_SCOPES[claims.role]
        principal = Principal(
            workspace_id=await self._workspaces.by_key(claims.workspace),
            workspace_key=claims.workspace,
            subject=claims.subject,
            display_name=claims.name or claims.subject,
            role=claims.role,
            scopes=scopes if claims.scopes is None else scopes & claims.scopes,
            expires_at=claims.expires_at,
            source=None,
            issued_at=claims.issued_at,
        )
        return self._current(principal)

    async def authenticate_write(self, basic_user: str | None) -> Principal:
        """Who sends events with this write key: the user name of HTTP Basic, as Segment's libraries send it, or `writeKey` of the body.

        Raises:
            Unauthenticated: it is not a valid write key.
        """
        return await self._by_key(KeyKind.WRITE, basic_user or "")

    async def _by_key(self, kind: KeyKind, text: str) -> Principal:
        if not text.startswith(f"pgw_{kind}_"):
            raise Unauthenticated("The key is not valid.")
        return self._current(await self._keyring.verify(text))

    def _current(self, principal: Principal) -> Principal:
        if self._revocations is not None and self._revocations.covers(principal):
            raise Unauthenticated("These credentials were taken back by an administrator; get new ones.")
        return principal


def _no_credential() -> Unauthenticated:
    return Unauthenticated("Send an access token or a partner key as: Authorization: Bearer …")
