"""Inputs that open, change and list live contacts."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeVar

import strawberry

from gateway.commands.contact_input import ContactChanges, NewContact
from gateway.errors import BadUserInput
from gateway.model import contact as model
from gateway.model.ids import parse_id
from resolvers.search import SearchKeyInput
from resolvers.types.enums import Channel, ContactState, Direction, Sentiment
from resolvers.types.scalars import JSON

__all__ = ["ContactFilter", "OpenContactInput", "UpdateContactInput", "WrapUpInput", "contact_filter"]

_MOST = 100


@strawberry.input(description="A contact as its routing system announces it.")
class OpenContactInput:
    external_id: str = strawberry.field(description="The routing system's id; opened again by it, a contact is answered as it is.")
    channel: Channel = strawberry.field(description="How they talk.")
    custom_channel: str | None = strawberry.field(default=None, description="The name of a CUSTOM channel.")
    address: str | None = strawberry.field(default=None, description="Where it came from: a number, an e-mail address, a handle.")
    display_name: str | None = strawberry.field(default=None, description="What the person is called there.")
    direction: Direction = strawberry.field(default=Direction.INBOUND, description="Who reached out.")
    agent_id: strawberry.ID | None = strawberry.field(default=None, description="The agent it is offered to, by the subject of the token.")
    queue: str | None = strawberry.field(default=None, description="The queue it came through.")
    search_key: SearchKeyInput | None = strawberry.field(
        default=None, description="Look the person up by this, instead of what is configured for the channel."
    )
    attributes: JSON | None = strawberry.field(default=None, description="What else is known of it, as an object.")
    handoff_context: JSON | None = strawberry.field(default=None, description="What a bot or a form gathered before.")
    parent_id: strawberry.ID | None = strawberry.field(default=None, description="The contact it was escalated from.")

    def command(self) -> NewContact:
        """What the command takes."""
        key = self.search_key
        return NewContact(
            self.external_id,
            self.channel,
            self.custom_channel,
            self.address,
            self.display_name,
            self.direction,
            self.agent_id,
            self.queue,
            None if key is None else (key.key, tuple(key.values)),
            self.attributes,
            self.handoff_context,
            None if self.parent_id is None else parse_id(self.parent_id, "con", "input.parentId")[0],
        )


@strawberry.input(description="What the agent records after the conversation; an absent field is kept, an explicit null clears it.")
class WrapUpInput:
    notes: str | None = strawberry.field(default=strawberry.UNSET, description="The agent's words.")
    topic: str | None = strawberry.field(default=strawberry.UNSET, description="What it was about.")
    disposition_code: str | None = strawberry.field(default=strawberry.UNSET, description="How it ended, as a code.")
    sentiment: Sentiment | None = strawberry.field(default=strawberry.UNSET, description="How the customer felt.")

    def given(self) -> dict[str, Any]:
        """What was given, as it is stored."""
        sentiment = self.sentiment.value if isinstance(self.sentiment, Sentiment) else self.sentiment
        whole = {"notes": self.notes, "topic": self.topic, "dispositionCode": self.disposition_code, "sentiment": sentiment}
        return {key: value for key, value in whole.items() if value is not strawberry.UNSET}


@strawberry.input(description="Changes to a contact. An absent field is kept, an explicit null clears it.")
class UpdateContactInput:
    id: strawberry.ID = strawberry.field(description="The contact.")
    state: ContactState | None = strawberry.field(default=None, description="Where it is by now; CLOSED ends it.")
    agent_id: strawberry.ID | None = strawberry.field(default=strawberry.UNSET, description="The agent who has it from now on.")
    queue: str | None = strawberry.field(default=strawberry.UNSET, description="The queue it is in.")
    attributes: JSON | None = strawberry.field(default=None, description="What is known by now, merged key by key; null removes a key.")
    summary: str | None = strawberry.field(default=strawberry.UNSET, description="What was said, in short.")
    wrap_up: WrapUpInput | None = strawberry.field(default=strawberry.UNSET, description="What the agent records afterwards.")

    def command(self) -> ContactChanges:
        """What the command takes."""
        given: dict[str, Any] = {
            name: getattr(self, name) for name in ("agent_id", "queue", "summary") if getattr(self, name) is not strawberry.UNSET
        }
        if self.attributes is not None:
            given["attributes"] = self.attributes
        if self.wrap_up is not strawberry.UNSET:
            given["wrap_up"] = None if self.wrap_up is None else self.wrap_up.given()
        return ContactChanges(parse_id(self.id, "con", "input.id")[0], self.state, given)


@strawberry.input(description="Which contacts to list; every given condition must hold, within a list any one suffices.")
class ContactFilter:
    agent_ids: list[strawberry.ID] | None = strawberry.field(default=None, description="Only these agents'.")
    queues: list[str] | None = strawberry.field(default=None, description="Only through these queues.")
    channels: list[Channel] | None = strawberry.field(default=None, description="Only on these channels.")
    states: list[ContactState] | None = strawberry.field(default=None, description="Only in these states.")
    profile_id: strawberry.ID | None = strawberry.field(default=None, description="Only those associated with this profile.")
    from_: datetime | None = strawberry.field(default=None, name="from", description="Only those opened at or after this moment.")
    to: datetime | None = strawberry.field(default=None, description="Only those opened before this moment.")


def contact_filter(given: ContactFilter | None) -> model.ContactFilter:
    """The filter that `records.contacts` understands.

    Raises:
        BadUserInput: a list is too long, or the profile's id is none.
    """
    if given is None:
        return model.ContactFilter()
    return model.ContactFilter(
        _few(None if given.agent_ids is None else [str(one) for one in given.agent_ids], "agentIds"),
        _few(given.queues, "queues"),
        _few(given.channels, "channels"),
        _few(given.states, "states"),
        None if given.profile_id is None else parse_id(given.profile_id, "prf", "filter.profileId")[0],
        given.from_,
        given.to,
    )


T = TypeVar("T")


def _few(values: list[T] | None, name: str) -> tuple[T, ...] | None:
    if values is None:
        return None
    if len(values) > _MOST:
        raise BadUserInput(f"At most {_MOST} at once.", argument=f"filter.{name}")
    return tuple(values)
