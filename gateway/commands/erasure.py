"""Erasing and anonymising a person: the steps, each one transaction, each safe to repeat.

Owns what goes and what stays (docs/privacy.md says it to operators). First nobody can find the person any more, then everything goes; after
every transaction that began before that has ended, all steps run once more, so that what was written meanwhile goes too. A person is the
profile and every profile that was merged into it. Run by `jobs`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from gateway.commands.anonymous import anonymous_detail, identifying_traits
from gateway.commands.steps import Done, Plan
from gateway.commands.tombstones import Tombstones
from gateway.commands.unit import Unit
from gateway.errors import BadUserInput
from gateway.identity import lookup_key, normalize_identifier
from gateway.model.audit import ChangeAction, FieldChange
from gateway.model.change import ChangeKind
from gateway.model.privacy import Job, PrivacyAction
from gateway.model.profile import Channel
from gateway.sources.contract import LookupKey
from gateway.storage.database import columns
from gateway.storage.queries import SQL
from gateway.vault import Vault, VaultError

__all__ = ["PORTION", "Eraser", "persons_of"]

PORTION: Final = 5000
"""Activities deleted in one transaction."""
_PAGE: Final = 1000
"""Activities anonymised in one transaction."""
_LOOK_AGAIN: Final = 0.1
_FIRST: Final = datetime(1, 1, 1, tzinfo=UTC)
_NO_ID: Final = UUID(int=0)
_IDENTITY_FIELDS: Final = (
    *("firstName", "middleName", "lastName", "displayName", "avatarUrl", "birthDate", "lifecycle"),
    *("contactPoints", "identifiers", "traits", "notes", "timeline", "changes"),
)


async def persons_of(unit: Unit, job: Job) -> list[UUID]:
    """The profiles that are the job's person: the survivor of the profile it names, and all that were merged into that one."""
    behind = await unit.fetchrow("person_behind", job.profile_id)
    return [] if behind is None else [row["id"] for row in await unit.fetch("persons_of", behind["id"])]


