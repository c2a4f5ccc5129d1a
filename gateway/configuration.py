"""The operator's configuration file: from TOML to `model.configuration`, workspace by workspace.

Owns the file's shape, its checks (every error names the file, the table and the key) and the layering: `[workspaces.<key>]` overrides single keys of
the tables above it. Must not read anything but that file. Called by `app` and `cli`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec

from gateway.errors import BadUserInput, ConfigurationError
from gateway.identity import normalize_type
from gateway.model.activity import TimelineKind
from gateway.model.attribute import AttributeDefinition, AttributeType, Sensitivity
from gateway.model.configuration import (
    DEFAULT_ATTRIBUTES,
    Autopopulate,
    Configuration,
    DetailTemplate,
    ExternalType,
    Feature,
    IdentityRules,
    Retention,
)
from gateway.model.display import RECORDED
from gateway.model.profile import Channel

__all__ = ["Configurations"]

_PERIOD = re.compile(r"P([1-9][0-9]{0,3})([MY])")
_RULES = frozenset({"email", "phone", "phone_and_name", "alias"})
_PATTERNS = frozenset({"card"})
_ATTRIBUTE_PREFIX = "attribute:"


class _Strict(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A table of the file; an unknown key is an error, since it is a misspelt one."""


class _Autopopulate(_Strict, frozen=True):
    create_on_none: bool = False
    auto_associate: bool = True
    keys: dict[Channel, list[str]] = {}


class _Attribute(_Strict, frozen=True):
    name: str
    type: AttributeType = AttributeType.TEXT
    options: list[str] | None = None
    group: str | None = None
    editable: bool = True
    managed_by: str | None = None
    search_key: bool = False
    identifier: bool = False
    required: bool = False
    sensitivity: Sensitivity = Sensitivity.INTERNAL
    visible: bool = True
    position: int | None = None
    deprecated: str | None = None
    names: dict[str, str] = {}


class _Attributes(_Strict, frozen=True):
    strict: bool = False
    builtin: bool = True
    define: dict[str, _Attribute] = {}


class _Identity(_Strict, frozen=True):
    rules: tuple[str, ...] = IdentityRules().rules
    most_per_value: int = IdentityRules().most_per_value
    strong_types: tuple[str, ...] = IdentityRules().strong_types
    most_per_type: int = IdentityRules().most_per_type
    blocked_values: tuple[str, ...] = IdentityRules().blocked_values


class _Detail(_Strict, frozen=True):
    label: str
    path: str


class _ExternalType(_Strict, frozen=True):
    title: str | None = None
    icon: str | None = None
    details: list[_Detail] = []


class _Interaction(_Strict, frozen=True):
    most_measures: int = 5
    most_attributes: int = 7
    recorded_since: dict[str, str] = {}


class _Deny(_Strict, frozen=True):
    builtin: tuple[str, ...] = ("card",)
    patterns: list[str] = []


class _Verify(_Strict, frozen=True):
    misses: int = 3
    lock_minutes: int = 15
    reveal_seconds: int = 60


class _Links(_Strict, frozen=True):
    profile: str | None = None
    company: str | None = None


class _Workspace(_Strict, frozen=True):
    features: tuple[Feature, ...] = tuple(Feature)
    autopopulate: _Autopopulate = _Autopopulate()
    attributes: _Attributes = _Attributes()
    identity: _Identity = _Identity()
    external_types: dict[str, _ExternalType] = {}
    retention: dict[str, str] = {}
    interaction: _Interaction = _Interaction()
    segments: dict[str, str] = {}
    deny: _Deny = _Deny()
    verify: _Verify = _Verify()
    links: _Links = _Links()


class Configurations:
    """The configuration of every workspace."""

    def __init__(self, default: Configuration, workspaces: Mapping[str, Configuration] | None = None) -> None:
        self.default = default
        self._workspaces = dict(workspaces or {})

    def of(self, workspace_key: str) -> Configuration:
        """What the operator decided for this workspace."""
        return self._workspaces.get(workspace_key, self.default)

    @property
    def all(self) -> Mapping[str, Configuration]:
        """Workspaces with a configuration of their own."""
        return MappingProxyType(self._workspaces)

    @classmethod
    def load(cls, path: Path | None) -> Configurations:
        """Read the file; without one, the defaults hold for everybody.

        Raises:
            ConfigurationError: it cannot be read, or a value in it is not allowed; says where.
        """
        if path is None:
            return cls(Configuration())
        try:
            document = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigurationError(f"GATEWAY_CONFIG: {path} cannot be read ({error.strerror}).") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{path}: {error}.") from None
        overrides = document.pop("workspaces", {})
        if not isinstance(overrides, dict) or not all(isinstance(one, dict) for one in overrides.values()):
            raise ConfigurationError(f"{path}: workspaces holds one table per workspace: [workspaces.demo].")
        workspaces = {key: _read(path, f"workspaces.{key}", _merged(document, table)) for key, table in overrides.items()}
        return cls(_read(path, "", document), workspaces)


