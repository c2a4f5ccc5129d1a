"""Segment's Profile API as a source: `[sources.<key>.segment]` becomes tables of the `rest` adapter.

Owns what that API looks like: paths below a space, an access token as the user of HTTP Basic, `include` for the wanted traits, cursors. No client of
its own. People are known by one type of external id (`user_id` unless said otherwise).
"""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import quote

import msgspec
import orjson

from gateway.errors import ConfigurationError
from gateway.sources.adapters.rest import RestSource, source_of
from gateway.sources.adapters.rest_options import Auth, Basic, Find, Items, Options, Paging, Profiles, Selection, TraitEndpoint, Window
from gateway.sources.definition import Adapter, Definition, Secret
from gateway.sources.mapping import Reading

__all__ = ["ADAPTER", "SegmentOptions", "rest_options"]

_TYPE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_SPACE: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")
_PEOPLE_PER_MOMENT: Final = 8


def _names() -> dict[str, str]:
    return {
        "first_name": "first_name",
        "last_name": "last_name",
        "avatar_url": "avatar",
        "birth_date": "birthday",
        "customer_since": "created_at",
    }


def _found_by() -> dict[str, str]:
    return {"email": "email", "phone": "phone"}


class SegmentOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """`[sources.<key>.segment]`."""

    space: str
    """The id of the space (Unify settings, API access)."""
    token: Secret
    """The access token of the Profile API."""
    base_url: str = "https://profiles.segment.com"
    """In the European Union https://profiles.euw1.segment.com."""
    id_type: str = "user_id"
    """The type of external id that the source's keys are."""
    profile: dict[str, str] = msgspec.field(default_factory=_names)
    """Our field → their trait."""
    only: list[str] | None = None
    """The only traits that are shown (None: all they have)."""
    find: dict[str, str] = msgspec.field(default_factory=_found_by)
    """What is looked for → their type of external id."""
    allow_private: bool = False
    """Whether the host may be of a private network (a test server)."""
    ca_file: str | None = None
    """Certificates to trust instead of the system's."""
    per_key_concurrency: int = _PEOPLE_PER_MOMENT
    """Requests at once: this API is asked for one person at a time."""


def rest_options(options: SegmentOptions) -> Options:
    """The tables that describe the API.

    Raises:
        ConfigurationError: the space or a type of id is none; the message begins with the key.
    """
    if not _SPACE.fullmatch(options.space):
        raise ConfigurationError("space: is the id of a space: letters, digits, - and _")
    for where, kind in (("id_type", options.id_type), *((f"find.{key}", kind) for key, kind in options.find.items())):
        if not _TYPE.fullmatch(kind):
            raise ConfigurationError(f"{where}: is a type of external id, such as user_id")
    people = f"/v1/spaces/{quote(options.space, safe='')}/collections/users/profiles"
    person = f"{people}/{options.id_type}:{{key}}"
    cursor = Paging(next="cursor.next", token_param="next", more="cursor.has_more")  # noqa: S106  # the name of a parameter
    selection = Selection(param="include", names=dict(options.profile))
    return Options(
        base_url=options.base_url,
        auth=Auth(basic=Basic(user=options.token)),
        allow_private=options.allow_private,
        ca_file=options.ca_file,
        check=f"{people}/{options.id_type}:profile-gateway/metadata",
        per_key_concurrency=options.per_key_concurrency,
        profile=Profiles(
            path=f"{person}/traits",
            params={"limit": "200"},
            page=cursor,
            record={field: _trait(name) for field, name in options.profile.items()},
            selection=selection,
        ),
        traits=TraitEndpoint(
            path=f"{person}/traits",
            params={"limit": "200"},
            page=cursor,
            record={name: _trait(name) for name in options.only or ()},
            every=None if options.only is not None else "traits",
            selection=Selection(param="include"),
        ),
        items=Items(
            path=f"{person}/events",
            rows="data",
            page=cursor,
            record=_event(),
            window=Window(
                since="start", until="end", limit="limit", order="sort", ascending="ASC", descending="DESC", sorted="as asked", most=100
            ),
        ),
        find={
            key: Find(
                path=f"{people}/{kind}:{{value}}/external_ids",
                params={"include": options.id_type, "limit": "100"},
                rows=f"data[?type=='{options.id_type}']",
                person="id",
                page=cursor,
            )
            for key, kind in options.find.items()
        },
    )


def _trait(name: str) -> str:
    return f"traits.{orjson.dumps(name).decode()}"


def _event() -> dict[str, Any]:
    return {
        "id": "message_id",
        "occurred_at": "timestamp",
        "type": "event || name || type",
        "kind": Reading(value="type", map={"page": "WEB", "screen": "WEB"}, default="EXTERNAL"),
        "properties": "properties",
    }


def _make(definition: Definition) -> RestSource:
    return source_of(definition, rest_options(definition.options))


ADAPTER = Adapter(options=SegmentOptions, make=_make)
