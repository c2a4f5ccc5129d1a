"""API keys: long random secrets for programs, kept as hashes.

Owns the shape of a key, its hash and the table `api_key`. A secret has 256 random bits, so one keyed hash is enough and a slow one would
only invite floods. Must not say why a key was refused. `gate` verifies, the command `keys` creates.

    pgw_<write|partner>_<id: 12>_<secret: 43>_<check: 6>      in base 62; the check (CRC-32) lets secret scanners tell a key from noise
"""

from __future__ import annotations

import hmac
import re
import secrets
import string
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import blake2b
from types import MappingProxyType
from typing import Final
from zlib import crc32

from gateway.auth.expiring import ExpiringMap
from gateway.auth.policy import PARTNER_GRANTS, ROLE_SCOPES
from gateway.auth.principal import Principal, Role
from gateway.errors import BadUserInput, ConfigurationError, Unauthenticated
from gateway.storage.database import Database
from gateway.storage.queries import SQL

__all__ = ["LONGEST_LIFE", "KeyKind", "KeyRing", "NewKey", "ParsedKey", "create", "parse", "secret_hash"]

LONGEST_LIFE: Final = timedelta(days=365)


class KeyKind(StrEnum):
    """What a key opens: `write` the tracking API, `partner` the graph."""

    WRITE = "write"
    PARTNER = "partner"


_ROLES: Final[Mapping[KeyKind, Role]] = MappingProxyType({KeyKind.WRITE: Role.SERVICE, KeyKind.PARTNER: Role.PARTNER})
_GRANTS: Final[Mapping[KeyKind, frozenset[str]]] = MappingProxyType(
    {KeyKind.WRITE: ROLE_SCOPES[Role.SERVICE], KeyKind.PARTNER: PARTNER_GRANTS}
)
_DIGITS: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
_ID_LENGTH = 12
_SECRET_LENGTH = 43
"""Base 62 digits that hold 32 bytes."""
_CHECK_LENGTH = 6
_TEXT: Final = re.compile(r"(pgw_(write|partner)_([0-9A-Za-z]{12})_([0-9A-Za-z]{43}))_([0-9A-Za-z]{6})")
_LONGEST_TEXT = 80
_SOURCE: Final = re.compile(r"[a-z][a-z0-9-]{0,31}")
"""What a timeline item's id can carry as its source (`model.activity`)."""

_RECENT_KEYS = 10_000
_RECENT_SECONDS = 5.0
"""How long a good key is taken without a query, and so how long a revoked one may go on."""


@dataclass(frozen=True, slots=True)
class ParsedKey:
    """A text that has the shape of a key; nothing is known of its truth."""

    kind: KeyKind
    id: str
    secret: str


@dataclass(frozen=True, slots=True)
class NewKey:
    """The row of a key that was just made; its secret is not among it."""

    workspace_key: str
    id: str
    kind: KeyKind
    secret_hash: bytes
    source: str | None
    scopes: frozenset[str]
    created_at: datetime
    expires_at: datetime


def create(
    kind: KeyKind,
    workspace_key: str,
    pepper: bytes,
    *,
    now: datetime,
    source: str = "tracking",
    scopes: Collection[str] | None = None,
    lifetime: timedelta = LONGEST_LIFE,
) -> tuple[str, NewKey]:
    """A new key: the text, to be shown once, and the row to store.

    Raises:
        BadUserInput: the source is not a source key, a scope is not for this kind of key, or the lifetime is not within a year.
    """
    granted = frozenset(ROLE_SCOPES[_ROLES[kind]] if scopes is None else scopes)
    if not granted <= _GRANTS[kind] or not granted:
        raise BadUserInput(f"A {kind} key may have these scopes: {' '.join(sorted(_GRANTS[kind]))}.", argument="scopes")
    if kind is KeyKind.WRITE and (not _SOURCE.fullmatch(source) or source == "native"):
        raise BadUserInput(
            "A source is up to 32 lower-case letters, digits and dashes, for example web-shop; native is the gateway's own.",
            argument="source",
        )
    if not timedelta() < lifetime <= LONGEST_LIFE:
        raise BadUserInput(f"A key lives between a moment and {LONGEST_LIFE.days} days.", argument="lifetime")
    key_id = "".join([secrets.choice(_DIGITS) for _ in range(_ID_LENGTH)])
    secret = _base62(int.from_bytes(secrets.token_bytes(32)), _SECRET_LENGTH)
    body = f"pgw_{kind}_{key_id}_{secret}"
    row = NewKey(
        workspace_key=workspace_key,
        id=key_id,
        kind=kind,
        secret_hash=secret_hash(secret, pepper),
        source=source if kind is KeyKind.WRITE else None,
        scopes=granted,
        created_at=now,
        expires_at=now + lifetime,
    )
    return f"{body}_{_check(body)}", row


