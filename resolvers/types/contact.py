"""Live contacts: the screen pop, who it may be, and with whom it is associated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import strawberry

from gateway.auth.policy import contact_permissions, readable_contact
from gateway.loaders.contacts import ContactLoaders
from gateway.model import contact as model
from gateway.model import profile as profiles
from gateway.model.actor import Actor as ActorValue
from resolvers.batching import BatchInfo, Info, batched
from resolvers.contact_view import shown_address, shown_attributes, shown_key, visible_profiles
from resolvers.types.enums import Channel, ContactState, Direction, MatchState
from resolvers.types.node import Node, PageInfo, UserError
from resolvers.types.profile import MatchedKey, Profile
from resolvers.types.scalars import JSON, StreamCursor
from resolvers.types.source import Actor

__all__ = [
    "Association",
    "Contact",
    "ContactConnection",
    "ContactEdge",
    "ContactPayload",
    "ContactPermissions",
    "MatchCandidate",
]


@dataclass(frozen=True, slots=True)
class ShownCandidate:
    """Value of `MatchCandidate`."""

    profile: profiles.Profile
    score: float
    matched_on: list[profiles.MatchedKey]


@dataclass(frozen=True, slots=True)
class ShownAssociation:
    """Value of `Association`."""

    profile: profiles.Profile
    by: ActorValue
    at: datetime
    automatic: bool
    verified_keys: Sequence[str]
    superseded_at: datetime | None


@strawberry.type(description="What you may do with a contact.")
class ContactPermissions:
    associate: bool = strawberry.field(description="Associate it with a profile, or unlink it.")
    create_profile: bool = strawberry.field(description="Make a profile for it.")


@strawberry.type(description="A profile that a contact may be from.")
class MatchCandidate:
    profile: Profile = strawberry.field(description="The profile.")
    score: float = strawberry.field(description="How well it matches: 1 for an exact value, less for a name.")
    matched_on: list[MatchedKey] = strawberry.field(description="Why it was found.")


@strawberry.type(description="That a contact was said to be from a profile.")
class Association:
    profile: Profile = strawberry.field(description="The profile.")
    by: Actor = strawberry.field(description="Who said so.")
    at: datetime = strawberry.field(description="When.")
    automatic: bool = strawberry.field(description="Whether a match rule decided it.")
    verified_keys: list[str] = strawberry.field(description="What the customer confirmed, by names of your own choice.")
    superseded_at: datetime | None = strawberry.field(description="When another one, or none, took its place.")


@strawberry.type(description="A live contact: a call, a chat, from its offer to its end.")
class Contact(Node):
    id: strawberry.ID = strawberry.field(description="The contact's id.")
    version: int = strawberry.field(description="Counts its changes.")
    state: ContactState = strawberry.field(description="How far it is.")
    channel: Channel = strawberry.field(description="How they talk.")
    custom_channel: str | None = strawberry.field(description="The name of a CUSTOM channel.")
    direction: Direction = strawberry.field(description="Who reached out.")
    agent: Actor | None = strawberry.field(description="The agent it is offered to, or who works on it.")
    queue: str | None = strawberry.field(description="The queue it came through.")
    offered_at: datetime = strawberry.field(description="When it was opened.")
    accepted_at: datetime | None = strawberry.field(description="When the agent took it.")
    handoff_context: JSON | None = strawberry.field(description="What a bot or a form gathered before.")
    match: MatchState = strawberry.field(description="What the look-up of the person came to.")

    @strawberry.field(description="Where it came from, masked where you may not see it.")
    def address(self, info: Info) -> str | None:
        return shown_address(self, info.context)  # type: ignore[arg-type]

    @strawberry.field(
        graphql_type=JSON | None, description="What the routing system knows of it; values that identify a person are masked."
    )
    def attributes(self, info: Info) -> Any:
        return shown_attributes(self, info.context)  # type: ignore[arg-type]

    @strawberry.field(graphql_type=ContactPermissions, description="What you may do with it.")
    def viewer_can(self, info: Info) -> Any:
        return contact_permissions(info.context.principal, self)  # type: ignore[arg-type]

    @batched(
        type=Annotated["Contact", strawberry.lazy("resolvers.types.contact")] | None, description="The contact that it was escalated from."
    )
    async def parent(parents: Sequence[model.Contact], info: BatchInfo) -> Sequence[object]:  # noqa: N805
        loader = info.context.loaders.of(ContactLoaders).contact
        ids = [contact.parent_id for contact in parents]
        wanted = [key for key in ids if key is not None]
        found = dict(zip(wanted, await loader.load_many(wanted), strict=True))
        return [None if key is None else _readable(info, found[key]) for key in ids]

    @batched(type=list[MatchCandidate], description="Profiles it may be from, the best first.")
    async def candidates(parents: Sequence[model.Contact], info: BatchInfo) -> Sequence[object]:  # noqa: N805
        answers = await info.context.loaders.of(ContactLoaders).candidates.load_many([contact.contact_id for contact in parents])
        there = [answer for answer in answers if not isinstance(answer, BaseException)]
        found = await visible_profiles(info.context, [one.profile_id for answer in there for one in answer])

        def show(one: model.Candidate, profile: profiles.Profile) -> ShownCandidate:
            return ShownCandidate(profile, one.score, [shown_key(key, value, info.context) for key, value in one.matched_on])

        return [_with_profiles(answer, found, show) for answer in answers]

    @batched(
        type=Association | None, description="The current association: only the most recent one counts; frozen when the contact closes."
    )
    async def association(parents: Sequence[model.Contact], info: BatchInfo) -> Sequence[object]:  # noqa: N805
        histories = await _histories(parents, info)
        return [
            history if isinstance(history, BaseException) else next((one for one in history if one.superseded_at is None), None)
            for history in histories
        ]

    @batched(type=list[Association], description="Every association it ever had, newest first.")
    async def association_history(parents: Sequence[model.Contact], info: BatchInfo) -> Sequence[object]:  # noqa: N805
        return await _histories(parents, info)

    @batched(type=Profile | None, description="The profile it is associated with.")
    async def profile(parents: Sequence[model.Contact], info: BatchInfo) -> Sequence[object]:  # noqa: N805
        found = await visible_profiles(info.context, [contact.profile_id for contact in parents if contact.profile_id is not None])
        return [None if contact.profile_id is None else found.get(contact.profile_id) for contact in parents]


@strawberry.type(description="A contact in a page.")
class ContactEdge:
    cursor: str = strawberry.field(description="Give it back as `after`.")
    node: Contact = strawberry.field(description="The contact.")


@strawberry.type(description="A page of contacts, newest first.")
class ContactConnection:
    edges: list[ContactEdge] = strawberry.field(description="The contacts with their cursors.")
    nodes: list[Contact] = strawberry.field(description="The contacts.")
    page_info: PageInfo = strawberry.field(description="Where the page lies.")


@strawberry.type(description="Answer of a change to a contact.")
class ContactPayload:
    contact: Contact | None = strawberry.field(description="The contact after the change, if it is still yours to see.")
    user_errors: list[UserError] = strawberry.field(
        description="What was refused; empty when the change was made. When it is not, nothing was changed."
    )
    stream_cursor: StreamCursor | None = strawberry.field(
        description="Where the desk of the contact's agent stands with this change: subscribe to contactEvents after it. Null without an agent."
    )


def _readable(info: BatchInfo, contact: model.Contact | BaseException | None) -> object:
    if isinstance(contact, model.Contact) and not readable_contact(info.context.principal, contact):
        return None
    return contact


async def _histories(parents: Sequence[model.Contact], info: BatchInfo) -> Sequence[Any]:
    """The associations of each contact with the profiles that the viewer may read."""
    answers = await info.context.loaders.of(ContactLoaders).associations.load_many([contact.contact_id for contact in parents])
    there = [answer for answer in answers if not isinstance(answer, BaseException)]
    found = await visible_profiles(info.context, [one.profile_id for answer in there for one in answer])

    def show(one: model.Association, profile: profiles.Profile) -> ShownAssociation:
        return ShownAssociation(profile, one.by, one.at, one.automatic, one.verified_keys, one.superseded_at)

    return [_with_profiles(answer, found, show) for answer in answers]


def _with_profiles(answer: Any, found: Any, show: Any) -> object:
    """What `show` makes of each entry whose profile can be seen; a failure of one profile's source is the whole answer."""
    if isinstance(answer, BaseException):
        return answer
    known = [(one, found[one.profile_id]) for one in answer if one.profile_id in found]
    failed = next((profile for _, profile in known if isinstance(profile, BaseException)), None)
    return failed if failed is not None else [show(one, profile) for one, profile in known]
