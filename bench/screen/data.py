"""People for the agent's screen: the same for every server that is measured, and the same in every run.

`screen(number)` is one profile as the schema nests it, with every field of `schema.graphql`: what an answer is compared with, and what a
peer serves. Ids are made as the gateway makes them, so that it can serve the same people; cursors are only as long as its own. `python -m
bench.screen.data --profiles N --out FILE.json` writes `{"<id>": {…}}` for the peers, which find the file by SCREEN_JSON.
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, Final
from uuid import UUID

__all__ = ["DOCUMENT", "EVENTS", "EXPECTED_LEAVES", "PLACE", "leaves", "screen", "written"]

PLACE: Final = Path(__file__).parent
DOCUMENT: Final = (PLACE / "screen.graphql").read_text()
EVENTS: Final = (PLACE / "events.graphql").read_text()
EXPECTED_LEAVES: Final = 674
"""20 of the profile, 40 × 6 of traits, 10 × 6 of notes, 50 × 7 of the timeline and 4 of its page."""

_UNTIL: Final = datetime(2026, 6, 1, tzinfo=UTC)
_FIRST: Final = ("Ada", "Bruno", "Chiara", "Dilek", "Emil", "Fatou", "Grace", "Hiro", "Ines", "Jonas")
_LAST: Final = ("Albers", "Bianchi", "Costa", "Demir", "Eriksen", "Fontaine", "Garcia", "Huber")
_WORDS: Final = ("favourite", "latest", "usual", "expected", "former", "preferred", "seasonal", "daily")
_THINGS: Final = ("Basket", "Courier", "Discount", "Branch", "Magazine")
_KINDS: Final = ("PROFILE", "DEMOGRAPHIC", "PREFERENCE", "COMPUTED", "BEHAVIOURAL")
_BODIES: Final = (
    "Prefers to be called after six; the door bell is broken, please knock.",
    "Asked about the loyalty programme. Sent the brochure, wants to think about it until the end of the month.",
    "Delivery was late twice. Apologised, and credited the shipping costs.",
    "Speaks little English: offer a colleague who speaks Portuguese — “Olá” goes a long way.",
)
_AGENTS: Final = tuple({"id": f"agent-{n}", "displayName": f"{first} {_LAST[n]}", "kind": "AGENT"} for n, first in enumerate(_FIRST[:8]))
_EVENTS: Final = ("Order Completed", "Checkout Started", "Coupon Applied", "Product Reviewed", "Signed In")
_CALLS: Final = {
    "VOICE": ("call", "phone"),
    "EMAIL": ("e-mail", "mail"),
    "CHAT": ("chat conversation", "chat"),
    "SMS": ("SMS conversation", "message"),
}


@cache
def screen(number: int) -> dict[str, Any]:
    """Profile `number` with all its fields; moments are ISO strings, `__typename` stands where an interface needs it. Not to be changed."""
    rng = Random(f"screen {number}")
    made = _UNTIL - timedelta(days=100 + rng.randrange(800), seconds=rng.randrange(86_400))
    profile = _uuid(rng, made)
    first, last = rng.choice(_FIRST), rng.choice(_LAST)
    return {
        "id": f"prf_{profile.hex}",
        "version": 1 + rng.randrange(40),
        "status": "ACTIVE",
        "redirectedFrom": None,
        "lifecycle": rng.choice(("CUSTOMER", "PROSPECT", "FORMER")),
        "firstName": first,
        "middleName": None,
        "lastName": last,
        "displayName": f"{first} {last}",
        "avatarUrl": f"https://images.example.com/{number}.jpg",
        "locale": rng.choice(("en-GB", "de-DE", "pt-BR")),
        "timeZone": "Europe/London",
        "birthDate": (made - timedelta(days=7000 + rng.randrange(20_000))).date().isoformat(),
        "customerSince": _iso(made),
        "createdAt": _iso(made),
        "updatedAt": _iso(_UNTIL - timedelta(seconds=rng.randrange(4_000_000))),
        "url": None,
        "streamCursor": _cursor(rng, 64),
        "viewerCan": {"update": True, "merge": False},
        "traits": {"nodes": _traits(rng)},
        "notes": {"nodes": _notes(rng, profile)},
        "timeline": _timeline(rng, profile),
    }


def written(place: Path, profiles: int) -> Path:
    """The file of so many profiles."""
    people = {one["id"]: one for one in map(screen, range(profiles))}
    place.write_text(json.dumps(people, ensure_ascii=False))
    return place


def leaves(value: Any) -> int:
    """How many values there are in an answer that are neither objects nor lists.

    A trait's value, or PostGraphile's `detail`, is one, whatever it is.
    """
    if isinstance(value, dict):
        return sum(1 if name in {"value", "detail"} else leaves(one) for name, one in value.items())
    return sum(map(leaves, value)) if isinstance(value, list) else 1


def _traits(rng: Random) -> list[dict[str, Any]]:
    """By key, as a page of traits is."""
    keys = sorted(word + thing for word in _WORDS for thing in _THINGS)
    return [_trait(rng, key, number) for number, key in enumerate(keys)]


def _trait(rng: Random, key: str, number: int) -> dict[str, Any]:
    value: Any = (rng.randrange(10_000), rng.choice(_LAST), rng.random() < 0.5, round(rng.random() * 1000, 2))[number % 4]  # noqa: PLR2004
    shown = ("yes" if value else "no") if isinstance(value, bool) else f"{value:.15g}" if isinstance(value, float) else str(value)
    name = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in key)
    return {
        "key": key,
        "displayName": name[:1].upper() + name[1:],
        "kind": _KINDS[number % len(_KINDS)],
        "category": "Shopping" if number % 3 else None,
        "value": value,
        "displayValue": shown,
    }


def _notes(rng: Random, profile: UUID) -> list[dict[str, Any]]:
    """A pinned one, and then the newest first."""
    moments = sorted((_moment(rng) for _ in range(10)), reverse=True)
    return [
        {
            "id": f"note_{profile.hex}{_uuid(rng, at).hex}",
            "body": rng.choice(_BODIES),
            "isPinned": number == 0,
            "author": rng.choice(_AGENTS),
            "createdAt": _iso(at),
        }
        for number, at in enumerate(moments)
    ]


def _timeline(rng: Random, profile: UUID) -> dict[str, Any]:
    """Fifty items, the newest first; none is older."""
    moments = sorted((_moment(rng) for _ in range(50)), reverse=True)
    edges = [{"cursor": _cursor(rng, 107), "node": _item(rng, profile, at)} for at in moments]
    page = {"hasNextPage": False, "hasPreviousPage": False, "startCursor": edges[0]["cursor"], "endCursor": edges[-1]["cursor"]}
    return {"edges": edges, "pageInfo": page}


def _item(rng: Random, profile: UUID, at: datetime) -> dict[str, Any]:
    native = _uuid(rng, at).hex
    share = rng.random()
    if share < 0.3:  # noqa: PLR2004  # conversations are less than half of what happens, as in `profile-gateway seed`
        channel = rng.choice(tuple(_CALLS))
        noun, icon = _CALLS[channel]
        item = {"title": f"Inbound {noun}", "icon": icon, "channel": channel}
        return {"__typename": "Interaction", "id": f"act_{profile.hex}.native.{native}", "occurredAt": _iso(at), **item}
    event = rng.choice(_EVENTS)
    item = {"title": event, "icon": "star", "type": event}
    return {"__typename": "ExternalActivity", "id": f"act_{profile.hex}.tracking.{native}", "occurredAt": _iso(at), **item}


def _moment(rng: Random) -> datetime:
    return _UNTIL - timedelta(microseconds=rng.randrange(60 * 86_400 * 1_000_000))


def _iso(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _uuid(rng: Random, at: datetime) -> UUID:
    """A UUIDv7 of that moment."""
    bits = rng.getrandbits(74)
    return UUID(
        int=(int(at.timestamp() * 1000) & 0xFFFF_FFFF_FFFF) << 80 | 7 << 76 | (bits >> 62) << 64 | 0b10 << 62 | bits & (1 << 62) - 1
    )


def _cursor(rng: Random, length: int) -> str:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return "".join(rng.choices(letters, k=length))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profiles", type=int, default=100)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    written(given.out, given.profiles)
