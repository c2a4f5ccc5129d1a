"""Up to eight systems elsewhere that an agent's screen needs, as real HTTP servers, and the file that makes them sources of a gateway.

Owns what each of them knows (the same of everybody, whoever is asked for) and its TOML; how it misbehaves is `upstreams.Upstream.fault`. Used by
the acceptance of sources and by `bench/sources.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.upstreams import Upstream, UpstreamRequest, answering, upstreams

__all__ = ["KINDS", "SCREEN", "Office", "office"]

KINDS: Final = {
    "crm": ("PROFILE", "TRAITS"),
    "orders": ("ACTIVITY",),
    "billing": ("TRAITS",),
    "desk": ("NOTES",),
    "web": ("ACTIVITY",),
    "loyalty": ("TRAITS",),
    "surveys": ("ACTIVITY",),
    "returns": ("ACTIVITY",),
}
"""Key → what it provides, in the order in which they are added."""

SCREEN: Final = """query Screen($by: [ProfileRef!]!) { profiles(by: $by) { id displayName middleName
  traits(first: 40) { nodes { key value provenance { source { key } } } }
  notes(first: 10) { nodes { body } }
  timeline(last: 20) { nodes { id title occurredAt source { key } } sources { source { key } state } }
  sources { source { key } state message } } }"""

_TRAITS: Final = """
[sources.{key}.rest.traits]
path = "/people"
keys_param = "ids"
rows = "people"
key = "id"
every = "traits"
"""
_TABLES: Final = {
    "PROFILE": """
[sources.{key}.rest.profile]
path = "/people"
keys_param = "ids"
rows = "people"
key = "id"
record = {{ middle_name = "middle" }}
""",
    "TRAITS": _TRAITS,
    "NOTES": """
[sources.{key}.rest.notes]
path = "/notes"
keys_param = "ids"
rows = "notes"
key = "person"
record = {{ id = "id", body = "body", created_at = "at" }}
""",
    "ACTIVITY": """
[sources.{key}.rest.items]
path = "/items"
keys_param = "ids"
rows = "items"
key = "person"
record = {{ id = "id", occurred_at = "at", type = "type" }}
""",
}


@dataclass
class Office:
    """The running systems by key."""

    systems: dict[str, Upstream]
    toml: str

    def counts(self) -> dict[str, int]:
        """Requests so far, by system."""
        return {key: system.count() for key, system in self.systems.items()}

    def forget(self) -> None:
        """Begin to count anew."""
        for system in self.systems.values():
            system.forget()

    def write(self, path: Path) -> Path:
        """Write the file for GATEWAY_SOURCES."""
        path.write_text(self.toml, encoding="utf-8")
        return path


@contextmanager
def office(count: int = 5, *, per_system: str = "", **policy: float) -> Iterator[Office]:
    """The first `count` systems, running. `policy`: keys of each source's table beside the usual ones; `per_system`: more TOML of that table."""
    keys = list(KINDS)[:count]
    more = "".join(f"{name} = {value}\n" for name, value in policy.items()) + per_system
    with upstreams(*(answering(_knowing(key)) for key in keys)) as servers:
        tables = [_table(key, server.url, more) for key, server in zip(keys, servers, strict=True)]
        yield Office(dict(zip(keys, servers, strict=True)), "\n".join(tables))


def _table(key: str, url: str, more: str) -> str:
    kinds = ", ".join(f'"{kind}"' for kind in KINDS[key])
    head = f'[sources.{key}]\nname = "{key.capitalize()}"\nadapter = "rest"\nkeyed_by = "user_id"\nkinds = [{kinds}]\n{more}'
    rest = f'\n[sources.{key}.rest]\nbase_url = "{url}"\nallow_private = true\n'
    return head + rest + "".join(_TABLES[kind].format(key=key) for kind in KINDS[key])


def _knowing(key: str) -> Any:
    """What the system says of whoever is asked for."""

    def answer(request: UpstreamRequest) -> Any:
        people = request.query.get("ids", "").split(",")
        if request.path == "/people":
            return {"people": [{"id": one, "middle": "Q.", "traits": {f"{key}_status": "fine", f"{key}_of": one}} for one in people]}
        if request.path == "/notes":
            return {
                "notes": [{"person": one, "id": f"n-{one}", "body": f"Known at the {key}.", "at": "2026-01-02T08:00:00Z"} for one in people]
            }
        if request.path == "/items":
            return {
                "items": [
                    {"person": one, "id": f"{one}-{nth}", "at": f"2026-01-{nth:02d}T09:00:00Z", "type": f"{key.capitalize()} {nth}"}
                    for one in people
                    for nth in (1, 2, 3)
                ]
            }
        return 404, {}

    return answer
