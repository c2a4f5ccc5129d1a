"""From what a client calls a profile to its id: an id, an identifier, a phone, an e-mail, or a live contact.

Owns the meaning of `ProfileRef`. A value that several profiles have is an error that says so; a value that none has finds nothing, exactly like
a profile of another workspace. Called by root fields.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from gateway.engine.context import OperationContext
from gateway.errors import AmbiguousReference, BadUserInput, GatewayError
from gateway.identity import EMAIL, PHONE, normalize_email, normalize_identifier, normalize_phone, normalize_type
from gateway.loaders.contacts import ContactLoaders
from gateway.model.ids import parse_id
from gateway.sources.contract import LookupKey
from resolvers.adopting import owners_of
from resolvers.contact_view import find_contact
from resolvers.inputs.profile import ProfileRef

__all__ = ["find_owners", "find_profile_id", "find_profile_ids"]


@dataclass(frozen=True, slots=True)
class _LiveContact:
    contact_id: UUID


@dataclass(frozen=True, slots=True)
class _Ways:
    """A value under every look-up key it may be kept under: a SENSITIVE one under a hash per secret."""

    keys: tuple[LookupKey, ...]


async def find_profile_id(context: OperationContext, by: ProfileRef) -> UUID | None:
    """The profile's id, or None when nobody answers to it.

    Raises:
        BadUserInput: the reference is malformed.
        AmbiguousReference: several profiles answer to it.
    """
    target = _target(context, by)
    if isinstance(target, UUID):
        return target
    if isinstance(target, _LiveContact):
        return await _caller(context, target)
    return _owner(target, await _owners(context, [target]), argument="by")


async def find_profile_ids(context: OperationContext, by: list[ProfileRef]) -> list[UUID | BaseException | None]:
    """The same for many, in order and in one look-up; what is wrong with one is its own element."""
    targets: list[UUID | _Ways | _LiveContact | BaseException] = []
    for reference in by:
        try:
            targets.append(_target(context, reference))
        except BadUserInput as error:
            targets.append(error)
    owners = await _owners(context, [target for target in targets if isinstance(target, _Ways)])
    contacts = list({target for target in targets if isinstance(target, _LiveContact)})
    callers = dict(zip(contacts, await asyncio.gather(*(_caller(context, one) for one in contacts), return_exceptions=True), strict=True))
    found: list[UUID | BaseException | None] = []
    for target in targets:
        if isinstance(target, _LiveContact):
            found.append(callers[target])
        elif isinstance(target, _Ways):
            try:
                found.append(_owner(target, owners))
            except GatewayError as error:
                found.append(error)
        else:
            found.append(target)
    return found


async def _owners(context: OperationContext, targets: Sequence[_Ways]) -> Mapping[LookupKey, Sequence[UUID] | BaseException]:
    return await owners_of(context, [key for target in targets for key in target.keys])


def _owner(target: _Ways, owners: Mapping[LookupKey, Sequence[UUID] | BaseException], argument: str | None = None) -> UUID | None:
    found: dict[UUID, None] = {}
    for key in target.keys:
        answer = owners[key]
        if isinstance(answer, BaseException):
            raise answer
        found.update(dict.fromkeys(answer))
    if len(found) > 1:
        raise AmbiguousReference(
            f"{len(found)} profiles have this {target.keys[0].key}; use searchProfiles to choose one.", argument=argument
        )
    return next(iter(found), None)


async def find_owners(context: OperationContext, by: list[ProfileRef]) -> list[UUID | BadUserInput | None]:
    """The same for references to write to: only profiles that are there; what is wrong with the reference itself is its own element."""
    found = await find_profile_ids(context, by)
    named = list({key for key in found if isinstance(key, UUID)})
    known = {key for key, profile in zip(named, await context.loaders.profile.load_many(named), strict=True) if _is_there(profile)}
    owners: list[UUID | BadUserInput | None] = []
    for key in found:
        if isinstance(key, BaseException) and not isinstance(key, BadUserInput):
            raise key
        owners.append(key if isinstance(key, BadUserInput) or key in known else None)
    return owners


def _is_there(profile: object) -> bool:
    if isinstance(profile, BaseException):
        raise profile
    return profile is not None


async def _caller(context: OperationContext, target: _LiveContact) -> UUID | None:
    """From whom the contact is: its association, else the only profile it may be from."""
    contact = await find_contact(context, target.contact_id)
    if contact is None or contact.profile_id is not None:
        return None if contact is None else contact.profile_id
    candidates = await context.loaders.of(ContactLoaders).candidates.load(target.contact_id)
    return candidates[0].profile_id if len(candidates) == 1 else None


def _target(context: OperationContext, by: ProfileRef) -> UUID | _Ways | _LiveContact:
    if by.id is not None:
        return parse_id(by.id, "prf", "by.id")[0]
    if by.contact_id is not None:
        return _LiveContact(parse_id(by.contact_id, "con", "by.contactId")[0])
    try:
        if by.phone is not None:
            return _Ways((LookupKey(PHONE, normalize_phone(by.phone, context.services.default_region)),))
        if by.email is not None:
            return _Ways((LookupKey(EMAIL, normalize_email(by.email)),))
        if by.identifier is not None:
            kind, value = normalize_type(by.identifier.type), normalize_identifier(by.identifier.value)
            return _Ways(tuple(LookupKey(*way) for way in context.keys.of_identifier(kind, value)))
    except BadUserInput as error:
        raise BadUserInput(error.message, argument="by") from None
    raise BadUserInput("Name the profile by exactly one of id, identifier, phone, email or contactId.", argument="by")
