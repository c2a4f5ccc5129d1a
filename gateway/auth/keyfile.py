"""Key files: the public keys that an operator trusts to sign tokens.

Owns the reading of JWK sets, JWKs and PEM files, and the refusal of what must not lie in them. A key without a name (`kid`) of its own is
tried for every token; a PEM file has no place for one. Must not accept a secret of any kind. Called by the composition root at start.
"""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path
from typing import Any, Final

from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import Key, KeySet, OctKey, RSAKey, import_key

from gateway.errors import ConfigurationError

__all__ = ["has_own_kid", "load_keys"]

_LARGEST_KEY_FILE = 64 * 1024
_PEM = re.compile(r"-----BEGIN ([A-Z ]+)-----.+?-----END \1-----", re.DOTALL)
_WEAKEST_RSA = 2048
_UNDERSTOOD: Final = ("RSA", "EC", "OKP")
_PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth"})


def load_keys(path: Path) -> KeySet:
    """The public keys in a file: a JWK set, one JWK, or PEM (one or more `PUBLIC KEY` blocks).

    Raises:
        ConfigurationError: the file cannot be read, has none, or holds a private key or a shared secret; the message says what to do.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST_KEY_FILE + 1)
        text = raw.decode("utf-8-sig")
    except OSError as error:
        raise ConfigurationError(f"The key file {path} cannot be read ({error.strerror}); check GATEWAY_JWT_KEYS.") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"The key file {path} is not text; it should be a JWK set, a JWK or a PEM file.") from error
    if len(raw) > _LARGEST_KEY_FILE:
        raise ConfigurationError(f"The key file {path} is larger than 64 KiB; keep only the keys that sign tokens for this gateway.")
    entries = _jwk_entries(path, text) if text.lstrip().startswith("{") else _pem_entries(path, text)
    keys = [key for number, entry in enumerate(entries, 1) if (key := _import(path, number, entry)) is not None]
    if not keys:
        raise ConfigurationError(f"The key file {path} has no RSA, EC or OKP public key; it should be a JWK set, a JWK or a PEM file.")
    return KeySet(keys)


def has_own_kid(key: Key) -> bool:
    """Whether the key came with a name; a key set gives every other key its thumbprint (RFC 7638) for one."""
    original = key.original_value
    return not isinstance(original, str | bytes) and not (isinstance(original, dict) and "kid" not in original)


def _jwk_entries(path: Path, text: str) -> list[Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"The key file {path} is not valid JSON.") from error
    entries = document.get("keys", [document])
    if not isinstance(entries, list):
        raise ConfigurationError(f"The key file {path} is not a JWK set: `keys` should be a list.")
    return entries


def _pem_entries(path: Path, text: str) -> list[Any]:
    blocks = [(match[1], match[0]) for match in _PEM.finditer(text)]
    if any("PRIVATE" in label for label, _ in blocks):
        raise _private_key(path)
    return [block for label, block in blocks if label.endswith("PUBLIC KEY")]


def _import(path: Path, number: int, entry: Any) -> Key | None:
    if isinstance(entry, dict):
        if entry.get("kty") == "oct":
            raise ConfigurationError(f"The key file {path} holds a shared secret (kty oct); tokens are verified with public keys only.")
        if _PRIVATE_MEMBERS & entry.keys():
            raise _private_key(path)
        if entry.get("kty") not in _UNDERSTOOD:
            return None  # RFC 7517, 5: a key of a type not understood is passed over
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)  # for short keys, refused below, and for PEM, whose type is in the file
            key = import_key(entry)
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise _damaged(path, number) from error
    if isinstance(key, OctKey):  # what joserfc takes a damaged PEM block for
        raise _damaged(path, number)
    if isinstance(key, RSAKey) and key.raw_value.key_size < _WEAKEST_RSA:
        raise ConfigurationError(f"Key {number} of the key file {path} is an RSA key of less than {_WEAKEST_RSA} bits; use a longer one.")
    return key


def _damaged(path: Path, number: int) -> ConfigurationError:
    return ConfigurationError(f"Key {number} of the key file {path} is damaged or of an unknown curve; export it again.")


def _private_key(path: Path) -> ConfigurationError:
    return ConfigurationError(
        f"The key file {path} contains a private key; the gateway needs the public one only (from PEM: openssl pkey -in FILE -pubout)."
    )
