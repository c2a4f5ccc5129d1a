"""The traits of made-up customers: what is known of a person, of which kind, and where it would have come from.

Owns one template per trait key; kinds and categories of well-known keys are those of `gateway.model.trait`. The order is part of what a
seed means. Called by `crowd` and `residents`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from gateway.cli.sample.vocabulary import CITIES, JOB_TITLES, PRODUCTS

__all__ = ["TEMPLATES", "TraitTemplate", "templates"]

_CATEGORIES: Final = tuple(dict.fromkeys(category for _, category, _ in PRODUCTS))


@dataclass(frozen=True, slots=True)
class TraitTemplate:
    """One trait: `make` draws a JSON value; `computed_from` and `model` are its provenance, predictions have a confidence."""

    key: str
    kind: str
    category: str
    make: Callable[[Random], Any]
    computed_from: str | None = None
    model: str | None = None
    source: str = "tracking"


def _one_of(*values: Any) -> Callable[[Random], Any]:
    return lambda rng: values[int(rng.random() * len(values))]


def _whole(low: int, high: int) -> Callable[[Random], int]:
    return lambda rng: low + int(rng.random() * (high - low + 1))


def _amount(low: float, high: float) -> Callable[[Random], float]:
    return lambda rng: round(low + rng.random() * (high - low), 2)


def _likelihood(rng: Random) -> float:
    return round(rng.random(), 3)


def _yes(share: float) -> Callable[[Random], bool]:
    return lambda rng: rng.random() < share


def _several(values: Sequence[Any], most: int) -> Callable[[Random], list[Any]]:
    return lambda rng: sorted(rng.sample(values, 1 + int(rng.random() * most)))


def _address(rng: Random) -> dict[str, str]:
    city, country, postal_code, _, _ = rng.choice(CITIES)
    return {"street": f"{1 + int(rng.random() * 180)} Station Road", "city": city, "postalCode": postal_code, "country": country}


def _code(prefix: str, digits: int) -> Callable[[Random], str]:
    return lambda rng: f"{prefix}{int(rng.random() * 10**digits):0{digits}d}"


def _day(first: int, last: int) -> Callable[[Random], str]:
    return lambda rng: f"{first + int(rng.random() * (last - first + 1))}-{1 + int(rng.random() * 12):02d}-{1 + int(rng.random() * 28):02d}"


_PERSON, _PLAN, _VALUE, _TASTE = "Demographics", "Subscription", "Value", "Preferences"
_WEB, _FORECAST, _HAPPY, _REACH = "Web and app", "Predictions", "Satisfaction", "Contact"

TEMPLATES: Final = (
    TraitTemplate("age", "DEMOGRAPHIC", _PERSON, _whole(18, 88)),
    TraitTemplate("gender", "DEMOGRAPHIC", _PERSON, _one_of("female", "male", "non-binary", "not stated")),
    TraitTemplate("title", "DEMOGRAPHIC", _PERSON, _one_of(*JOB_TITLES)),
    TraitTemplate("address", "DEMOGRAPHIC", _PERSON, _address),
    TraitTemplate("household_size", "DEMOGRAPHIC", _PERSON, _whole(1, 6), source="native"),
    TraitTemplate("education", "DEMOGRAPHIC", _PERSON, _one_of("school", "apprenticeship", "bachelor", "master", "doctorate")),
    TraitTemplate("plan", "PROFILE", _PLAN, _one_of("free", "standard", "premium", "business")),
    TraitTemplate("plan_renews_on", "PROFILE", _PLAN, _day(2026, 2027), source="native"),
    TraitTemplate("seats", "PROFILE", _PLAN, _whole(1, 250)),
    TraitTemplate("payment_method", "PROFILE", _PLAN, _one_of("card", "direct debit", "invoice", "wallet"), source="native"),
    TraitTemplate("username", "PROFILE", _REACH, _code("walker", 6)),
    TraitTemplate("website", "PROFILE", _REACH, _one_of("https://example.com", "https://example.org", "https://example.net")),
    TraitTemplate("signup_channel", "PROFILE", _REACH, _one_of("web", "app", "store", "partner")),
    TraitTemplate("referral_code", "PROFILE", _REACH, _code("R", 8)),
    TraitTemplate("language", "PREFERENCE", _TASTE, _one_of("de", "en", "es", "fr", "it", "ja", "pt", "sv")),
    TraitTemplate("preferred_channel", "PREFERENCE", _TASTE, _one_of("phone", "e-mail", "chat", "WhatsApp"), source="native"),
    TraitTemplate("preferred_contact_time", "PREFERENCE", _TASTE, _one_of("morning", "noon", "afternoon", "evening"), source="native"),
    TraitTemplate("newsletter", "PREFERENCE", _TASTE, _yes(0.4)),
    TraitTemplate("paper_invoices", "PREFERENCE", _TASTE, _yes(0.15), source="native"),
    TraitTemplate("favourite_categories", "PREFERENCE", _TASTE, _several(_CATEGORIES, 3)),
    TraitTemplate("shoe_size", "PREFERENCE", _TASTE, _whole(35, 48)),
    TraitTemplate("lifetime_value", "COMPUTED", _VALUE, _amount(0, 12000), computed_from="sum of paid orders"),
    TraitTemplate("orders_count", "COMPUTED", _VALUE, _whole(0, 90), computed_from="paid orders"),
    TraitTemplate("average_order_value", "COMPUTED", _VALUE, _amount(15, 480), computed_from="paid orders"),
    TraitTemplate("top_purchase_category", "COMPUTED", _VALUE, _one_of(*_CATEGORIES), computed_from="orders of 12 months"),
    TraitTemplate("returns_count", "COMPUTED", _VALUE, _whole(0, 12), computed_from="returned parcels"),
    TraitTemplate("discount_share", "COMPUTED", _VALUE, _likelihood, computed_from="orders with a voucher"),
    TraitTemplate("nps", "COMPUTED", _HAPPY, _whole(-100, 100), computed_from="surveys of 12 months"),
    TraitTemplate("csat_90_days", "COMPUTED", _HAPPY, _amount(1, 5), computed_from="surveys of 90 days"),
    TraitTemplate("open_tickets", "COMPUTED", _HAPPY, _whole(0, 4), computed_from="tickets not closed", source="native"),
    TraitTemplate("churn_likelihood", "PREDICTIVE", _FORECAST, _likelihood, model="churn-2026-02"),
    TraitTemplate("predicted_lifetime_value", "PREDICTIVE", _FORECAST, _amount(0, 20000), model="value-2026-01"),
    TraitTemplate("next_purchase_category", "PREDICTIVE", _FORECAST, _one_of(*_CATEGORIES), model="next-basket-5"),
    TraitTemplate("upsell_propensity", "PREDICTIVE", _FORECAST, _likelihood, model="upsell-3"),
    TraitTemplate("best_hour_to_call", "PREDICTIVE", _FORECAST, _whole(8, 20), model="reach-2"),
    TraitTemplate("visits_30_days", "BEHAVIOURAL", _WEB, _whole(0, 60)),
    TraitTemplate("minutes_30_days", "BEHAVIOURAL", _WEB, _whole(0, 900)),
    TraitTemplate("last_search", "BEHAVIOURAL", _WEB, _one_of("tent 2 person", "trail shoes", "gps watch strap", "return address")),
    TraitTemplate("devices", "BEHAVIOURAL", _WEB, _several(("desktop", "phone", "tablet", "watch"), 3)),
    TraitTemplate("app_version", "BEHAVIOURAL", _WEB, _one_of("7.2.0", "7.3.1", "8.0.0", "8.1.4")),
    TraitTemplate("email_open_rate", "BEHAVIOURAL", _WEB, _likelihood),
    TraitTemplate("basket_value", "BEHAVIOURAL", _WEB, _amount(0, 600)),
    TraitTemplate("basket_items", "BEHAVIOURAL", _WEB, _whole(0, 9)),
    TraitTemplate("last_campaign", "BEHAVIOURAL", _WEB, _one_of("spring-sale", "winter-tents", "welcome", "none")),
)


def templates(count: int) -> Sequence[TraitTemplate]:
    """The first `count` traits; beyond those with a name there are numbered ones."""
    numbered = range(len(TEMPLATES) + 1, count + 1)
    return (*TEMPLATES[:count], *(TraitTemplate(f"attribute_{number}", "PROFILE", "Other", _code("value ", 4)) for number in numbered))
