"""What an operator writes about another GraphQL API: `[sources.<key>.graphql]`, one table with a document for each kind of data.

Owns the shape of these tables; what they mean is checked by `graphql_document` and `graphql`. Decoded by `gateway.sources.configuration`.

A document declares the variables that it wants filled: `$keys` (the people, always there), `$fields` (names of what is wanted; null: all),
`$with_<name>` (Boolean: whether that trait or field is wanted, for `@include`), `$limit`, `$since`, `$until`, `$order`, `$newestFirst` and `$after`
(a window of items, a page), `$ids` (of items), `$values` (that are looked up); in mutations `$key`, `$trait`, `$value`, `$body`, `$author` and
`$idempotencyKey`; and those of `variables`.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from gateway.sources.adapters.rest_options import Auth
from gateway.sources.mapping import Reading, TraitReading

__all__ = [
    "Companies",
    "Find",
    "Item",
    "Items",
    "Lists",
    "Mutation",
    "NewNote",
    "Notes",
    "Options",
    "Profiles",
    "Question",
    "Traits",
    "WriteTrait",
]


class _Table(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A table of the file: a key that nobody knows is an error."""


class Question(_Table, frozen=True, kw_only=True):
    """A query about many people at once."""

    document: str
    """One query operation."""
    rows: str
    """Where the rows stand in `data`: names joined by dots, `[]` behind a list on the way ("people", "search.edges[].node")."""
    key: str
    """JMESPath to the key that a row belongs to: rows are matched by it, never by position."""
    variables: dict[str, Any] = {}
    """Further variables, always the same."""


class Profiles(Question, frozen=True, kw_only=True):
    """PROFILE: fields of people."""

    record: dict[str, str | Reading]


class Traits(Question, frozen=True, kw_only=True):
    """TRAITS: facts about people."""

    record: dict[str, str | TraitReading] = {}
    """Trait's key → where its value stands in the row."""
    every: str | None = None
    """JMESPath to an object whose entries are all traits."""
    observed_at: str | None = None
    """JMESPath to when a row's traits were observed."""


class Lists(Question, frozen=True, kw_only=True):
    """Things of which a person has many."""

    records: str | None = None
    """JMESPath from a person's row to their things ("orders.nodes"). None: each row is a thing, and the rows of a key belong together."""
    cursor: str | None = None
    """JMESPath to where the next page begins, which is sent as `$after`: from the person's row with `records`, else from `data`."""
    more: str | None = None
    """JMESPath, from the same place, to whether there is more. None: there is while there is a cursor."""
    pages: int = 5
    """Pages read at most for one question."""
    record: dict[str, str | Reading]


class Notes(Lists, frozen=True, kw_only=True):
    """NOTES: what people wrote about them."""

    newest_first: bool = False
    """Whether they come like this."""


class Items(Lists, frozen=True, kw_only=True):
    """ACTIVITY: what happened."""

    sorted: Literal["ascending", "descending", "as asked", "not"] = "not"
    """How things come: always in one order; as `$order` or `$newestFirst` says; or in none that helps."""
    ascending: str = "ASC"
    descending: str = "DESC"
    """The words of `$order`."""
    times: Literal["iso", "epoch", "epoch_ms"] = "iso"
    """How `$since` and `$until` are written."""
    most: int = 100
    """What the API takes as `$limit` at most."""


class Companies(Lists, frozen=True, kw_only=True):
    """COMPANY: the companies of people."""


class Item(Question, frozen=True, kw_only=True):
    """ACTIVITY: single items by their `$ids`; `key` leads to the item's id. Without it, the newest items of the person are looked through."""

    person: str
    """JMESPath to the person's key: an item of somebody else is not shown."""
    record: dict[str, str | Reading] = {}
    """None given: as items are read."""


class Find(Question, frozen=True, kw_only=True):
    """IDENTITY: who has one of `$values`; `key` leads to the value as it stands in a row. Another value there is no exact match and left out."""

    person: str
    """JMESPath to the person's key."""


class Mutation(_Table, frozen=True, kw_only=True):
    """A mutation that changes something of one person."""

    document: str
    variables: dict[str, Any] = {}
    refusal: str | None = None
    """JMESPath from `data` to a message that an agent may read, when the system does not take it ("setTier.userErrors[0].message")."""


class WriteTrait(Mutation, frozen=True, kw_only=True):
    """How one trait is set: `$key`, `$trait`, `$value`, `$idempotencyKey`."""

    names: dict[str, str] = {}
    """Our key → theirs."""
    only: list[str] | None = None
    """The only traits that may be written (None: any)."""


class NewNote(Mutation, frozen=True, kw_only=True):
    """How a note is added: `$key`, `$body`, `$author`, `$idempotencyKey`."""

    row: str
    """JMESPath from `data` to the new note; it is read as `notes` are."""


class Options(_Table, frozen=True, kw_only=True):
    """`[sources.<key>.graphql]`."""

    url: str
    """Where the API is asked, by POST."""
    auth: Auth = Auth()
    headers: dict[str, str] = {}
    """Sent with every request."""
    allow_private: bool = False
    """Whether the host may be of a private network."""
    ca_file: str | None = None
    """Certificates to trust instead of the system's."""
    max_bytes: int = 8 * 1024 * 1024
    """Of an answer."""
    profile: Profiles | None = None
    traits: Traits | None = None
    notes: Notes | None = None
    items: Items | None = None
    item: Item | None = None
    companies: Companies | None = None
    find: dict[str, Find] = {}
    """By what is looked for: `phone`, `email`, an identifier type."""
    write_trait: WriteTrait | None = None
    add_note: NewNote | None = None
