"""The vault: SENSITIVE values encrypted at rest and found by a keyed hash.

Owns the keys (derived from the server's secrets) and the formats. Values are bound to their workspace and place, so a ciphertext moved elsewhere
does not open. Losing every secret loses the values; the first secret seals, all of them open and find. Must not be asked to show a value
without the right to see it: callers ask `auth.policy` first. Called by commands, records and the command line.

    sealed   = 0x01 | key id: 4 bytes | nonce: 12 bytes | AES-256-GCM ciphertext and tag
    blind    = HMAC-SHA-256(workspace, look-up key, normalized value), in hex
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Sequence
from hashlib import sha256
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

__all__ = ["Vault", "VaultError"]

_FORMAT = b"\x01"
_NONCE = 12
_KEY_ID = 4


class VaultError(Exception):
    """The bytes are not a value this vault sealed at this place, or its secret is gone."""


class Vault:
    """Seals, opens and finds. `secrets`: the server's, newest first."""

    def __init__(self, secrets: Sequence[bytes]) -> None:
        self._ciphers = [(_key_id(secret), AESGCM(_derived(secret, b"profile-gateway seal"))) for secret in secrets]
        self._blinds = [_derived(secret, b"profile-gateway blind") for secret in secrets]

    def seal(self, workspace: UUID, place: str, text: str) -> bytes:
        """The text as bytes that only this place of this workspace opens. `place`: e.g. `trait:<profile hex>:<key>`."""
        key_id, cipher = self._ciphers[0]
        nonce = os.urandom(_NONCE)
        return _FORMAT + key_id + nonce + cipher.encrypt(nonce, text.encode(), _bound(workspace, place))

    def open(self, workspace: UUID, place: str, sealed: bytes) -> str:
        """The text that was sealed at this place.

        Raises:
            VaultError: it was not, or with a secret that is no longer configured.
        """
        key_id = sealed[1 : 1 + _KEY_ID]
        nonce, ciphertext = sealed[1 + _KEY_ID : 1 + _KEY_ID + _NONCE], sealed[1 + _KEY_ID + _NONCE :]
        for known, cipher in self._ciphers:
            if sealed[:1] == _FORMAT and known == key_id:
                try:
                    return cipher.decrypt(nonce, ciphertext, _bound(workspace, place)).decode()
                except InvalidTag:
                    break
        raise VaultError("a sealed value does not open")

    def blind(self, workspace: UUID, key: str, value: str) -> str:
        """What a SENSITIVE value is stored and claimed under: equal values of one workspace and key are equal."""
        return self.blinds(workspace, key, value)[0]

    def blinds(self, workspace: UUID, key: str, value: str) -> list[str]:
        """What a value may have been stored under: one per secret, newest first."""
        message = workspace.bytes + key.encode() + b"\x00" + value.encode()
        return [hmac.new(blind, message, sha256).hexdigest() for blind in self._blinds]


def _derived(secret: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=purpose).derive(secret)


def _key_id(secret: bytes) -> bytes:
    return sha256(b"key id" + _derived(secret, b"profile-gateway key id")).digest()[:_KEY_ID]


def _bound(workspace: UUID, place: str) -> bytes:
    return workspace.bytes + place.encode()
