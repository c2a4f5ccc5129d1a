"""Traits: the merge of what sources say, and how traits are called and shown."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.actor import Actor, ActorKind
from gateway.model.source import Source, SourceKind
from gateway.model.trait import CategoryCount, Provenance, Trait, TraitFact, TraitKind, display, known_trait, merge_traits, summarize

__all__: list[str] = []

NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)
LATER = NOON + timedelta(microseconds=1)
NATIVE, CRM, SHOP = (
    Source(key, label, (SourceKind.TRAITS,), priority=priority)
    for key, label, priority in (("native", "Profile Gateway", 100), ("crm", "CRM", 50), ("shop", "Web shop", 50))
)
ANA = Actor("ana", "Ana", ActorKind.AGENT)


def fact(
    value: object, source: Source = CRM, at: datetime = NOON, actor: Actor | None = None, key: str = "plan", category: str | None = None
) -> TraitFact:
    """What a source says of a trait."""
    return TraitFact(key, value, TraitKind.PROFILE, category, None, Provenance(source, at, actor=actor))


def winner(*facts: TraitFact) -> Trait:
    """The one trait these facts about one key make."""
    (trait,) = merge_traits(facts)
    return trait


@pytest.mark.parametrize("kind", [ActorKind.AGENT, ActorKind.SUPERVISOR])
def test_an_explicit_edit_beats_everything(kind: ActorKind) -> None:
    """What a person set by hand wins over a source of higher priority and a later observation."""
    edited = fact("gold", SHOP, NOON, replace(ANA, kind=kind))

    trait = winner(fact("basic", NATIVE, LATER), edited)

    assert (trait.value, trait.provenance) == ("gold", edited.provenance)
    assert [(loser.value, loser.lost_because) for loser in trait.conflicts] == [("basic", "an agent set the value explicitly")]


@pytest.mark.parametrize("kind", [ActorKind.SYSTEM, ActorKind.SOURCE, ActorKind.PARTNER])
def test_only_people_edit_explicitly(kind: ActorKind) -> None:
    """A value that a system, a source or a partner set has no more weight than its source's priority."""
    assert winner(fact("basic", NATIVE), fact("gold", SHOP, LATER, replace(ANA, kind=kind))).value == "basic"


def test_priority_beats_recency() -> None:
    """Without an explicit edit the source of higher priority wins, however old its observation."""
    trait = winner(fact("new", CRM, LATER), fact("old", NATIVE, NOON))

    assert trait.value == "old"
    assert trait.conflicts[0].lost_because == "Profile Gateway has a higher priority"


def test_recency_beats_the_rest() -> None:
    """Between equal priorities the later observation wins, by a microsecond."""
    trait = winner(fact("old", CRM, NOON), fact("new", SHOP, LATER))

    assert trait.value == "new"
    assert trait.conflicts[0].lost_because == "a later observation won"


def test_the_source_key_breaks_ties() -> None:
    """Equal in every rule, the source key that sorts first wins, and the loser says so."""
    trait = winner(fact("two", SHOP), fact("one", CRM))

    assert trait.value == "one"
    assert trait.conflicts[0].lost_because == "equal in every rule; the source key decided"


def test_agreement_is_no_conflict() -> None:
    """Sources that say the same do not conflict; those that differ stay queryable, best first, with where they came from."""
    same, second, third = fact("gold", SHOP), fact("silver", CRM, LATER), fact(None, CRM)

    trait = winner(third, same, second, fact("gold", NATIVE))

    assert [(loser.value, loser.provenance.source.key) for loser in trait.conflicts] == [("silver", "crm"), (None, "crm")]


def test_keys_do_not_mix() -> None:
    """One trait per key, ordered by key, each with the kind, category and confidence of its winner."""
    loyal = TraitFact("churn", 0.2, TraitKind.PREDICTIVE, "Predictions", 0.9, Provenance(CRM, NOON, model="m1"))

    traits = merge_traits([fact("gold"), loyal, fact("silver", SHOP, LATER)])

    assert [(trait.key, trait.kind, trait.category, trait.value, trait.confidence) for trait in traits] == [
        ("churn", TraitKind.PREDICTIVE, "Predictions", 0.2, 0.9),
        ("plan", TraitKind.PROFILE, None, "silver", None),
    ]
    assert merge_traits([]) == []


facts = st.lists(
    st.builds(
        fact,
        st.sampled_from([None, "gold", 1, True, 0.5, ["a"], {"a": 1}]),
        st.sampled_from([NATIVE, CRM, SHOP]),
        st.sampled_from([NOON, LATER]),
        st.sampled_from([None, ANA]),
        st.sampled_from(["plan", "age", "nps"]),
    ),
    max_size=9,
    unique_by=lambda one: (one.key, one.provenance.source.key),
)


@given(given_facts=facts, data=st.data())
def test_the_answer_does_not_depend_on_who_answered_first(given_facts: list[TraitFact], data: st.DataObject) -> None:
    """However the facts are ordered, the merged traits and their conflicts are the same."""
    shuffled = data.draw(st.permutations(given_facts))

    assert merge_traits(shuffled) == merge_traits(given_facts)


