"""What an operator decides about a workspace: which features are on, how contacts find their people, which attributes there are, how long
things are kept.

Owns the shape and the defaults of those decisions. Made by `gateway.configuration` from a file; read by commands, records and resolvers.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Any, Final

from gateway.model.activity import TimelineKind
from gateway.model.attribute import AttributeDefinition, AttributeType, Sensitivity
from gateway.model.profile import Channel
from gateway.model.trait import WELL_KNOWN, known_trait

__all__ = [
    "DEFAULT_ATTRIBUTES",
    "Autopopulate",
    "Configuration",
    "DetailTemplate",
    "ExternalType",
    "Feature",
    "IdentityRules",
    "Retention",
]


class Feature(StrEnum):
    """What an administrator switches on; all are on unless the configuration lists some."""

    CONTACTS = "contacts"
    INSIGHTS = "insights"
    MERGE = "merge"
    PRESENCE = "presence"
    PRIVACY = "privacy"


_PHONE_FIRST: Final = ("phone",)
_MAIL_FIRST: Final = ("email", "phone")


def _default_keys() -> Mapping[Channel, tuple[str, ...]]:
    keys = dict.fromkeys((Channel.VOICE, Channel.SMS, Channel.WHATSAPP, Channel.VIDEO), _PHONE_FIRST)
    return MappingProxyType({**keys, **dict.fromkeys((Channel.EMAIL, Channel.CHAT, Channel.WEB), _MAIL_FIRST)})


@dataclass(frozen=True, slots=True)
class Autopopulate:
    """How a new contact finds its person.

    `keys`: per channel the search keys that are tried, strongest first; `attribute:<name>` takes the value from the contact's attributes,
    `address` or a plain key from its address. A channel without an entry is looked up under its own address. `auto_associate`: exactly one
    exact match becomes the association by itself. `create_on_none`: nobody found makes a new profile.
    """

    keys: Mapping[Channel, tuple[str, ...]] = field(default_factory=_default_keys)
    auto_associate: bool = True
    create_on_none: bool = False


@dataclass(frozen=True, slots=True)
class IdentityRules:
    """When two profiles are proposed to be one person.

    `rules`: any of `email`, `phone`, `phone_and_name`, `alias`; `most_per_value`: a value that more profiles share says nothing about any;
    `blocked_values`: phones and e-mails that say nothing however few share them (the switchboard, a placeholder);
    `strong_types`: identifiers that two different people never share, so profiles that differ on one are never joined automatically;
    `most_per_type`: identifiers of one type a profile may have.
    """

    rules: tuple[str, ...] = ("email", "phone_and_name", "alias")
    most_per_value: int = 5
    strong_types: tuple[str, ...] = ("user_id", "account_id", "ssn")
    most_per_type: int = 50
    blocked_values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DetailTemplate:
    """A labelled value of an external activity: `path` leads through its properties, `[]` over a list (`products[].name`)."""

    label: str
    path: str


@dataclass(frozen=True, slots=True)
class ExternalType:
    """How activities of one type are shown. `title` may name properties in braces: `Order {order_id}`."""

    title: str | None = None
    icon: str | None = None
    details: tuple[DetailTemplate, ...] = ()


@dataclass(frozen=True, slots=True)
class Retention:
    """Months that timeline items are kept; None keeps them for ever. `kinds` overrides the default for single kinds."""

    default: int | None = 24
    kinds: Mapping[TimelineKind, int | None] = field(
        default_factory=lambda: MappingProxyType({TimelineKind.NOTE: None, TimelineKind.CHANGE: None})
    )

    def months(self, kind: TimelineKind) -> int | None:
        """How long items of a kind are kept."""
        return self.kinds.get(kind, self.default)


def _default_attributes() -> tuple[AttributeDefinition, ...]:
    identifiers = (
        AttributeDefinition("account_id", "Account number", is_search_key=True, is_identifier=True, group="Account"),
        AttributeDefinition("user_id", "User id", is_search_key=True, is_identifier=True, group="Account", is_visible_by_default=False),
    )
    known = [
        AttributeDefinition(
            key,
            name,
            _WELL_KNOWN_TYPES.get(key, AttributeType.TEXT),
            group=category,
            is_visible_by_default=key in _SHOWN,
            sensitivity=Sensitivity.PERSONAL if category in {"Demographics", "Contact"} else Sensitivity.INTERNAL,
            position=10 * (index + 1),
        )
        for index, key in enumerate(WELL_KNOWN)
        for name, _, category in (known_trait(key),)
    ]
    return (*identifiers, *known)


_WELL_KNOWN_TYPES: Final = {
    "age": AttributeType.NUMBER,
    "birthday": AttributeType.DATE,
    "address": AttributeType.JSON,
    "website": AttributeType.URL,
    "lifetime_value": AttributeType.MONEY,
    "orders_count": AttributeType.NUMBER,
    "churn_likelihood": AttributeType.NUMBER,
    "predicted_lifetime_value": AttributeType.MONEY,
    "nps": AttributeType.NUMBER,
}
_SHOWN: Final = frozenset({"plan", "title", "language", "lifetime_value", "churn_likelihood"})
DEFAULT_ATTRIBUTES: Final = _default_attributes()
"""What every workspace starts with: the traits contact centres name most, and the identifiers of accounts and users."""

_CARD: Final = "card"


@dataclass(frozen=True)
class Configuration:
    """Everything an operator decides about one workspace.

    `attributes`: the registry, in order; `strict_attributes`: keys outside it are refused. `external_types`: per event name. `segments`: names of
    audiences by key. `deny`: names of patterns no stored text may hold (`card`: payment card numbers), `deny_patterns` regular expressions of
    the operator's own. `verify_misses`: wrong answers after which a contact cannot verify any more, for `verify_lock_minutes`;
    `reveal_seconds`: how long a revealed value may stay on a screen; `profile_url`, `company_url`: deep links, with `{id}`.
    `recorded_since`: per field of Interaction, the moment since which it is recorded (ISO 8601).
    """

    features: frozenset[Feature] = frozenset(Feature)
    autopopulate: Autopopulate = field(default_factory=Autopopulate)
    attributes: tuple[AttributeDefinition, ...] = DEFAULT_ATTRIBUTES
    strict_attributes: bool = False
    identity: IdentityRules = field(default_factory=IdentityRules)
    external_types: Mapping[str, ExternalType] = field(default_factory=lambda: MappingProxyType({}))
    retention: Retention = field(default_factory=Retention)
    most_measures: int = 5
    most_attributes: int = 7
    segments: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    deny: frozenset[str] = frozenset({_CARD})
    deny_patterns: tuple[re.Pattern[str], ...] = ()
    verify_misses: int = 3
    verify_lock_minutes: int = 15
    reveal_seconds: int = 60
    profile_url: str | None = None
    company_url: str | None = None
    recorded_since: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @cached_property
    def by_key(self) -> Mapping[str, AttributeDefinition]:
        """The registry by key."""
        return MappingProxyType({one.key: one for one in self.attributes})

    @cached_property
    def sensitive(self) -> frozenset[str]:
        """Keys of attributes and identifiers that are SENSITIVE."""
        return frozenset(one.key for one in self.attributes if one.sensitivity is Sensitivity.SENSITIVE)

    @cached_property
    def derived(self) -> dict[Hashable, Any]:
        """What others worked out from it once and keep with it, by what they call that."""
        return {}

    def definition(self, key: str) -> AttributeDefinition:
        """The definition of a key; one that nobody defined is an editable text of its own group "Other", shown under "all"."""
        found = self.by_key.get(key)
        if found is not None:
            return found
        return _undefined(key)


@lru_cache(maxsize=4096)
def _undefined(key: str) -> AttributeDefinition:
    name, _, category = known_trait(key)
    return AttributeDefinition(key, name, group=category or "Other", is_visible_by_default=False, position=10_000)
