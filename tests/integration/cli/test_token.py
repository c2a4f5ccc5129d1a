"""`token`, as a shell uses it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.auth.development import DevelopmentKeys
from gateway.auth.principal import Role

__all__: list[str] = []

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize("role", ["agent", "supervisor", "admin", "partner"])
def test_a_token_alone(command: Run, tmp_path: Path, role: str) -> None:
    """Standard output is one line, a token that the directory's gateway takes for what was asked; no database is made for it."""
    asked = ("--role", role, "--subject", "li.chen", "--workspace", "shop", "--name", "Li Chen", "--hours", "2", "--data-dir", "data")
    done = command("token", *asked)
    claims = DevelopmentKeys.open(tmp_path / "data").verifier().verify(done.stdout.removesuffix("\n"))

    assert (done.returncode, done.stderr) == (0, "")
    assert (claims.role, claims.subject, claims.workspace, claims.name) == (Role(role), "li.chen", "shop", "Li Chen")
    assert claims.expires_at - claims.issued_at == timedelta(hours=2)
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["dev-keys.json"]


def test_defaults(command: Run, tmp_path: Path) -> None:
    """Without options it is an agent of the demo workspace, for an hour, in ./.gateway."""
    claims = DevelopmentKeys.open(tmp_path / ".gateway").verifier().verify(command("token").stdout.strip())

    assert (claims.role, claims.workspace, claims.expires_at - claims.issued_at) == (Role.AGENT, "demo", timedelta(hours=1))


@pytest.mark.parametrize("asked", [("--role", "service"), ("--hours", "25"), ("--hours", "0")], ids=" ".join)
def test_what_no_gateway_would_take_is_refused(command: Run, asked: tuple[str, str]) -> None:
    """A role that has no tokens and a life of more than a day are usage mistakes, with nothing on standard output."""
    done = command("token", *asked)

    assert (done.returncode, done.stdout) == (2, "")
    assert asked[0] in done.stderr
