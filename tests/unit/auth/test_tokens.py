"""Which tokens count: the rows 71, 72, 73, 74 and 76 of the security catalogue, one forged token each."""

from __future__ import annotations

import hmac
import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from gateway.auth.principal import Role
from gateway.auth.tokens import TokenSigner, TokenVerifier
from gateway.errors import ConfigurationError, Unauthenticated

NOW = 1_900_000_000.0


def refused(issuer: Any, token: str, verifier: TokenVerifier | None = None) -> str:
    """The reason for which the token was refused."""
    with pytest.raises(Unauthenticated, match=r"^The token is not valid: [a-z ()0-9+]+\.$") as caught:
        (verifier or issuer.verifier()).verify(token)
    assert caught.value.http_status == 401
    return caught.value.message


def shown(value: object) -> str:
    """A parameter in a test's name."""
    return repr(value)[:24]


def hs256(secret: bytes) -> Any:
    """A signature with a shared secret."""
    return lambda content: hmac.digest(secret, content, "sha256")


class TestValid:
    """What an honest token says arrives as claims."""

    def test_claims(self, issuer: Any) -> None:
        """Every claim of a valid token arrives, the times as aware moments."""
        claims = issuer.verifier().verify(issuer.token(issuer.claims(name="Ana Lima", scope="profile:read  note:read")))

        assert (claims.workspace, claims.subject, claims.role, claims.name) == ("demo", "ana", Role.AGENT, "Ana Lima")
        assert claims.scopes == frozenset({"profile:read", "note:read"})
        assert claims.issued_at == datetime.fromtimestamp(NOW, UTC)
        assert claims.expires_at == datetime.fromtimestamp(NOW + 3600, UTC)

    def test_optional_claims(self, issuer: Any) -> None:
        """Without name and scope the token is valid and narrows nothing; an empty scope narrows to nothing."""
        assert (issuer.verifier().verify(issuer.token()).name, issuer.verifier().verify(issuer.token()).scopes) == (None, None)
        assert issuer.verifier().verify(issuer.token(issuer.claims(scope=""))).scopes == frozenset()

    @pytest.mark.parametrize("name", [7, "", " ", ["x"], "\x00"])
    def test_strange_name(self, issuer: Any, name: object) -> None:
        """A display name that cannot be shown is as good as none."""
        assert issuer.verifier().verify(issuer.token(issuer.claims(name=name))).name is None

    def test_float_times(self, issuer: Any) -> None:
        """NumericDate may have a fraction."""
        claims = issuer.verifier().verify(issuer.token(issuer.claims(iat=NOW - 0.5, exp=NOW + 60.25)))

        assert claims.expires_at == datetime.fromtimestamp(NOW + 60.25, UTC)

    @pytest.mark.parametrize("audience", ["profile-gateway", ["account", "profile-gateway"]])
    def test_audience_forms(self, issuer: Any, audience: object) -> None:
        """The audience may stand alone or in a list (RFC 7519, 4.1.3)."""
        assert issuer.verifier().verify(issuer.token(issuer.claims(aud=audience))).subject == "ana"

    @pytest.mark.parametrize("role", ["agent", "supervisor", "admin", "partner", "AGENT"])
    def test_roles(self, issuer: Any, role: str) -> None:
        """Every role of a person or partner may come with a token, in either case."""
        assert issuer.verifier().verify(issuer.token(issuer.claims(role=role))).role is Role(role.lower())

    @pytest.mark.parametrize("kind", ["at+jwt", "AT+JWT", "application/at+jwt"])
    def test_access_token_type(self, issuer: Any, kind: str) -> None:
        """`typ` is compared as a media type: in any case, with or without `application/`."""
        assert issuer.verifier().verify(issuer.token(header=issuer.header(typ=kind))).subject == "ana"

    def test_configured_type(self, issuer: Any) -> None:
        """An issuer that stamps another type is accepted where that type is configured, and only that one."""
        verifier = issuer.verifier(token_type="JWT")

        assert verifier.verify(issuer.token(header=issuer.header(typ="JWT"))).subject == "ana"
        assert "typ" in refused(issuer, issuer.token(), verifier)

    @pytest.mark.parametrize(
        ("algorithm", "key"),
        [
            ("ES256", ECKey.generate_key("P-256")),
            ("RS256", RSAKey.generate_key(2048)),
            ("EdDSA", OKPKey.generate_key("Ed25519")),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_signer(self, algorithm: str, key: Any) -> None:
        """What the signer signs the verifier of the same key accepts, with each algorithm."""
        token = TokenSigner(algorithm, key, "me", "you").sign(
            "demo", "ana", Role.SUPERVISOR, name="Ana", scopes=["note:read"], lifetime=timedelta(minutes=5)
        )
        claims = TokenVerifier(algorithm, KeySet([key]), "me", "you").verify(token)

        assert (claims.workspace, claims.subject, claims.role, claims.name) == ("demo", "ana", Role.SUPERVISOR, "Ana")
        assert claims.scopes == frozenset({"note:read"})
        assert claims.expires_at - claims.issued_at == timedelta(minutes=5)

    def test_new_name_of_eddsa(self, issuer: Any) -> None:
        """A token signed by an Ed25519 key counts under the algorithm's old and new name (RFC 9864)."""
        key = OKPKey.generate_key("Ed25519", parameters={"kid": "k1"})
        private: Any = key.private_key
        for name in ("EdDSA", "Ed25519"):
            token = issuer.token(header=issuer.header(alg=name), sign=private.sign)
            for parameters in ({}, {"alg": name}):
                public = OKPKey.import_key({**key.as_dict(private=False), **parameters})
                assert issuer.verifier(algorithm="EdDSA", keys=KeySet([public])).verify(token).subject == "ana"


class TestAlgorithm:
    """Row 71: the algorithm is ours to choose."""

    @pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", "", None, 5, ["ES256"], {}])
    def test_none(self, issuer: Any, name: object) -> None:
        """An unsigned token is refused, however it spells it."""
        refused(issuer, issuer.token(header=issuer.header(alg=name), sign=lambda _: b""))

    def test_hmac_with_the_public_key(self, issuer: Any) -> None:
        """A public key is not a shared secret, in whatever form an attacker takes it for one."""
        forms = (issuer.public.as_pem(), json.dumps(issuer.public.as_dict()).encode(), b"")
        for secret in forms:
            assert "algorithm" in refused(issuer, issuer.token(header=issuer.header(alg="HS256"), sign=hs256(secret)))

    @pytest.mark.parametrize("name", ["ES384", "ES512", "RS256", "PS256", "EdDSA", "Ed25519", "ES256K", "HS512"])
    def test_another_algorithm(self, issuer: Any, name: str) -> None:
        """A token that names another algorithm than the configured one is refused, even over the right signature."""
        assert "algorithm" in refused(issuer, issuer.token(header=issuer.header(alg=name)))

    def test_other_curve(self, issuer: Any) -> None:
        """A signature by a key of another curve is not one of ES256."""
        other = ECKey.generate_key("P-384", parameters={"kid": "k1"})
        refused(issuer, issuer.token(sign=lambda content: JWSRegistry.algorithms["ES384"].sign(content, other)))

    def test_only_fitting_keys_are_used(self, issuer: Any) -> None:
        """Keys for encryption, for other algorithms or for signing elsewhere are passed over, and none left is a configuration error."""
        document = issuer.key.as_dict(private=False)
        for unfit in ({"use": "enc"}, {"alg": "ES384"}, {"key_ops": ["sign"]}):
            with pytest.raises(ConfigurationError, match="ES256"):
                issuer.verifier(keys=KeySet([ECKey.import_key({**document, **unfit})]))
        with pytest.raises(ConfigurationError):
            issuer.verifier(keys=KeySet([ECKey.generate_key("P-384"), RSAKey.generate_key(2048), OKPKey.generate_key("Ed25519")]))
        with pytest.raises(ConfigurationError, match="HS256"):
            issuer.verifier(algorithm="HS256")

    def test_eddsa_means_ed25519(self, issuer: Any) -> None:
        """A key of another Edwards curve is not used for EdDSA."""
        with pytest.raises(ConfigurationError, match="EdDSA"):
            issuer.verifier(algorithm="EdDSA", keys=KeySet([OKPKey.generate_key("Ed448")]))


class TestClaims:
    """Rows 72 and 73: every claim is there, is what it should be, and means us."""

    @pytest.mark.parametrize("claim", ["exp", "iat", "aud", "iss", "sub", "workspace", "role"])
    @pytest.mark.parametrize("value", [..., None, "", True, [], {}, "\x00"], ids=str)
    def test_required(self, issuer: Any, claim: str, value: object) -> None:
        """A required claim that is missing or of another type refuses the token."""
        refused(issuer, issuer.token(issuer.claims(**{claim: value})))

    @pytest.mark.parametrize("value", ["1900003600", 1e308, -1e308, float("nan"), float("inf"), 10**400, NOW * 1000], ids=shown)
    @pytest.mark.parametrize("claim", ["exp", "iat", "nbf"])
    def test_times_are_numbers(self, issuer: Any, claim: str, value: object) -> None:
        """A time is a finite number of seconds: no string, no NaN, nothing that no float holds, no milliseconds."""
        assert claim in refused(issuer, issuer.token(issuer.claims(**{claim: value})))

    def test_longest_life(self, issuer: Any) -> None:
        """A token may live for 24 hours and not longer."""
        assert issuer.verifier().verify(issuer.token(issuer.claims(exp=int(NOW) + 86400))).subject == "ana"
        assert "24 hours" in refused(issuer, issuer.token(issuer.claims(exp=int(NOW) + 86400 + 120)))

    @pytest.mark.parametrize("claim", ["nbf", "iat"])
    def test_not_yet(self, issuer: Any, claim: str) -> None:
        """A token from the future is not valid yet."""
        assert "not valid yet" in refused(issuer, issuer.token(issuer.claims(**{claim: int(NOW) + 300})))

    @pytest.mark.parametrize(
        "value", ["https://id.example.com", "https://id.example.com//", "https://id.example.com/x", "HTTPS://id.example.com/"]
    )
    def test_issuer_is_exact(self, issuer: Any, value: str) -> None:
        """No prefix, no missing or second slash, no other case passes for the issuer."""
        assert "issuer" in refused(issuer, issuer.token(issuer.claims(iss=value)))

    @pytest.mark.parametrize(
        "value", ["profile-gateway2", "profile", "Profile-Gateway", ["other"], [["profile-gateway"]], {"profile-gateway": 1}]
    )
    def test_audience_is_exact(self, issuer: Any, value: object) -> None:
        """No longer, shorter or nested audience passes for ours."""
        assert "audience" in refused(issuer, issuer.token(issuer.claims(aud=value)))

    @pytest.mark.parametrize("kind", ["JWT", "id+jwt", "logout+jwt", "at+jwt2", ..., None, 5])
    def test_other_kinds_of_tokens(self, issuer: Any, kind: object) -> None:
        """An ID token, a logout token or a token of no type is not an access token, though everything else of it is right."""
        refused(issuer, issuer.token(header=issuer.header(typ=kind)))

    @pytest.mark.parametrize("role", ["service", "root", "agent ", "Role.AGENT"])
    def test_unknown_role(self, issuer: Any, role: str) -> None:
        """A role that is unknown, or that comes with keys only, is refused."""
        assert "role" in refused(issuer, issuer.token(issuer.claims(role=role)))

    @pytest.mark.parametrize(
        ("claim", "value"),
        [("sub", "a" * 256), ("sub", "\ud800"), ("sub", "a\nb"), ("workspace", "w" * 65), ("scope", 5), ("scope", ["a"])],
    )
    def test_malformed_text(self, issuer: Any, claim: str, value: object) -> None:
        """Text that is too long, cannot be stored or is no text refuses the token."""
        assert claim in refused(issuer, issuer.token(issuer.claims(**{claim: value})))


class TestKeys:
    """Row 74: a token says which of our keys signed it, and nothing else about keys."""

    @pytest.mark.parametrize(
        "kid",
        ["k2", "", "../../etc/passwd", "/dev/null", "' OR 1=1 --", "k1\x00", "K1", 1, None, ["k1"], {"kid": "k1"}, "x" * 5000],
        ids=shown,
    )
    def test_unknown_kid(self, issuer: Any, kid: object) -> None:
        """A token of an unknown key is refused though its signature would be right, whatever the name holds."""
        refused(issuer, issuer.token(header=issuer.header(kid=kid)))

    def test_a_thousand_unknown_kids(self, issuer: Any) -> None:
        """A thousand random key names are a thousand refusals; nothing is fetched or kept for them."""
        verifier = issuer.verifier()
        before = dict(vars(verifier))
        for number in range(1000):
            refused(issuer, issuer.token(header=issuer.header(kid=f"random-{number}"), sign=lambda _: bytes(64)), verifier)

        assert vars(verifier) == before

    @pytest.mark.parametrize("name", ["jku", "x5u", "jwk", "x5c"])
    def test_keys_in_the_token(self, issuer: Any, name: str) -> None:
        """A key that the token brings along or points to is never used; a token of a known key may carry one."""
        stranger = ECKey.generate_key("P-256", parameters={"kid": "k1"})
        values = {
            "jku": "https://evil.example/keys",
            "x5u": "https://evil.example/chain",
            "jwk": stranger.as_dict(private=False),
            "x5c": ["MIIB"],
        }
        header = issuer.header(**{name: values[name]})

        assert issuer.verifier().verify(issuer.token(header=header)).subject == "ana"
        assert "key" in refused(
            issuer, issuer.token(header=header, sign=lambda content: JWSRegistry.algorithms["ES256"].sign(content, stranger))
        )

    def test_no_kid(self, issuer: Any) -> None:
        """Without a name the only key is tried; among several named ones none is guessed."""
        second = ECKey.generate_key("P-256", parameters={"kid": "k2"})
        token = issuer.token(header=issuer.header(kid=...))

        assert issuer.verifier().verify(token).subject == "ana"
        assert "key" in refused(issuer, token, issuer.verifier(keys=KeySet([issuer.public, second])))

    def test_rotation(self, issuer: Any) -> None:
        """With two keys in the set, tokens of the old and the new one count side by side."""
        new = ECKey.generate_key("P-256", parameters={"kid": "k2"})
        verifier = issuer.verifier(keys=KeySet([issuer.public, new]))
        token = issuer.token(header=issuer.header(kid="k2"), sign=lambda content: JWSRegistry.algorithms["ES256"].sign(content, new))

        assert (verifier.verify(token).subject, verifier.verify(issuer.token()).subject) == ("ana", "ana")

    @pytest.mark.parametrize("extra", [{"crit": ["exp"]}, {"crit": []}, {"crit": ["b64"], "b64": False}, {"b64": False}, {"b64": True}])
    def test_critical_extensions(self, issuer: Any, extra: dict[str, object]) -> None:
        """An extension that the token calls critical is not one the gateway knows (RFC 7515, 4.1.11; RFC 7797 bans b64 from JWT)."""
        refused(issuer, issuer.token(header=issuer.header(**extra)))


class TestClocks:
    """Row 76: clocks differ a little."""

    @pytest.mark.parametrize("skew", [-60, -30, 0, 30, 60])
    def test_a_minute_is_fine(self, issuer: Any, skew: int) -> None:
        """An issuer whose clock is a minute off makes valid tokens."""
        assert issuer.verifier().verify(issuer.token(issuer.claims(now=NOW + skew, nbf=int(NOW) + skew))).subject == "ana"

    @pytest.mark.parametrize("skew", [-600, 600])
    def test_ten_minutes_are_not(self, issuer: Any, skew: int) -> None:
        """An issuer whose clock is ten minutes off makes five-minute tokens that have expired or are not valid yet."""
        refused(issuer, issuer.token(issuer.claims(now=NOW + skew, exp=int(NOW) + skew + 300)))

    def test_leeway_after_expiry(self, issuer: Any) -> None:
        """An expired token is taken for less than 30 seconds more, and its expiry stays what it says."""
        claims = issuer.verifier().verify(issuer.token(issuer.claims(exp=int(NOW) - 29)))

        assert claims.expires_at < datetime.fromtimestamp(NOW, UTC)
        assert "expired" in refused(issuer, issuer.token(issuer.claims(exp=int(NOW) - 30)))


class TestBytes:
    """Whatever is sent as a token, the answer is 401."""

    def test_size(self, issuer: Any) -> None:
        """A token of 8 KiB is read, one of a byte more is not."""
        tokens = [issuer.token(issuer.claims(pad="x" * length)) for length in range(5500, 6000)]
        longest = max((token for token in tokens if len(token) <= 8192), key=len)
        next_one = min((token for token in tokens if len(token) > 8192), key=len)

        assert len(longest) >= 8191
        assert issuer.verifier().verify(longest).subject == "ana"
        assert "too long" in refused(issuer, next_one)

    @pytest.mark.parametrize(
        "payload",
        [b"", b"null", b"[]", b'"x"', b"5", b"{", b"[" * 5000, b'{"a":' * 1000, b"\xff\xfe", b'{"exp":' + b"9" * 5000 + b"}"],
        ids=shown,
    )
    def test_payload_is_an_object(self, issuer: Any, payload: bytes) -> None:
        """A payload that is no JSON object refuses the token, be it properly signed; deep nesting does not exhaust the stack."""
        refused(issuer, issuer.token(payload))

    @pytest.mark.parametrize(
        "header", [b"", b"null", b"[]", b'["alg"]', b'"alg"', b"5", b"{", b"[" * 3000, b"\xff", b'{"alg":' * 500], ids=shown
    )
    def test_header_is_an_object(self, issuer: Any, header: bytes) -> None:
        """A header that is no JSON object refuses the token."""
        refused(issuer, issuer.token(header=header))

    @pytest.mark.parametrize(
        "token", ["", ".", "..", "...", "a.b.c", "a.b.c.d.e", "\x00", "é.é.é", "\ud800", "e30.e30.", " ", "null", "Bearer x"], ids=repr
    )
    def test_shape(self, issuer: Any, token: str) -> None:
        """What has not the shape of a token is refused."""
        refused(issuer, token)

    @given(text=st.text(max_size=200))
    def test_any_text(self, issuer: Any, text: str) -> None:
        """No text makes the verifier do anything but refuse."""
        refused(issuer, text)

    @given(data=st.data())
    def test_any_change(self, issuer: Any, data: st.DataObject) -> None:
        """A valid token with any one character replaced by another is refused."""
        token = issuer.token()
        place = data.draw(st.integers(0, len(token) - 1))
        letter = data.draw(st.sampled_from("ABCabc019-_.=+/ ~\x00é").filter(lambda other: other != token[place]))
        refused(issuer, token[:place] + letter + token[place + 1 :])

    @given(
        header=st.dictionaries(
            st.sampled_from(["alg", "typ", "kid", "crit", "jku", "jwk", "x5c", "x5t", "cty", "b64", "zip"]),
            st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=2)),
        )
    )
    def test_any_header(self, issuer: Any, header: dict[str, Any]) -> None:
        """Header entries of any type lead to claims or to a refusal, never to another error."""
        token = issuer.token(header={**issuer.header(), **header})
        with suppress(Unauthenticated):
            issuer.verifier().verify(token)


def test_issuer_and_audience_are_needed(issuer: Any) -> None:
    """A verifier without an issuer or an audience to compare with is a configuration error, not one that accepts everything."""
    for names in (("", "audience"), ("issuer", "")):
        with pytest.raises(ConfigurationError, match="GATEWAY_JWT_ISSUER"):
            TokenVerifier("ES256", KeySet([issuer.public]), *names)
