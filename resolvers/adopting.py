"""Looking values up where a source may know people whom nobody here knows yet.

Owns that such people are asked for only when nobody here has a value, and only for viewers who may read profiles. Must not decide who is adopted,
which `gateway.commands.adoption` does. Called by `references` and `finding`.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from gateway.auth.policy import Action, may
from gateway.engine.context import OperationContext
from gateway.sources.contract import LookupKey

__all__ = ["owners_of"]


async def owners_of(context: OperationContext, keys: Sequence[LookupKey]) -> dict[LookupKey, Sequence[UUID] | BaseException]:
    """The profiles that have each value, or why it is not known; people whom a source brings in on this occasion included."""
    wanted = list(dict.fromkeys(keys))
    found: dict[LookupKey, Sequence[UUID] | BaseException] = dict(zip(wanted, await context.loaders.lookup.load_many(wanted), strict=True))
    adoption, principal = getattr(context.services.commands, "adoption", None), context.principal
    if adoption is None or not adoption.is_on(principal.workspace_key) or not may(principal, Action.READ_PROFILE):
        return found
    nobodys = [key for key, ids in found.items() if not isinstance(ids, BaseException) and not ids]
    return {**found, **await adoption.adopt(principal, nobodys)} if nobodys else found
