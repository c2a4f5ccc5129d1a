"""The named SQL of the gateway: every statement lives in `sql/*.sql`, one file per noun.

Owns reading those files once (`-- name: profiles_by_id` opens a statement), and the form of each for a batch of one. Must not build SQL from
pieces otherwise. Called by sources, live and commands, always as `SQL["name"]`; a test prepares every statement against a real Postgres.
"""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Final

__all__ = ["ALONE", "SQL"]

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def _load() -> dict[str, str]:
    statements: dict[str, str] = {}
    for file in sorted(files("gateway.storage").joinpath("sql").iterdir(), key=lambda entry: entry.name):
        if not file.name.endswith(".sql"):
            continue
        parts = _NAME.split(file.read_text(encoding="utf-8"))[1:]
        for name, statement in zip(parts[::2], parts[1::2], strict=True):
            if name in statements:
                raise ValueError(f"{file.name}: the statement {name} exists already")
            statements[name] = statement.strip().rstrip(";")
    return statements


SQL: Final = _load()
"""name → statement."""

_BATCH: Final = "= any($2::uuid[])"

ALONE: Final = {name: statement.replace(_BATCH, "= ($2::uuid[])[1]") for name, statement in SQL.items() if _BATCH in statement}
"""name → the statement for a batch of one, of those that take a batch of ids.

For `= any($2)` Postgres guesses ten ids, so a plan for all calls seems dearer than one for the single id it is given, and it plans anew at every
call; for `=` both are the same, and it keeps its plan (docs/decisions/0014).
"""
