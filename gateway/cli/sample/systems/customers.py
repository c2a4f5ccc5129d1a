"""What the demo's systems elsewhere know of its people: accounts, orders, tickets and visits, the same at every start.

Owns the facts and that they fit the residents (names, numbers, addresses). Every moment counts back from `until`. Must not know how a system
tells them. Called by `simulation`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random
from typing import Final
from uuid import UUID, uuid5

from gateway.cli.sample.residents import COMPANIES, KNOWN_USER_ID, Resident, residents
from gateway.cli.sample.vocabulary import AGENTS, PAGES, PRODUCTS

__all__ = ["Account", "Customer", "Order", "Ticket", "Visits", "customers"]

_NAMES: Final = UUID("6f0e6a2c-3c61-4c0a-9d53-8a0a5e1c2f10")
_SUBJECTS: Final = (
    ("Parcel has not arrived", "The carrier was asked to search for it."),
    ("Zip of the jacket is stuck", "Sent a prepaid label for the repair."),
    ("Invoice for the company", "Issued again with the VAT number."),
    ("Wrong size", "Exchange is on its way."),
    ("Question about the guarantee", "Explained: three years on all frames."),
)
_STATES: Final = ("open", "pending", "solved", "solved", "closed")
_CHANNELS: Final = ("email", "web", "chat")


@dataclass(frozen=True, slots=True)
class Account:
    """What sales knows."""

    title: str
    plan: str
    tier: str
    manager: str
    renews_on: date
    company: tuple[str, str, str] | None
    """The company's id there, its name and domain."""
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Order:
    """One order and where it stands."""

    id: str
    placed_at: datetime
    status: str
    total: float
    product: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Ticket:
    """One request for help, with what an agent wrote into it."""

    id: int
    subject: str
    comment: str
    author: tuple[str, str]
    status: str
    channel: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Visits:
    """What the website has seen: sessions of 30 days, the category looked at most, and pages with their moments."""

    sessions: int
    favourite: str
    device: str
    pages: Sequence[tuple[str, datetime, str, str]]
    """Id, moment, path, title."""


@dataclass(frozen=True, slots=True)
class Customer:
    """One person in all systems: `user_id` in the shop and on the website, `account_id` in the CRM, `email` at the support desk."""

    resident: Resident
    account: Account
    orders: Sequence[Order]
    tickets: Sequence[Ticket]
    visits: Visits


def customers(until: datetime) -> list[Customer]:
    """Everybody."""
    made = []
    for number, resident in enumerate(residents()):
        rng = Random(f"systems {resident.user_id}")  # noqa: S311  # made-up data that every start repeats
        known = resident.user_id == KNOWN_USER_ID
        account, tickets = _account(rng, resident, until), _tickets(rng, number, until, known=known)
        made.append(Customer(resident, account, _orders(rng, number, until, known=known), tickets, _visits(rng, resident, until)))
    return made


def _account(rng: Random, resident: Resident, until: datetime) -> Account:
    company = None
    if resident.company is not None:
        name, domain = COMPANIES[resident.company]
        company = (f"ORG-{resident.company + 1}", name, domain)
    return Account(
        title=resident.title,
        plan=resident.plan,
        tier=rng.choice(("bronze", "silver", "gold")),
        manager=rng.choice(AGENTS)[1],
        renews_on=(until + timedelta(days=20 + int(rng.random() * 300))).date(),
        company=company,
        updated_at=until - timedelta(days=1 + int(rng.random() * 30)),
    )


def _orders(rng: Random, number: int, until: datetime, *, known: bool) -> list[Order]:
    orders = []
    for nth in range(2 + int(rng.random() * 6)):
        product, _, price = rng.choice(PRODUCTS)
        quantity = 1 + int(rng.random() * 2)
        at = until - timedelta(days=10 + nth * 41 + rng.random() * 20)
        status = rng.choice(("delivered", "delivered", "returned"))
        orders.append(Order(f"SO-{301_000 + number * 20 + nth}", at, status, round(price * quantity, 2), product, quantity))
    if known:  # the order that all the calls are about, as it stands in the shop
        orders.append(Order("SO-301900", until - timedelta(days=6), "in transit", 54.0, "Head torch", 1))
    return sorted(orders, key=_placed)


def _placed(order: Order) -> datetime:
    return order.placed_at


def _tickets(rng: Random, number: int, until: datetime, *, known: bool) -> list[Ticket]:
    tickets = []
    for nth in range(1 if known else int(rng.random() * 4)):
        subject, comment = _SUBJECTS[0] if known else rng.choice(_SUBJECTS)
        created = until - timedelta(days=3.2 if known else 2 + nth * 30 + rng.random() * 25)
        author = rng.choice(AGENTS)[:2]
        status = "pending" if known else rng.choice(_STATES)
        changed = created + timedelta(hours=1 + rng.random() * 40)
        tickets.append(Ticket(50_000 + number * 10 + nth, subject, comment, author, status, rng.choice(_CHANNELS), created, changed))
    return tickets


def _visits(rng: Random, resident: Resident, until: datetime) -> Visits:
    pages = []
    for nth in range(4 + int(rng.random() * 12)):
        at = until - timedelta(days=rng.random() ** 2 * 60, minutes=5)
        path, title = rng.choice(PAGES)
        pages.append((str(uuid5(_NAMES, f"{resident.user_id} {nth}")), at, path, title))
    favourite = rng.choice(PRODUCTS)[1]
    device = rng.choice(("phone", "phone", "laptop", "tablet"))
    return Visits(1 + int(rng.random() * 25), favourite, device, sorted(pages, key=_seen))


def _seen(page: tuple[str, datetime, str, str]) -> datetime:
    return page[1]
