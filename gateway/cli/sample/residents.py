"""The customers of the demo: thirty people with histories, one of them written by hand.

Owns who they are and what is between them and a made-up outdoor shop. Every moment counts back from `until`, so that the newest call was
this morning on whatever day the demo is started. Called by `demo`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random
from typing import Any, Final
from uuid import UUID

from gateway.cli.sample.catalogue import TEMPLATES, TraitTemplate
from gateway.cli.sample.happenings import Happening, conversation, event, order, page_view
from gateway.cli.sample.tables import Rows, uuid_at
from gateway.cli.sample.vocabulary import AGENTS, NOTES, ROLES
from gateway.model.profile import Channel

__all__ = ["COMPANIES", "KNOWN_EMAIL", "KNOWN_USER_ID", "Resident", "company_rows", "resident_rows", "residents", "user_ids"]

ACTOR: Final = "demo"
KNOWN_EMAIL: Final = "ana.souza@example.com"
"""The one person a newcomer's first query asks for."""
KNOWN_USER_ID: Final = "cust-1001"

COMPANIES: Final = (
    ("Kestrel Travel", "kestrel-travel.example"),
    ("Northwind Logistics", "northwind-logistics.example"),
    ("Juniper Health", "juniper-health.example"),
    ("Meridian Software", "meridian-software.example"),
    ("Quayside Foods", "quayside-foods.example"),
    ("Yarrow Textiles", "yarrow-textiles.example"),
)


@dataclass(frozen=True, slots=True)
class _Resident:
    first: str
    last: str
    phone: str
    locale: str
    time_zone: str
    title: str
    plan: str
    company: int | None = None
    lifecycle: str = "CUSTOMER"


_US, _UK, _AU = ("en-US", "America/Chicago"), ("en-GB", "Europe/London"), ("en-AU", "Australia/Sydney")

# Numbers that the regulators of these countries keep for fiction.
_RESIDENTS: Final = (
    _Resident("Ana", "Souza", "+1 312 555 0101", "pt-BR", "America/Chicago", "Head of operations", "premium", 0),
    _Resident("Ben", "Hughes", "+44 7700 900102", *_UK, "Photographer", "standard"),
    _Resident("Chiara", "Rossi", "+1 415 555 0103", "it-IT", "America/Los_Angeles", "Architect", "premium", 3),
    _Resident("Dmitri", "Petrov", "+1 206 555 0104", *_US, "Engineer", "business", 3),
    _Resident("Elif", "Yilmaz", "+44 7700 900105", *_UK, "Researcher", "standard"),
    _Resident("Femi", "Adeyemi", "+44 7700 900106", *_UK, "Buyer", "business", 1),
    _Resident("Grace", "Kim", "+1 718 555 0107", *_US, "Nurse", "standard", 2),
    _Resident("Hiroshi", "Tanaka", "+1 808 555 0108", "ja-JP", "Pacific/Honolulu", "Teacher", "free"),
    _Resident("Ines", "Carvalho", "+1 617 555 0109", "pt-PT", "America/New_York", "Data analyst", "premium", 3),
    _Resident("Jack", "Byrne", "+44 7700 900110", *_UK, "Project lead", "standard", 1),
    _Resident("Karim", "Haddad", "+1 313 555 0111", *_US, "Consultant", "premium"),
    _Resident("Lucía", "Fernández", "+1 305 555 0112", "es-US", "America/New_York", "Sales director", "business", 4),
    _Resident("Malik", "Johnson", "+1 404 555 0113", *_US, "Accountant", "standard", 4),
    _Resident("Naomi", "Park", "+61 491 570 156", *_AU, "Office manager", "business", 5),
    _Resident("Oliver", "Bennett", "+61 491 570 157", *_AU, "Engineer", "free", None, "FORMER"),
    _Resident("Priya", "Sharma", "+44 7700 900116", *_UK, "Chief of staff", "business", 2),
    _Resident("Quinn", "Murphy", "+1 503 555 0117", *_US, "Photographer", "standard"),
    _Resident("Rania", "Khan", "+44 7700 900118", *_UK, "Researcher", "premium"),
    _Resident("Stefan", "Müller", "+44 7700 900119", "de-DE", "Europe/Berlin", "Architect", "standard"),
    _Resident("Thandiwe", "Mbeki", "+44 7700 900120", *_UK, "Teacher", "free", None, "PROSPECT"),
    _Resident("Uma", "Patel", "+1 512 555 0121", *_US, "Data analyst", "premium", 3),
    _Resident("Viktor", "Novak", "+1 216 555 0122", "cs-CZ", "America/New_York", "Consultant", "standard", 1),
    _Resident("Wei", "Zhang", "+1 626 555 0123", "zh-CN", "America/Los_Angeles", "Buyer", "business", 5),
    _Resident("Ximena", "Vargas", "+1 210 555 0124", "es-MX", "America/Chicago", "Nurse", "standard", 2),
    _Resident("Yusuf", "Diallo", "+44 7700 900125", "fr-FR", "Europe/Paris", "Project lead", "free", None, "PROSPECT"),
    _Resident("Zoë", "Jansen", "+44 7700 900126", "nl-NL", "Europe/Amsterdam", "Office manager", "standard"),
    _Resident("Amara", "Okafor", "+1 202 555 0127", *_US, "Sales director", "business", 0),
    _Resident("José", "García", "+1 702 555 0128", "es-US", "America/Los_Angeles", "Accountant", "standard"),
    _Resident("Linnea", "Svensson", "+44 7700 900129", "sv-SE", "Europe/Stockholm", "Engineer", "premium", None, "FORMER"),
    _Resident("Mateo", "Ramos", "+1 505 555 0130", "es-US", "America/Denver", "Photographer", "free", None, "PROSPECT"),
)

