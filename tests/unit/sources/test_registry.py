"""Which workspace sees which source: those of everybody and its own, by every way that leads to a source."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from gateway.model.source import Source, SourceKind, SourceState
from gateway.sources.definition import Definition
from gateway.sources.memory import MemorySource
from gateway.sources.registry import BUILT_IN, Registry, describer

__all__: list[str] = []


def source(key: str, *, priority: int = 60, state: SourceState = SourceState.OK) -> Source:
    """A source that provides everything."""
    return Source(key, key.upper(), tuple(SourceKind), priority=priority, state=state)


def elsewhere(key: str, *workspaces: str, **more: Any) -> Any:
    """A federated source of these workspaces, of all when there are none: a definition and a descriptor are all that is looked at."""
    return SimpleNamespace(source=source(key, **more), definition=definition(key, *workspaces))


def definition(key: str, *workspaces: str, state: SourceState = SourceState.OK) -> Definition:
    """What the file says of it."""
    return Definition(source(key, state=state), "memory", "account_id", workspaces=frozenset(workspaces) if workspaces else None)


def build(*others: Any) -> Registry:
    """A registry over the gateway's own source."""
    return Registry.build(MemorySource(BUILT_IN[0]), others)


def test_a_source_is_seen_by_the_workspaces_it_serves() -> None:
    """Its adapter, its descriptor and its key are there for those it names, and for nobody else; others have the sources of everybody."""
    registry = build(elsewhere("crm"), elsewhere("billing", "acme"), elsewhere("orders", "acme", "demo"))

    keys = {name: [one.source.key for one in registry.seen_by(name).traits] for name in ("acme", "demo", "other")}
    assert keys == {"acme": ["native", "billing", "crm", "orders"], "demo": ["native", "crm", "orders"], "other": ["native", "crm"]}
    for kind in ("notes", "activities", "fields", "finders", "members"):
        assert "billing" not in [one.source.key for one in getattr(registry.seen_by("other"), kind)]
    assert {*registry.seen_by("demo").known()} == {"native", "tracking", "crm", "orders"}
    assert "billing" not in registry.seen_by("demo").described
    assert registry.seen_by("demo").activity_source("billing").source.key == "native"
    assert registry.seen_by("acme").activity_source("billing").source.key == "billing"


def test_a_label_like_another_workspaces_source_is_a_label() -> None:
    """A write key of one workspace may be named like a source of another: it is described by its own name, on either side."""
    registry = build(elsewhere("billing", "acme"))

    assert registry.seen_by("other").labelled("billing").display_name == "Billing"
    assert registry.seen_by("acme").described["billing"].display_name == "BILLING"
    assert describer(registry.seen_by("acme").described)("billing").display_name == "BILLING"


def test_workspaces_with_the_same_sources_share_a_view() -> None:
    """What a workspace sees is arranged once, not for each operation; without sources of some workspaces alone it is the registry itself."""
    registry = build(elsewhere("crm"), elsewhere("billing", "acme", "demo"))

    assert registry.seen_by("acme") is registry.seen_by("demo")
    assert registry.seen_by("other") is registry


def test_priority_decides_the_order_everywhere() -> None:
    """Sources of one workspace stand among those of everybody by priority, then by key."""
    registry = build(elsewhere("crm", priority=70), elsewhere("b", "acme", priority=80), elsewhere("a", "acme", priority=70))

    assert [one.source.key for one in registry.seen_by("acme").fields] == ["b", "a", "crm"]


def test_a_disabled_source_is_shown_and_not_asked() -> None:
    """It is known in the state DISABLED, to the workspaces it would serve, and among no kind's adapters."""
    registry = build(definition("crm", state=SourceState.DISABLED), definition("billing", "acme", state=SourceState.DISABLED))

    assert registry.known()["crm"].state is SourceState.DISABLED
    assert [one.source.key for one in registry.traits] == ["native"]
    assert registry.seen_by("acme").known()["billing"].state is SourceState.DISABLED
    assert "billing" not in registry.seen_by("other").known()
