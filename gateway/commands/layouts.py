"""Layouts: an administrator decides what agents see of a profile.

Owns the rules of a layout (names, limits, what may draw a section). Called by resolvers' mutations through `Commands`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit

from gateway.auth.policy import Action, require
from gateway.auth.principal import Principal
from gateway.commands.attributes import key_problem
from gateway.commands.dependencies import Dependencies
from gateway.commands.unit import Receipt, Retry, Unit
from gateway.commands.validation import Problems
from gateway.errors import Problem, Rejected
from gateway.model.configuration import Configuration
from gateway.model.layout import DEFAULT_LAYOUT, Layout, LayoutSection
from gateway.records.layouts import layout_columns, layout_of
from gateway.storage.queries import SQL

__all__ = ["HEADER_FIELDS", "LayoutCommands"]

HEADER_FIELDS: Final = frozenset(
    {
        *("displayName", "firstName", "middleName", "lastName", "avatarUrl", "lifecycle", "status", "locale", "timeZone", "birthDate"),
        *("customerSince", "createdAt", "updatedAt", "mainCompany", "url", "segments", "contactPoints", "identifiers"),
    }
)
"""Fields of Profile that a header may name besides attributes."""

_MOST_SECTIONS = 50
_MOST_ATTRIBUTES = 200
_MOST_HEADER = 20
_MOST_TYPES = 200
_LONGEST_TITLE = 200
_LONGEST_TYPE = 128
_LONGEST_URL = 2048
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_KEY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_COMPONENT: Final = re.compile(r"[a-z-]{1,64}")
_BLANK: Final = re.compile(r"[\s\x00-\x1f\x7f]")


class LayoutCommands:
    """The commands on layouts."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies

    async def save(self, principal: Principal, layout: Layout, expected_version: int | None) -> Receipt:
        """Save a layout under its name (`version` of the value counts nothing); the same again is no change.

        Raises:
            Forbidden: without `admin`.
            Rejected: INVALID, REQUIRED, LIMIT_EXCEEDED or STALE_VERSION (with the layout as it is).
        """
        require(principal, Action.ADMINISTER)
        problems = Problems()
        _check(problems, self._dependencies.configurations.of(principal.workspace_key), layout)
        problems.refuse()

        async def work(unit: Unit) -> Receipt:
            row = await unit.fetchrow("lock_layout", layout.name)
            known = layout_of(row) if row is not None else DEFAULT_LAYOUT if layout.name == DEFAULT_LAYOUT.name else None
            version = 0 if known is None else known.version
            if expected_version is not None and expected_version != version:
                message = f"The layout was changed meanwhile (version {version} now); look at it and try again."
                raise Rejected(Problem("STALE_VERSION", message, ("input", "expectedVersion"), current=known, current_version=version))
            if row is None:
                if await unit.fetchrow("insert_layout", layout.name, *layout_columns(layout), principal.subject) is None:
                    raise Retry  # somebody else saved it first
            elif known != replace(layout, version=version):
                columns = layout_columns(layout)
                await unit.connection.execute(SQL["update_layout"], unit.workspace, layout.name, *columns, principal.subject)
            return Receipt()

        return await self._dependencies.writer.run(principal, work)


def _check(problems: Problems, configuration: Configuration, layout: Layout) -> None:
    if not _NAME.fullmatch(layout.name):
        problems.add("INVALID", "A layout's name has up to 64 small letters, digits, _ and -, for example sales-desk.", "name")
    _check_list(problems, layout.header, _MOST_HEADER, "header")
    for index, key in enumerate(layout.header[:_MOST_HEADER]):
        if key not in HEADER_FIELDS:
            _check_attribute(problems, configuration, key, "header", index)
    _check_list(problems, layout.external_activity_types, _MOST_TYPES, "externalActivityTypes")
    for index, name in enumerate(layout.external_activity_types[:_MOST_TYPES]):
        if problems.text(name, _LONGEST_TYPE, "externalActivityTypes", index) is None and not name.strip():
            problems.add("REQUIRED", "An activity type has a name.", "externalActivityTypes", index)
    if len(layout.sections) > _MOST_SECTIONS:
        problems.add("LIMIT_EXCEEDED", f"A layout has at most {_MOST_SECTIONS} sections.", "sections")
    if sum(len(section.attributes) for section in layout.sections) > _MOST_ATTRIBUTES:
        problems.add("LIMIT_EXCEEDED", f"A layout shows at most {_MOST_ATTRIBUTES} attributes.", "sections")
        return
    keys: set[str] = set()
    for index, section in enumerate(layout.sections[:_MOST_SECTIONS]):
        if section.key in keys:
            problems.add("INVALID", "Another section has this key.", "sections", index, "key")
        keys.add(section.key)
        _check_section(problems, configuration, section, index)


def _check_section(problems: Problems, configuration: Configuration, section: LayoutSection, index: int) -> None:
    path = ("sections", index)
    if not _KEY.fullmatch(section.key):
        problems.add("INVALID", "A section's key has up to 64 letters, digits, _ and -.", *path, "key")
    if problems.text(section.title, _LONGEST_TITLE, *path, "title") is None and not section.title.strip():
        problems.add("REQUIRED", "A section needs a title.", *path, "title")
    if not _draws(section.component):
        problems.add(
            "INVALID",
            "A component is the name of a built-in one (small letters and dashes) or the https address of a custom element.",
            *(*path, "component"),
        )
    _check_list(problems, section.attributes, _MOST_ATTRIBUTES, *path, "attributes")
    for place, key in enumerate(section.attributes):
        _check_attribute(problems, configuration, key, *path, "attributes", place)


def _check_list(problems: Problems, values: Sequence[str], most: int, *path: str | int) -> None:
    if len(values) > most:
        problems.add("LIMIT_EXCEEDED", f"At most {most}.", *path)
    if len(set(values)) < len(values):
        problems.add("INVALID", "One of these stands there twice.", *path)


def _check_attribute(problems: Problems, configuration: Configuration, key: str, *path: str | int) -> None:
    wrong = key_problem(key)
    if wrong is None and configuration.strict_attributes and key not in configuration.by_key:
        wrong = "There is no attribute of this key; attributeDefinitions lists those there are."
    if wrong is not None:
        problems.add("INVALID", wrong, *path)


def _draws(component: str) -> bool:
    if _COMPONENT.fullmatch(component):
        return True
    try:
        parts = urlsplit(component)
        return parts.scheme == "https" and bool(parts.hostname) and len(component) <= _LONGEST_URL and not _BLANK.search(component)
    except ValueError:
        return False