def parse(text: str) -> ParsedKey | None:
    """The parts of a key, or None when the text is not one; safe and quick for any text."""
    match = _TEXT.fullmatch(text) if len(text) <= _LONGEST_TEXT else None
    if match is None or _check(match[1]) != match[5]:
        return None
    return ParsedKey(KeyKind(match[2]), match[3], match[4])


def secret_hash(secret: str, pepper: bytes) -> bytes:
    """What is stored of a secret: HMAC-SHA-256 under the server's own secret, 32 bytes."""
    return hmac.digest(pepper, b"profile-gateway api key v1\0" + secret.encode(), "sha256")


class KeyRing:
    """Makes and verifies the API keys of all workspaces."""

    def __init__(self, database: Database, peppers: Sequence[bytes], *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """`peppers`: the server's secrets; the first hashes new keys, all verify.

        Raises:
            ConfigurationError: there is none.
        """
        if not peppers:
            raise ConfigurationError("API keys need a secret: set GATEWAY_SECRET_KEYS.")
        self._database = database
        self._peppers = tuple(peppers)
        self._clock = clock
        self._recent = ExpiringMap[bytes, Principal](_RECENT_KEYS, _RECENT_SECONDS)

    async def create(
        self,
        workspace_key: str,
        kind: KeyKind | str,
        *,
        source: str = "tracking",
        scopes: Collection[str] | None = None,
        lifetime: timedelta = LONGEST_LIFE,
    ) -> str:
        """Store a new key and return its text, which cannot be had again. `source`: what a write key's events count as.

        Raises:
            BadUserInput: there is no such workspace or kind, or a value is not allowed (see the function `create`).
        """
        if kind not in frozenset(KeyKind):
            raise BadUserInput(f"A key is of one of these kinds: {', '.join(KeyKind)}.", argument="kind")
        text, row = create(
            KeyKind(kind), workspace_key, self._peppers[0], now=self._clock(), source=source, scopes=scopes, lifetime=lifetime
        )
        stored = await self._database.fetchval(
            SQL["insert_api_key"],
            row.workspace_key,
            row.id,
            row.kind.value,
            row.secret_hash,
            row.source,
            sorted(row.scopes),
            row.created_at,
            row.expires_at,
        )
        if stored is None:
            raise BadUserInput(f"There is no workspace {workspace_key!r}.", argument="workspace")
        return text

    async def verify(self, text: str) -> Principal:
        """Who holds the key. A key that was good within the last five seconds is not looked up again.

        Raises:
            Unauthenticated: it is not a key, or unknown, wrong, revoked or expired: the same answer after the same work.
        """
        parsed = parse(text)
        if parsed is None:
            raise Unauthenticated("The key is not valid.")
        fingerprint = blake2b(text.encode(), digest_size=32).digest()
        now = self._clock()
        recent = self._recent.get(fingerprint)
        if recent is not None and not recent.expired(now):
            return recent
        row = await self._database.fetchrow(SQL["api_key_by_id"], parsed.id)
        assert row is not None  # an unknown key has a row too, and is compared with its hash all the same
        matches = [hmac.compare_digest(row["secret_hash"], secret_hash(parsed.secret, pepper)) for pepper in self._peppers]
        if not (row["known"] and any(matches) and row["kind"] == parsed.kind and not row["revoked"] and now < row["expires_at"]):
            raise Unauthenticated("The key is not valid.")
        principal = Principal(
            workspace_id=row["workspace_id"],
            workspace_key=row["workspace_key"],
            subject=f"key:{parsed.id}",
            display_name=row["source"] or f"Partner {parsed.id}",
            role=_ROLES[parsed.kind],
            scopes=frozenset(row["scopes"]) & _GRANTS[parsed.kind],
            expires_at=row["expires_at"],
            source=row["source"] or None,
        )
        self._recent.put(fingerprint, principal)
        return principal


def _check(body: str) -> str:
    return _base62(crc32(body.encode()), _CHECK_LENGTH)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
