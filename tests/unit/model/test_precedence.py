"""Fields of a profile by the precedence of those who know them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from gateway.model.change import Position
from gateway.model.precedence import OVERLAID, Overlay, overlay_of
from gateway.model.profile import Profile, ProfileLifecycle, ProfileStatus
from gateway.model.source import Source, SourceKind
from gateway.sources.remote import PROFILE_FIELDS

__all__: list[str] = []

NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)
NATIVE = Source("native", "Gateway", (SourceKind.PROFILE,), priority=100)
BLANK: dict[str, Any] = dict.fromkeys(OVERLAID)

sources = st.builds(
    lambda key, priority: Source(key, key, (SourceKind.PROFILE,), priority=priority),
    st.sampled_from(["aaa", "crm", "nz", "orders", "zzz"]),
    st.sampled_from([10, 60, 99, 100, 101, 120]),
)
values = st.dictionaries(st.sampled_from(OVERLAID), st.sampled_from([None, "", "  ", "Ana", "Bo", "Cy"]))
claims = st.lists(st.tuples(sources, values), max_size=5, unique_by=lambda claim: claim[0].key)


def profile(**fields: Any) -> Profile:
    """A profile that knows these fields alone."""
    standing = UUID(int=7), 1, ProfileStatus.ACTIVE, ProfileLifecycle.CUSTOMER
    return Profile(*standing, **{**BLANK, **fields}, created_at=NOON, updated_at=NOON, position=Position(0, 0))  # type: ignore[arg-type]


def told(value: Any) -> bool:
    """Whether that is a value."""
    return value is not None and bool(str(value).strip())


def test_every_field_a_source_may_know() -> None:
    """The rule covers exactly the fields that a source may be asked for."""
    assert set(OVERLAID) == PROFILE_FIELDS


@given(said=claims, own=values)
def test_the_highest_priority_that_has_a_value(said: list[tuple[Source, dict[str, Any]]], own: dict[str, Any]) -> None:
    """Each field shows the value of the source with the highest priority that has one, of equal ones the lower key's; else what was there."""
    overlay = overlay_of(NATIVE, said)
    shown = overlay.shown(profile(**own))

    for name in OVERLAID:
        known = [(source, given[name]) for source, given in [*said, (NATIVE, own)] if told(given.get(name))]
        ranked = sorted(known, key=lambda one: (-one[0].priority, one[0].key))
        expected = ranked[0][1] if ranked else own.get(name)
        assert getattr(shown, name) == expected
        assert overlay.value(name, own.get(name)) == expected


@given(said=claims, own=values, data=st.data())
def test_the_order_of_answers_does_not_matter(said: list[tuple[Source, dict[str, Any]]], own: dict[str, Any], data: st.DataObject) -> None:
    """Whoever answers first, the same is shown."""
    shuffled = data.draw(st.permutations(said))

    assert overlay_of(NATIVE, shuffled).shown(profile(**own)) == overlay_of(NATIVE, said).shown(profile(**own))


@given(said=claims, own=values)
def test_who_says_nothing_changes_nothing(said: list[tuple[Source, dict[str, Any]]], own: dict[str, Any]) -> None:
    """A source that knows nothing of a person, however high its priority, takes nothing away."""
    silent = Source("silent", "Silent", (), priority=1000), {"first_name": None, "last_name": " "}

    assert overlay_of(NATIVE, [silent, *said]).shown(profile(**own)) == overlay_of(NATIVE, said).shown(profile(**own))


def test_names_and_dates_of_several() -> None:
    """What a person is called is made of the names that are shown; values that are no text count as such."""
    crm, billing = Source("crm", "CRM", (), priority=120), Source("billing", "Billing", (), priority=60)
    overlay = overlay_of(
        NATIVE,
        [(billing, {"last_name": "Roe", "birth_date": date(1990, 1, 2), "time_zone": "Europe/Paris"}), (crm, {"first_name": "Anna"})],
    )
    shown = overlay.shown(profile(first_name="Ana", time_zone="Europe/London"))

    assert (shown.display_name, shown.birth_date, shown.time_zone) == ("Anna Roe", date(1990, 1, 2), "Europe/London")
    assert Overlay(NATIVE).shown(profile(first_name="Ana")) == profile(first_name="Ana")


def test_what_is_no_field_of_a_profile_is_left_out() -> None:
    """A source cannot reach beyond the fields it may know."""
    crm = Source("crm", "CRM", (), priority=120)

    assert overlay_of(NATIVE, [(crm, {"version": 9, "status": "ERASED", "profile_id": "x"})]).claims == {}
