"""What `serve` asks for before it starts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import app

__all__: list[str] = []

COMPLETE = {
    "GATEWAY_DATABASE_URL": "postgresql://u:p@db.example/x",
    "GATEWAY_SECRET_KEYS": "a secret that is long enough for a key",
    "GATEWAY_JWT_KEYS": "keys.json",
    "GATEWAY_JWT_ISSUER": "https://issuer.example",
}


def test_nothing_configured_names_everything() -> None:
    """Unconfigured, it does not start, names all four settings and the way to try it."""
    result = CliRunner().invoke(app, ["serve"])

    assert result.exit_code == 2
    assert re.findall(r"GATEWAY_\w+", result.stderr) == list(COMPLETE)
    assert "openssl rand" in result.stderr
    assert result.stderr.rstrip().endswith("serve --dev"), "the message was cut"


@pytest.mark.parametrize("missing", COMPLETE)
def test_what_is_missing_is_named_and_nothing_else(missing: str) -> None:
    """With one setting missing, exactly that one is asked for."""
    result = CliRunner().invoke(app, ["serve"], env={name: value for name, value in COMPLETE.items() if name != missing})

    assert result.exit_code == 2
    assert re.findall(r"GATEWAY_\w+", result.stderr) == [missing]


def test_development_is_refused_on_a_public_address(tmp_path: Path) -> None:
    """`--dev` with an address of the network starts nothing, not even the embedded Postgres.

    The address is one that no machine has, so that a broken guard does not make this test a public server.
    """
    data_dir = tmp_path / "data"
    result = CliRunner().invoke(app, ["serve", "--dev", "--host", "192.0.2.1", "--data-dir", str(data_dir)])

    assert result.exit_code == 2
    assert "this machine only" in result.stderr
    assert not data_dir.exists()


def test_the_demo_is_refused_on_a_public_address(tmp_path: Path) -> None:
    """The demo keeps to loopback as well."""
    result = CliRunner().invoke(app, ["demo", "--host", "192.0.2.1", "--data-dir", str(tmp_path)])

    assert result.exit_code == 2
    assert "this machine only" in result.stderr
