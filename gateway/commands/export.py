"""Exporting a person: everything the gateway itself keeps, as NDJSON, one line per thing.

Owns what a line says and how lines become the parts of a file; values are in clear, SENSITIVE ones opened. Must not hand the file out:
`transport.export` does. Run by `jobs`, one step per kind of thing and per page of activities.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

import orjson

from gateway.commands.erasure import persons_of
from gateway.commands.steps import Done, Plan, Step
from gateway.commands.unit import Unit
from gateway.errors import CursorInvalid
from gateway.model.activity import item_id
from gateway.model.audit import ChangeAction, FieldChange
from gateway.model.ids import make_id
from gateway.model.privacy import Job
from gateway.model.profile import ProfileStatus
from gateway.model.sealed import Sealer
from gateway.storage.queries import SQL
from gateway.vault import Vault, VaultError

__all__ = ["LIFETIME", "PART_BYTES", "Exporter", "export_token", "read_export_token"]

LIFETIME: Final = timedelta(hours=24)
"""How long a finished file, and the address it is fetched from, are good for."""
PART_BYTES: Final = 1024 * 1024
"""Bytes of a part at most; a longer line is a part of its own."""

_PAGE: Final = 2000
_HOURS: Final = LIFETIME.total_seconds() / 3600
_FIRST: Final = datetime(1, 1, 1, tzinfo=UTC)
_NO_ID: Final = UUID(int=0)
_LINE = Callable[[UUID, Mapping[str, Any]], dict[str, Any]]
_INTERNAL: Final = frozenset({"workspace_id", "name_key", "sealed", "normalized", "edited_fields"})
_PREFIXES: Final = {
    "prf": ("profile_id", "survivor_id", "merged_into", "merged_ids"),
    "con": ("contact_id", "parent_id"),
    "com": ("company_id",),
    "mrg": ("merge_id",),
}
_IDS: Final = {column: prefix for prefix, columns in _PREFIXES.items() for column in columns}
_PAYLOAD = struct.Struct(">16s16sQ")
_PURPOSE: Final = b"export"


class Exporter:
    """The plan of EXPORT."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        things: Mapping[str, tuple[str, _LINE]] = {
            "profile": ("export_profiles", partial(_own, "prf")),
            "contactPoint": ("export_contact_points", partial(_part, "cpt")),
            "identifier": ("export_identifiers", self._identifier),
            "trait": ("export_traits", self._trait),
            "note": ("export_notes", partial(_part, "note")),
            "membership": ("export_memberships", _plain),
            "consent": ("export_consents", _plain),
            "segment": ("export_segments", _plain),
            "interest": ("export_interests", _plain),
            "contact": ("export_contacts", partial(_own, "con")),
            "merge": ("export_merges", partial(_own, "mrg")),
            "mergeRemainder": ("export_kept", _plain),
            "change": ("export_changes", partial(_part, "chg")),
        }
        steps: dict[str, Step] = {name: partial(_all, name, *how) for name, how in things.items()}
        self.plan: Plan = {**steps, "activity": _activities, "certificate": _certificate}

    def _identifier(self, workspace: UUID, row: Mapping[str, Any]) -> dict[str, Any]:
        line = _part("idn", workspace, row)
        if row["sealed"] is not None:
            line["raw"] = self._opened(workspace, f"identifier:{row['id'].hex}", row["sealed"])
        return line

    def _trait(self, workspace: UUID, row: Mapping[str, Any]) -> dict[str, Any]:
        line = _plain(workspace, row)
        if row["sealed"] is not None:
            text = self._opened(workspace, f"trait:{row['key']}", row["sealed"])
            line["value"] = None if text is None else orjson.loads(text)
        return line

    def _opened(self, workspace: UUID, place: str, sealed: bytes) -> str | None:
        try:
            return self._vault.open(workspace, place, sealed)
        except VaultError:
            return None  # its secret is gone; nobody can read it any more


def export_token(sealer: Sealer, workspace: UUID, job_id: UUID, now: datetime) -> str:
    """What the address of a job's file ends in: unguessable, and good for `LIFETIME`."""
    return sealer.seal(_PURPOSE, _PAYLOAD.pack(workspace.bytes, job_id.bytes, int((now + LIFETIME).timestamp())))


