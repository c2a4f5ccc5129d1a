"""Key files: what an operator may point `GATEWAY_JWT_KEYS` at, and what the refusal of anything else says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey, KeySet, OctKey, OKPKey, RSAKey

from gateway.auth.keyfile import load_keys
from gateway.auth.principal import Role
from gateway.auth.tokens import TokenSigner, TokenVerifier
from gateway.errors import ConfigurationError, Unauthenticated

KEY = ECKey.generate_key("P-256", parameters={"kid": "k1"})
OTHER = ECKey.generate_key("P-256", parameters={"kid": "k2"})


def subject(keys: KeySet, signing: ECKey = KEY, algorithm: str = "ES256") -> str:
    """The subject of a token that was signed with a key and verified with the keys of the file."""
    token = TokenSigner(algorithm, signing, "me", "you").sign("demo", "ana", Role.AGENT)
    return TokenVerifier(algorithm, keys, "me", "you").verify(token).subject


def written(folder: Path, content: Any) -> Path:
    """A file of this content."""
    path = folder / "keys"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


class TestGood:
    """The three forms."""

    def test_jwk_set(self, tmp_path: Path) -> None:
        """Every key of a JWK set verifies; keys of types not understood are passed over (RFC 7517, 5)."""
        keys = load_keys(written(tmp_path, {"keys": [{"kty": "AKP", "pub": "x"}, KEY.as_dict(), OTHER.as_dict()]}))

        assert [key.kid for key in keys] == ["k1", "k2"]
        assert (subject(keys), subject(keys, OTHER)) == ("ana", "ana")

    def test_jwk(self, tmp_path: Path) -> None:
        """One JWK is a set of one; a byte order mark does no harm."""
        assert subject(load_keys(written(tmp_path, b"\xef\xbb\xbf" + json.dumps(KEY.as_dict()).encode()))) == "ana"

    @pytest.mark.parametrize(
        ("algorithm", "key"),
        [("ES256", KEY), ("RS256", RSAKey.generate_key(2048)), ("EdDSA", OKPKey.generate_key("Ed25519"))],
        ids=["EC", "RSA", "OKP"],
    )
    def test_pem(self, tmp_path: Path, algorithm: str, key: Any) -> None:
        """A PEM has no place for a name, so its key verifies whatever `kid` a token carries."""
        assert subject(load_keys(written(tmp_path, b"A comment\n" + key.as_pem(private=False))), key, algorithm) == "ana"

    def test_several_pems(self, tmp_path: Path) -> None:
        """The old and the new key may lie in one PEM file during a rotation; a third one's tokens are refused."""
        keys = load_keys(written(tmp_path, KEY.as_pem(private=False) + OTHER.as_pem(private=False)))

        assert (subject(keys), subject(keys, OTHER)) == ("ana", "ana")
        with pytest.raises(Unauthenticated):
            subject(keys, ECKey.generate_key("P-256"))

    def test_unnamed_jwk(self, tmp_path: Path) -> None:
        """A JWK without `kid` is tried for any token; beside it a named one answers to its name only."""
        unnamed = {name: value for name, value in OTHER.as_dict().items() if name != "kid"}
        keys = load_keys(written(tmp_path, {"keys": [KEY.as_dict(), unnamed]}))

        assert (subject(keys), subject(keys, OTHER)) == ("ana", "ana")
        with pytest.raises(Unauthenticated):
            subject(keys, ECKey.import_key({**OTHER.as_dict(private=True), "kid": "k1"}))


class TestBad:
    """What is refused, with words that help."""

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (KEY.as_pem(private=True), "contains a private key"),
            (KEY.as_pem(private=False) + OTHER.as_pem(private=True), "contains a private key"),
            (KEY.as_dict(private=True), "contains a private key"),
            ({"keys": [OTHER.as_dict(), RSAKey.generate_key(2048).as_dict(private=True)]}, "contains a private key"),
            (OctKey.generate_key(256).as_dict(private=True), "shared secret"),
            (b"", "no RSA, EC or OKP public key"),
            (b"hello", "no RSA, EC or OKP public key"),
            (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no RSA, EC or OKP public key"),
            (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "Key 1 .* damaged"),
            ({"keys": []}, "no RSA, EC or OKP public key"),
            ({"keys": {}}, "should be a list"),
            ({"keys": [5, None]}, "Key 1 .* damaged"),
            ({"keys": ["-----BEGIN"]}, "Key 1 .* damaged"),
            ({"kty": ["EC"]}, "no RSA, EC or OKP public key"),
            ({"kty": "EC", "crv": "P-256"}, "Key 1 .* damaged"),
            ({**KEY.as_dict(), "crv": "P-999"}, "Key 1 .* damaged"),
            ({**KEY.as_dict(), "x": KEY.as_dict()["y"]}, "Key 1 .* damaged"),
            (b"{", "not valid JSON"),
            (b"{" + b'"a":[' * 5000, "not valid JSON"),
            (b"\xff\xfe\x00", "not text"),
            (b" " * 65537, "larger than 64 KiB"),
        ],
        ids=lambda value: value[:24] if isinstance(value, str) else type(value).__name__,  # never the random keys
    )
    def test_refusals(self, tmp_path: Path, content: Any, words: str) -> None:
        """A file that cannot serve, or holds what it must not, is a configuration error that names the file and the reason."""
        path = written(tmp_path, content)
        with pytest.raises(ConfigurationError, match=words) as caught:
            load_keys(path)

        assert str(path) in caught.value.message

    def test_weak_rsa(self, tmp_path: Path) -> None:
        """An RSA key of less than 2048 bits is refused."""
        with pytest.warns(UserWarning, match="2048"):
            weak = RSAKey.generate_key(1024)
        with pytest.raises(ConfigurationError, match="2048 bits"):
            load_keys(written(tmp_path, weak.as_pem(private=False)))

    def test_unreadable(self, tmp_path: Path) -> None:
        """A missing file and a directory are configuration errors."""
        for path in (tmp_path / "missing", tmp_path):
            with pytest.raises(ConfigurationError, match="cannot be read"):
                load_keys(path)

    def test_secrets_stay_out_of_messages(self, tmp_path: Path) -> None:
        """The refusal of a private key does not repeat it."""
        document = KEY.as_dict(private=True)
        with pytest.raises(ConfigurationError) as caught:
            load_keys(written(tmp_path, document))

        assert str(document["d"]) not in caught.value.message
