"""What the table `[sources.<key>.sql]` says: where the database is, how it is asked, and one statement for each kind of data.

Owns the options' shape, their limits, and which columns a statement may have. Must not connect to anything. Read by `sql` and `sql_statements`.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

import msgspec

from gateway.errors import ConfigurationError
from gateway.sources.definition import Secret
from gateway.sources.remote import PROFILE_FIELDS

__all__ = ["COLUMNS", "Columns", "SqlOptions", "check_options"]


class SqlOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A Postgres elsewhere. A statement is one SELECT, whose columns are named as the fields of a record; `key` is the person's key.

    The gateway asks `SELECT … FROM (<statement>) WHERE key = any(<keys>)`, so a statement needs no condition. One that wants to choose by itself has
    them: `$1` the keys, an array of the type of the column `key`; of traits `$2` the wanted ones or NULL (text[]); of notes `$2` how many of each
    person; of items `$2` since and `$3` until (timestamptz or NULL), `$4` how many of each person (or NULL).
    """

    dsn: Secret
    """`postgresql://user:password@host/database?sslmode=verify-full&sslrootcert=…`, of a role that may read and nothing else."""
    pool: int = 4
    """Connections at most."""
    statement_timeout: float = 2.0
    """Seconds after which the server ends a statement."""
    max_rows: int = 20_000
    """Rows of one answer; with more it is none."""
    max_bytes: int = 65_536
    """Of one row; a person with a longer one is answered with an error."""
    profiles: str | None = None
    """Fields of profiles."""
    traits: str | None = None
    """A row for each fact."""
    traits_in_columns: str | None = None
    """A row for each person: every column but `key` and `observed_at` is the fact of its name."""
    notes: str | None = None
    items: str | None = None
    companies: str | None = None
    find: dict[str, str] = {}
    """By what is looked for (email, phone, an identifier's type): rows of `key` and `value`, the value written as the gateway writes it."""


class Columns(msgspec.Struct, frozen=True):
    """Columns of a statement: those it must have besides `key`, and those it may have; `are_open`: any other as well."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    are_open: bool = False

    @property
    def told(self) -> str:
        """For an operator."""
        must, may = ", ".join(("key", *self.required)), ", ".join(self.optional)
        return f"it must have {must}" + (f" and may have {may}" if may else "") + (" and any other" if self.are_open else "")


COLUMNS: Final = MappingProxyType(
    {
        "profiles": Columns((), tuple(sorted(PROFILE_FIELDS))),
        "traits": Columns(("trait", "value"), ("observed_at", "kind", "category", "confidence")),
        "traits_in_columns": Columns((), ("observed_at",), are_open=True),
        "notes": Columns(("id", "body", "created_at"), ("updated_at", "author_id", "author_name", "is_pinned")),
        "items": Columns(
            ("id", "occurred_at", "type"),
            ("kind", "account", "properties", "channel", "direction", "ended_at", "queue", "agent_id", "agent_name", "summary"),
        ),
        "companies": Columns(("id", "name"), ("domain", "role", "is_main", "since")),
        "find": Columns(("value",)),
    }
)
"""By the statement's name."""

_MOST_CONNECTIONS: Final = 20
_LONGEST_SECONDS: Final = 30.0
_MOST_ROWS: Final = 100_000
_MOST_BYTES: Final = 1_048_576


def check_options(options: SqlOptions) -> None:
    """Nothing, if they can be used.

    Raises:
        ConfigurationError: they cannot; names the key.
    """
    bounds = (
        ("pool", options.pool, 1, _MOST_CONNECTIONS),
        ("statement_timeout", options.statement_timeout, 0.01, _LONGEST_SECONDS),
        ("max_rows", options.max_rows, 1, _MOST_ROWS),
        ("max_bytes", options.max_bytes, 1, _MOST_BYTES),
    )
    for name, value, least, most in bounds:
        if not least <= value <= most:
            raise ConfigurationError(f"{name}: is between {least} and {most}")
    if options.traits is not None and options.traits_in_columns is not None:
        raise ConfigurationError("traits_in_columns: there is traits already; keep one of the two")
    if not options.find and all(getattr(options, name) is None for name in COLUMNS if name != "find"):
        raise ConfigurationError(f"there is no statement; write at least one of {', '.join(COLUMNS)}")
