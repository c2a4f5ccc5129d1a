"""Contact points and identifiers, shown as far as the viewer may see them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import strawberry

from gateway.auth.policy import mask_email, mask_phone, mask_text
from gateway.identity import EMAIL, PHONE, lookup_key
from gateway.model import profile as model
from gateway.model.source import Source as SourceValue
from resolvers.types.enums import Channel, MaskState
from resolvers.types.node import Node
from resolvers.types.scalars import EmailAddress, PhoneNumber
from resolvers.types.source import Source

__all__ = ["ContactPoint", "Identifier", "ShownIdentifier", "ShownPoint", "masked", "shown_identifier", "shown_point"]

_MASK = "How much of the value you see."


@strawberry.type(description="One way to reach a person.")
class ContactPoint(Node):
    id: strawberry.ID = strawberry.field(description="The contact point's id.")
    channel: Channel = strawberry.field(description="The channel.")
    custom_channel: str | None = strawberry.field(description="The name of a CUSTOM channel.")
    value: str | None = strawberry.field(description="The address as it was typed, masked where you may not see it.")
    mask: MaskState = strawberry.field(description=_MASK)
    phone: PhoneNumber | None = strawberry.field(description="The number in E.164, where it is one and you may see it.")
    email: EmailAddress | None = strawberry.field(description="The address, where it is an e-mail and you may see it.")
    label: str | None = strawberry.field(description="Home, work and the like.")
    is_primary: bool = strawberry.field(description="Whether to try it first on its channel.")
    is_verified: bool = strawberry.field(description="Whether the person was reached there.")
    source: Source | None = strawberry.field(description="Where it came from.")


@strawberry.type(description="A key another system knows the person by.")
class Identifier(Node):
    id: strawberry.ID = strawberry.field(description="The identifier's id.")
    type: str = strawberry.field(description="Which kind of key.")
    value: str | None = strawberry.field(description="The key, masked where you may not see it.")
    mask: MaskState = strawberry.field(description=_MASK)
    source: Source | None = strawberry.field(description="Where it came from.")
    is_verified: bool = strawberry.field(description="Whether it was verified.")
    added_at: datetime = strawberry.field(description="When it was added.")


@dataclass(frozen=True, slots=True)
class ShownPoint:
    """A contact point as one viewer may see it."""

    id: str
    channel: model.Channel
    custom_channel: str | None
    value: str | None
    mask: model.MaskState
    phone: str | None
    email: str | None
    label: str | None
    is_primary: bool
    is_verified: bool
    source: SourceValue | None


@dataclass(frozen=True, slots=True)
class ShownIdentifier:
    """An identifier as one viewer may see it."""

    id: str
    type: str
    value: str | None
    mask: model.MaskState
    source: SourceValue | None
    is_verified: bool
    added_at: datetime


_MASKS = {PHONE: mask_phone, EMAIL: mask_email}


def masked(key: str, value: str) -> str:
    """A normalised value of this lookup key, as whoever may not see it whole sees it."""
    return _MASKS.get(key, mask_text)(value)


def shown_point(point: model.ContactPoint, mask: model.MaskState) -> ShownPoint:
    """The contact point behind the viewer's mask."""
    key = lookup_key(point.channel, point.custom_channel)
    clear = mask is model.MaskState.CLEAR
    return ShownPoint(
        point.id,
        point.channel,
        point.custom_channel,
        _behind(mask, point.raw, masked(key, point.normalized)),
        mask,
        point.normalized if clear and key == PHONE else None,
        point.normalized if clear and key == EMAIL else None,
        point.label,
        point.is_primary,
        point.is_verified,
        point.source,
    )


def shown_identifier(identifier: model.Identifier, mask: model.MaskState, sensitive: Collection[str] = ()) -> ShownIdentifier:
    """The identifier behind the viewer's mask; one that is sealed, or of a SENSITIVE type, is never shown in clear."""
    if mask is model.MaskState.CLEAR and (identifier.sealed or identifier.type in sensitive):
        mask = model.MaskState.MASKED
    return ShownIdentifier(
        identifier.id,
        identifier.type,
        _behind(mask, identifier.raw, identifier.raw if identifier.sealed else mask_text(identifier.normalized)),
        mask,
        identifier.source,
        identifier.is_verified,
        identifier.added_at,
    )


def _behind(mask: model.MaskState, clear: str, masked: str) -> str | None:
    if mask is model.MaskState.CLEAR:
        return clear
    return masked if mask is model.MaskState.MASKED else None