_ASCII: Final = str.maketrans("áéíóöüë", "aeiooue")
_MARIA, _TOM, _LI, _JONAS, _SAM = AGENTS
_TEMPLATE: Final = {template.key: template for template in TEMPLATES}
_ALWAYS: Final = ("plan", "title", "language", "lifetime_value", "churn_likelihood", "visits_30_days")
"""One of every kind."""
_OTHERS: Final = tuple(template for template in TEMPLATES if template.key not in {*_ALWAYS, "address"})
"""What else may be known; a drawn address would seldom fit the phone number."""
_TRAITS_BESIDES = 14
_CONFLICT_EVERY = 3


@dataclass(frozen=True, slots=True)
class Resident:
    """One of them as other systems meet them; `company`: the index in `COMPANIES`."""

    user_id: str
    account_id: str
    email: str
    first: str
    last: str
    locale: str
    title: str
    plan: str
    company: int | None


def residents() -> list[Resident]:
    """Everybody, the known one first."""
    return [
        Resident(user_id, _account_id(user_id), _email(one), one.first, one.last, one.locale, one.title, one.plan, one.company)
        for one, user_id in zip(_RESIDENTS, user_ids(), strict=True)
    ]


def user_ids() -> list[str]:
    """The `user_id` of each of them, the known one first."""
    return [f"cust-{1001 + nth}" for nth in range(len(_RESIDENTS))]


def company_rows(until: datetime) -> list[tuple[UUID, str, str, str, dict[str, Any]]]:
    """The companies, as `upsert_companies` takes them: id, natural key, name, domain, traits."""
    rng = Random("demo companies")  # noqa: S311  # made-up data
    made = until - timedelta(days=800)
    return [(uuid_at(rng, made), f"name:{name.casefold()}", name, domain, {"customer": "business"}) for name, domain in COMPANIES]


