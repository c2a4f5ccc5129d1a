"""The catalogue of adapters: which kinds of source can be configured, and the one behind a name.

Owns the names of the built-in adapters and the entry points of the group `profile_gateway.sources`, by which installed packages add theirs. Imports
an adapter when it is asked for, so that a broken package harms only who uses it. Must not know a configured source. Called by `configuration`.
"""

from __future__ import annotations

import re
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Final

from gateway.errors import ConfigurationError
from gateway.sources.definition import Adapter

__all__ = ["BUILT_IN_ADAPTERS", "GROUP", "adapter", "adapter_names"]

GROUP: Final = "profile_gateway.sources"
"""The entry points by which packages add adapters: `csv = "profile_gateway_csv:ADAPTER"`."""

BUILT_IN_ADAPTERS: Final = MappingProxyType(
    {name: f"gateway.sources.adapters.{name}" for name in ("graphql", "memory", "rest", "segment", "sql")}
)
"""Name → the module that exports `ADAPTER`."""

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")
_LONGEST = 200


def adapter_names() -> tuple[str, ...]:
    """Every name that `adapter` knows, in order; nothing is imported."""
    return tuple(sorted({*BUILT_IN_ADAPTERS, *(entry.name for entry in entry_points(group=GROUP) if _NAME.fullmatch(entry.name))}))


def adapter(name: str) -> Adapter:
    """The adapter of this name.

    Raises:
        ConfigurationError: there is none, several packages have one, or it cannot be loaded; says what to do.
    """
    added = [entry for entry in entry_points(group=GROUP) if entry.name == name]
    if name in BUILT_IN_ADAPTERS:
        if added:
            raise ConfigurationError(f"{name} is built in, and also what {_packages(added)} adds: uninstall it, or rename its entry point")
        return _loaded(EntryPoint(name, f"{BUILT_IN_ADAPTERS[name]}:ADAPTER", GROUP), "the gateway")
    if not added or not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"there is no adapter {name[:64]!r}; there are {', '.join(adapter_names())}. More come with packages that have an entry point of the "
            f"group {GROUP}: install one into this environment (pip install …)"
        )
    if len(added) > 1:
        raise ConfigurationError(f"{_packages(added)} each have an adapter {name}: uninstall all but one")
    return _loaded(added[0], _packages(added))


def _loaded(entry: EntryPoint, package: str) -> Adapter:
    module, _, attribute = entry.value.partition(":")
    try:
        found = getattr(import_module(module), attribute or "ADAPTER")
    except Exception as error:  # a package may fail in any way while it is imported
        raise ConfigurationError(
            f"the adapter {entry.name} of {package} cannot be loaded ({type(error).__name__}: {str(error)[:_LONGEST]}): repair or uninstall it"
        ) from error
    if not isinstance(found, Adapter):
        raise ConfigurationError(
            f"the adapter {entry.name} of {package} is no gateway.sources.definition.Adapter: found {type(found).__name__}"
        )
    return found


def _packages(entries: list[EntryPoint]) -> str:
    return " and ".join(sorted(f"the package {entry.dist.name}" if entry.dist is not None else "a package" for entry in entries))
