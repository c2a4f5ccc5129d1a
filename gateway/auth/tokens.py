"""Tokens: JSON Web Tokens, checked and (in development and tests) made.

Owns what a token must be to count (RFC 7519 and 9068, with the advice of RFC 8725). One algorithm, fixed by configuration; keys come from
configuration alone: `jku`, `x5u`, `jwk` and `x5c` in a token are never looked at. joserfc does the cryptography, every rule about claims is
here. Must not open a network connection. Called by `gate` and `development`; built by the composition root.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from joserfc import jws
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import Key, KeySet

from gateway.auth.keyfile import has_own_kid
from gateway.auth.principal import Role
from gateway.errors import ConfigurationError, Unauthenticated

__all__ = ["ACCESS_TOKEN", "Claims", "TokenSigner", "TokenVerifier"]

ACCESS_TOKEN: Final = "at+jwt"  # noqa: S105  # a media type
"""`typ` of an access token (RFC 9068): an ID token must not open this door."""

_NAMES: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {"RS256": frozenset({"RS256"}), "ES256": frozenset({"ES256"}), "EdDSA": frozenset({"EdDSA", "Ed25519"})}
)
"""Configured algorithm → `alg` values that mean it: RFC 9864 renamed EdDSA with this curve to Ed25519, tokens carry either."""

_KEY_FORMS: Final[Mapping[str, tuple[str, str | None]]] = MappingProxyType(
    {"RS256": ("RSA", None), "ES256": ("EC", "P-256"), "EdDSA": ("OKP", "Ed25519")}
)
"""Configured algorithm → type and curve of its keys; EdDSA by itself would leave the curve open."""

_LONGEST_TOKEN = 8 * 1024
_LONGEST_LIFE = 24 * 3600
_CLOCK_AHEAD = 60.0
"""Seconds an issuer's clock may run ahead of ours: so far may `iat` and `nbf` lie in the future."""
_NO_TIME_BEYOND = 1e11
"""Seconds since 1970 (some 3 000 years) from which on a number is a mistake: milliseconds, 1e308, an integer no float can hold."""
_LONGEST: Final[Mapping[str, int]] = MappingProxyType({"workspace": 64, "sub": 255, "role": 64, "scope": 4096, "name": 255})
_ROLES: Final = frozenset(Role) - {Role.SERVICE}
"""Services come with a key, never with a token."""


class _OneAlgorithm(jws.JWSRegistry):
    """What joserfc may use: the configured algorithm under its names, whatever a token says.

    Raises:
        ConfigurationError: the algorithm is not one the gateway takes.
    """

    max_header_length = 4096

    def __init__(self, algorithm: str) -> None:
        if algorithm not in _NAMES:
            raise ConfigurationError(f"Tokens cannot be signed with {algorithm}; choose one of {', '.join(_NAMES)}.")
        self.names = _NAMES[algorithm]
        super().__init__(algorithms=self.names, strict_check_header=False)
        self._key_form = _KEY_FORMS[algorithm]

    def get_alg(self, name: str) -> Any:
        """The algorithm of this name; unlike joserfc's own, without a warning about the name at each token."""
        if name not in self.names:
            raise UnsupportedAlgorithmError
        return self.algorithms[name]

    def fits(self, key: Key) -> bool:
        """Whether the key is of the algorithm's type and curve, and not set aside for something else."""
        operations = key.get("key_ops")
        return (
            (key.key_type, key.get("crv")) == self._key_form
            and key.get("use") in {None, "sig"}
            and key.alg in {None, *self.names}
            and (operations is None or "verify" in operations)
        )


@dataclass(frozen=True, slots=True)
class Claims:
    """What a valid token says. `scopes` None: it does not narrow the role's scopes. The workspace is a key that may still be unknown."""

    workspace: str
    subject: str
    role: Role
    name: str | None
    scopes: frozenset[str] | None
    issued_at: datetime
    expires_at: datetime


