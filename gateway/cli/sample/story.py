"""What the demo's website has seen of its people: interests, audiences, chats, surveys, and two who look like somebody else.

Owns a list of tracking events with fixed message ids, so that sending it again changes nothing. Every moment counts back from `until`.
Called by `rehearsal`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from gateway.cli.sample.residents import KNOWN_USER_ID, user_ids

__all__ = ["FAMILY_EMAIL", "FAMILY_USER_ID", "KNOWN_PHONE", "TOPICS", "past_events", "topics"]

KNOWN_PHONE: Final = "+13125550101"
FAMILY_EMAIL: Final = "hughes.family@example.com"
"""An address that two people share."""
FAMILY_USER_ID: Final = "cust-2002"

TOPICS: Final = (
    ("Camping", ("Tents", "Sleeping bags", "Stoves", "Lightweight camping", "Winter camping")),
    ("Running", ("Trail running", "Marathons", "Running shoes", "Night running")),
    ("Cycling", ("Gravel bikes", "Bike packing", "Helmets", "Repair")),
    ("Climbing", ("Bouldering", "Via ferrata", "Ropes")),
    ("Travel", ("Patagonia", "Iceland", "Alps", "Rail travel", "Family trips")),
)
"""Categories and the topics people of the demo are interested in."""
_PLACES: Final = ("Andes", "Atlas", "Azores", "Balkans", "Brittany", "Carpathians", "Corsica", "Dolomites", "Fjords", "Highlands", "Jura")
_WAYS: Final = ("hiking", "kayaking", "sailing", "skiing", "diving", "cycling", "running", "climbing", "camping", "fishing", "rafting")
_LEVELS: Final = (
    "for beginners",
    "with children",
    "in winter",
    "in spring",
    "on a budget",
    "off the beaten track",
    "by train",
    "with a dog",
)


def topics(count: int = 12_000) -> Iterator[tuple[str, str]]:
    """(topic, category) of a catalogue of that size, the known ones first."""
    known = [(topic, category) for category, names in TOPICS for topic in names]
    yield from known[:count]
    rng = Random("demo topics")  # noqa: S311  # made-up data
    made = [(f"{place} {way} {level}", way.capitalize()) for place in _PLACES for way in _WAYS for level in _LEVELS]
    seen = {topic for topic, _ in known}
    number = len(known)
    for edition in range(1, 1 + count):
        rng.shuffle(made)
        for topic, category in made:
            if number >= count:
                return
            name = topic if edition == 1 else f"{topic}, part {edition}"
            if name not in seen:
                seen.add(name)
                number += 1
                yield name, category


def past_events(until: datetime) -> list[dict[str, Any]]:
    """Items of the tracking API's batch, oldest first."""
    items = [*_doubles(until), *_interests(until), *_audiences(until), *_chat(until), *_surveys(until)]
    return sorted(items, key=_timestamp)


def _timestamp(item: dict[str, Any]) -> str:
    return str(item["timestamp"])


def _item(kind: str, name: str, user: str, at: datetime, **more: Any) -> dict[str, Any]:
    return {"type": kind, "messageId": f"demo-{name}", "userId": user, "timestamp": at.isoformat(), **more}


def _doubles(until: datetime) -> Iterator[dict[str, Any]]:
    """Ana registered a second time by phone, and a relative of Ben's shares the family's mailbox."""
    again = {"firstName": "Ana", "lastName": "Souza", "phone": KNOWN_PHONE, "plan": "free"}
    yield _item("identify", "double", "cust-2001", until - timedelta(days=40), traits=again)
    family = {"firstName": "Nell", "lastName": "Hughes", "email": FAMILY_EMAIL}
    yield _item("identify", "family-1", FAMILY_USER_ID, until - timedelta(days=90), traits=family)
    order = {"orderId": "SO-203988", "total": 129.0, "currency": "EUR", "products": [{"name": "Trail running shoes", "quantity": 1}]}
    yield _item("track", "double-order", "cust-2001", until - timedelta(days=39), event="Order Completed", properties=order)


def _interests(until: datetime) -> Iterator[dict[str, Any]]:
    rng = Random("demo interests")  # noqa: S311  # made-up data
    for user in user_ids():
        for category, names in rng.sample(TOPICS, 3):
            for topic in rng.sample(names, 2):
                for nth in range(1 + int(rng.random() * 4)):
                    at = until - timedelta(days=1 + rng.random() * 200)
                    seen = {"topic": topic, "category": category, "score": round(0.3 + rng.random() * 0.7, 2)}
                    name = f"interest-{user}-{topic}-{nth}"
                    yield _item("track", name, user, at, event="Interest Triggered", properties=seen)


def _audiences(until: datetime) -> Iterator[dict[str, Any]]:
    for nth, user in enumerate(user_ids()):
        for key, every in (("vip", 5), ("spring_trips", 3)):
            if nth % every == 0:
                at = until - timedelta(days=20 + nth)
                yield _item("track", f"audience-{key}-{user}", user, at, event="Audience Entered", properties={"audience_key": key})
    marketing = {"purpose": "marketing", "channel": "EMAIL", "status": "GRANTED", "evidence": "https://shop.example.com/consents/4711"}
    yield _item("track", "consent-email", KNOWN_USER_ID, until - timedelta(days=120), event="Consent Updated", properties=marketing)


def _chat(until: datetime) -> Iterator[dict[str, Any]]:
    """A conversation with its transcript."""
    begun = until - timedelta(days=15)
    lines = (
        ("Sent", "Hi, does the two-person tent stand a storm?"),
        ("Received", "Hello Ana! It is tested to wind force nine, with all guy lines set."),
        ("Sent", "Great. And how heavy is it really?"),
        ("Received", "2.3 kg with pegs. The footprint adds 300 g."),
        ("Sent", "Perfect, I'll order it. Thanks!"),
    )
    for nth, (way, text) in enumerate(lines):
        said = {"conversationId": "demo-chat-1", "text": text, "channel": "chat"}
        yield _item(
            "track",
            f"chat-1-{nth}",
            KNOWN_USER_ID,
            begun + timedelta(minutes=nth),
            event=f"Live Chat Message {way}",
            properties=said,
        )
    over = {
        "conversationId": "demo-chat-1",
        "channel": "chat",
        "direction": "inbound",
        "startedAt": begun.isoformat(),
        "endedAt": (begun + timedelta(minutes=6)).isoformat(),
        "summary": "Asked whether the tent stands a storm; ordered it.",
        "sentiment": "positive",
    }
    at = begun + timedelta(minutes=6)
    yield _item("track", "chat-1-end", KNOWN_USER_ID, at, event="Live Chat Conversation Ended", properties=over)


def _surveys(until: datetime) -> Iterator[dict[str, Any]]:
    answer = {"score": 9, "comment": "Quick and friendly."}
    yield _item("track", "survey-1", KNOWN_USER_ID, until - timedelta(days=14), event="Survey Answered", properties=answer)
    yield _item("identify", "survey-nps", KNOWN_USER_ID, until - timedelta(days=14), traits={"nps": 9, "loyalty_tier": "gold"})
