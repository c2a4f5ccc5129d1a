"""Development keys: made once, private, the same for everybody who opens the directory."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.auth.development import ISSUER, DevelopmentKeys
from gateway.auth.principal import Role
from gateway.errors import ConfigurationError, Unauthenticated


def test_made_once(tmp_path: Path) -> None:
    """The first opening makes directory and keys, the next one reads the same."""
    first = DevelopmentKeys.open(tmp_path / "a" / "data")
    second = DevelopmentKeys.open(tmp_path / "a" / "data")
    claims = second.verifier().verify(first.signer().sign("demo", "ana", Role.AGENT, lifetime=timedelta(minutes=1)))

    assert claims.subject == "ana"
    assert first.secret == second.secret
    assert len(first.secret) == 48
    assert ISSUER == "profile-gateway-dev"


def test_private(tmp_path: Path) -> None:
    """Only the owner may read the file, whatever the umask, and nothing else is left in the directory."""
    before = os.umask(0)
    try:
        DevelopmentKeys.open(tmp_path)
    finally:
        os.umask(before)

    assert [path.name for path in tmp_path.iterdir()] == ["dev-keys.json"]
    assert stat.S_IMODE((tmp_path / "dev-keys.json").stat().st_mode) == 0o600


def test_directories_differ(tmp_path: Path) -> None:
    """A token of one data directory is worth nothing in another."""
    token = DevelopmentKeys.open(tmp_path / "a").signer().sign("demo", "ana", Role.AGENT)
    with pytest.raises(Unauthenticated):
        DevelopmentKeys.open(tmp_path / "b").verifier().verify(token)


def test_audience(tmp_path: Path) -> None:
    """A token for one audience is worth nothing for another."""
    keys = DevelopmentKeys.open(tmp_path)
    with pytest.raises(Unauthenticated, match="audience"):
        keys.verifier("elsewhere").verify(keys.signer().sign("demo", "ana", Role.AGENT))


def test_processes_that_race_get_the_same(tmp_path: Path) -> None:
    """Several processes that open an empty directory in the same moment end up with the same keys."""
    code = (
        "import sys, pathlib\n"
        "from gateway.auth.development import DevelopmentKeys\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        "print(DevelopmentKeys.open(pathlib.Path(sys.argv[1])).secret.hex())\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    answers = {process.communicate(timeout=20)[0] for process in processes}

    assert answers == {DevelopmentKeys.open(tmp_path).secret.hex() + "\n"}
    assert [path.name for path in tmp_path.iterdir()] == ["dev-keys.json"]


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", "null", '{"key": {}, "secret": ""}', '{"key": 5, "secret": "AAAA"}', "[" * 9999])
def test_damaged(tmp_path: Path, content: str) -> None:
    """A damaged file is said to be damaged and is not silently replaced: keys made with it would end."""
    path = tmp_path / "dev-keys.json"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match="damaged"):
        DevelopmentKeys.open(tmp_path)

    assert path.read_text() == content


def test_only_the_public_half(tmp_path: Path) -> None:
    """A file that holds a public key only cannot sign and is damaged."""
    DevelopmentKeys.open(tmp_path)
    path = tmp_path / "dev-keys.json"
    document = json.loads(path.read_text())
    del document["key"]["d"]
    path.write_text(json.dumps(document))
    with pytest.raises(ConfigurationError, match="damaged"):
        DevelopmentKeys.open(tmp_path)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_readable_by_others(tmp_path: Path, mode: int) -> None:
    """Keys that others may read are refused, with the command that helps."""
    DevelopmentKeys.open(tmp_path)
    (tmp_path / "dev-keys.json").chmod(mode)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        DevelopmentKeys.open(tmp_path)


def test_unusable_directory(tmp_path: Path) -> None:
    """A data directory that is a file is a configuration error."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be made or read"):
        DevelopmentKeys.open(tmp_path / "file")
