"""What an operator writes about an HTTP API: `[sources.<key>.rest]`, one table per kind of data.

Owns the shape of these tables and nothing else: what they mean together is checked by `rest_plan` and `rest`. Decoded by
`gateway.sources.configuration`; made by presets (`segment`).

Templates: in `path`, in values of `params` and anywhere in `body`, names in braces stand for what is asked: `{key}` one person's key, `{keys}` all
keys of the request, `{fields}` the upstream names of what is wanted, `{limit}`, `{since}`, `{until}`, `{order}` of a window of items, `{item}` the
system's id of an item, `{value}` a looked-up value. A text that is one such name and nothing else takes its value as it is (a list, a number) and is
left out when there is none; within a longer text an open window begins in 1970 and ends in 9999.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from gateway.sources.definition import Secret
from gateway.sources.mapping import Reading, TraitReading

__all__ = [
    "Auth",
    "Basic",
    "CompanyEndpoint",
    "Endpoint",
    "Find",
    "Header",
    "Item",
    "Items",
    "NewNote",
    "Notes",
    "OAuth2",
    "Options",
    "Paging",
    "Profiles",
    "Selection",
    "TraitEndpoint",
    "Window",
    "Write",
    "WriteTrait",
]


class _Table(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A table of the file: a key that nobody knows is an error."""


class Basic(_Table, frozen=True, kw_only=True):
    """HTTP Basic."""

    user: str | Secret
    """The user name, or where it is kept when it is the secret (access tokens of some APIs)."""
    password: Secret | None = None
    """None: an empty password."""


class Header(_Table, frozen=True, kw_only=True):
    """A header of the API's own: `{ name = "X-Api-Key", value = { env = "CRM_KEY" } }`."""

    name: str
    value: Secret
    prefix: str = ""
    """Stands before the secret: "Token "."""


class OAuth2(_Table, frozen=True, kw_only=True):
    """OAuth 2 client credentials: a token is asked for, kept until shortly before it ends, and asked for anew after a 401."""

    token_url: str
    """Where tokens are given out; may be another host than `base_url`."""
    client_id: str
    """Who the gateway is there."""
    client_secret: Secret
    """What proves it."""
    scope: str | None = None
    """What is asked for, where the API wants to be told."""
    params: dict[str, str] = {}
    """Further fields of the form (audience, resource)."""


class Auth(_Table, frozen=True, kw_only=True):
    """How the gateway says who it is: one of these, or none."""

    bearer: Secret | None = None
    """`Authorization: Bearer …`."""
    basic: Basic | None = None
    """`Authorization: Basic …`."""
    header: Header | None = None
    """A header of the API's own."""
    oauth2: OAuth2 | None = None
    """A token that is asked for."""


class Selection(_Table, frozen=True, kw_only=True):
    """Only what is asked for travels: names of fields or traits are sent along."""

    param: str | None = None
    """The parameter that carries the names. None: `{fields}` does, in a template."""
    join: Literal["comma", "repeat"] = "comma"
    """`a,b`, or the parameter repeated."""
    names: dict[str, str] = {}
    """Our name → theirs, where they differ; with `{fields}` and everything asked for, these are all there are."""
    always: list[str] = []
    """Their names that are always sent (the key's, say)."""


class Window(_Table, frozen=True, kw_only=True):
    """How a span of time is asked for. What the API cannot do is done here, with what it answered."""

    since: str | None = None
    """Parameter: not before."""
    until: str | None = None
    """Parameter: not after."""
    times: Literal["iso", "epoch", "epoch_ms"] = "iso"
    """How moments are written: 2026-01-31T12:00:00Z, or seconds or milliseconds since 1970."""
    order: str | None = None
    """Parameter that carries `ascending` or `descending`. The template `{order}` takes the same words."""
    ascending: str = "asc"
    """The API's word for oldest first."""
    descending: str = "desc"
    """The API's word for newest first."""
    sorted: Literal["ascending", "descending", "as asked", "not"] = "not"
    """How rows come: always in one order; as `order` or `{order}` says; or in none that helps."""
    limit: str | None = None
    """Parameter: how many rows. The template `{limit}` takes the same number."""
    limit_means: Literal["page", "all"] = "page"
    """Whether the limit is of one page or of all of them."""
    most: int = 100
    """What the API takes there at most."""


class Paging(_Table, frozen=True, kw_only=True):
    """How the next page is found; without it there is one page. One of `next`, `link`, `page_param`, `offset_param`."""

    next: str | None = None
    """JMESPath to the next page's URL (of the same host), or to a token when `token_param` is set."""
    token_param: str | None = None
    """Parameter that takes the token."""
    link: bool = False
    """The header `Link: <…>; rel="next"`."""
    page_param: str | None = None
    """Parameter: the page's number."""
    first_page: int = 1
    """The number of the first one."""
    offset_param: str | None = None
    """Parameter: rows to skip."""
    size_param: str | None = None
    """Parameter: rows per page; sent with `size`."""
    size: int = 100
    """Rows per page: a page with fewer is the last one, where pages or offsets are counted."""
    more: str | None = None
    """JMESPath to whether there is more; without it a missing `next` or a short page ends the list."""
    most: int = 10
    """Pages read at most for one question."""


class Request(_Table, frozen=True, kw_only=True):
    """One request of the API."""

    path: str
    """Begins with /; see the templates above."""
    method: Literal["GET", "POST"] = "GET"
    """A POST must change nothing either: it may be sent again."""
    params: dict[str, str] = {}
    """The query: name → text or template."""
    headers: dict[str, str] = {}
    """More than the source's; no secrets."""
    body: dict[str, Any] | list[Any] | None = None
    """The JSON body of a POST."""