T = TypeVar("T")


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Tables key by key; everything else as a whole."""
    result = dict(base)
    for key, value in over.items():
        known = result.get(key)
        result[key] = _merged(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return result


def _read(path: Path, place: str, document: Mapping[str, Any]) -> Configuration:
    try:
        table = msgspec.convert(document, _Workspace)
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at ")
        at = ".".join(part for part in (place, where.strip("`").removeprefix("$.")) if part)
        raise ConfigurationError(f"{path}: {at or 'the file'}: {message}.") from None
    try:
        return _configuration(table)
    except _Wrong as error:
        raise ConfigurationError(f"{path}: {'.'.join(part for part in (place, error.place) if part)}: {error}") from None


class _Wrong(Exception):
    def __init__(self, place: str, message: str) -> None:
        super().__init__(message)
        self.place = place


def _configuration(table: _Workspace) -> Configuration:
    attributes = _attributes(table.attributes)
    keys = {"phone", "email", "name", "address", *(one.key for one in attributes if one.is_search_key or one.is_identifier)}
    for channel, wanted in table.autopopulate.keys.items():
        for key in wanted:
            if key.removeprefix(_ATTRIBUTE_PREFIX) not in keys:
                raise _Wrong(f"autopopulate.keys.{channel.value}", f"{key} is no search key; there are {', '.join(sorted(keys))}.")
    for place, given, known in (("identity.rules", table.identity.rules, _RULES), ("deny.builtin", table.deny.builtin, _PATTERNS)):
        unknown = sorted(set(given) - known)
        if unknown:
            raise _Wrong(place, f"{unknown[0]} is none; there are {', '.join(sorted(known))}.")
    return Configuration(
        features=frozenset(table.features),
        autopopulate=Autopopulate(
            MappingProxyType({**Autopopulate().keys, **{channel: tuple(wanted) for channel, wanted in table.autopopulate.keys.items()}}),
            table.autopopulate.auto_associate,
            table.autopopulate.create_on_none,
        ),
        attributes=attributes,
        strict_attributes=table.attributes.strict,
        identity=IdentityRules(
            table.identity.rules,
            table.identity.most_per_value,
            table.identity.strong_types,
            table.identity.most_per_type,
            table.identity.blocked_values,
        ),
        external_types=MappingProxyType(
            {
                name: ExternalType(one.title, one.icon, tuple(DetailTemplate(detail.label, detail.path) for detail in one.details))
                for name, one in table.external_types.items()
            }
        ),
        retention=_retention(table.retention),
        most_measures=table.interaction.most_measures,
        most_attributes=table.interaction.most_attributes,
        segments=MappingProxyType(table.segments),
        deny=frozenset(table.deny.builtin),
        deny_patterns=tuple(_pattern(index, text) for index, text in enumerate(table.deny.patterns)),
        verify_misses=table.verify.misses,
        verify_lock_minutes=table.verify.lock_minutes,
        reveal_seconds=table.verify.reveal_seconds,
        profile_url=table.links.profile,
        company_url=table.links.company,
        recorded_since=_recorded_since(table.interaction.recorded_since),
    )


def _recorded_since(given: Mapping[str, str]) -> Mapping[str, str]:
    for name, moment in given.items():
        place = f"interaction.recorded_since.{name}"
        if name not in RECORDED:
            raise _Wrong(place, f"it is none of {', '.join(sorted(RECORDED))}.")
        try:
            datetime.fromisoformat(moment)
        except ValueError:
            raise _Wrong(place, "a moment is written like 2026-03-01T00:00:00Z.") from None
    return MappingProxyType(dict(given))


def _attributes(table: _Attributes) -> tuple[AttributeDefinition, ...]:
    found = {one.key: one for one in DEFAULT_ATTRIBUTES} if table.builtin else {}
    for index, (key, one) in enumerate(table.define.items()):
        place = f"attributes.define.{key}"
        if one.identifier:
            try:
                if normalize_type(key) != key:
                    raise _Wrong(place, f"as an identifier it is written {normalize_type(key)}.")
            except BadUserInput as error:
                raise _Wrong(place, error.message) from None
        if (one.type in {AttributeType.SELECT, AttributeType.MULTI_SELECT}) != bool(one.options):
            raise _Wrong(place, "options belong to SELECT and MULTI_SELECT, and those need some.")
        found[key] = AttributeDefinition(
            key,
            one.name,
            one.type,
            tuple(one.options) if one.options else None,
            one.group,
            is_editable=one.editable,
            managed_by=one.managed_by,
            is_search_key=one.search_key or one.identifier,
            is_identifier=one.identifier,
            is_required=one.required,
            sensitivity=one.sensitivity,
            is_visible_by_default=one.visible,
            position=index if one.position is None else one.position,
            deprecation_reason=one.deprecated,
            names=MappingProxyType(one.names),
        )
    return tuple(sorted(found.values(), key=lambda one: (one.position, one.key)))


def _retention(given: Mapping[str, str]) -> Retention:
    names = {kind.value.lower(): kind for kind in TimelineKind}
    kinds: dict[TimelineKind, int | None] = dict(Retention().kinds)
    default = Retention().default
    for name, text in given.items():
        place = f"retention.{name}"
        if name != "default" and name not in names:
            raise _Wrong(place, f"there are default, {', '.join(sorted(names))}.")
        months = _months(place, text)
        if name == "default":
            default = months
        else:
            kinds[names[name]] = months
    return Retention(default, MappingProxyType(kinds))


def _months(place: str, text: str) -> int | None:
    if text == "forever":
        return None
    match = _PERIOD.fullmatch(text)
    if match is None:
        raise _Wrong(place, "a period is written P24M or P2Y; forever keeps everything.")
    return int(match[1]) * (12 if match[2] == "Y" else 1)


def _pattern(index: int, text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise _Wrong(f"deny.patterns.{index}", f"not a regular expression: {error}.") from None