class Eraser:
    """The plans of ERASE and ANONYMISE."""

    def __init__(self, vault: Vault, tombstones: Tombstones) -> None:
        self._vault = vault
        self._tombstones = tombstones
        ways = {
            PrivacyAction.ERASE: {"records": self._erase_records, "activities": self._erase_activities},
            PrivacyAction.ANONYMISE: {"records": self._anonymise_records, "activities": self._anonymise_activities},
        }
        self.plans: dict[PrivacyAction, Plan] = {}
        for action, own in ways.items():
            passed = {"identity": self._identity, "merges": self._merges, **own, "audit": self._audit}
            again = {f"{name}_again": step for name, step in passed.items()}
            self.plans[action] = {**passed, "wait": self._wait, **again, "certificate": self._certificate}

    async def _identity(self, unit: Unit, job: Job) -> Done:
        """From here on nobody finds the person, and no late event brings it back."""
        erasing = job.action is PrivacyAction.ERASE
        persons = await persons_of(unit, job)
        await unit.fetch("lock_profiles", persons)
        keys, lookups = await self._values(unit, persons)
        rows = await unit.fetch("values_of_others", persons, *_pairs(lookups))
        shared = {LookupKey(row["key"], row["value"]) for row in rows}
        own = [key for key in keys if key not in shared]
        if erasing:
            await self._tombstones.lay(unit, own)
        released = await unit.connection.execute(SQL["release_all_lookups"], unit.workspace, persons, *_pairs(lookups))
        await unit.connection.execute(SQL["release_attribute_lookups"], unit.workspace, persons)
        contacts = await _strip_contacts(unit, persons, [key.value for key in own], leave=erasing)
        changed = [row["id"] for row in await unit.fetch("erase_profiles" if erasing else "anonymise_profiles", persons)]
        for profile_id in changed:
            if not erasing:
                unit.profile_changed(profile_id, *_IDENTITY_FIELDS)
            elif job.step is None:  # the second pass is behind the end of the stream
                unit.logged(profile_id, ChangeKind.ERASED)
        return Done({"profile": len(changed), "lookup": _affected(released), **contacts})

    async def _values(self, unit: Unit, persons: Sequence[UUID]) -> tuple[list[LookupKey], list[LookupKey]]:
        """What identifies the persons, in clear; and under what they are found, SENSITIVE values by their hashes."""
        keys: dict[LookupKey, None] = {}
        lookups: dict[LookupKey, None] = {}
        for row in await unit.fetch("identity_values", persons):
            key = lookup_key(Channel(row["type"]), row["custom_channel"]) if row["kind"] == "C" else row["type"]
            stored = LookupKey(key, row["normalized"])
            lookups[stored] = None
            if row["sealed"] is None:
                keys[stored] = None
                continue
            try:
                value = normalize_identifier(self._vault.open(unit.workspace, f"identifier:{row['id'].hex}", row["sealed"]))
            except (VaultError, BadUserInput):
                continue  # its secret is gone, and with it the value
            hashed = [LookupKey(key, blind) for blind in self._vault.blinds(unit.workspace, key, value)]
            keys.update(dict.fromkeys([LookupKey(key, value), *hashed]))  # the tracking API knows the value by its hash only
            lookups.update(dict.fromkeys(hashed))
        return list(keys), list(lookups)

    async def _merges(self, unit: Unit, job: Job) -> Done:
        row = await unit.fetchrow("erase_merges", await persons_of(unit, job))
        return Done(dict(row or {}))

    async def _erase_records(self, unit: Unit, job: Job) -> Done:
        persons = await persons_of(unit, job)
        notes = await unit.fetch("erase_notes", persons)
        row = await unit.fetchrow("erase_records", persons)
        return Done({"note": len(notes), **dict(row or {})})

    async def _anonymise_records(self, unit: Unit, job: Job) -> Done:
        persons = await persons_of(unit, job)
        notes = await unit.fetch("erase_notes", persons)
        for note in notes:
            unit.item_removed(note["profile_id"], note["id"], "native")
        found = [(row["key"], row["kind"]) for row in await unit.fetch("trait_keys", persons)]
        row = await unit.fetchrow("anonymise_records", persons, identifying_traits(unit.configuration, found))
        return Done({"note": len(notes), **dict(row or {})})

    async def _erase_activities(self, unit: Unit, job: Job) -> Done:
        row = await unit.fetchrow("erase_activities", await persons_of(unit, job), PORTION)
        gone: int = row["n"] if row else 0
        return Done({"activity": gone}, place=True if gone == PORTION else None)

    async def _anonymise_activities(self, unit: Unit, job: Job) -> Done:
        """A page of one of the person's timelines; the place is (profile, moment, source, id) of the last item seen."""
        persons = await persons_of(unit, job)
        at = _read_place(job.place) if job.place else (persons[0], _FIRST, "", _NO_ID)
        rows = await unit.fetch("activities_after", *at, _PAGE)
        changed = []
        for row in rows:
            detail = anonymous_detail(row["kind"], row["detail"])
            if detail != row["detail"] or row["account"] is not None:
                changed.append((row["profile_id"], row["occurred_at"], row["source"], row["id"], detail))
        if changed:
            await unit.connection.execute(SQL["anonymise_activities"], unit.workspace, *columns(changed))
        place: list[str] | None = None
        if len(rows) == _PAGE:
            last = rows[-1]
            place = _place(last["profile_id"], last["occurred_at"], last["source"], last["id"])
        else:
            later = [person for person in persons if person > at[0]]
            place = _place(later[0], _FIRST, "", _NO_ID) if later else None
        return Done({"activity": len(changed)}, place)

    async def _audit(self, unit: Unit, job: Job) -> Done:
        persons = await persons_of(unit, job)
        await unit.connection.execute(SQL["allow_redaction"])
        redacted = await unit.connection.execute(SQL["redact_changes"], unit.workspace, persons)
        files = await unit.connection.execute(SQL["erase_exports"], unit.workspace, persons)
        return Done({"change": _affected(redacted), "privacy_file": _affected(files)})

    async def _wait(self, unit: Unit, job: Job) -> Done:
        """Until no transaction is left that may have seen the person before it was gone; each ends by itself within seconds."""
        running = {row["virtualtransaction"] for row in await unit.connection.fetch(SQL["gateway_transactions"])}
        awaited = running if job.place is None else running & set(job.place)
        return Done(place=sorted(awaited), pause=_LOOK_AGAIN) if awaited else Done()

    async def _certificate(self, unit: Unit, job: Job) -> Done:
        """The counts of what is gone, in the audit: a field per table, rows before, none after."""
        erasing = job.action is PrivacyAction.ERASE
        fields = [FieldChange(table, count, 0 if erasing else None) for table, count in sorted(job.counts.items()) if count]
        behind = await unit.fetchrow("person_behind", job.profile_id)
        profile_id = job.profile_id if behind is None else behind["id"]
        change_id = unit.record(profile_id, ChangeAction.ERASED, *fields, reason=None if erasing else "anonymised")
        if not erasing:
            unit.profile_changed(profile_id, "changes", item_id=change_id)
        return Done()


async def _strip_contacts(unit: Unit, persons: Sequence[UUID], values: Sequence[str], *, leave: bool) -> dict[str, int]:
    rows = await unit.fetch("strip_contacts", persons, list(values), leave)
    stripped = [row for row in rows if row["id"] is not None]
    for row in stripped:
        if row["state"] != "CLOSED":
            unit.contact_changed(row["id"], row["agent_id"])
    total = rows[0]  # every row carries both totals
    return {"contact": len(stripped), "contact_candidate": total["candidates"], "contact_association": total["associations"]}


def _pairs(keys: Sequence[LookupKey]) -> tuple[list[str], list[str]]:
    return [key.key for key in keys], [key.value for key in keys]


def _affected(tag: str) -> int:
    return int(tag.rpartition(" ")[2])


def _place(*parts: Any) -> list[str]:
    profile_id, occurred_at, source, item_id = parts
    return [profile_id.hex, occurred_at.isoformat(), source, item_id.hex]


def _read_place(place: Sequence[str]) -> tuple[UUID, datetime, str, UUID]:
    profile_id, occurred_at, source, item_id = place
    return UUID(hex=profile_id), datetime.fromisoformat(occurred_at), source, UUID(hex=item_id)