class Endpoint(Request, frozen=True, kw_only=True):
    """A question about people: for each one (`{key}` in it), or for many at once (`keys_param` or `{keys}`)."""

    keys_param: str | None = None
    """The parameter that carries the keys."""
    join: Literal["comma", "space", "repeat", "json", "quoted"] = "comma"
    """How keys are written: `a,b`; `a b`; the parameter repeated; `["a","b"]`; `'a','b'` with quotes escaped by \\, as in SOQL. A key that cannot
    be written like this is not asked for."""
    prefix: str = ""
    """Stands before each key: `requester:` makes `requester:1 requester:2`."""
    most_keys: int = 100
    """Keys of one request at most."""
    rows: str = "@"
    """JMESPath to the rows of an answer: a list, or an object that is the only row."""
    key: str | None = None
    """JMESPath to the key that a row belongs to. Answers to many are matched by it, never by position."""
    absent: tuple[int, ...] = (404,)
    """Statuses that say: not known here."""
    page: Paging | None = None


class Profiles(Endpoint, frozen=True, kw_only=True):
    """PROFILE: fields of people."""

    record: dict[str, str | Reading]
    """Our field → where its value stands in a row."""
    selection: Selection | None = None


class TraitEndpoint(Endpoint, frozen=True, kw_only=True):
    """TRAITS: facts about people."""

    record: dict[str, str | TraitReading] = {}
    """Trait's key → where its value stands."""
    every: str | None = None
    """JMESPath to an object whose entries are all traits."""
    observed_at: str | None = None
    """JMESPath to when a row's traits were observed."""
    selection: Selection | None = None


class Notes(Endpoint, frozen=True, kw_only=True):
    """NOTES: what people wrote about them."""

    record: dict[str, str | Reading]
    """Field of a note → where its value stands; id, body and created_at have to be there."""
    newest_first: bool = False
    """Whether rows come newest first: then the first page usually suffices. `{limit}` is the number that is wanted."""


class Items(Endpoint, frozen=True, kw_only=True):
    """ACTIVITY: what happened."""

    record: dict[str, str | Reading]
    """Field of an item → where its value stands; id, occurred_at and type have to be there."""
    window: Window = Window()
    """How a span of time is asked for."""


class Item(Endpoint, frozen=True, kw_only=True):
    """ACTIVITY: single items by their id (`{item}`, or many by `keys_param` or `{keys}`, with `key` leading to the id). Without it, the newest
    pages of the person's items are looked through.
    """

    record: dict[str, str | Reading] = {}
    """None given: as items are read."""
    person: str | None = None
    """JMESPath to the person's key: an item of somebody else is not shown. Needed unless `{key}` is part of the request."""


class CompanyEndpoint(Endpoint, frozen=True, kw_only=True):
    """COMPANY: the companies of people, a row for each."""

    record: dict[str, str | Reading]
    """Field of a company → where its value stands; id and name have to be there."""


class Find(Endpoint, frozen=True, kw_only=True):
    """IDENTITY: who has a value (`{value}`, or many by `keys_param` or `{keys}`). `key` leads to the value as it stands in a row: a row with
    another one is no exact match and left out.
    """

    person: str
    """JMESPath to the person's key."""


class Write(_Table, frozen=True, kw_only=True):
    """A request that changes something. Templates: `{key}`, and of a trait `{trait}` and `{value}`, of a note `{body}` and `{author}`."""

    path: str
    """Begins with /."""
    method: Literal["POST", "PUT", "PATCH"] = "POST"
    """What the API takes for a change."""
    headers: dict[str, str] = {}
    """More than the source's; no secrets."""
    body: dict[str, Any] | list[Any]
    """The JSON body."""
    idempotency_header: str | None = None
    """The header that carries the key by which the API knows a repeated write."""
    refusal: str | None = None
    """JMESPath, in an answer 400, 409, 412 or 422, to a message that an agent may read."""


class WriteTrait(Write, frozen=True, kw_only=True):
    """How one trait is set."""

    names: dict[str, str] = {}
    """Our key → theirs."""
    only: list[str] | None = None
    """The only traits that may be written (None: any)."""


class NewNote(Write, frozen=True, kw_only=True):
    """How a note is added."""

    row: str = "@"
    """JMESPath to the new note in the answer; it is read as `notes` are."""


class Options(_Table, frozen=True, kw_only=True):
    """`[sources.<key>.rest]`."""

    base_url: str
    """Scheme, host, and a path that all paths stand below."""
    auth: Auth = Auth()
    headers: dict[str, str] = {}
    """Sent with every request."""
    allow_private: bool = False
    """Whether the host may be of a private network."""
    ca_file: str | None = None
    """Certificates to trust instead of the system's."""
    check: str = "/"
    """A path that says whether the API is there: any answer but a 5xx, 401 or 403."""
    per_key_concurrency: int = 8
    """Requests at once, where people are asked for one by one."""
    share: float = 1.0
    """Seconds within which PROFILE and TRAITS, say, share the answer to the same request. A kind that asks again asks anew."""
    most_fresh: float = 0.0
    """Seconds that an answer is taken from memory when the API says so (`Cache-Control: max-age`). Changes are not seen meanwhile."""
    kept: int = 500
    """Answers kept to be asked for only if they changed (`ETag`)."""
    profile: Profiles | None = None
    traits: TraitEndpoint | None = None
    notes: Notes | None = None
    items: Items | None = None
    item: Item | None = None
    companies: CompanyEndpoint | None = None
    find: dict[str, Find] = {}
    """By what is looked for: `phone`, `email`, an identifier type."""
    write_trait: WriteTrait | None = None
    add_note: NewNote | None = None
