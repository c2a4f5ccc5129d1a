"""Sealed text: opaque, versioned, tamper-evident strings for cursors.

Owns the envelope (version, key id, payload, MAC) and key rotation: the first key seals, every key opens. Knows nothing of what is inside.
Must not be used to hide anything: a sealed payload is readable, it only cannot be made or changed by a client.
Called by `timeline.cursor` and `live.position`.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from binascii import b2a_base64
from collections.abc import Callable, Sequence
from hashlib import blake2b
from hmac import compare_digest

from gateway.errors import CursorInvalid

__all__ = ["Sealer"]

_VERSION = 1
_MAC = 9
"""Bytes of MAC: a forger has one chance in 2^72 per try, and every try is a request that authentication and rate limits count."""
_HEADER = 3
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


class Sealer:
    """Seals bytes for one purpose at a time; what was sealed for one purpose does not open for another."""

    def __init__(self, secrets: Sequence[bytes]) -> None:
        """`secrets`: at least one, each of 32 bytes or more; derived per use, so the same secret may serve elsewhere."""
        keys = [blake2b(b"profile-gateway sealed v1", key=blake2b(secret).digest()[:32], digest_size=32).digest() for secret in secrets]
        self._current = (blake2b(keys[0], digest_size=2).digest(), keys[0])
        self._keys = {blake2b(key, digest_size=2).digest(): key for key in reversed(keys)}

    def seal(self, purpose: bytes, payload: bytes) -> str:
        """The payload as URL-safe text without padding."""
        return self.sealing(purpose)(payload)

    def sealing(self, purpose: bytes) -> Callable[[bytes], str]:
        """`seal` for one purpose: a page has a cursor for each of its items."""
        kid, key = self._current
        opening, ending = bytes((_VERSION,)) + kid, purpose + len(purpose).to_bytes(2)
        begun = blake2b(opening, key=key, digest_size=_MAC).copy  # to key a hash takes longer than what is left of it

        def seal(payload: bytes) -> str:
            mac = begun()
            mac.update(payload + ending)
            return b2a_base64(opening + payload + mac.digest(), newline=False).translate(_URL_SAFE, b"=").decode()

        return seal

    def open(self, purpose: bytes, text: str) -> bytes:
        """The payload that was sealed for this purpose.

        Raises:
            CursorInvalid: it was not sealed by this server (or one with its keys), or for something else, or was changed on the way.
        """
        try:
            raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        except (ValueError, Base64Error):
            raise CursorInvalid from None
        key = self._keys.get(raw[1:_HEADER])
        if len(raw) < _HEADER + _MAC or raw[0] != _VERSION or key is None:
            raise CursorInvalid
        if not compare_digest(raw[-_MAC:], _mac(key, raw[:-_MAC], purpose)):
            raise CursorInvalid
        if urlsafe_b64encode(raw).rstrip(b"=").decode() != text:
            raise CursorInvalid  # Base64 forgives spare bits, padding and foreign characters; one position has one text
        return raw[_HEADER:-_MAC]


def _mac(key: bytes, head: bytes, purpose: bytes) -> bytes:
    """The length marks where the payload ends and the purpose begins, so that no byte can move from one to the other."""
    return blake2b(head + purpose + len(purpose).to_bytes(2), key=key, digest_size=_MAC).digest()
