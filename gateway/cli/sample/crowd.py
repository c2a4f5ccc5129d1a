"""Any number of made-up people: person `n` of seed `s` is the same whenever and however often they are made.

Owns the numbering (`user_id` is `seed-0000001`, …) and what a person has. Every moment counts back from `until`, so two runs are equal when
their seed and their `until` are. Called by `seed`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final
from uuid import UUID

from gateway.cli.sample.catalogue import TraitTemplate, templates
from gateway.cli.sample.happenings import happening
from gateway.cli.sample.tables import Rows, uuid_at
from gateway.cli.sample.vocabulary import AGENTS, CITIES, COMPANY_KINDS, COMPANY_NAMES, FIRST_NAMES, LAST_NAMES, NOTES, ROLES
from gateway.model.profile import Channel

__all__ = ["ACTOR", "COMPANIES", "Crowd", "Portion", "company_rows", "user_id"]

ACTOR: Final = "seed"
"""Who made these profiles, in the change log."""

COMPANIES: Final = len(COMPANY_NAMES) * len(COMPANY_KINDS)
"""Companies that a crowd works for, whatever its size."""

_COMPANIES_EACH = 3
_OLDEST_PROFILE = timedelta(days=900)
_YOUNGEST_PROFILE = timedelta(days=30)
_PAST_SECONDS: Final = 700 * 86400
"""How far the timeline goes back: some 23 months, which is as many partitions."""
_LIFECYCLES: Final = ("CUSTOMER", "CUSTOMER", "CUSTOMER", "PROSPECT", "FORMER")
_AREA_CODES: Final = range(201, 990)


@dataclass(frozen=True, slots=True)
class Portion:
    """How much each person has; `traits` rows have as many keys."""

    traits: int = 40
    notes: int = 10
    activities: int = 100


def user_id(number: int) -> str:
    """The identifier by which person `number` is found, and by which a workspace knows that it has been seeded."""
    return f"seed-{number:07d}"


def company_rows(seed: int, until: datetime) -> list[tuple[UUID, str, str, str, dict[str, str]]]:
    """The companies, as `upsert_companies` takes them: id, natural key, name, domain, traits."""
    rows = []
    for number in range(COMPANIES):
        name = f"{COMPANY_NAMES[number // len(COMPANY_KINDS)]} {COMPANY_KINDS[number % len(COMPANY_KINDS)]}"
        rng = Random(f"company {seed}:{number}")  # noqa: S311  # made-up data that a seed repeats
        domain = f"{name.lower().replace(' ', '-')}.example"
        traits = {"industry": COMPANY_KINDS[number % len(COMPANY_KINDS)].lower()}
        rows.append((uuid_at(rng, until - _OLDEST_PROFILE), f"name:{name.casefold()}", name, domain, traits))
    return rows


class Crowd:
    """Makes people who work for the given companies (ids, in the order of `company_rows`)."""

    def __init__(self, seed: int, until: datetime, portion: Portion, companies: Sequence[UUID]) -> None:
        self._seed = seed
        self._until = until
        self._portion = portion
        self._companies = companies
        self._templates: Sequence[TraitTemplate] = templates(portion.traits)

    def make(self, workspace: UUID, numbers: range) -> Rows:
        """The rows of these people."""
        rows = Rows(workspace, ACTOR)
        for number in numbers:
            self._person(rows, number)
        return rows

    def _person(self, rows: Rows, number: int) -> None:
        rng = Random(f"{self._seed}:{number}")  # noqa: S311  # as above
        made = self._until - _YOUNGEST_PROFILE - rng.random() * (_OLDEST_PROFILE - _YOUNGEST_PROFILE)
        profile_id = uuid_at(rng, made)
        first, last = rng.choice(FIRST_NAMES), rng.choice(LAST_NAMES)
        _, _, _, locale, zone = rng.choice(CITIES)
        lifecycle = rng.choice(_LIFECYCLES)
        birth_date = (self._until - timedelta(days=7000 + int(rng.random() * 22000))).date()
        touched = self._until - rng.random() * (self._until - made)
        rows.profile(
            profile_id, (first, last), lifecycle, (locale, zone), birth_date, None if lifecycle == "PROSPECT" else made, made, touched
        )
        # +1 NPA 555 0100 to 0199 is set aside for fiction
        phone = f"+1 {_AREA_CODES[number // 100 % len(_AREA_CODES)]} 555 01{number % 100:02d}"
        rows.contact_point(rng, profile_id, Channel.VOICE, phone, made, label="mobile", primary=True)
        rows.contact_point(
            rng, profile_id, Channel.EMAIL, f"customer.{number}@example.com", made, label=None, primary=True, source="tracking"
        )
        if number % 3 == 0:
            rows.contact_point(rng, profile_id, Channel.WHATSAPP, phone, made, label=None, primary=True)
        rows.identifier(rng, profile_id, "user_id", user_id(number), made)
        rows.identifier(rng, profile_id, "account_id", f"SEED-{number:07d}", made, source="native")
        for nth, company in enumerate(rng.sample(range(len(self._companies)), _COMPANIES_EACH)):
            rows.membership(profile_id, self._companies[company], rng.choice(ROLES), made, main=nth == 0)
        self._belongings(rows, rng, profile_id, made)

    def _belongings(self, rows: Rows, rng: Random, profile_id: UUID, made: datetime) -> None:
        for template in self._templates:
            rows.trait(rng, profile_id, template, self._until - timedelta(seconds=int(rng.random() * 8_000_000)))
        age = self._until - made
        for nth in range(self._portion.notes):
            author = AGENTS[int(rng.random() * len(AGENTS))]
            body = NOTES[int(rng.random() * len(NOTES))]
            rows.note(rng, profile_id, body, author, made + rng.random() * age, pinned=nth == 0)
        for _ in range(self._portion.activities):
            at = self._until - timedelta(seconds=1 + int(rng.random() * _PAST_SECONDS))
            rows.activity(rng, profile_id, at, happening(rng, at))
