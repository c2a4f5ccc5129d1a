"""The file of the sources that live elsewhere, GATEWAY_SOURCES: from TOML to definitions and the systems behind them.

Owns the file's shape and its checks. Every error names the file, the line, the table and the key, and says what to write; all that is wrong is told
at once, and never a value that might be a secret. Must not connect to anything. Called by `opening`, `doctor` and the demo.

`[sources.<key>]` says who the source is and how patiently it is asked, `[sources.<key>.<adapter>]` is the adapter's own table.
"""

from __future__ import annotations

import re
import tomllib
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from gateway.configuration import Configurations
from gateway.errors import BadUserInput, ConfigurationError
from gateway.identity import EMAIL, PHONE, normalize_type
from gateway.model.source import DataParty, Source, SourceKind, SourceState
from gateway.sources.catalogue import adapter, adapter_names
from gateway.sources.decoding import KeyPath, Wrong, line_of, lines_of, secrets_in, wrongs
from gateway.sources.definition import Adapter, Definition, GuardPolicy, Secret, WebhookPolicy
from gateway.sources.expressions import Expression
from gateway.sources.registry import BUILT_IN
from gateway.sources.remote import RemoteSource

__all__ = ["Configured", "SourcesFile", "load_definitions", "load_sources"]

_KEY: Final = re.compile(r"[a-z][a-z0-9-]{0,31}")
_WORKSPACE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_KEY_IN_MESSAGE: Final = re.compile(r"([A-Za-z0-9_.-]+): ")
_CONTACT_KEYS: Final = (EMAIL, PHONE, "profile_id")
_MAPPED: Final = ("id", "type", "key", "workspace", "at", "version", "item", "removed", "changed")
_SHORTEST_SIGNING_KEY: Final = 24

_DEFAULT: Final = GuardPolicy()
_WRITTEN: Final = {"rest": "pause", "longest_rest": "longest_pause"}
"""Fields of the policy that the file calls otherwise."""
_BOUNDS: Final = {
    "priority": (0, 1000),
    "poll": (1, 86_400),
    "deadline": (0.05, 60),
    "concurrency": (1, 1000),
    "queue": (0, 10_000),
    "retries": (0, 5),
    "failures": (1, 1000),
    "pause": (0.05, 3600),
    "longest_pause": (0.05, 86_400),
    "fresh": (0, 86_400),
    "stale": (0, 30 * 86_400),
    "kept": (0, 1_000_000),
    "webhook.per_second": (0.1, 10_000),
}
"""What a number may be, both ends included."""


