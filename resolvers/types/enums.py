"""Enums: the model's, with a description of each value.

A value of the model that has no description here stops the import.
"""

from __future__ import annotations

from enum import Enum
from typing import TypeVar

import strawberry
from strawberry.types.enum import StrawberryEnumDefinition

from gateway.live.feed import GapReason
from gateway.model.activity import ActivityOrigin, Direction, Sentiment, SortDirection, TimelineKind, TimelinePreset
from gateway.model.actor import ActorKind
from gateway.model.attribute import AttributeType, AttributeVisibility, Sensitivity
from gateway.model.audit import ChangeAction
from gateway.model.contact import ContactState, MatchState
from gateway.model.insight import ConsentStatus
from gateway.model.privacy import PrivacyAction
from gateway.model.profile import Channel, MaskState, ProfileLifecycle, ProfileStatus
from gateway.model.source import DataParty, SourceKind, SourceState
from gateway.model.trait import TraitKind
from gateway.model.verification import VerifyResult

__all__ = [
    "ActivityOrigin",
    "ActorKind",
    "AttributeType",
    "AttributeVisibility",
    "BooleanOperator",
    "ChangeAction",
    "Channel",
    "ConsentStatus",
    "ContactState",
    "DataParty",
    "Direction",
    "GapReason",
    "MaskState",
    "MatchState",
    "PrivacyAction",
    "ProfileLifecycle",
    "ProfileStatus",
    "Sensitivity",
    "Sentiment",
    "SortDirection",
    "SourceKind",
    "SourceState",
    "TimelineKind",
    "TimelinePreset",
    "TraitKind",
    "UserErrorCode",
    "VerifyResult",
]

E = TypeVar("E", bound=type[Enum])


def _described(enum: E, description: str, **values: str) -> E:
    strawberry.enum(enum, description=description)
    definition: StrawberryEnumDefinition = enum.__strawberry_definition__  # type: ignore[attr-defined]
    for value in definition.values:
        value.description = values.pop(value.name)
    if values:
        raise ValueError(f"{enum.__name__} has no {', '.join(values)}")
    return enum


class UserErrorCode(Enum):
    """Codes of `gateway.errors.Problem`."""

    NOT_FOUND = "NOT_FOUND"
    INVALID = "INVALID"
    REQUIRED = "REQUIRED"
    TAKEN = "TAKEN"
    STALE_VERSION = "STALE_VERSION"
    FORBIDDEN = "FORBIDDEN"
    NOT_YOUR_NOTE = "NOT_YOUR_NOTE"
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    READ_ONLY = "READ_ONLY"
    CONTACT_CLOSED = "CONTACT_CLOSED"
    SOURCE_UNAVAILABLE = "SOURCE_UNAVAILABLE"
    SENSITIVE_DATA_REJECTED = "SENSITIVE_DATA_REJECTED"
    MERGE_CONFLICT = "MERGE_CONFLICT"


class BooleanOperator(Enum):
    """How several search keys combine."""

    AND = "AND"
    OR = "OR"


