"""Settings of commands, and the guard of development mode."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.auth.development import DevelopmentKeys
from gateway.cli.runtime import Place, key_secrets, read_settings, refuse_exposure
from gateway.errors import ConfigurationError

__all__: list[str] = []

SECRET = "a secret that is long enough for a key"


def test_a_flag_comes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is given as a flag wins; a flag that is not given leaves the environment's value."""
    monkeypatch.setenv("GATEWAY_PORT", "1111")
    monkeypatch.setenv("GATEWAY_HOST", "::1")
    settings = read_settings(port=2222, host=None)

    assert (settings.port, settings.host) == (2222, "::1")


def test_secrets_may_lie_in_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file named after the setting in GATEWAY_SECRETS_DIR gives its value."""
    (tmp_path / "gateway_secret_keys").write_text(SECRET)
    monkeypatch.setenv("GATEWAY_SECRETS_DIR", str(tmp_path))

    assert [secret.get_secret_value() for secret in read_settings().secret_keys] == [SECRET]


def test_a_secrets_directory_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A mistyped GATEWAY_SECRETS_DIR is not passed over in silence."""
    monkeypatch.setenv("GATEWAY_SECRETS_DIR", str(tmp_path / "nowhere"))

    with pytest.raises(ConfigurationError, match="GATEWAY_SECRETS_DIR"):
        read_settings()


def test_a_wrong_setting_is_named_and_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the variable and does not show its value, which may be a secret."""
    monkeypatch.setenv("GATEWAY_SECRET_KEYS", "hunter2")

    with pytest.raises(ConfigurationError, match=r"^GATEWAY_SECRET_KEYS: .*32 bytes") as caught:
        read_settings()
    assert "hunter2" not in str(caught.value)


def test_a_wrong_flag_is_named_as_a_flag() -> None:
    """A value that came by a flag is called by the flag's name."""
    with pytest.raises(ConfigurationError, match=r"^--port: "):
        read_settings(port=70_000)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "localhost"])
def test_development_on_loopback(host: str) -> None:
    """Every loopback address will do."""
    refuse_exposure(read_settings(dev=True, host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "localhost.example", "example.com", "", "127.0.0.1.example"])  # noqa: S104
def test_development_on_other_addresses_is_refused(host: str) -> None:
    """Development mode is never seen from another machine."""
    with pytest.raises(ConfigurationError, match="this machine only"):
        refuse_exposure(read_settings(dev=True, host=host))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p@127.0.0.1/x",
        "postgresql://u:p@localhost:5433/x",
        "postgresql://u:p@[::1]:5433,127.0.0.1/x",
        "postgresql:///x?host=/run/postgresql",
        "postgresql://%2Frun%2Fpostgresql/x",
        "postgresql:///x",
    ],
)
def test_development_with_a_database_of_this_machine(url: str) -> None:
    """Loopback addresses and Unix sockets are this machine."""
    refuse_exposure(read_settings(dev=True, database_url=url))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:hunter2@db.example/x",
        "postgresql://u:hunter2@127.0.0.1,db.example/x",
        "postgresql://u:hunter2@10.0.0.4/x",
        "postgresql://localhost@db.example/x",
        "postgresql:///x?host=db.example",
        "postgresql://127.0.0.1/x?host=db.example",
        "postgresql:///x?service=production",
    ],
)
def test_development_with_a_database_elsewhere_is_refused(url: str) -> None:
    """A database that is, or may be, on another machine is never migrated and filled by development mode; the message keeps its password."""
    with pytest.raises(ConfigurationError, match="GATEWAY_DATABASE_URL") as caught:
        refuse_exposure(read_settings(dev=True, database_url=url))
    assert "hunter2" not in str(caught.value)


def test_a_database_host_from_the_environment_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A URL without a host leads where PGHOST says."""
    monkeypatch.setenv("PGHOST", "db.example")

    with pytest.raises(ConfigurationError, match="GATEWAY_DATABASE_URL"):
        refuse_exposure(read_settings(dev=True, database_url="postgresql:///x"))


def test_keys_are_hashed_with_the_configured_secrets(tmp_path: Path) -> None:
    """GATEWAY_SECRET_KEYS come first, as they do for the gateway."""
    settings = read_settings(secret_keys=SECRET, data_dir=tmp_path)

    assert key_secrets(settings, Place("postgresql:///x", beside=True)) == [SECRET.encode()]


def test_keys_of_an_embedded_database_are_hashed_with_its_own_secret(tmp_path: Path) -> None:
    """Beside a development gateway the data directory's secret is the one."""
    settings = read_settings(data_dir=tmp_path)

    assert key_secrets(settings, Place("postgresql:///x", beside=True)) == [DevelopmentKeys.open(tmp_path).secret]


def test_a_key_that_would_open_nothing_is_not_made(tmp_path: Path) -> None:
    """For a database elsewhere the secrets must be given: one made up here would be unknown to its gateways."""
    DevelopmentKeys.open(tmp_path)

    with pytest.raises(ConfigurationError, match="GATEWAY_SECRET_KEYS"):
        key_secrets(read_settings(data_dir=tmp_path), Place("postgresql://db.example/x"))
