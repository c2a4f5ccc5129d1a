"""Fields of a profile that other systems may know better, or at all.

Owns which they are and how one is answered: at no cost where no source knows fields of profiles, else from `loaders.overlay`, which asks all of them
for all profiles at once, beside whatever else is asked of the profiles. Called by `types.profile`, which marks the fields, and by `schema`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import strawberry
from graphql import GraphQLResolveInfo

from gateway.engine.context import OperationContext
from gateway.loaders.ledger import FIELD, Place
from gateway.loaders.wanted import NEEDS, Needs
from gateway.model.precedence import OVERLAID, Overlay
from gateway.model.profile import Profile, ProfileStatus

__all__ = ["OVERLAY", "overlaid", "overlaying"]

OVERLAY: Final = "overlay"
"""Where such a field holds how it is read, in its metadata."""
_NAMES: Final = ("first_name", "middle_name", "last_name")

Read = Callable[[Overlay, Profile], Any]
Resolve = Callable[..., Any]


def overlaid(name: str, description: str) -> Any:
    """A field of `Profile` that shows the best source's value; `name`: its attribute."""
    made_of = (name,) if name in OVERLAID else _NAMES

    def read(overlay: Overlay, profile: Profile) -> Any:
        if made_of == (name,):
            return overlay.value(name, getattr(profile, name))
        return getattr(overlay.shown(profile), name)

    return strawberry.field(description=description, metadata={OVERLAY: read, NEEDS: Needs(fields=frozenset(made_of))})


def overlaying(plain: Resolve, read: Read) -> Resolve:
    """The resolver of such a field: `plain` where no source overlays anything."""

    def resolve(profile: Profile, info: GraphQLResolveInfo[OperationContext], **arguments: Any) -> Any:
        context = info.context
        if not context.loaders.overlays or profile.status is not ProfileStatus.ACTIVE:
            return plain(profile, info, **arguments)
        return _read(context, profile, read, info.path)

    return resolve


async def _read(context: OperationContext, profile: Profile, read: Read, path: Place) -> Any:
    FIELD.set(path)
    return read(await context.loaders.overlay.load(profile.profile_id), profile)
