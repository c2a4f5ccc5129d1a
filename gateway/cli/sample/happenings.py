"""What happens to made-up customers: page views, orders and other events, and conversations with the contact centre.

Owns the shape of timeline rows as `gateway.sources.native` reads them. Called by `crowd` and `residents`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from gateway.cli.sample.vocabulary import AGENTS, PAGES, PRODUCTS, QUEUES, SUMMARIES

__all__ = ["Happening", "conversation", "event", "happening", "order", "page_view"]

_PHONE_SHARE, _EMAIL_SHARE, _CHAT_SHARE = 0.45, 0.7, 0.9
_WEB_SHARE, _EVENT_SHARE = 0.45, 0.7
_OUTCOMES: Final = ("Resolved", "Resolved", "Resolved", "Called back", "Escalated", "Not reached")
_SENTIMENTS: Final = ("POSITIVE", "NEUTRAL", "NEUTRAL", "NEGATIVE", None)
_EVENTS: Final = ("Checkout Started", "Coupon Applied", "Product Added", "Product Reviewed", "Signed In")
_SHOP: Final = "https://shop.example.com"


@dataclass(frozen=True, slots=True)
class Happening:
    """One row of `activity` without its profile, moment and id; `detail` is JSON."""

    source: str
    kind: str
    type: str
    channel: str | None
    direction: str | None
    account: str | None
    detail: dict[str, Any]


def happening(rng: Random, at: datetime) -> Happening:
    """Anything: page views most often, then events, then conversations."""
    share = rng.random()
    if share < _WEB_SHARE:
        return page_view(rng)
    return event(rng) if share < _EVENT_SHARE else conversation(rng, at)


def page_view(rng: Random) -> Happening:
    """A visit to one page of the shop."""
    path, title = PAGES[int(rng.random() * len(PAGES))]
    return Happening("tracking", "WEB", "page", None, None, None, {"path": path, "title": title, "url": _SHOP + path})


def event(rng: Random) -> Happening:
    """An order, as often as not, or something on the way to one."""
    if rng.random() < 0.5:  # noqa: PLR2004  # as often as not
        return order(rng)
    name, category, price = PRODUCTS[int(rng.random() * len(PRODUCTS))]
    detail = {"product": name, "category": category, "price": price}
    return Happening("tracking", "EXTERNAL", _EVENTS[int(rng.random() * len(_EVENTS))], None, None, None, detail)


def order(rng: Random) -> Happening:
    """A paid order of one or two products."""
    name, _, price = PRODUCTS[int(rng.random() * len(PRODUCTS))]
    quantity = 1 + int(rng.random() * 2)
    detail = {
        "orderId": f"SO-{int(rng.random() * 1_000_000):06d}",
        "total": round(price * quantity, 2),
        "currency": "EUR",
        "products": [{"name": name, "quantity": quantity, "price": price}],
    }
    return Happening("tracking", "EXTERNAL", "Order Completed", None, None, "Online shop", detail)


def conversation(rng: Random, at: datetime, channel: str | None = None) -> Happening:
    """A call, mail or chat that began at `at`, with its wrap-up."""
    share = rng.random()
    if channel is None:
        channel = "VOICE" if share < _PHONE_SHARE else "EMAIL" if share < _EMAIL_SHARE else "CHAT" if share < _CHAT_SHARE else "WHATSAPP"
    choice = int(rng.random() * 1_000_000)
    agent_id, agent_name, _ = AGENTS[choice % len(AGENTS)]
    topic, summary = SUMMARIES[choice % len(SUMMARIES)]
    seconds = 60 + choice % 1500
    ended = at + timedelta(seconds=seconds)
    detail: dict[str, Any] = {
        "agent": {"id": agent_id, "name": agent_name},
        "queue": QUEUES[choice % len(QUEUES)],
        "endedAt": ended.isoformat(),
        "outcome": _OUTCOMES[choice % len(_OUTCOMES)],
        "summary": summary,
        "wrapUp": {"topic": topic, "dispositionCode": topic.upper().replace(" ", "_"), "completedAt": ended.isoformat()},
        "measures": {"waitSeconds": choice % 240, "handleSeconds": seconds},
    }
    sentiment = _SENTIMENTS[choice % len(_SENTIMENTS)]
    if sentiment:
        detail["sentiment"] = sentiment
    direction = "OUTBOUND" if choice % 4 == 0 else "INBOUND"
    return Happening("native", "INTERACTION", "interaction", channel, direction, None, detail)
