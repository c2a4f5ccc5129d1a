"""Catalogue row 155: whatever is wrong with how the gateway is configured, it does not start, names what is wrong and never repeats a value."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.cli import app
from gateway.cli.environment import refuse_unknown
from gateway.errors import ConfigurationError

__all__: list[str] = []

SECRET = "hunter2-hunter2"
COMPLETE = {
    "GATEWAY_DATABASE_URL": f"postgresql://gateway:{SECRET}@127.0.0.1:1/gateway",
    "GATEWAY_SECRET_KEYS": f"{SECRET}-that-is-long-enough-for-a-key",
    "GATEWAY_JWT_KEYS": "keys.json",
    "GATEWAY_JWT_ISSUER": "https://issuer.example",
}


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("GATEWAY_"):
            monkeypatch.delenv(name)


def refused(result: Result, *words: str) -> None:
    """It ended with the status of a mistake, one sentence with these words, and no secret."""
    assert result.exit_code == 2, result.output
    assert len(result.stderr.splitlines()) == 1
    assert [word for word in words if word not in result.stderr] == []
    assert SECRET not in result.output


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("GATEWAY_PORT", f"{SECRET}", ("GATEWAY_PORT", "integer")),
        ("GATEWAY_POOL_SIZE", "1", ("GATEWAY_POOL_SIZE", "2")),
        ("GATEWAY_BUS", f"carrier://{SECRET}", ("GATEWAY_BUS", "postgres")),
        ("GATEWAY_SECRET_KEYS", SECRET, ("GATEWAY_SECRET_KEYS", "32 bytes")),
        ("GATEWAY_JWT_ALGORITHM", f"HS256{SECRET}", ("GATEWAY_JWT_ALGORITHM", "ES256")),
        ("GATEWAY_DATABASE_URL", f"mysql://gateway:{SECRET}@db/gateway", ("GATEWAY_DATABASE_URL", "postgresql://")),
        ("GATEWAY_DATABASE_URL", COMPLETE["GATEWAY_DATABASE_URL"], ("GATEWAY_DATABASE_URL", "cannot be reached")),
        ("GATEWAY_CONFIG", "nowhere.toml", ("nowhere.toml",)),
        ("GATEWAY_SECRETS_DIR", "nowhere", ("GATEWAY_SECRETS_DIR",)),
    ],
)
def test_fault_155_a_bad_value_is_named_and_not_repeated(name: str, value: str, words: tuple[str, ...]) -> None:
    """Of every kind of setting, the secret ones among them."""
    refused(CliRunner().invoke(app, ["serve"], env={**COMPLETE, name: value}), *words)


@pytest.mark.parametrize("name", COMPLETE)
def test_fault_155_a_missing_secret_is_named(name: str) -> None:
    """Each of the four that production needs, with how to get one."""
    refused(CliRunner().invoke(app, ["serve"], env={key: value for key, value in COMPLETE.items() if key != name}), f"Set {name} (")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("GATEWAY_DATABSE_URL", "was GATEWAY_DATABASE_URL meant?"),
        ("GATEWAY_ALLOWED_ORIGIN", "was GATEWAY_ALLOWED_ORIGINS meant?"),
        ("gateway_secretkeys", "was GATEWAY_SECRET_KEYS meant?"),
        ("GATEWAY_XYZ", "unset it"),
    ],
)
def test_fault_155_an_unknown_variable_is_refused(name: str, meant: str) -> None:
    """A misspelt one would leave what it was meant to set at its default; its value may be the secret that is missing elsewhere."""
    refused(CliRunner().invoke(app, ["serve"], env={**COMPLETE, name: SECRET}), f"{name} is not a setting", meant)


def test_fault_155_an_unknown_file_of_secrets_is_refused(tmp_path: Path) -> None:
    """The same for a file in GATEWAY_SECRETS_DIR; others' files there, and the links that Kubernetes makes, are left alone."""
    (tmp_path / "..data").mkdir()
    (tmp_path / "tls.crt").write_text("x")
    (tmp_path / "gateway_databse_url").write_text(SECRET)
    refused(
        CliRunner().invoke(app, ["serve"], env={**COMPLETE, "GATEWAY_SECRETS_DIR": str(tmp_path)}),
        "gateway_databse_url",
        "was gateway_database_url meant?",
    )


def test_fault_155_a_secret_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A file that is no text."""
    (tmp_path / "gateway_secret_keys").write_bytes(b"\xff\xfe")
    refused(CliRunner().invoke(app, ["serve"], env={**COMPLETE, "GATEWAY_SECRETS_DIR": str(tmp_path)}), "GATEWAY_SECRETS_DIR", "UTF-8")


@pytest.mark.parametrize(
    "name",
    [
        "GATEWAY_INTERFACE",
        "GATEWAY_SERVICE_HOST",
        "GATEWAY_SERVICE_PORT_HTTP",
        "GATEWAY_PORT_8080_TCP_ADDR",
        "GATEWAY_POSTGRES_SERVICE_PORT",
        "GATEWAY_POSTGRES_PORT_5432_TCP",
        "MY_GATEWAY_URL",
    ],
)
def test_fault_155_what_platforms_put_there_is_no_mistake(name: str) -> None:
    """CGI's variable, and Kubernetes' links to a service called gateway or gateway-postgres."""
    refuse_unknown({name: "10.0.0.1"})


def test_fault_155_links_of_kubernetes_are_told_from_settings() -> None:
    """Its GATEWAY_POSTGRES_PORT is passed over; its GATEWAY_PORT is in our way, and the message says how to be rid of it."""
    refuse_unknown({"GATEWAY_POSTGRES_PORT": "tcp://10.0.0.1:5432"})
    with pytest.raises(ConfigurationError, match="enableServiceLinks"):
        refuse_unknown({"GATEWAY_PORT": "tcp://10.0.0.1:80"})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("features = [", ("gateway.toml",)),
        ("[retentio]\ndefault = 'P2Y'", ("gateway.toml", "retentio")),
        ("[retention]\ndefault = '2y'", ("gateway.toml", "retention.default")),
        ("[attributes.define.tier]\nname = 'Tier'\ntype = 'SELECT'", ("gateway.toml", "attributes.define.tier")),
    ],
    ids=["no TOML", "unknown table", "bad period", "incomplete"],
)
def test_fault_155_the_file_is_named_with_table_and_key(tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    """What is wrong in GATEWAY_CONFIG is found before anything is opened."""
    path = tmp_path / "gateway.toml"
    path.write_text(text)
    refused(CliRunner().invoke(app, ["serve"], env={**COMPLETE, "GATEWAY_CONFIG": str(path)}), *words)


@pytest.mark.slow
def test_fault_155_a_process_that_fails_dumps_no_environment(tmp_path: Path) -> None:
    """The real command, in production mode with everything given and nothing there: one sentence on standard error, no traceback, no secret."""
    (tmp_path / "keys.json").write_text('{"keys": []}')
    done = subprocess.run(
        [Path(sys.executable).with_name("profile-gateway"), "serve"],
        cwd=tmp_path,
        env={**os.environ, **COMPLETE, "PYTHONFAULTHANDLER": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert SECRET not in done.stdout + done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("Error: ")
