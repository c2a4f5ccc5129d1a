"""The data directory: one owner at a time, and nothing in it is overwritten or misread."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.errors import ConfigurationError
from gateway.storage.cluster import Claim, remove_sockets, server_account
from gateway.storage.embedded import EmbeddedPostgres, running_dsn
from gateway.storage.programs import SOCKET

__all__: list[str] = []

FAST = {"fsync": "off"}


@pytest.fixture(name="stranger")
def _stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has nothing to do with Postgres but runs as the user the server runs as."""
    user = {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    process = subprocess.Popen(["sleep", "60"], cwd="/", **user)  # type: ignore[call-overload]
    yield process
    process.kill()
    process.wait()


def test_a_directory_has_one_owner(tmp_path: Path) -> None:
    """A taken directory is refused with the owner's process id until it is released, even within one process."""
    claim = Claim.take(tmp_path / "made")
    claim.record(tmp_path / "sockets")
    with pytest.raises(ConfigurationError, match=rf"pid {os.getpid()}\b"):
        Claim.take(tmp_path / "made")
    claim.release()
    Claim.take(tmp_path / "made").release()


async def test_a_pid_file_that_names_a_stranger_is_no_obstacle(tmp_path: Path, stranger: subprocess.Popen[bytes]) -> None:
    """A process number left behind and since given to another process (a container restarts its count) does not keep the server down."""
    await (await EmbeddedPostgres.start(tmp_path, FAST)).stop()
    pid_file = tmp_path / "postgres" / "postmaster.pid"
    pid_file.write_text(f"{stranger.pid}\n/proc/self/fd/7\n1700000000\n5432\n/tmp/gateway-x\n\n")
    os.chown(pid_file, (owner := (tmp_path / "postgres").stat()).st_uid, owner.st_gid)
    await (await EmbeddedPostgres.start(tmp_path, FAST)).stop()
    assert stranger.poll() is None


async def test_another_major_version_is_refused(tmp_path: Path) -> None:
    """A cluster made by another major version is named with both versions, and not touched."""
    cluster = tmp_path / "postgres"
    cluster.mkdir()
    (cluster / "PG_VERSION").write_text("9\n")
    with pytest.raises(ConfigurationError, match=r"made by Postgres 9 and this is Postgres \d\d"):
        await EmbeddedPostgres.start(tmp_path)
    assert [path.name for path in cluster.iterdir()] == ["PG_VERSION"]


async def test_what_is_not_a_cluster_is_not_overwritten(tmp_path: Path) -> None:
    """A directory `postgres` with something else in it stops the start; an empty one is used."""
    cluster = tmp_path / "postgres"
    cluster.mkdir()
    (cluster / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigurationError, match="other than a Postgres cluster"):
        await EmbeddedPostgres.start(tmp_path)
    (cluster / "thesis.txt").unlink()
    await (await EmbeddedPostgres.start(tmp_path, FAST)).stop()


async def test_a_data_directory_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    """A data directory below a plain file is a configuration error that names the setting."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="GATEWAY_DATA_DIR"):
        await EmbeddedPostgres.start(tmp_path / "file" / "data")


async def test_a_long_path_works(tmp_path: Path) -> None:
    """A data directory whose path is longer than a socket's may be works, spaces and all."""
    data_dir = tmp_path / "a directory with a long name" / ("x" * 120)
    async with await EmbeddedPostgres.start(data_dir, FAST) as server:
        assert await running_dsn(data_dir) == server.dsn


def test_another_users_cluster_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ordinary user is told whose cluster it is instead of failing inside Postgres."""
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(ConfigurationError, match=f"belongs to user {owner}"):
        server_account(tmp_path)


def test_only_sockets_are_removed(tmp_path: Path) -> None:
    """A recorded socket directory that turns out to hold other things keeps them."""
    (tmp_path / SOCKET).touch()
    (tmp_path / "thesis.txt").touch()
    remove_sockets(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    remove_sockets(tmp_path / "gone")