_described(
    UserErrorCode,
    "What kind of expected failure a userErrors entry is.",
    NOT_FOUND="There is no such entity, or it is not yours to see.",
    INVALID="A value is not valid.",
    REQUIRED="A value is missing.",
    TAKEN="Another profile has this identifier.",
    STALE_VERSION="Somebody changed the entity since you read it.",
    FORBIDDEN="You may not do this.",
    NOT_YOUR_NOTE="Only the author or a supervisor may change a note.",
    LIMIT_EXCEEDED="More than the gateway stores.",
    READ_ONLY="The attribute is not yours to change: a source or a rule keeps it.",
    CONTACT_CLOSED="The contact is over; nothing about it changes any more.",
    SOURCE_UNAVAILABLE="The system that keeps the value did not answer.",
    SENSITIVE_DATA_REJECTED="The text holds data that must not be stored here, such as a card number.",
    MERGE_CONFLICT="The profiles cannot be merged, or not any more.",
)
_described(BooleanOperator, "How several search keys combine.", AND="Every key must match.", OR="Any key suffices.")
_described(
    AttributeType,
    "Type of a value, and so of its editor.",
    TEXT="A line of text.",
    LONG_TEXT="Text of several lines.",
    NUMBER="A number.",
    MONEY="An amount: a number, or an object of amount and currency (ISO 4217).",
    BOOLEAN="Yes or no.",
    DATE="A day (RFC 3339 full-date).",
    DATETIME="A moment with its time zone (RFC 3339).",
    PHONE="A phone number in E.164.",
    EMAIL="An e-mail address.",
    URL="An absolute http or https address.",
    SELECT="One of the options.",
    MULTI_SELECT="A list of some of the options.",
    JSON="Any JSON value.",
)
_described(
    AttributeVisibility,
    "How many attributes to show.",
    MAIN="What you pinned, in your order; before you did, what the workspace shows by default.",
    ALL="Everything.",
)
_described(
    ContactState,
    "How far a contact is.",
    OFFERED="Ringing at an agent.",
    CONNECTED="The agent and the customer talk.",
    WRAP_UP="The conversation is over, the agent writes it up.",
    CLOSED="Over; nothing changes any more.",
)
_described(
    MatchState,
    "What the look-up of a contact's person came to.",
    SEARCHING="The look-up runs.",
    NONE="Nobody was found.",
    ONE="Exactly one profile was found.",
    MULTIPLE="Several profiles were found; choose one.",
    SUPPRESSED="An agent unlinked the contact; nothing matches it automatically again.",
)
_described(
    ChangeAction,
    "What was done.",
    CREATED="The profile was made.",
    UPDATED="Fields were changed.",
    MERGED="Profiles became one.",
    UNMERGED="A merge was taken back.",
    ASSOCIATED="A contact was associated with the profile.",
    UNLINKED="A contact was detached from the profile.",
    NOTE_DELETED="A note was deleted; its text is gone.",
    REVEALED="A masked value was shown.",
    VERIFIED="The customer was asked to confirm a value.",
    EXPORTED="The profile's data was exported.",
    EXPIRED="Data was removed because its time was over.",
    ERASED="The person was erased or made anonymous.",
)
_described(
    ConsentStatus,
    "What the person said to a purpose.",
    GRANTED="Yes.",
    DENIED="No.",
    REVOKED="Yes first, no later.",
    UNKNOWN="Not asked yet, or the consent ran out.",
)
_described(
    VerifyResult,
    "What a verification came to; the value itself is never shown.",
    MATCH="The answer is right.",
    NO_MATCH="The answer is wrong.",
    NOT_ON_FILE="There is no such value to compare with.",
    LOCKED="Too many wrong answers; no more are taken for now.",
)
_described(
    PrivacyAction,
    "What is asked for a person's data.",
    EXPORT="A file with everything that is kept.",
    ANONYMISE="Remove who it was, keep what happened.",
    ERASE="Remove the person and everything about them.",
)
_described(
    Sensitivity,
    "How carefully a value is treated.",
    PUBLIC="Anyone may know it.",
    INTERNAL="For the company only.",
    PERSONAL="Personal data.",
    SENSITIVE="Personal data that is masked unless revealed.",
)
_described(
    ProfileStatus,
    "Whether the profile is the living one.",
    ACTIVE="A living profile.",
    MERGED="Merged into another profile.",
    ERASED="Erased on request.",
)
_described(
    ProfileLifecycle,
    "How far the person is a customer.",
    ANONYMOUS="Seen, but not known.",
    PROSPECT="Known, not a customer yet.",
    CUSTOMER="A customer.",
    FORMER="Not a customer any more.",
)
_described(
    Channel,
    "How a person and the company reach each other.",
    VOICE="Phone call.",
    SMS="Text message.",
    WHATSAPP="WhatsApp.",
    EMAIL="E-mail.",
    CHAT="Chat on the web or in an app.",
    MESSENGER="Facebook Messenger.",
    INSTAGRAM="Instagram direct message.",
    X="X (formerly Twitter).",
    VIDEO="Video call.",
    WEB="Web form.",
    CUSTOM="A channel of your own, named in customChannel.",
)
_described(
    MaskState,
    "How much of a value you may see.",
    CLEAR="All of it.",
    MASKED="Enough to recognise it.",
    HIDDEN="Nothing.",
)
_described(
    SourceKind,
    "What a source provides.",
    PROFILE="Who the person is.",
    TRAITS="Facts about the person.",
    NOTES="Notes of agents.",
    ACTIVITY="What happened.",
    IDENTITY="Who is meant by a value.",
    COMPANY="Companies and their members.",
)
_described(
    SourceState,
    "How a source stands.",
    OK="It answered.",
    STALE="What is shown was true at asOf.",
    TIMEOUT="It did not answer in time.",
    ERROR="It could not be reached or answered with an error.",
    CIRCUIT_OPEN="It failed too often and is given a rest.",
    DISABLED="It is switched off.",
)
_described(
    DataParty,
    "Whose data it is.",
    FIRST="Your own.",
    SECOND="A partner's.",
    THIRD="Bought or shared by others.",
    PUBLIC="Publicly available.",
)
_described(
    TraitKind,
    "What sort of fact a trait is.",
    PROFILE="Said by or about the person.",
    DEMOGRAPHIC="Age, language, place and the like.",
    PREFERENCE="What the person prefers.",
    COMPUTED="Calculated from what happened.",
    PREDICTIVE="Estimated by a model.",
    BEHAVIOURAL="What the person tends to do.",
)
_described(
    ActorKind,
    "What kind of party acted.",
    AGENT="A contact-centre agent.",
    SUPERVISOR="A supervisor or administrator.",
    SYSTEM="The gateway itself.",
    SOURCE="A source of customer data.",
    PARTNER="A partner's system.",
)
_described(
    ActivityOrigin,
    "Where something happened.",
    CONTACT_CENTRE="In a conversation with the contact centre.",
    EXTERNAL="Anywhere else.",
)
_described(
    TimelineKind,
    "What sort of timeline item it is.",
    INTERACTION="A conversation with the contact centre.",
    EXTERNAL="Something that happened elsewhere: an order, a registration.",
    WEB="A page or screen view.",
    MESSAGE="One message of a conversation.",
    INTEREST="The person showed an interest in a topic.",
    NOTE="A note of an agent.",
    CHANGE="A change to the profile.",
)
_described(Direction, "Who reached out.", INBOUND="The customer.", OUTBOUND="The company.")
_described(
    Sentiment,
    "How the customer felt.",
    POSITIVE="Pleased.",
    NEUTRAL="Neither pleased nor upset.",
    NEGATIVE="Upset.",
)
_described(SortDirection, "Order of a list.", ASC="Oldest first.", DESC="Newest first.")
_described(
    TimelinePreset,
    "What a timeline filter starts from.",
    DEFAULT="Every inbound interaction, outbound calls, and external activities of the types the layout includes. Naming `kinds` "
    "replaces it.",
    ALL="Everything.",
    NONE="Nothing but what `kinds` names.",
)
_described(
    GapReason,
    "Why continuity cannot be proven.",
    CURSOR_EXPIRED="The cursor is older than the log.",
    EPOCH_CHANGED="The cursor is from before a restore or failover.",
    AHEAD="The cursor is ahead of the log: changes were lost with a restore.",
    TOO_FAR="Too many changes to replay.",
    PERMISSION_CHANGED="Your rights changed.",
)