class _Webhook(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    secrets: list[Secret]
    per_second: float = 50.0
    unknown: Literal["wait", "create"] = "wait"
    mapping: dict[str, str] = {}


class _Source(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """`[sources.<key>]` without the adapter's table; the numbers at its end are those of `GuardPolicy`.

    Its `rest` is called `pause` here, since `rest` is the table of an adapter.
    """

    adapter: str
    kinds: list[SourceKind]
    keyed_by: str
    name: str | None = None
    enabled: bool = True
    party: DataParty = DataParty.FIRST
    priority: int = 60
    workspaces: list[str] | None = None
    unknown: Literal["ignore", "create"] = "ignore"
    poll: float | None = None
    webhook: _Webhook | None = None
    deadline: float = _DEFAULT.deadline
    concurrency: int = _DEFAULT.concurrency
    queue: int = _DEFAULT.queue
    retries: int = _DEFAULT.retries
    failures: int = _DEFAULT.failures
    pause: float = _DEFAULT.rest
    longest_pause: float = _DEFAULT.longest_rest
    fresh: float = _DEFAULT.fresh
    stale: float = _DEFAULT.stale
    kept: int = _DEFAULT.kept


@dataclass(frozen=True, slots=True)
class Configured:
    """A source of the file. `remote`: the system it stands for, not open yet; None where the source is disabled."""

    definition: Definition
    remote: RemoteSource | None


class SourcesFile:
    """The file, read as far as it can be: `configured` is what is right, `problems` all that is not, each a sentence with its place."""

    def __init__(self, path: Path | None, configurations: Configurations | None = None, *, dry: bool = False) -> None:
        """`configurations`: what the operator says of attributes, for sources that know people by one. `dry`: make nothing, look up no secret."""
        self._path = path
        self._configurations = configurations
        self._dry = dry
        self._lines: Mapping[KeyPath, int] = {}
        self.configured: list[Configured] = []
        self.problems: list[str] = []
        if path is not None:
            self._read(path)

    def required(self) -> tuple[Configured, ...]:
        """The sources, when nothing is wrong with any.

        Raises:
            ConfigurationError: something is; tells all of it, a line each.
        """
        if not self.problems:
            return tuple(self.configured)
        error = ConfigurationError(self.problems[0])
        error.message = "\n".join(self.problems)  # an operator reads this, and each problem in it is short
        raise error

    def told(self, at: KeyPath, message: str) -> str:
        """A problem as a sentence: `sources.toml:12: [sources.crm.rest] base_url: is missing.`."""
        number = line_of(self._lines, at)
        table, key = _divided(at)
        place = f"{self._path}:{number}" if number is not None else f"{self._path}"
        return f"{place}: [{'.'.join(table)}] {f'{key}: ' if key else ''}{message}".rstrip(".") + "."

    def _read(self, path: Path) -> None:
        try:
            text = path.read_text(encoding="utf-8")
            document = tomllib.loads(text)
        except OSError as error:
            self.problems.append(f"GATEWAY_SOURCES: {path} cannot be read ({error.strerror}).")
            return
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            self.problems.append(f"{path}: {error}.")
            return
        self._lines = lines_of(text)
        tables = document.pop("sources", {})
        for other in document:
            self._add((other,), "is not known; the file has tables [sources.<key>] and nothing else")
        if not isinstance(tables, dict):
            self._add(("sources",), "holds one table for each source: [sources.crm]")
            return
        for key, table in tables.items():
            self._source(key, table)

    def _add(self, at: KeyPath, message: str) -> None:
        self.problems.append(self.told(at, message))

    def _source(self, key: str, table: Any) -> None:
        at = ("sources", key)
        before = len(self.problems)
        try:
            definition, kind = self._definition(key, table, at)
        except _Unreadable as error:
            for place, message in error.wrongs:
                self._add(place, message)
            return
        for place, message in _checks(definition, self._configurations):
            self._add((*at, *place), message)
        asked = not (definition.is_disabled or self._dry)
        if asked:
            for place, secret in _secrets(definition):
                try:
                    value = secret.reveal()
                except ConfigurationError as error:
                    self._add((*at, *place), error.message)
                else:
                    if place[0] == "webhook" and not _signs(value):
                        self._add(
                            (*at, *place), f"the secret is no key to sign with: whsec_ and {_SHORTEST_SIGNING_KEY} bytes or more in base64"
                        )
        if len(self.problems) > before:
            return
        if not asked:
            self.configured.append(Configured(definition, None))
        elif (made := self._made(definition, kind)) is not None:
            self.configured.append(made)

    def _definition(self, key: str, table: Any, at: KeyPath) -> tuple[Definition, Adapter]:
        if not _KEY.fullmatch(key):
            raise _Unreadable((at, "a source's key has up to 32 small letters, digits and dashes and begins with a letter"))
        if key in {one.key for one in BUILT_IN}:
            raise _Unreadable((at, f"{key} is the gateway's own source; choose another key"))
        if not isinstance(table, dict):
            raise _Unreadable((at, f"is a table: [sources.{key}]"))
        said = dict(table)
        name = said.get("adapter")
        options = said.pop(name, {}) if isinstance(name, str) and name not in _Source.__struct_fields__ else {}
        found: list[Wrong] = []
        for other in [one for one in said if one in adapter_names() and one not in _Source.__struct_fields__]:
            del said[other]
            found.append(((*at, other), f"is the table of another adapter than {name}"))
        found.extend(wrongs(said, _Source, at))
        kind = None
        if isinstance(name, str):
            try:
                kind = adapter(name)
            except ConfigurationError as error:
                found.append(((*at, "adapter"), error.message))
            else:
                found.extend(wrongs(options, kind.options, (*at, name)))
        if found or kind is None:
            raise _Unreadable(*found)
        return _definition_of(key, msgspec.convert(said, _Source), msgspec.convert(options, kind.options)), kind

    def _made(self, definition: Definition, kind: Adapter) -> Configured | None:
        at = ("sources", definition.key)
        own = (*at, definition.adapter)
        try:
            remote = kind.make(definition)
        except ConfigurationError as error:
            named = _KEY_IN_MESSAGE.match(error.message)
            at_key = (*own, *named[1].split(".")) if named else (*own, "")
            self._add(at_key, error.message[named.end() :] if named else error.message)
            return None
        except Exception as error:  # noqa: BLE001  # an adapter of somebody else may raise anything; its words may show a secret
            self._add(
                (*own, ""),
                f"the adapter {definition.adapter} failed over this table ({type(error).__name__}); that is a bug of the adapter",
            )
            return None
        lacking = sorted(one.value for one in set(definition.source.kinds) - remote.capabilities.kinds)
        if lacking:
            able = ", ".join(sorted(one.value for one in remote.capabilities.kinds)) or "nothing"
            self._add((*at, "kinds"), f"{definition.adapter}, as it is configured, provides {able}, but not {', '.join(lacking)}")
            return None
        writable = bool(remote.capabilities.writes & set(definition.source.kinds))
        return Configured(replace(definition, source=replace(definition.source, writable=writable)), remote)


def load_sources(path: Path | None, configurations: Configurations | None = None) -> tuple[Configured, ...]:
    """The sources of the file with the systems behind them, in the order of the file; none without a file.

    Raises:
        ConfigurationError: something is wrong; tells everything that is.
    """
    return SourcesFile(path, configurations).required()


def load_definitions(path: Path | None, configurations: Configurations | None = None) -> tuple[Definition, ...]:
    """The definitions alone, disabled ones too (their state says so); what only an adapter can check, and secrets, are not looked at.

    Raises:
        ConfigurationError: something is wrong; tells everything that is.
    """
    return tuple(one.definition for one in SourcesFile(path, configurations, dry=True).required())


class _Unreadable(Exception):
    def __init__(self, *wrongs: Wrong) -> None:
        super().__init__()
        self.wrongs = wrongs


def _definition_of(key: str, table: _Source, options: Any) -> Definition:
    hook = table.webhook
    return Definition(
        source=Source(
            key,
            table.name or key.replace("-", " ").capitalize(),
            tuple(kind for kind in SourceKind if kind in table.kinds),
            table.party,
            table.priority,
            state=SourceState.OK if table.enabled else SourceState.DISABLED,
        ),
        adapter=table.adapter,
        keyed_by=table.keyed_by,
        workspaces=None if table.workspaces is None else frozenset(table.workspaces),
        policy=GuardPolicy(**{one.name: getattr(table, _WRITTEN.get(one.name, one.name)) for one in fields(GuardPolicy)}),
        unknown=table.unknown,
        webhook=None if hook is None else WebhookPolicy(tuple(hook.secrets), hook.per_second, hook.unknown, hook.mapping),
        poll=table.poll,
        options=options,
    )


def _checks(definition: Definition, configurations: Configurations | None) -> Iterator[Wrong]:
    """What is well-formed and still wrong; paths begin behind the source's key."""
    if not definition.source.kinds:
        yield ("kinds",), f"names at least one of {', '.join(kind.value for kind in SourceKind)}"
    if definition.unknown == "create" and SourceKind.IDENTITY not in definition.source.kinds:
        yield ("unknown",), "create needs IDENTITY among the kinds: people are found by it"
    yield from _out_of_bounds(definition)
    if definition.policy.longest_rest < definition.policy.rest:
        yield ("longest_pause",), f"is not shorter than pause, {definition.policy.rest:g} seconds"
    if definition.workspaces is not None:
        if not definition.workspaces:
            yield ("workspaces",), "names at least one workspace; leave it out for all of them, or write enabled = false"
        for one in sorted(definition.workspaces):
            if not _WORKSPACE.fullmatch(one):
                yield ("workspaces",), f"{one[:64]!r} is no workspace's key"
    yield from _keyed(definition, configurations)
    if definition.webhook is not None:
        yield from _hooked(definition.webhook)


def _out_of_bounds(definition: Definition) -> Iterator[Wrong]:
    given: dict[str, float | None] = {_WRITTEN.get(one.name, one.name): getattr(definition.policy, one.name) for one in fields(GuardPolicy)}
    given |= {"priority": definition.source.priority, "poll": definition.poll}
    if definition.webhook is not None:
        given["webhook.per_second"] = definition.webhook.per_second
    for name, value in given.items():
        least, most = _BOUNDS[name]
        if value is not None and not least <= value <= most:  # nan is not between anything either
            yield tuple(name.split(".")), f"{value:g} is not between {least:g} and {most:g}"


def _keyed(definition: Definition, configurations: Configurations | None) -> Iterator[Wrong]:
    key = definition.keyed_by
    if key not in _CONTACT_KEYS:
        try:
            written = normalize_type(key)
        except BadUserInput:
            written = None
        if written != key:
            hint = f"; as an identifier it is written {written}" if written else ""
            yield ("keyed_by",), f"is an identifier type such as account_id, or {', '.join(_CONTACT_KEYS)}{hint}"
            return
    if configurations is None:
        return
    everybodys = (configurations.default, *configurations.all.values())
    served = everybodys if definition.workspaces is None else [configurations.of(one) for one in definition.workspaces]
    if any(key in one.sensitive for one in served):
        yield ("keyed_by",), f"{key} is a SENSITIVE attribute, which is kept encrypted and sent to nobody; choose another identifier"


def _hooked(webhook: WebhookPolicy) -> Iterator[Wrong]:
    if not webhook.secrets:
        yield ("webhook", "secrets"), 'needs at least one: secrets = [{ env = "NAME" }]'
    for name, expression in webhook.mapping.items():
        if name not in _MAPPED:
            yield ("webhook", "mapping", name), f"is not known; there are {', '.join(_MAPPED)}"
        try:
            Expression(expression, "")
        except ConfigurationError as error:
            yield ("webhook", "mapping", name), error.message.removeprefix(": ")


def _signs(secret: str) -> bool:
    try:
        return len(b64decode(secret.removeprefix("whsec_"), validate=True)) >= _SHORTEST_SIGNING_KEY
    except ValueError:
        return False


def _secrets(definition: Definition) -> Iterator[tuple[KeyPath, Secret]]:
    if definition.webhook is not None:
        for index, secret in enumerate(definition.webhook.secrets):
            yield ("webhook", "secrets", str(index)), secret
    yield from secrets_in(definition.options, (definition.adapter,))


def _divided(at: KeyPath) -> tuple[KeyPath, str]:
    """The table that a person looks for, and the key in it; the adapter's own table as such has an empty key."""
    own = len(at) > 3 and (at[2] == "webhook" or at[2] not in _Source.__struct_fields__)  # noqa: PLR2004
    end = 3 if own else 2
    return at[:end], ".".join(part for part in at[end:] if part)
