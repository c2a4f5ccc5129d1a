"""How GATEWAY_BUS names a bell: addresses, passwords, TLS, and what is said when one of them is wrong."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import cast

import pytest
from broadcaster import BroadcastBackend
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.errors import ConfigurationError
from gateway.live.bell import CHANNEL
from gateway.live.bell_memory import MemoryBell
from gateway.live.bell_postgres import PostgresBell
from gateway.live.bells import bell_for
from gateway.storage.database import Database
from tests.bells import until
from tests.servers import NatsServer, ValkeyServer

NO_DATABASE = cast("Database", None)


def descriptors() -> int:
    """Files and sockets that this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


async def hears_itself(address: str) -> None:
    """Connect the bell of this address and hear what it says."""
    bell = bell_for(address, NO_DATABASE)()
    try:
        async with asyncio.timeout(5):
            await bell.connect()
            await bell.publish(CHANNEL, "0123456789abcdef")
            assert (await bell.next_published()).message == "0123456789abcdef"
    finally:
        await bell.disconnect()


@pytest.mark.parametrize(("setting", "kind"), [("memory", MemoryBell), ("postgres", PostgresBell)])
def test_a_word_names_a_bell_without_an_address(setting: str, kind: type[BroadcastBackend]) -> None:
    """`memory` and `postgres` need nothing else."""
    assert type(bell_for(setting, NO_DATABASE)()) is kind


@pytest.mark.parametrize(
    ("setting", "extra", "package"),
    [
        ("valkey://host", "valkey", "redis.asyncio.connection"),
        ("rediss://host", "valkey", "redis.asyncio.connection"),
        ("nats://host", "nats", "nats.aio.client"),
        ("tls://host", "nats", "nats.aio.client"),
    ],
)
def test_a_missing_package_is_named_with_the_command_that_installs_it(
    setting: str, extra: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The extras are optional; whoever names such a bell without its package is told what to type."""
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, f"gateway.live.bell_{extra}", raising=False)
    with pytest.raises(ConfigurationError, match=rf"pip install 'profile-gateway\[{extra}\]'"):
        bell_for(setting, NO_DATABASE)


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ("valkey://:secret@host:99999", "port"),
        ("redis://:secret@host:six", "port"),
        ("valkeys://:secret@host?ssl_cert_reqs=none", "'ssl_cert_reqs' is no option"),
        ("valkey://:secret@host?protocol=3", "'protocol' is no option"),
        ("nats://ana:secret@host:99999", "port"),
        ("nats://ana:secret@host,tls://other", "every server"),
        ("nats://ana:secret@", "every server"),
    ],
)
def test_an_address_that_cannot_be_read_is_refused_at_the_start_without_repeating_it(setting: str, why: str) -> None:
    """What is wrong is said, but not the address: it may hold a password."""
    with pytest.raises(ConfigurationError, match=why) as refused:
        bell_for(setting, NO_DATABASE)

    assert "secret" not in refused.value.message


async def test_passwords_of_any_characters_open_a_valkey() -> None:
    """User and password are percent-encoded in the address; the database's number is ignored, since channels have none."""
    server = ValkeyServer("--requirepass", "p@ss/w:rd%", "--user", "ana", "on", ">päß", f"&{CHANNEL}", "-@all", "+publish", "+subscribe")
    with server.running():
        await hears_itself(f"valkey://:p%40ss%2Fw%3Ard%25@127.0.0.1:{server.port}/7")
        await hears_itself(f"redis://ana:p%C3%A4%C3%9F@localhost:{server.port}")  # with the rights that docs/bells.md asks for, no others


async def test_passwords_and_tokens_of_any_characters_open_a_nats() -> None:
    """User and password, or a token, are percent-encoded in the address; of several servers one is enough."""
    server = NatsServer("--user", "ana", "--pass", "p@ss,w:rd%")
    with server.running():
        await hears_itself(f"nats://ana:p%40ss%2Cw%3Ard%25@127.0.0.1:{server.port},nats://127.0.0.1:9")
    server = NatsServer("--auth", "tök/en")
    with server.running():
        await hears_itself(f"nats://t%C3%B6k%2Fen@127.0.0.1:{server.port}")


# TLS


@pytest.fixture(name="certificate", scope="module")
def _certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of 127.0.0.1 that signs itself; its key lies beside it."""
    place = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "bell")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(hours=1), now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = place / "certificate.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.with_name("key.pem").write_bytes(secret)
    return path


@asynccontextmanager
async def behind_tls(port: int, certificate: Path) -> AsyncIterator[int]:
    """A port that speaks TLS in front of one that does not."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        pumps = [asyncio.create_task(pump(reader, inner_writer)), asyncio.create_task(pump(inner_reader, writer))]
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        writer.close()
        inner_writer.close()
        await asyncio.wait(pumps)

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ssl.SSLError):
            while chunk := await reader.read(65536):
                writer.write(chunk)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_valkeys_is_encrypted_and_checks_who_answers(certificate: Path) -> None:
    """An authority of one's own is named in the address; without it the certificate is refused."""
    server = ValkeyServer("--requirepass", "secret")
    with server.running():
        async with behind_tls(server.port, certificate) as port:
            await hears_itself(f"valkeys://:secret@127.0.0.1:{port}?ssl_ca_certs={certificate}")
            for scheme in ("valkeys", "rediss"):
                with pytest.raises(Exception, match="certificate verify failed"):
                    await hears_itself(f"{scheme}://:secret@127.0.0.1:{port}")


async def test_tls_of_nats_is_encrypted_and_checks_who_answers(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An authority of one's own is named by SSL_CERT_FILE; without it the certificate is refused."""
    key = certificate.with_name("key.pem")
    server = NatsServer("--user", "ana", "--pass", "secret", "--tls", "--tlscert", str(certificate), "--tlskey", str(key))
    with server.running():
        opened = descriptors()
        for _ in range(3):
            with pytest.raises(Exception, match="certificate verify failed"):
                await hears_itself(f"tls://ana:secret@127.0.0.1:{server.port}")
        gc.collect()
        await until(lambda: descriptors() <= opened)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        await hears_itself(f"tls://ana:secret@127.0.0.1:{server.port}")


async def test_no_password_goes_to_a_nats_that_does_not_speak_tls() -> None:
    """Whoever answers in the clear on a tls:// address is told nothing: the client alone would have gone on."""
    told: list[bytes] = []
    over = asyncio.Event()

    async def pretend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"server_id":"x","version":"2.15.0","proto":1,"max_payload":1048576,"auth_required":true}\r\n')
        with contextlib.suppress(OSError):
            told.append(await reader.read(1000))
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        over.set()

    server = await asyncio.start_server(pretend, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ConnectionError, match="does not speak TLS"):
            await hears_itself(f"tls://ana:secret@127.0.0.1:{port}")
        await over.wait()

    assert b"secret" not in b"".join(told)