def resident_rows(workspace: UUID, companies: Sequence[UUID], until: datetime) -> Rows:
    """Everything of everybody; `companies` are ids in the order of `COMPANIES`."""
    rows = Rows(workspace, ACTOR)
    for nth, (person, user_id) in enumerate(zip(_RESIDENTS, user_ids(), strict=True)):
        rng = Random(f"demo {user_id}")  # noqa: S311  # as above
        made = until - timedelta(days=300 + int(rng.random() * 400))
        profile_id = uuid_at(rng, made)
        _identify(rows, rng, profile_id, person, user_id, made)
        _describe(rows, rng, profile_id, person, until, disputed=nth % _CONFLICT_EVERY == 0)
        if person.company is not None:
            rows.membership(profile_id, companies[person.company], rng.choice(ROLES), made, main=True)
            if nth % 4 == 0:
                rows.membership(profile_id, companies[(person.company + 1) % len(companies)], "Employee", made, main=False)
        _live(rows, rng, profile_id, person, made, until)
        if nth == 0:
            _story(rows, rng, profile_id, until)
    return rows


def _identify(rows: Rows, rng: Random, profile_id: UUID, person: _Resident, user_id: str, made: datetime) -> None:
    birth_date = date(1950 + int(rng.random() * 55), 1 + int(rng.random() * 12), 1 + int(rng.random() * 28))
    since = None if person.lifecycle == "PROSPECT" else made
    names, place = (person.first, person.last), (person.locale, person.time_zone)
    rows.profile(profile_id, names, person.lifecycle, place, birth_date, since, made, made)
    email = _email(person)
    rows.contact_point(rng, profile_id, Channel.VOICE, person.phone, made, label="mobile", primary=True)
    rows.contact_point(rng, profile_id, Channel.EMAIL, email, made, label="private", primary=True, source="tracking")
    if person.company is not None:
        rows.contact_point(rng, profile_id, Channel.EMAIL, email.replace(".com", ".org"), made, label="work", primary=False)
    if rng.random() < 0.5:  # noqa: PLR2004  # half of them
        rows.contact_point(rng, profile_id, Channel.WHATSAPP, person.phone, made, label=None, primary=True)
    rows.identifier(rng, profile_id, "user_id", user_id, made)
    rows.identifier(rng, profile_id, "account_id", _account_id(user_id), made, source="native")
    if person.lifecycle != "PROSPECT":
        rows.identifier(rng, profile_id, "loyalty_number", f"L{4_700_000 + int(user_id[5:]) * 17}", made, source="native")


def _email(person: _Resident) -> str:
    return f"{person.first}.{person.last}@example.com".lower().translate(_ASCII)


def _account_id(user_id: str) -> str:
    return user_id.replace("cust", "ACC")


def _describe(rows: Rows, rng: Random, profile_id: UUID, person: _Resident, until: datetime, *, disputed: bool) -> None:
    """Traits of every kind; where `disputed`, agents and the tracking API say different things."""

    def observe(template: TraitTemplate, days: float, **given: Any) -> None:
        rows.trait(rng, profile_id, template, until - timedelta(days=days, hours=rng.random() * 12), **given)

    said = {"plan": person.plan, "title": person.title, "language": person.locale[:2]}
    for key in _ALWAYS:
        observe(_TEMPLATE[key], 1 + rng.random() * 60, value=said.get(key))
    others = rng.sample(_OTHERS, _TRAITS_BESIDES)
    for template in others:
        observe(template, 1 + rng.random() * 90)
    if disputed:
        observe(_TEMPLATE["plan"], 3, source="native", value="business" if person.plan != "business" else "premium")
        observe(_TEMPLATE["title"], 20, source="native", value=f"Senior {person.title.lower()}", actor=_MARIA)
        if _TEMPLATE["preferred_channel"] in others:
            observe(_TEMPLATE["preferred_channel"], 12, source="tracking", value="SMS")