@given(given_facts=facts)
def test_nothing_is_lost(given_facts: list[TraitFact]) -> None:
    """Every differing value a source gave is either the trait's value or among its conflicts."""
    traits = {trait.key: trait for trait in merge_traits(given_facts)}

    assert traits.keys() == {one.key for one in given_facts}
    for one in given_facts:
        trait = traits[one.key]
        assert one.value == trait.value or one.provenance in [loser.provenance for loser in trait.conflicts]


@pytest.mark.parametrize(
    ("key", "label", "kind"),
    [
        ("lifetime_value", "Lifetime value", TraitKind.COMPUTED),
        ("nps", "NPS", TraitKind.COMPUTED),
        ("favouriteColour", "Favourite colour", TraitKind.PROFILE),
        ("shoe_size_eu", "Shoe size eu", TraitKind.PROFILE),
        ("HTTPReferer", "Http referer", TraitKind.PROFILE),
        ("address2", "Address 2", TraitKind.PROFILE),
        ("plan ", "Plan", TraitKind.PROFILE),
        ("любимый", "любимый", TraitKind.PROFILE),
        ("$", "$", TraitKind.PROFILE),
    ],
)
def test_a_key_reads_as_words(key: str, label: str, kind: TraitKind) -> None:
    """Well-known traits have their label and kind; any other key is shown as its words, or as it is when it has none."""
    assert known_trait(key)[:2] == (label, kind)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        (True, "yes"),
        (False, "no"),
        (0, "0"),
        ("", ""),
        ("gold", "gold"),
        (12345678901234567890, "12345678901234567890"),
        (0.5, "0.5"),
        (3.0, "3"),
        (0.1 + 0.2, "0.3"),
        (1234567.5, "1234567.5"),
        (["a", 1, None, False], "a, 1, , no"),
        ({"city": "Riga", "zip": None, "geo": [56.9, 24.1]}, "city: Riga, zip: –, geo: 56.9, 24.1"),
        ([], ""),
    ],
)
def test_a_value_reads_as_a_person_would_write_it(value: object, shown: str | None) -> None:
    """Booleans are yes and no, numbers have no binary noise and no exponent in daily sizes, lists and objects are joined."""
    assert display(value) == shown
    assert winner(fact(value)).display_value == shown


def test_a_summary_counts_by_category() -> None:
    """Categories come largest first, equal ones by name, uncategorised traits as Other, each with the labels of its first few."""
    traits = merge_traits(
        [fact(1, key=key, category=None) for key in ("c1", "c2")]
        + [fact(1, key=key, category="Value") for key in ("a1", "a2", "a3", "a4")]
        + [fact(1, key=key, category="Demographics") for key in ("b1", "b2")]
    )

    assert summarize(traits) == [
        CategoryCount("Value", 4, ("A 1", "A 2", "A 3")),
        CategoryCount("Demographics", 2, ("B 1", "B 2")),
        CategoryCount("Other", 2, ("C 1", "C 2")),
    ]
    assert summarize(traits, top=1)[0].top == ("A 1",)
    assert summarize([]) == []


def test_true_and_one_are_a_conflict() -> None:
    """JSON's true is not 1, although Python's is."""
    assert [loser.value for loser in winner(fact(True, NATIVE), fact(1)).conflicts] == [1]


def test_an_expired_value_gives_way_to_any_that_lives() -> None:
    """Past its moment a value loses against a living one, whatever the priority, and says why; expired ones alone are no trait."""
    gone, lives = fact("gold"), fact("silver", SHOP)
    gone = replace(gone, provenance=replace(gone.provenance, expires_at=LATER))
    (before,) = merge_traits([gone, lives], LATER - timedelta(microseconds=1))
    (after,) = merge_traits([gone, lives], LATER)

    assert (before.value, after.value) == ("gold", "silver")
    assert [(one.value, one.lost_because) for one in after.conflicts] == [("gold", "the value expired")]
    assert merge_traits([gone], LATER) == []
    assert [one.value for one in merge_traits([gone])] == ["gold"]


@given(
    said=st.lists(
        st.tuples(st.sampled_from("abcdef"), st.sampled_from([NATIVE, CRM]), st.sampled_from([None, NOON, LATER])),
        unique_by=lambda one: one[0],
    ),
    now=st.sampled_from([None, NOON, LATER]),
)
def test_facts_that_nobody_contradicts_come_out_as_beside_others(
    said: list[tuple[str, Source, datetime | None]], now: datetime | None
) -> None:
    """Facts of one source each make the same traits as they do beside a key that two sources know."""
    facts = [TraitFact(key, 1, TraitKind.PROFILE, None, None, Provenance(source, NOON, expires_at=until)) for key, source, until in said]
    contested = [fact("x", NATIVE, key="z"), fact("y", CRM, key="z")]

    assert merge_traits(facts, now) == [trait for trait in merge_traits(facts + contested, now) if trait.key != "z"]
