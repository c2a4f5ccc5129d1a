"""From what a client calls a profile to its id: an id, an identifier, a phone or an e-mail.

Owns the meaning of `ProfileRef`. A value that several profiles have is an error that says so; a value that none has finds nothing, exactly like
a profile of another workspace. Called by root fields.
"""

from __future__ import annotations

from uuid import UUID

from gateway.engine.context import OperationContext
from gateway.errors import AmbiguousReference, BadUserInput
from gateway.identity import EMAIL, PHONE, normalize_email, normalize_identifier, normalize_phone, normalize_type
from gateway.model.ids import parse_id
from gateway.sources.contract import LookupKey
from resolvers.inputs.profile import ProfileRef

__all__ = ["find_owners", "find_profile_id", "find_profile_ids"]


async def find_profile_id(context: OperationContext, by: ProfileRef) -> UUID | None:
    """The profile's id, or None when nobody answers to it.

    Raises:
        BadUserInput: the reference is malformed.
        AmbiguousReference: several profiles answer to it.
    """
    target = _target(context, by)
    if isinstance(target, UUID):
        return target
    found = await context.loaders.lookup.load(target)
    if len(found) > 1:
        raise AmbiguousReference(f"{len(found)} profiles have this {target.key}; use searchProfiles to choose one.", argument="by")
    return found[0] if found else None


async def find_profile_ids(context: OperationContext, by: list[ProfileRef]) -> list[UUID | BaseException | None]:
    """The same for many, in order and in one look-up; what is wrong with one is its own element."""
    targets: list[UUID | LookupKey | BaseException] = []
    for reference in by:
        try:
            targets.append(_target(context, reference))
        except BadUserInput as error:
            targets.append(error)
    keys = [target for target in targets if isinstance(target, LookupKey)]
    answers = dict(zip(keys, await context.loaders.lookup.load_many(keys), strict=True))
    found: list[UUID | BaseException | None] = []
    for target in targets:
        if not isinstance(target, LookupKey):
            found.append(target)
            continue
        answer = answers[target]
        if isinstance(answer, BaseException):
            found.append(answer)
        elif len(answer) > 1:
            found.append(AmbiguousReference(f"{len(answer)} profiles have this {target.key}; use searchProfiles to choose one."))
        else:
            found.append(answer[0] if answer else None)
    return found


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


def _target(context: OperationContext, by: ProfileRef) -> UUID | LookupKey:
    if by.id is not None:
        return parse_id(by.id, "prf", "by.id")[0]
    try:
        if by.phone is not None:
            return LookupKey(PHONE, normalize_phone(by.phone, context.services.default_region))
        if by.email is not None:
            return LookupKey(EMAIL, normalize_email(by.email))
        if by.identifier is not None:
            return LookupKey(normalize_type(by.identifier.type), normalize_identifier(by.identifier.value))
    except BadUserInput as error:
        raise BadUserInput(error.message, argument="by") from None
    raise BadUserInput("Name the profile by exactly one of id, identifier, phone or email.", argument="by")
