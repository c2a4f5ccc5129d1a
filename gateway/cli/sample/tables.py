"""Rows of new profiles, table by table, and the way into Postgres by COPY.

Owns the columns that are written and what a profile must have besides its own row to be found, paged and subscribed to: `lookup`, a
`stream_head` at 1 and that one entry of the change log. For new profiles only: nobody watches them yet, so no bell is rung.
Called by `crowd` and `residents` to fill and by `seed` and `demo` to write.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final
from uuid import UUID

import asyncpg

from gateway.cli.sample.catalogue import TraitTemplate
from gateway.cli.sample.happenings import Happening
from gateway.identity import lookup_key, normalize
from gateway.model.change import ChangeKind
from gateway.model.ids import uuid7_span
from gateway.model.profile import Channel

__all__ = ["SOURCE_OF_EVENTS", "Rows", "uuid_at"]

SOURCE_OF_EVENTS: Final = "tracking"

_COLUMNS: Final[Mapping[str, str]] = {
    "profile": "id lifecycle first_name last_name locale time_zone birth_date customer_since created_at updated_at",
    "stream_head": "stream_id head",
    "change_log": "stream_id seq kind fields actor",
    "contact_point": "profile_id id channel raw normalized label is_primary is_verified source created_at",
    "identifier": "profile_id id type raw normalized is_verified source added_at",
    "lookup": "key value profile_id exclusive",
    "trait": "profile_id key source value kind category confidence computed_from model observed_at expires_at "
    "actor_id actor_name actor_kind",
    "note": "profile_id id body is_pinned author_id author_name author_kind created_at updated_at",
    "membership": "profile_id company_id role is_main since",
    "activity": "profile_id occurred_at source id kind type channel direction account detail",
}
_FIELDS: Final = ("firstName", "lastName", "lifecycle", "contactPoints", "identifiers", "traits", "companies", "mainCompany", "notes")
_MILLISECOND: Final = timedelta(milliseconds=1)
_EPOCH: Final = uuid7_span(UUID(int=0))[0]
_FORECAST_LIFE: Final = timedelta(days=90)


def uuid_at(rng: Random, at: datetime) -> UUID:
    """A UUIDv7 of the moment `at` with the generator's random bits: the same generator in the same state gives the same id."""
    bits = rng.getrandbits(74)
    return UUID(
        int=((at - _EPOCH) // _MILLISECOND & 0xFFFF_FFFF_FFFF) << 80 | 0x7 << 76 | (bits >> 62) << 64 | 0b10 << 62 | bits & (1 << 62) - 1
    )


class Rows:
    """Rows of any number of profiles of one workspace; `tables` maps a table to its rows in the order of its columns."""

    def __init__(self, workspace: UUID, actor: str) -> None:
        self.workspace = workspace
        self.tables: dict[str, list[tuple[Any, ...]]] = {name: [] for name in _COLUMNS}
        self._actor = actor
        self._found: set[tuple[str, str, UUID]] = set()

    @property
    def count(self) -> int:
        """Rows of all tables."""
        return sum(map(len, self.tables.values()))

    def profile(
        self,
        profile_id: UUID,
        names: tuple[str, str],
        lifecycle: str,
        place: tuple[str, str],
        birth_date: Any,
        since: datetime | None,
        *span: datetime,
    ) -> None:
        """A person, with their stream. `place`: locale and time zone; `span`: made at, last changed at."""
        self._add("profile", profile_id, lifecycle, *names, *place, birth_date, since, *span)
        self._add("stream_head", profile_id, 1)
        self._add("change_log", profile_id, 1, int(ChangeKind.PROFILE), _FIELDS, self._actor)

    def contact_point(
        self,
        rng: Random,
        profile_id: UUID,
        channel: Channel,
        text: str,
        at: datetime,
        *,
        label: str | None,
        primary: bool,
        source: str = "native",
    ) -> None:
        """A way to reach the person; they are found by it."""
        key = lookup_key(channel)
        value = normalize(key, text)
        self._add("contact_point", profile_id, uuid_at(rng, at), channel.value, text, value, label, primary, primary, source, at)
        self._find(key, value, profile_id, exclusive=False)

    def identifier(self, rng: Random, profile_id: UUID, kind: str, value: str, at: datetime, *, source: str = SOURCE_OF_EVENTS) -> None:
        """A key another system knows the person by; theirs alone."""
        self._add("identifier", profile_id, uuid_at(rng, at), kind, value, normalize(kind, value), True, source, at)
        self._find(kind, normalize(kind, value), profile_id, exclusive=True)

    def trait(
        self,
        rng: Random,
        profile_id: UUID,
        template: TraitTemplate,
        at: datetime,
        *,
        value: Any = None,
        source: str | None = None,
        actor: tuple[str, str, str] | None = None,
    ) -> None:
        """A fact as one source observed it; `value`: drawn from the template unless given; `actor`: the agent who typed it."""
        forecast = template.kind == "PREDICTIVE"
        self._add(
            "trait",
            *(profile_id, template.key, source or template.source, template.make(rng) if value is None else value),
            *(template.kind, template.category, round(0.6 + rng.random() * 0.39, 2) if forecast else None),
            *(template.computed_from, template.model, at, at + _FORECAST_LIFE if forecast else None),
            *(actor or (None, None, None)),
        )

    def note(self, rng: Random, profile_id: UUID, body: str, author: tuple[str, str, str], at: datetime, *, pinned: bool = False) -> None:
        """What an agent wrote."""
        self._add("note", profile_id, uuid_at(rng, at), body, pinned, *author, at, at)

    def membership(self, profile_id: UUID, company_id: UUID, role: str, since: datetime, *, main: bool) -> None:
        """The person's place in a company that exists."""
        self._add("membership", profile_id, company_id, role, main, since)

    def activity(self, rng: Random, profile_id: UUID, at: datetime, what: Happening) -> None:
        """An item of the person's timeline; its id is of the moment it happened, to the millisecond."""
        self._add(
            "activity",
            *(profile_id, at, what.source, uuid_at(rng, at)),
            *(what.kind, what.type, what.channel, what.direction, what.account, what.detail),
        )

    async def copy_to(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        """Write everything in one transaction. The connection has the gateway's codecs (`storage.database.connect`)."""
        async with connection.transaction():
            for table, records in self.tables.items():
                await connection.copy_records_to_table(table, records=records, columns=("workspace_id", *_COLUMNS[table].split()))

    def _add(self, table: str, *values: Any) -> None:
        self.tables[table].append((self.workspace, *values))

    def _find(self, key: str, value: str, profile_id: UUID, *, exclusive: bool) -> None:
        if (key, value, profile_id) not in self._found:  # calls and WhatsApp share a number
            self._found.add((key, value, profile_id))
            self._add("lookup", key, value, profile_id, exclusive)
