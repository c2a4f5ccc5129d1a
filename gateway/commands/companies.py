"""Which companies a profile belongs to, and which of them is the main one.

Owns the rule that a profile with companies has exactly one main: the first; when the main one goes, the longest-standing other.
Called by resolvers' mutations through `Commands`.
"""

from __future__ import annotations

import unicodedata
from uuid import UUID

from gateway.auth.policy import Action, require
from gateway.auth.principal import Principal
from gateway.commands.standing import absent
from gateway.commands.unit import Receipt, Unit, Writer
from gateway.commands.validation import text_problem
from gateway.errors import Problem, Rejected
from gateway.model.audit import ChangeAction, FieldChange
from gateway.model.change import Position
from gateway.model.ids import uuid7
from gateway.sources.native import profile_of
from gateway.storage.queries import SQL

__all__ = ["add_to_company", "company_name_key", "remove_from_company", "set_main_company"]

_LONGEST_NAME = 200


def company_name_key(name: str) -> str:
    """The natural key of a company known by name only: equal names are one company."""
    return "name:" + " ".join(unicodedata.normalize("NFKC", name).casefold().split())


async def add_to_company(
    writer: Writer, principal: Principal, profile_id: UUID, *, company_id: UUID | None, company_name: str | None, make_main: bool
) -> Receipt:
    """Put a profile into a company, by id or by name (made if it is new). Doing it again changes nothing.

    Raises:
        Forbidden: without `profile:write`.
        Rejected: NOT_FOUND, REQUIRED or INVALID.
    """
    require(principal, Action.MANAGE_COMPANIES)
    wrong = text_problem(company_name or "", _LONGEST_NAME)
    if wrong:
        raise Rejected(Problem("INVALID", wrong, ("companyName",)))
    name = (company_name or "").strip() or None
    if (company_id is None) == (name is None):
        raise Rejected(Problem("REQUIRED", "Give either companyId or companyName.", ("companyId",)))

    async def work(unit: Unit) -> Receipt:
        profile = await _lock(unit, profile_id)
        if company_id is not None:
            if not await unit.fetch("companies_by_id", [company_id]):
                raise Rejected(Problem("NOT_FOUND", "There is no such company.", ("companyId",)))
            company = company_id
        else:
            assert name is not None
            company = await _company_named(unit, name)
        before = await _members(unit, profile_id)
        added = bool(await unit.fetch("insert_memberships", [profile_id], [company]))
        promoted = make_main and await _make_main(unit, profile_id, company)
        if added or promoted:
            await _log(unit, profile_id, before)  # a first company is the main one by itself
        return Receipt(profile_id, company, profile)

    return await writer.run(principal, work)


async def remove_from_company(writer: Writer, principal: Principal, profile_id: UUID, company_id: UUID) -> Receipt:
    """Take a profile out of a company.

    Raises:
        Rejected: NOT_FOUND when the profile is unknown or not in that company.
    """
    require(principal, Action.MANAGE_COMPANIES)

    async def work(unit: Unit) -> Receipt:
        await _lock(unit, profile_id)
        before = await _members(unit, profile_id)
        gone = await unit.fetchrow("delete_membership", profile_id, company_id)
        if gone is None:
            raise Rejected(Problem("NOT_FOUND", "The profile does not belong to such a company.", ("companyId",)))
        if gone["is_main"]:
            oldest = await unit.fetchrow("oldest_membership", profile_id)
            if oldest is not None:
                await _make_main(unit, profile_id, oldest["company_id"])
        await _log(unit, profile_id, before)
        return Receipt(profile_id, company_id)

    return await writer.run(principal, work)


async def set_main_company(writer: Writer, principal: Principal, profile_id: UUID, company_id: UUID) -> Receipt:
    """Make one of a profile's companies its main one.

    Raises:
        Rejected: NOT_FOUND when the profile is unknown or not in that company.
    """
    require(principal, Action.MANAGE_COMPANIES)

    async def work(unit: Unit) -> Receipt:
        profile = await _lock(unit, profile_id)
        before = await _members(unit, profile_id)
        if await _make_main(unit, profile_id, company_id):
            await _log(unit, profile_id, before)
        return Receipt(profile_id, company_id, profile)

    return await writer.run(principal, work)


async def _lock(unit: Unit, profile_id: UUID) -> Position:
    row = await unit.fetchrow("lock_profile", profile_id)
    if row is None:
        raise await absent(unit, profile_id, "profileId")
    return profile_of(row).position


async def _company_named(unit: Unit, name: str) -> UUID:
    key = company_name_key(name)
    known = await unit.fetch("companies_by_key", [key])
    if not known:
        known = await unit.fetch("upsert_companies", [uuid7()], [key], [name], [None], [{}])
    found: UUID = known[0]["id"]
    return found


_Members = dict[UUID, tuple[str, bool]]
"""Company → its name, and whether it is the main one."""


async def _members(unit: Unit, profile_id: UUID) -> _Members:
    return {row["id"]: (row["name"], row["is_main"]) for row in await unit.fetch("memberships_by_profile", [profile_id])}


async def _log(unit: Unit, profile_id: UUID, before: _Members) -> None:
    """Count the version, and say in the log and in the audit what became of the profile's companies."""
    now = await _members(unit, profile_id)
    changes = [FieldChange("companies", before[key][0], None) for key in before.keys() - now.keys()]
    changes += [FieldChange("companies", None, now[key][0]) for key in now.keys() - before.keys()]
    was, is_now = (next(((key, name) for key, (name, main) in members.items() if main), (None, None)) for members in (before, now))
    if was[0] != is_now[0]:
        changes.append(FieldChange("mainCompany", was[1], is_now[1]))
    await unit.connection.execute(SQL["touch_profile"], unit.workspace, profile_id)
    change_id = unit.record(profile_id, ChangeAction.UPDATED, *changes)
    unit.profile_changed(profile_id, "companies", *(["mainCompany"] if was[0] != is_now[0] else []), item_id=change_id)


async def _make_main(unit: Unit, profile_id: UUID, company_id: UUID) -> bool:
    """Whether anything changed; raises Rejected when the profile is not in that company."""
    memberships = {row["id"]: row["is_main"] for row in await unit.fetch("memberships_by_profile", [profile_id])}
    if company_id not in memberships:
        raise Rejected(Problem("NOT_FOUND", "The profile does not belong to such a company.", ("companyId",)))
    if memberships[company_id]:
        return False
    await unit.connection.execute(SQL["unset_main_company"], unit.workspace, profile_id, company_id)
    await unit.connection.execute(SQL["set_main_company"], unit.workspace, profile_id, company_id)
    return True
