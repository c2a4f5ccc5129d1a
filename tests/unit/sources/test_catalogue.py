"""Adapters by name: built in or from a package, imported only when they are asked for, and clear about what is wrong with them."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from gateway.errors import ConfigurationError
from gateway.sources.adapters.memory import ADAPTER
from gateway.sources.catalogue import BUILT_IN_ADAPTERS, GROUP, adapter, adapter_names
from gateway.sources.definition import Adapter

__all__: list[str] = []

GOOD = "from gateway.sources.adapters.memory import ADAPTER\n"


@pytest.fixture(name="installed")
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of packages: what is put there is installed."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def install(place: Path, package: str, module: str, source: str, *names: str, attribute: str = "ADAPTER") -> None:
    """A package with one module and an entry point for each name, as an installer leaves it."""
    (place / f"{module}.py").write_text(source)
    sys.modules.pop(module, None)
    information = place / f"{package.replace('-', '_')}-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    lines = "".join(f"{name} = {module}:{attribute}\n" for name in names)
    (information / "entry_points.txt").write_text(f"[{GROUP}]\n{lines}")


def refusal(name: str) -> str:
    """Why there is no such adapter."""
    with pytest.raises(ConfigurationError) as caught:
        adapter(name)
    return caught.value.message


def test_a_built_in_adapter_is_found_by_name() -> None:
    """The module of that name exports it."""
    assert adapter("memory") is ADAPTER
    assert set(BUILT_IN_ADAPTERS) == {"graphql", "memory", "rest", "segment", "sql"}


@pytest.mark.parametrize("name", sorted(BUILT_IN_ADAPTERS))
def test_every_built_in_adapter_is_there(name: str) -> None:
    """Each name of the catalogue leads to an adapter."""
    assert isinstance(adapter(name), Adapter)


def test_a_package_adds_an_adapter(installed: Path) -> None:
    """An entry point is known by name without its package being imported, and is imported when it is asked for."""
    install(installed, "acme-source", "acme_source_good", GOOD, "acme")

    assert "acme" in adapter_names()
    assert "acme_source_good" not in sys.modules
    assert adapter("acme") is ADAPTER
    assert "acme_source_good" in sys.modules


def test_an_unknown_adapter_is_refused_with_the_known_ones(installed: Path) -> None:
    """The refusal lists all names, those of packages too, and says how more are installed; no name is read as a path."""
    install(installed, "acme-source", "acme_source_known", GOOD, "acme")

    message = refusal("sap")
    assert "acme, graphql, memory, rest, segment, sql" in message
    assert "pip install" in message
    assert GROUP in message
    assert "no adapter '../x'" in refusal("../x")


def test_a_broken_package_harms_only_who_uses_it(installed: Path) -> None:
    """Its adapter is refused with the package's name and the reason; all the others work."""
    install(installed, "acme-broken", "acme_source_broken", "raise RuntimeError('no licence')\n", "broken")
    install(installed, "acme-other", "acme_source_other", "ADAPTER = 1\n", "other")
    install(installed, "acme-lost", "acme_source_lost", GOOD, "lost", attribute="GONE")

    assert adapter("memory") is ADAPTER
    assert "the package acme-broken cannot be loaded (RuntimeError: no licence)" in refusal("broken")
    assert "acme-other is no gateway.sources.definition.Adapter: found int" in refusal("other")
    assert "cannot be loaded (AttributeError" in refusal("lost")


def test_two_packages_with_one_name_are_refused_when_it_is_used(installed: Path) -> None:
    """Neither is guessed: both are named; and a package cannot take the place of a built-in adapter."""
    install(installed, "acme-one", "acme_source_one", GOOD, "acme", "sql")
    install(installed, "acme-two", "acme_source_two", GOOD, "acme")

    assert refusal("acme") == "the package acme-one and the package acme-two each have an adapter acme: uninstall all but one"
    assert "also what the package acme-one adds" in refusal("sql")
    assert adapter("memory") is ADAPTER
    assert "acme_source_one" not in sys.modules


def test_the_group_is_what_the_documents_say() -> None:
    """Packages out there depend on it."""
    assert GROUP == "profile_gateway.sources"
    assert entry_points(group=GROUP) is not None