def _live(rows: Rows, rng: Random, profile_id: UUID, person: _Resident, made: datetime, until: datetime) -> None:
    """Months of visits, orders and conversations, and what agents noted about them."""
    span = until - made

    def some_time() -> datetime:
        return until - timedelta(hours=2) - rng.random() ** 2 * (span - timedelta(hours=3))

    for _ in range(8 + int(rng.random() * 14)):
        rows.activity(rng, profile_id, some_time(), page_view(rng))
    if person.lifecycle != "PROSPECT":
        for _ in range(2 + int(rng.random() * 7)):
            rows.activity(rng, profile_id, some_time(), order(rng))
    for _ in range(3 + int(rng.random() * 5)):
        rows.activity(rng, profile_id, some_time(), event(rng))
    for channel in ("VOICE", "EMAIL", *rng.sample(("VOICE", "CHAT", "WHATSAPP", "EMAIL", "SMS", "VIDEO"), 3)):
        at = some_time()
        rows.activity(rng, profile_id, at, conversation(rng, at, channel))
    for nth, body in enumerate(rng.sample(NOTES, 1 + int(rng.random() * 4))):
        rows.note(rng, profile_id, body, rng.choice(AGENTS), some_time(), pinned=nth == 0)


def _story(rows: Rows, rng: Random, profile_id: UUID, until: datetime) -> None:
    """The last days of the known person: a late parcel, and why she calls today."""

    def ago(days: float) -> datetime:
        return until - timedelta(days=days)

    def talk(days: float, channel: str, minutes: float, said: dict[str, Any], direction: str = "INBOUND") -> None:
        begun, ended = ago(days), ago(days) + timedelta(minutes=minutes)
        detail = {"endedAt": ended.isoformat(), "queue": "Orders", **said}
        rows.activity(rng, profile_id, begun, Happening("native", "INTERACTION", "interaction", channel, direction, None, detail))

    def did(days: float, kind: str, name: str, detail: dict[str, Any]) -> None:
        rows.activity(rng, profile_id, ago(days), Happening("tracking", kind, name, None, None, "Online shop", detail))

    tent = [{"name": "Two-person tent", "quantity": 1, "price": 349.0}]
    did(9, "EXTERNAL", "Order Completed", {"orderId": "SO-204117", "total": 349.0, "currency": "EUR", "products": tent})
    did(8.2, "EXTERNAL", "Order Shipped", {"orderId": "SO-204117", "carrier": "Parcel Post", "promisedFor": ago(5).date().isoformat()})
    did(
        3.1,
        "WEB",
        "page",
        {"path": "/help/delivery-times", "title": "Delivery times", "url": "https://shop.example.com/help/delivery-times"},
    )
    late = {"agent": {"id": _LI[0], "name": _LI[1]}, "outcome": "Escalated", "sentiment": "NEGATIVE"}
    wrap_up = {"topic": "Delivery", "dispositionCode": "DELIVERY_LATE", "notes": "Carrier asked to search for the parcel."}
    talk(
        3, "CHAT", 11, {**late, "summary": "The tent for a trip on Saturday has not arrived; tracking has stood still.", "wrapUp": wrap_up}
    )
    rows.note(
        rng, profile_id, "Leaves on Saturday at 09:00 for a week. If the tent is not there by Friday she needs a rental.", _LI, ago(2.98)
    )
    kept = {"agent": {"id": _TOM[0], "name": _TOM[1]}, "outcome": "Resolved", "sentiment": "NEUTRAL", "measures": {"handleSeconds": 372}}
    talk(1, "VOICE", 6.2, {**kept, "summary": "Told her that the parcel was found; delivery tomorrow before noon."}, "OUTBOUND")
    rows.note(rng, profile_id, "20 € voucher promised if it comes later than noon. Approved.", _SAM, ago(0.95), pinned=True)
    did(0.09, "WEB", "page", {"path": "/account/orders", "title": "Your orders", "url": "https://shop.example.com/account/orders"})
