"""Development keys: what `--dev` and `demo` sign with, made once per data directory.

Owns `<data_dir>/dev-keys.json` (mode 0600): an ES256 key pair and one secret for cursors and API keys. Whoever reads the file can be
anybody in this gateway, so it must never serve anything but a loopback address; `app` sees to that. Called by `app` and by the commands
that work beside a running development gateway.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import stat
import tempfile
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any, Final

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet

from gateway.auth.tokens import TokenSigner, TokenVerifier
from gateway.errors import ConfigurationError

__all__ = ["AUDIENCE", "ISSUER", "DevelopmentKeys"]

ISSUER: Final = "profile-gateway-dev"
AUDIENCE: Final = "profile-gateway"

_ALGORITHM: Final = "ES256"
_FILE: Final = "dev-keys.json"
_SECRET_BYTES = 48


class DevelopmentKeys:
    """The keys of one data directory."""

    def __init__(self, key: ECKey, secret: bytes) -> None:
        self._key = key
        self.secret = secret
        """48 random bytes, for sealing cursors and hashing API keys."""

    @classmethod
    def open(cls, data_dir: Path) -> DevelopmentKeys:
        """The directory's keys, made if it has none; two processes that come at the same time get the same.

        Raises:
            ConfigurationError: the file cannot be made, is damaged, or others may read it; the message says what to do.
        """
        path = data_dir / _FILE
        try:
            if not path.exists():
                _create(path)
            with path.open("rb") as file:
                if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                    raise ConfigurationError(f"Others may read the development keys in {path}: run chmod 600 on it, or delete it.")
                raw = file.read()
        except OSError as error:
            raise ConfigurationError(f"The development keys {path} cannot be made or read ({error.strerror}).") from error
        try:
            document = json.loads(raw)
            secret = b64decode(document["secret"], validate=True)
            key = ECKey.import_key(document["key"])
        except (JoseError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise _damaged(path) from error
        if len(secret) != _SECRET_BYTES or not key.is_private or not key.kid:
            raise _damaged(path)
        return cls(key, secret)

    def signer(self, audience: str = AUDIENCE) -> TokenSigner:
        """Makes the tokens that `token` and `demo` print."""
        return TokenSigner(_ALGORITHM, self._key, ISSUER, audience)

    def verifier(self, audience: str = AUDIENCE) -> TokenVerifier:
        """Checks tokens made with this directory's key; it is given the public half only."""
        return TokenVerifier(_ALGORITHM, KeySet([ECKey.import_key(self._key.as_dict(private=False))]), ISSUER, audience)


def _create(path: Path) -> None:
    """Write new keys under another name and link them to theirs: the file is whole from its first moment, and the first writer wins."""
    key = ECKey.generate_key("P-256", auto_kid=True)
    document: dict[str, Any] = {"key": key.as_dict(private=True), "secret": b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()}
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(prefix=f".{_FILE}.", dir=path.parent)  # 0600 by itself
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(json.dumps(document) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        Path(draft).unlink()


def _damaged(path: Path) -> ConfigurationError:
    return ConfigurationError(f"The development keys in {path} are damaged: delete the file; tokens and API keys made with it end with it.")
