"""Loaders of layouts and of preferences, for one operation or one live event.

Owns what stands in for what nobody saved: the built-in layout, and no preference at all. Called by resolvers.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from gateway.errors import BadUserInput
from gateway.loaders.batch import Loader
from gateway.model.layout import DEFAULT_LAYOUT, UNTOUCHED, Layout, Preference
from gateway.records.layouts import layouts_by_name
from gateway.records.preferences import preferences_by_subject
from gateway.storage.database import Database

__all__ = ["LayoutLoaders", "PreferenceLoaders"]


class LayoutLoaders:
    """Layouts by name; `default` is always there, any other name that nobody saved is refused (BadUserInput)."""

    def __init__(self, database: Database, workspace: UUID) -> None:
        self._database = database
        self._workspace = workspace
        self.layout: Loader[str, Layout] = Loader(self._load)

    async def _load(self, names: Sequence[str]) -> Sequence[Layout | BadUserInput]:
        saved = await layouts_by_name(self._database, self._workspace, [name for name in names if "\x00" not in name])
        built_in = {DEFAULT_LAYOUT.name: DEFAULT_LAYOUT}
        return [saved.get(name) or built_in.get(name) or _unknown() for name in names]


class PreferenceLoaders:
    """Preferences by subject; version 0 is that of somebody who saved none."""

    def __init__(self, database: Database, workspace: UUID) -> None:
        self._database = database
        self._workspace = workspace
        self.preference: Loader[str, Preference] = Loader(self._load)

    async def _load(self, subjects: Sequence[str]) -> Sequence[Preference]:
        saved = await preferences_by_subject(self._database, self._workspace, subjects)
        return [saved.get(subject, UNTOUCHED) for subject in subjects]


def _unknown() -> BadUserInput:
    return BadUserInput("There is no layout of this name; the one of every workspace is called default.", argument="name")