class TokenVerifier:
    """Checks tokens of one issuer for one audience, signed with one algorithm by one of a few known public keys."""

    def __init__(
        self,
        algorithm: str,
        keys: KeySet,
        issuer: str,
        audience: str,
        *,
        leeway: float = 30.0,
        token_type: str = ACCESS_TOKEN,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`leeway`: seconds an expired token is still taken; `clock`: seconds since 1970.

        Raises:
            ConfigurationError: the algorithm is not one of RS256, ES256, EdDSA, no key fits it, or issuer or audience is empty.
        """
        if not issuer or not audience:
            raise ConfigurationError("Tokens need an issuer and an audience to be compared with: set GATEWAY_JWT_ISSUER and _JWT_AUDIENCE.")
        self._registry = _OneAlgorithm(algorithm)
        self._issuer = issuer
        self._audience = audience
        self._leeway = leeway
        self._token_type = token_type.lower()
        self._clock = clock
        fitting = [key for key in keys if self._registry.fits(key)]
        if not fitting:
            raise ConfigurationError(
                f"None of the keys that sign tokens is for {algorithm}; set GATEWAY_JWT_ALGORITHM to the keys' algorithm."
            )
        self._named = {key.kid: key for key in fitting if has_own_kid(key)}
        self._unnamed = [key for key in fitting if not has_own_kid(key)]
        self._only = fitting if len(fitting) == 1 else self._unnamed

    def verify(self, token: str) -> Claims:
        """The claims of a valid token.

        Raises:
            Unauthenticated: it is not valid; the message gives a reason that helps its owner and nothing else.
        """
        if len(token) > _LONGEST_TOKEN:
            raise _invalid("it is too long")
        try:
            signed = jws.extract_compact(token.encode("ascii"), registry=self._registry)
            self._check_header(signed.protected)
            if not any(jws.validate_compact(signed, key, registry=self._registry) for key in self._candidates(signed.protected)):
                raise _invalid("no known key signed it")
            claims = json.loads(signed.payload)
        # whatever the bytes did to a parser (a thousand brackets end in RecursionError), they are not a token
        except (JoseError, ValueError, TypeError, RecursionError) as error:
            raise _invalid("it is not a token of the expected kind") from error
        if not isinstance(claims, dict):
            raise _invalid("it has no claims")
        return self._check_claims(claims)

    def has_ended(self, expires_at: datetime) -> bool:
        """Whether a token that ends then, and was good a moment ago, is now refused."""
        return expires_at.timestamp() <= self._clock() - self._leeway

    def _check_header(self, header: Any) -> None:
        if not isinstance(header, dict) or "crit" in header or "b64" in header:
            raise _invalid("its header asks for something unknown")
        if header.get("alg") not in self._registry.names:
            raise _invalid("it is signed with another algorithm")
        kind = header.get("typ")
        if not isinstance(kind, str) or kind.lower().removeprefix("application/") != self._token_type:
            raise _invalid(f"its type (typ) is not {self._token_type}")

    def _candidates(self, header: Mapping[str, Any]) -> list[Key]:
        """The keys that may have signed it: the one it names, or those that have no name of their own (a PEM file has no place for one)."""
        kid = header.get("kid")
        if kid is None:
            return self._only
        named = self._named.get(kid)
        return self._unnamed if named is None else [named]

    def _check_claims(self, claims: Mapping[str, Any]) -> Claims:
        now = self._clock()
        expires, issued = _moment(claims, "exp"), _moment(claims, "iat")
        if expires <= now - self._leeway:
            raise _invalid("it has expired")
        if expires > now + _LONGEST_LIFE + _CLOCK_AHEAD:
            raise _invalid("it lives longer than 24 hours")
        if issued > now + _CLOCK_AHEAD or ("nbf" in claims and _moment(claims, "nbf") > now + _CLOCK_AHEAD):
            raise _invalid("it is not valid yet")
        if claims.get("iss") != self._issuer:
            raise _invalid("another issuer made it")
        audience = claims.get("aud")
        if audience != self._audience and not (isinstance(audience, list) and self._audience in audience):
            raise _invalid("it is meant for another audience")
        return Claims(
            workspace=_named(claims, "workspace"),
            subject=_named(claims, "sub"),
            role=_role(claims),
            name=_display_name(claims.get("name")),
            scopes=frozenset(_text(claims, "scope").split()) if "scope" in claims else None,
            issued_at=datetime.fromtimestamp(max(issued, 0), UTC),
            expires_at=datetime.fromtimestamp(expires, UTC),
        )


class TokenSigner:
    """Makes tokens, for development and tests: in production the issuer does."""

    def __init__(self, algorithm: str, key: Key, issuer: str, audience: str, *, clock: Callable[[], float] = time.time) -> None:
        """`key`: a private key, its `kid` goes into the tokens."""
        self._registry = _OneAlgorithm(algorithm)
        self._header = {"alg": algorithm, "typ": ACCESS_TOKEN, "kid": KeySet([key]).keys[0].kid}
        self._key = key
        self._issuer = issuer
        self._audience = audience
        self._clock = clock

    def sign(
        self,
        workspace: str,
        subject: str,
        role: Role,
        *,
        name: str | None = None,
        scopes: Collection[str] | None = None,
        lifetime: timedelta = timedelta(hours=1),
    ) -> str:
        """A token for a person (or partner) of a workspace; `scopes` narrows what the role may do."""
        now = int(self._clock())
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": subject,
            "workspace": workspace,
            "role": role.value,
            "iat": now,
            "exp": now + int(lifetime.total_seconds()),
        }
        if name is not None:
            claims["name"] = name
        if scopes is not None:
            claims["scope"] = " ".join(sorted(scopes))
        return jws.serialize_compact(dict(self._header), json.dumps(claims), self._key, registry=self._registry)


def _moment(claims: Mapping[str, Any], claim: str) -> float:
    value = claims.get(claim)
    # bool is an int to Python, and NaN is not below anything
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _NO_TIME_BEYOND:
        raise _invalid(f"its {claim} is not a time")
    return float(value)


def _text(claims: Mapping[str, Any], claim: str) -> str:
    value = claims.get(claim)
    # not printable: NUL, line breaks and lone surrogates, which neither Postgres nor a log should meet
    if not isinstance(value, str) or len(value) > _LONGEST[claim] or not value.isprintable():
        raise _invalid(f"its {claim} is missing or malformed")
    return value


def _named(claims: Mapping[str, Any], claim: str) -> str:
    text = _text(claims, claim)
    if not text.strip():
        raise _invalid(f"its {claim} is empty")
    return text


def _role(claims: Mapping[str, Any]) -> Role:
    try:
        role = Role(_text(claims, "role").lower())
    except ValueError:
        role = Role.SERVICE
    if role not in _ROLES:
        raise _invalid("its role is unknown")
    return role


def _display_name(value: Any) -> str | None:
    """The name as a screen can show it, None when there is none: a strange name is no reason to lock its bearer out."""
    if not isinstance(value, str):
        return None
    return "".join([letter if letter.isprintable() else " " for letter in value[: _LONGEST["name"]]]).strip() or None


def _invalid(reason: str) -> Unauthenticated:
    return Unauthenticated(f"The token is not valid: {reason}.")
