"""The HTTP client and certificates: who is not who the name says is not talked to. Made at run time, valid for this test alone."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.errors import ConfigurationError, SourceUnavailable
from gateway.sources.http import Upstream

__all__: list[str] = []

NOW = datetime.now(UTC)
NAME = "crm.example.com"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


@dataclass(frozen=True)
class Pair:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def chain(self) -> bytes:
        """The certificate in PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def files(self, place: Path) -> tuple[Path, Path]:
        """Files of the certificate and the key."""
        chain, key = place / "chain.pem", place / "key.pem"
        chain.write_bytes(self.chain())
        form, clear = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        key.write_bytes(self.key.private_bytes(serialization.Encoding.PEM, form, clear))
        return chain, key


def made(
    subject: str,
    issuer: Pair | None = None,
    *,
    names: Sequence[str] = (),
    since: int = -1,
    until: int = 1,
    is_ca: bool = False,
    server: bool = True,
) -> Pair:
    """A certificate, valid from and until so many days from now."""
    key = ec.generate_private_key(ec.SECP256R1())
    own = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    signer = key if issuer is None else issuer.key
    purpose = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only"), False
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(own)
        .issuer_name(own if issuer is None else issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + timedelta(days=since))
        .not_valid_after(NOW + timedelta(days=until))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=True, key_cert_sign=is_ca, crl_sign=is_ca, **usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if not is_ca:
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    if names:
        alternatives = [x509.IPAddress(ip_address(name)) if name[0].isdigit() else x509.DNSName(name) for name in names]
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    return Pair(builder.sign(signer, hashes.SHA256()), key)


@lru_cache(maxsize=1)
def authority() -> Pair:
    """Whom the source's certificate file names."""
    return made("An authority", is_ca=True)


def certificates() -> dict[str, Pair]:
    """What is shown instead of the right one."""
    other = made("Another authority", is_ca=True)
    stale = made("An authority that has ended", is_ca=True, since=-9, until=-1)
    return {
        "expired": made(NAME, authority(), names=[NAME], since=-9, until=-1),
        "not yet valid": made(NAME, authority(), names=[NAME], since=1, until=9),
        "for another host": made("evil.example.com", authority(), names=["evil.example.com"]),
        "for a longer name": made("x", authority(), names=[f"{NAME}.evil.example"]),
        "for a wildcard too wide": made("x", authority(), names=["*.com"]),
        "for the address, not the name": made(NAME, authority(), names=["127.0.0.1"]),
        "with the name in its subject alone": made(NAME, authority()),
        "signed by itself": made(NAME, names=[NAME]),
        "signed by itself, as an authority": made(NAME, names=[NAME], is_ca=True),
        "of another authority": made(NAME, other, names=[NAME]),
        "of an authority that has ended": made(NAME, stale, names=[NAME]),
        "of a certificate that is no authority": made(NAME, made("x", authority(), names=["x.example.com"]), names=[NAME]),
        "for clients": made(NAME, authority(), names=[NAME], server=False),
    }


WRONG = [
    "expired",
    "not yet valid",
    "for another host",
    "for a longer name",
    "for a wildcard too wide",
    "for the address, not the name",
    "with the name in its subject alone",
    "signed by itself",
    "signed by itself, as an authority",
    "of another authority",
    "of an authority that has ended",
    "of a certificate that is no authority",
    "for clients",
]


@dataclass
class Seen:
    """What came: the names that were asked for in the handshake, and requests."""

    port: int
    names: list[str | None]
    requests: list[bytes]


@asynccontextmanager
async def speaking(pair: Pair | None, place: Path) -> AsyncIterator[Seen]:
    """A server with this certificate; None: without TLS."""
    seen = Seen(0, [], [])
    context = None
    if pair is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*pair.files(place))
        context.sni_callback = lambda _socket, name, _context: seen.names.append(name)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.CancelledError):
            seen.requests.append(await reader.read(4096))
            writer.write(ANSWER)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    seen.port = server.sockets[0].getsockname()[1]
    asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)  # a handshake that is broken off
    try:
        yield seen
    finally:
        server.close()


async def _here(host: str, port: int) -> Sequence[str]:
    return ["127.0.0.1"]


def to(seen: Seen, name: str = NAME, **options: Any) -> Upstream:
    """The client of this server, by a name, with a secret to lose."""
    given: dict[str, Any] = {
        "headers": {"Authorization": "Bearer hunter2"},
        "allow_private": True,
        "resolve": _here,
        "deadline": 5,
        **options,
    }
    return Upstream(f"https://{name}:{seen.port}", source="crm", **given)


@pytest.fixture(name="authorities")
def _authorities(tmp_path: Path) -> Path:
    path = tmp_path / "authorities.pem"
    path.write_bytes(authority().chain())
    return path


async def test_the_right_certificate_is_taken(authorities: Path, tmp_path: Path) -> None:
    """By the name that the source is configured with, which is told in the handshake, although an address is dialled."""
    async with speaking(made(NAME, authority(), names=[NAME]), tmp_path) as seen:
        async with to(seen, verify=authorities) as upstream:
            assert (await upstream.request("GET", "/")).value == {}
        async with to(seen, verify=ssl.create_default_context(cafile=authorities)) as upstream:
            assert (await upstream.request("GET", "/")).value == {}

    assert seen.names == [NAME, NAME]
    assert len(seen.requests) == 2


async def test_a_certificate_may_be_for_an_address(authorities: Path, tmp_path: Path) -> None:
    """Where the base URL names an address."""
    async with (
        speaking(made("x", authority(), names=["127.0.0.1"]), tmp_path) as seen,
        to(seen, "127.0.0.1", verify=authorities) as upstream,
    ):
        assert (await upstream.request("GET", "/")).value == {}


@pytest.mark.parametrize("what", WRONG)
async def test_fault_134_a_certificate_that_proves_nothing_is_refused(authorities: Path, tmp_path: Path, what: str) -> None:
    """Before a byte of the request, and its credentials, is sent."""
    async with speaking(certificates()[what], tmp_path) as seen, to(seen, verify=authorities) as upstream:
        with pytest.raises(SourceUnavailable) as caught:
            await upstream.request("GET", "/")

    assert caught.value.message == "The source's certificate is not valid for it."
    assert seen.requests == []


async def test_fault_134_an_own_authority_is_believed_only_where_it_is_configured(tmp_path: Path) -> None:
    """Without the file, those of the system are believed, and this one is none of them."""
    async with speaking(made(NAME, authority(), names=[NAME]), tmp_path) as seen, to(seen) as upstream:
        with pytest.raises(SourceUnavailable) as caught:
            await upstream.request("GET", "/")

    assert caught.value.message == "The source's certificate is not valid for it."
    assert seen.requests == []


async def test_fault_134_a_server_without_tls_gets_no_request(authorities: Path, tmp_path: Path) -> None:
    """Nothing is sent in clear text to an https address."""
    async with speaking(None, tmp_path) as seen, to(seen, verify=authorities, deadline=0.5) as upstream:
        with pytest.raises(SourceUnavailable):
            await upstream.request("GET", "/")

    assert not any(b"hunter2" in request for request in seen.requests)


@pytest.mark.parametrize("content", [None, b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_fault_134_a_file_without_certificates_is_refused_when_it_is_configured(tmp_path: Path, content: bytes | None) -> None:
    """Rather than believing nobody, or everybody, later."""
    path = tmp_path / "authorities.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"authorities\.pem"):
        Upstream("https://crm.example.com", source="crm", verify=path)