def read_export_token(sealer: Sealer, token: str) -> tuple[UUID, UUID, datetime]:
    """Workspace, job and end of a token.

    Raises:
        CursorInvalid: this server did not make it.
    """
    try:
        workspace, job_id, ends = _PAYLOAD.unpack(sealer.open(_PURPOSE, token))
    except struct.error:
        raise CursorInvalid from None
    return UUID(bytes=workspace), UUID(bytes=job_id), datetime.fromtimestamp(ends, UTC)


async def _all(name: str, statement: str, line: _LINE, unit: Unit, job: Job) -> Done:
    rows = await unit.fetch(statement, await persons_of(unit, job))
    if name == "profile" and not any(row["status"] == ProfileStatus.ACTIVE.value for row in rows):
        return Done(problem="ERASED")  # meanwhile
    await _write(unit, job, ({"record": name, **line(unit.workspace, dict(row))} for row in rows))
    return Done({name: len(rows)})


async def _activities(unit: Unit, job: Job) -> Done:
    """A page of one of the person's timelines; the place is (profile, moment, source, id) of its last item."""
    persons = await persons_of(unit, job)
    if job.place is None:
        at = persons[0], _FIRST, "", _NO_ID
    else:
        profile, moment, source, native = job.place
        at = UUID(hex=profile), datetime.fromisoformat(moment), source, UUID(hex=native)
    rows = await unit.fetch("activities_after", *at, _PAGE)
    await _write(unit, job, ({"record": "activity", **_activity(unit.workspace, dict(row))} for row in rows))
    place: list[str] | None = None
    if len(rows) == _PAGE:
        place = [rows[-1]["profile_id"].hex, rows[-1]["occurred_at"].isoformat(), rows[-1]["source"], rows[-1]["id"].hex]
    else:
        later = [person for person in persons if person > at[0]]
        place = [later[0].hex, _FIRST.isoformat(), "", _NO_ID.hex] if later else None
    return Done({"activity": len(rows)}, place)


async def _certificate(unit: Unit, job: Job) -> Done:
    """The file's time begins, and the audit says what is in it."""
    await unit.connection.execute(SQL["expire_privacy_file"], unit.workspace, job.job_id, _HOURS)
    person = await unit.fetchrow("person_behind", job.profile_id)
    profile_id = job.profile_id if person is None else person["id"]
    fields = [FieldChange(name, None, count) for name, count in sorted(job.counts.items())]
    change_id = unit.record(profile_id, ChangeAction.EXPORTED, *fields)
    unit.profile_changed(profile_id, "changes", item_id=change_id)
    return Done()


async def _write(unit: Unit, job: Job, lines: Iterable[Mapping[str, Any]]) -> None:
    for part in _parts(lines):
        await unit.connection.execute(SQL["insert_privacy_file"], unit.workspace, job.job_id, part, _HOURS)


def _parts(lines: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    part = bytearray()
    for line in lines:
        encoded = orjson.dumps(line, option=orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE)
        if part and len(part) + len(encoded) > PART_BYTES:
            yield bytes(part)
            part.clear()
        part += encoded
    if part:
        yield bytes(part)


def _plain(_workspace: UUID, row: Mapping[str, Any]) -> dict[str, Any]:
    """Columns in the words of GraphQL; ids as clients know them."""
    line: dict[str, Any] = {}
    for column, value in row.items():
        if column in _INTERNAL:
            continue
        head, *rest = column.split("_")
        name = head + "".join(word.capitalize() for word in rest)
        prefix = _IDS.get(column)
        if prefix is None or value is None:
            line[name] = value
        else:
            line[name] = [make_id(prefix, one) for one in value] if isinstance(value, list) else make_id(prefix, value)
    return line


def _own(prefix: str, workspace: UUID, row: Mapping[str, Any]) -> dict[str, Any]:
    return {**_plain(workspace, row), "id": make_id(prefix, row["id"])}


def _part(prefix: str, workspace: UUID, row: Mapping[str, Any]) -> dict[str, Any]:
    return {**_plain(workspace, row), "id": make_id(prefix, row["profile_id"], row["id"])}


def _activity(workspace: UUID, row: Mapping[str, Any]) -> dict[str, Any]:
    return {**_plain(workspace, row), "id": item_id(row["profile_id"], row["source"], row["id"].hex)}
