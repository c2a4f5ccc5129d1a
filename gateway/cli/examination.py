"""What `doctor` finds out: whether the settings hold together, the database and the bus answer, and what each source says.

Owns the order of the looks, their time limits, and the advice that goes with what is wrong. Must not print, and changes nothing: no migration, no
profile, no file. Called by `doctor`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from gateway.errors import BadUserInput, ConfigurationError, GatewayError, SourceError, SourceTimeout, Unauthenticated
from gateway.model.source import SourceKind, SourceState
from gateway.sources.configuration import Configured, SourcesFile
from gateway.sources.contract import LookupKey
from gateway.sources.decoding import secrets_in
from gateway.sources.guard import state_of
from gateway.sources.keymap import KeyMap
from gateway.sources.remote import ItemWindow, RemoteSource

if TYPE_CHECKING:
    from gateway.settings import Settings
    from gateway.storage.database import Database

__all__ = ["Asked", "Finding", "Patient", "SourceFinding", "examine"]

_OPEN_SECONDS: Final = 5.0
_BUS_SECONDS: Final = 3.0
_NEWEST: Final = 20
_MOST_KEYS: Final = 5
_LONGEST: Final = 160
_SLOW: Final = 0.5
"""Of the deadline: a source that takes more than this part of it will miss it on a bad day."""

_NOUNS: Final = {
    SourceKind.PROFILE: ("field", "fields"),
    SourceKind.TRAITS: ("trait", "traits"),
    SourceKind.NOTES: ("note", "notes"),
    SourceKind.ACTIVITY: ("item", "items"),
    SourceKind.COMPANY: ("company", "companies"),
    SourceKind.IDENTITY: ("person", "people"),
}

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Finding:
    """One look at the gateway's own. `is_well` None: not looked at, because of something else that is wrong."""

    name: str
    is_well: bool | None
    said: str
    advice: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What a source answered about one kind of data. `count` None: it does not know the person, or failed; `error` says how."""

    kind: SourceKind
    said: str
    count: int | None = None
    milliseconds: float | None = None
    error: str | None = None


@dataclass(slots=True)
class SourceFinding:
    """One source. `said`: what its check answered; `problems`: what is wrong, each with what to do."""

    key: str
    name: str
    adapter: str
    kinds: Sequence[SourceKind]
    state: SourceState = SourceState.OK
    milliseconds: float | None = None
    said: str = ""
    answers: list[Asked] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Patient:
    """Whom the sources are asked about: by a key of theirs, by a profile of ours in a workspace, or nobody."""

    key: str | None = None
    profile: UUID | None = None
    workspace: str = ""


async def examine(
    settings: Settings, patient: Patient, progress: Progress, *, only: str | None = None
) -> tuple[list[Finding], list[SourceFinding]]:
    """Look at everything; `progress` is told what is looked at. `only`: the key of the one source to ask.

    Raises:
        BadUserInput: there is no such source, or no such person.
    """
    findings: list[Finding] = []
    async with AsyncExitStack() as stack:
        progress("Reading the configuration")
        file = _configuration(settings, findings)
        if only is not None and file is not None and only not in {one.definition.key for one in file.configured} and not file.problems:
            raise BadUserInput(
                f"The file has no source {only[:64]}; it has {', '.join(one.definition.key for one in file.configured) or 'none'}."
            )
        progress("Connecting to the database")
        database = await _database(settings, findings, stack)
        progress("Ringing the bus")
        findings.append(await _bus(settings, database))
        if file is None:
            return findings, []
        keys = await _keys(patient, file.configured, database)
        chosen = [one for one in file.configured if only in {None, one.definition.key}]
        sources = await asyncio.gather(*(_source(one, file, keys.get(one.definition.key, ()), patient, progress) for one in chosen))
    return findings, list(sources)


def _configuration(settings: Settings, findings: list[Finding]) -> SourcesFile | None:
    from gateway.auth.keyfile import load_keys
    from gateway.cli.serve import require_servable
    from gateway.configuration import Configurations

    served = settings.dev or any((settings.database_url, settings.jwt_keys, settings.jwt_issuer))
    try:
        if served:
            require_servable(settings)
        if settings.jwt_keys is not None:
            load_keys(settings.jwt_keys)
        findings.append(Finding("settings", True, "complete" if served else "none for production; serve --dev and demo need none"))
    except ConfigurationError as error:
        findings.append(Finding("settings", False, error.message))
    try:
        configurations = Configurations.load(settings.config)
        findings.append(Finding("configuration", True, str(settings.config or "the defaults (GATEWAY_CONFIG is not set)")))
    except ConfigurationError as error:
        findings.append(Finding("configuration", False, error.message))
        configurations = None
    file = SourcesFile(settings.sources, configurations)
    if settings.sources is None:
        findings.append(Finding("sources", True, "none (GATEWAY_SOURCES is not set)"))
        return None
    findings.extend(Finding("sources", False, problem) for problem in file.problems)
    if not file.problems:
        findings.append(Finding("sources", True, f"{settings.sources}: {len(file.configured)} defined"))
    return file


async def _database(settings: Settings, findings: list[Finding], stack: AsyncExitStack) -> Database | None:
    from gateway.cli.runtime import locate, server_errors
    from gateway.storage.database import Database
    from gateway.storage.migrate import require_migrated

    if settings.database_url is None and not settings.data_dir.exists():
        findings.append(Finding("database", True, f"the embedded one, which the first start makes in {settings.data_dir}"))
        return None
    try:
        place = await stack.enter_async_context(locate(settings))
        with server_errors():
            try:
                await require_migrated(place.dsn)
            except ConfigurationError:
                if not place.ours:
                    raise
                findings.append(Finding("database", True, "embedded: the next start brings it up to date"))
                return None
            database = await Database.open(place.dsn, size=2, delivery_size=1)
        stack.push_async_callback(database.close)
        standing = await database.standing()
    except GatewayError as error:
        advice = None if isinstance(error, ConfigurationError) else "Look whether it runs, and whether GATEWAY_DATABASE_URL leads there."
        findings.append(Finding("database", False, error.message, advice))
        return None
    where = "embedded" if settings.database_url is None else "GATEWAY_DATABASE_URL"
    if not standing.is_writable:
        findings.append(Finding("database", False, f"{where}: read-only", "Point GATEWAY_DATABASE_URL at the primary."))
    elif standing.risks:
        said = f"{where}: up to date and writable; a crash may lose what was committed ({', '.join(standing.risks)})"
        findings.append(Finding("database", True, said, "Change that before real people's data is in it."))
    else:
        findings.append(Finding("database", True, f"{where}: up to date and writable"))
    return database


async def _bus(settings: Settings, database: Database | None) -> Finding:
    from gateway.live.bells import bell_for
    from gateway.live.bus import Bus

    scheme = settings.bell.partition("://")[0]
    if scheme == "memory":
        return Finding("bus", True, "memory: one process, nothing to reach")
    if scheme == "postgres" and database is None:
        return Finding("bus", None, "postgres: with the database")
    try:
        assert database is not None or scheme != "postgres"
        bus = Bus(bell_for(settings.bell, database), connect=_BUS_SECONDS)  # type: ignore[arg-type]  # only its own bell wants the database
    except ConfigurationError as error:
        return Finding("bus", False, error.message)
    await bus.start(lambda _: None, wait=_BUS_SECONDS)
    healthy = bus.healthy
    await bus.stop()
    if healthy:
        return Finding("bus", True, f"{scheme}: heard our own ring")
    return Finding(
        "bus",
        False,
        f"{scheme}: our own ring did not come back",
        "Look whether GATEWAY_BUS leads to a running server. Until then changes are polled.",
    )


async def _keys(patient: Patient, configured: Sequence[Configured], database: Database | None) -> dict[str, Sequence[str]]:
    """By which keys each source is asked."""
    if patient.key is not None:
        return {one.definition.key: (patient.key,) for one in configured}
    if patient.profile is None:
        return {}
    if database is None:
        raise BadUserInput("--profile needs the database, which cannot be read: name the person by a key of the source, with --key.")
    from gateway.auth.workspaces import Workspaces

    try:
        workspace = await Workspaces(database).by_key(patient.workspace)
    except Unauthenticated:
        raise BadUserInput(f"There is no workspace {patient.workspace[:64]}; name it with --workspace.") from None
    keys = KeyMap(database)
    return {
        one.definition.key: (await keys.keys_of(workspace, one.definition.keyed_by, [patient.profile]))[0][:_MOST_KEYS]
        for one in configured
        if _serves(one, patient.workspace)
    }


def _serves(one: Configured, workspace: str) -> bool:
    return one.definition.workspaces is None or workspace in one.definition.workspaces


async def _source(one: Configured, file: SourcesFile, keys: Sequence[str], patient: Patient, progress: Progress) -> SourceFinding:
    definition, remote = one.definition, one.remote
    source = definition.source
    found = SourceFinding(definition.key, source.display_name, definition.adapter, source.kinds)
    if remote is None:
        found.state, found.said = SourceState.DISABLED, "switched off in the file"
        return found
    progress(f"Asking {definition.key}")
    try:
        async with asyncio.timeout(_OPEN_SECONDS):
            await remote.open()
        found.said, found.milliseconds = await _timed(definition.policy.deadline, definition.key, remote.check())
        if found.milliseconds > definition.policy.deadline * _SLOW * 1000:
            found.warnings.append(f"It took more than half of its deadline of {definition.policy.deadline:g} s.")
        if keys:
            for kind in source.kinds:
                found.answers.append(await _asked(one, remote, kind, keys))
            found.problems.extend(f"{answer.kind.value}: {answer.error}" for answer in found.answers if answer.error is not None)
        elif patient.profile is not None and not _serves(one, patient.workspace):
            found.warnings.append(f"It does not serve the workspace {patient.workspace}.")
        elif patient.profile is not None:
            found.warnings.append(f"The profile has no {definition.keyed_by}, by which this source knows people.")
    except ConfigurationError as error:
        found.state = SourceState.ERROR
        found.problems.append(file.told(("sources", definition.key, definition.adapter, ""), error.message))
    except Exception as error:  # noqa: BLE001  # an adapter may raise anything, and the others are looked at all the same
        found.state = state_of(error) if isinstance(error, SourceError) else SourceState.ERROR
        if isinstance(error, TimeoutError):
            found.state = SourceState.TIMEOUT
        found.problems.append(_why(error, one))
    finally:
        await _let_go(remote)
    if found.state is SourceState.OK and found.problems:
        found.state = SourceState.ERROR
    return found


async def _asked(one: Configured, remote: RemoteSource, kind: SourceKind, keys: Sequence[str]) -> Asked:
    definition = one.definition
    lookups = [LookupKey(definition.keyed_by, key) for key in keys]
    questions: dict[SourceKind, Callable[[], Awaitable[Any]]] = {
        SourceKind.PROFILE: lambda: remote.profiles(keys, None),
        SourceKind.TRAITS: lambda: remote.traits(keys, None),
        SourceKind.NOTES: lambda: remote.notes(keys, _NEWEST),
        SourceKind.ACTIVITY: lambda: remote.items(keys, ItemWindow(_NEWEST, newest_first=True)),
        SourceKind.COMPANY: lambda: remote.companies(keys),
        SourceKind.IDENTITY: lambda: remote.find(lookups),
    }
    try:
        answer, milliseconds = await _timed(definition.policy.deadline, definition.key, questions[kind]())
    except Exception as error:  # noqa: BLE001  # as above
        return Asked(kind, "failed", error=_why(error, one))
    failed = [value for value in answer.values() if isinstance(value, SourceError)]
    if failed:
        return Asked(kind, "failed", milliseconds=milliseconds, error=_why(failed[0], one))
    if kind is SourceKind.IDENTITY and not answer:
        return Asked(kind, f"not by {definition.keyed_by}", milliseconds=milliseconds)
    if not answer:
        return Asked(kind, "does not know the person", milliseconds=milliseconds)
    count, said = _counted(kind, list(answer.values()))
    return Asked(kind, said, count, milliseconds)


def _counted(kind: SourceKind, answers: Sequence[Any]) -> tuple[int, str]:
    if kind is SourceKind.PROFILE:
        count = sum(value is not None for one in answers for value in one.values.values())
    elif kind is SourceKind.ACTIVITY:
        count = sum(len(one.items) for one in answers)
    else:
        count = sum(len(one) for one in answers)
    newest = "newest " if kind is SourceKind.ACTIVITY and any(not one.is_complete for one in answers) else ""
    return count, f"{count} {newest}{_NOUNS[kind][count != 1]}"


async def _timed(deadline: float, key: str, call: Awaitable[Any]) -> tuple[Any, float]:
    started = time.perf_counter()
    try:
        async with asyncio.timeout(deadline):
            answer = await call
    except TimeoutError as error:
        raise SourceTimeout(key, f"It did not answer within its deadline of {deadline:g} s.") from error
    return answer, round((time.perf_counter() - started) * 1000, 1)


def _why(error: BaseException, one: Configured) -> str:
    """What went wrong, for the operator alone: with the words of what caused it, and without the source's secrets."""
    if isinstance(error, SourceTimeout):
        return f"{error.message} Look at the system, or raise deadline."
    cause = error.__cause__ if isinstance(error, SourceError) else error
    words = error.message if isinstance(error, SourceError) else "The adapter failed."
    if cause is not None:
        words += (
            f" ({type(cause).__name__}: {_without_secrets(str(cause), one)[:_LONGEST]})" if str(cause) else f" ({type(cause).__name__})"
        )
    return f"{words} Look at its address, its credentials, and whether it is up."


def _without_secrets(text: str, one: Configured) -> str:
    for _, secret in secrets_in(one.definition.options):
        try:
            text = text.replace(secret.reveal(), "***")
        except ConfigurationError:
            continue
    return " ".join(text.split())


async def _let_go(remote: RemoteSource) -> None:
    try:
        async with asyncio.timeout(_OPEN_SECONDS):
            await remote.close()
    except Exception:  # noqa: BLE001, S110  # what it said is what counts
        pass
