"""An issuer for the tests of auth: it signs anything, with any header, as no honest one would."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Any

import pytest
from joserfc.jwk import ECKey, KeySet
from joserfc.jws import JWSRegistry

from gateway.auth.tokens import TokenVerifier

__all__ = ["NOW", "Issuer"]

NOW = 1_900_000_000.0
"""The moment at which the verifier's clock stands."""


def segment(value: Any) -> bytes:
    """One part of a token: base64url without padding, of JSON or of bytes as they are."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return urlsafe_b64encode(raw).rstrip(b"=")


class Issuer:
    """Makes tokens that are right unless told otherwise; a claim or header entry given as `...` is left out."""

    name = "https://id.example.com/"
    audience = "profile-gateway"

    def __init__(self) -> None:
        self.key = ECKey.generate_key("P-256", parameters={"kid": "k1"})
        self.public = ECKey.import_key(self.key.as_dict(private=False))

    def verifier(self, *, clock: Callable[[], float] = lambda: NOW, **options: Any) -> TokenVerifier:
        """A verifier that trusts this issuer."""
        keys = options.pop("keys", KeySet([self.public]))
        return TokenVerifier(options.pop("algorithm", "ES256"), keys, self.name, self.audience, clock=clock, **options)

    def claims(self, now: float = NOW, **changes: Any) -> dict[str, Any]:
        """A complete set of claims with these changes."""
        right = {
            "iss": self.name,
            "aud": self.audience,
            "sub": "ana",
            "workspace": "demo",
            "role": "agent",
            "iat": int(now),
            "exp": int(now) + 3600,
        }
        return {claim: value for claim, value in {**right, **changes}.items() if value is not ...}

    def header(self, **changes: Any) -> dict[str, Any]:
        """A right header with these changes."""
        return {name: value for name, value in {"alg": "ES256", "typ": "at+jwt", "kid": "k1", **changes}.items() if value is not ...}

    def token(self, payload: Any = None, header: Any = None, sign: Callable[[bytes], bytes] | None = None) -> str:
        """A token of this header and payload, signed by the issuer's key or in another way."""
        content = segment(self.header() if header is None else header) + b"." + segment(self.claims() if payload is None else payload)
        signature = JWSRegistry.algorithms["ES256"].sign(content, self.key) if sign is None else sign(content)
        return (content + b"." + segment(signature)).decode()


@pytest.fixture(name="issuer", scope="session")
def _issuer() -> Issuer:
    """One issuer; its verifier's clock stands still."""
    return Issuer()
