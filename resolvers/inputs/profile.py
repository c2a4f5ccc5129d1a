"""Inputs that name, create and change profiles."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import strawberry

from gateway.commands.profiles import NewProfile, ProfileChanges
from gateway.commands.reach import ContactPointChange, IdentifierChange
from gateway.errors import BadUserInput
from gateway.model.ids import parse_id
from resolvers.types.enums import Channel, ProfileLifecycle
from resolvers.types.scalars import JSON, EmailAddress, PhoneNumber

__all__ = ["ContactPointInput", "CreateProfileInput", "IdentifierInput", "ProfileRef", "UpdateProfileInput"]


@strawberry.input(description="A key another system knows the person by.")
class IdentifierInput:
    type: str = strawberry.field(description="Which kind of key, in snake_case.")
    value: str = strawberry.field(description="The key.")


@strawberry.input(one_of=True, description="Names one profile by exactly one of its keys.")
class ProfileRef:
    id: strawberry.ID | None = strawberry.field(default=strawberry.UNSET, description="By its id.")
    identifier: IdentifierInput | None = strawberry.field(default=strawberry.UNSET, description="By a key of another system.")
    phone: PhoneNumber | None = strawberry.field(default=strawberry.UNSET, description="By a phone number that only this profile has.")
    email: EmailAddress | None = strawberry.field(default=strawberry.UNSET, description="By an e-mail address that only this profile has.")
    contact_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="By a live contact: the profile it is associated with, else the only one it may be from."
    )

    def __post_init__(self) -> None:
        # Strawberry marks what was not given; here "not given" and "none" are the same.
        for name in ("id", "identifier", "phone", "email", "contact_id"):
            if getattr(self, name) is strawberry.UNSET:
                setattr(self, name, None)


@strawberry.input(description="A way to reach the person; with an id, a change of the one there is.")
class ContactPointInput:
    id: strawberry.ID | None = strawberry.field(default=None, description="The contact point to change; absent adds one.")
    channel: Channel = strawberry.field(description="The channel.")
    custom_channel: str | None = strawberry.field(default=None, description="The name of a CUSTOM channel.")
    value: str = strawberry.field(description="The address: phones in international format, e-mails, handles.")
    label: str | None = strawberry.field(default=strawberry.UNSET, description="Home, work and the like.")
    is_primary: bool | None = strawberry.field(default=None, description="Try it first on its channel.")

    def change(self, profile_id: UUID | None) -> ContactPointChange:
        """What the command takes; BadUserInput for the id of another profile's contact point."""
        point_id = None
        if self.id is not None:
            owner, point_id = parse_id(self.id, "cpt")
            if owner != profile_id:
                raise BadUserInput("The contact point is not this profile's.", argument="upsertContactPoints")
        absent = self.label is strawberry.UNSET
        label = None if absent else self.label
        return ContactPointChange(self.channel, self.value, self.custom_channel, label, self.is_primary, point_id, keeps_label=absent)


@strawberry.input(description="A new profile; only firstName is required.")
class CreateProfileInput:
    first_name: str = strawberry.field(description="First name.")
    last_name: str | None = strawberry.field(default=None, description="Last name.")
    contact_points: list[ContactPointInput] | None = strawberry.field(default=None, description="Ways to reach the person.")
    identifiers: list[IdentifierInput] | None = strawberry.field(default=None, description="Keys of other systems.")
    attributes: JSON | None = strawberry.field(default=None, description="Traits to set, as an object from key to value.")
    associate_with_contact_id: strawberry.ID | None = strawberry.field(
        default=None, description="The open contact that the new profile is from; refused together with it when that cannot be."
    )
    idempotency_key: str | None = strawberry.field(default=None, description="The same key gives the same answer and one profile.")

    def command(self) -> NewProfile:
        """What the command takes."""
        contact = self.associate_with_contact_id
        return NewProfile(
            self.first_name,
            self.last_name,
            [point.change(None) for point in self.contact_points or ()],
            [IdentifierChange(one.type, one.value) for one in self.identifiers or ()],
            _object(self.attributes),
            None if contact is None else parse_id(contact, "con", "input.associateWithContactId")[0],
        )


@strawberry.input(description="Changes to a profile. An absent field is kept, an explicit null clears it.")
class UpdateProfileInput:
    id: strawberry.ID = strawberry.field(description="The profile.")
    expected_version: int | None = strawberry.field(default=None, description="Refuse when the profile has another version by now.")
    first_name: str | None = strawberry.field(default=strawberry.UNSET, description="First name.")
    last_name: str | None = strawberry.field(default=strawberry.UNSET, description="Last name.")
    lifecycle: ProfileLifecycle | None = strawberry.field(
        default=strawberry.UNSET, description="How far the person is a customer; cannot be cleared."
    )
    attributes: JSON | None = strawberry.field(
        default=None, description="Traits to set, as an object from key to value; null takes your value away and a source's shows again."
    )
    upsert_contact_points: list[ContactPointInput] | None = strawberry.field(default=None, description="Contact points to add or change.")
    remove_contact_point_ids: list[strawberry.ID] | None = strawberry.field(default=None, description="Contact points to remove.")
    add_identifiers: list[IdentifierInput] | None = strawberry.field(default=None, description="Identifiers to add.")
    remove_identifier_ids: list[strawberry.ID] | None = strawberry.field(default=None, description="Identifiers to remove.")

    def command(self) -> ProfileChanges:
        """What the command takes."""
        profile_id = parse_id(self.id, "prf", "input.id")[0]
        names = {key: getattr(self, key) for key in ("first_name", "last_name") if getattr(self, key) is not strawberry.UNSET}
        return ProfileChanges(
            profile_id,
            self.expected_version,
            names,
            None if self.lifecycle is strawberry.UNSET else self.lifecycle,
            _object(self.attributes),
            [point.change(profile_id) for point in self.upsert_contact_points or ()],
            _parts(self.remove_contact_point_ids, "cpt", profile_id),
            [IdentifierChange(one.type, one.value) for one in self.add_identifiers or ()],
            _parts(self.remove_identifier_ids, "idn", profile_id),
            clears_lifecycle=self.lifecycle is None,
        )


def _object(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadUserInput("attributes is an object from key to value.", argument="attributes")
    return value


def _parts(ids: list[strawberry.ID] | None, prefix: str, profile_id: UUID) -> list[UUID]:
    """The second parts of the ids that are this profile's; another profile's are as good as absent."""
    return [part for owner, part in (parse_id(text, prefix) for text in ids or ()) if owner == profile_id]
