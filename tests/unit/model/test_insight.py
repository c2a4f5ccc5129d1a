"""Interests, consents and audiences: their rules hold in whatever order events arrive."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.insight import Audience, Consent, ConsentStatus, InterestState, Segment, later_word, moved, triggered

__all__: list[str] = []

NOW = datetime(2026, 3, 1, tzinfo=UTC)
hours = st.integers(0, 6).map(lambda n: NOW + timedelta(hours=n))
scores = st.none() | st.sampled_from([0.0, 0.25, 0.5, 1.0])


def folded(triggers: list[tuple[datetime, float | None]]) -> InterestState | None:
    """The interest after all triggers."""
    state: InterestState | None = None
    for at, score in triggers:
        state = triggered(state, at, score)
    return state


@pytest.mark.parametrize(("count", "score"), [(1, 0.5), (2, 0.75), (3, 0.875), (80, 1.0)])
def test_a_score_that_nobody_gives_follows_from_the_count(count: int, score: float) -> None:
    """One trigger is half an interest, each further one halves what is missing; the score never passes 1."""
    state = folded([(NOW, None)] * count)

    assert state is not None
    assert (round(state.score, 9), state.trigger_count, state.scored_at) == (score, count, None)
    assert state.score <= 1


def test_a_score_that_was_given_stays() -> None:
    """Once a source says a score, triggers without one only count; a later one replaces it, an earlier one does not."""
    late, early = NOW + timedelta(hours=2), NOW - timedelta(hours=2)
    states = [folded([(NOW, 0.3), *more]) for more in ([(late, None)], [(late, 0.9)], [(early, 0.9)])]

    assert [state and state.score for state in states] == [0.3, 0.9, 0.3]


@given(st.lists(st.tuples(hours, scores), min_size=1, max_size=8).flatmap(lambda found: st.tuples(st.just(found), st.permutations(found))))
def test_triggers_may_arrive_in_any_order(orders: tuple[list[tuple[datetime, float | None]], list[tuple[datetime, float | None]]]) -> None:
    """The same triggers make the same interest however they are shuffled, with the earliest and the latest date and their number."""
    sent, arrived = orders
    state = folded(arrived)

    assert state == folded(sent)
    assert state is not None
    assert (state.first_triggered_at, state.last_triggered_at) == (min(at for at, _ in sent), max(at for at, _ in sent))
    assert state.trigger_count == len(sent)
    assert 0 <= state.score <= 1


def consent(status: ConsentStatus, at: datetime = NOW, expires_at: datetime | None = None) -> Consent:
    """A word on marketing."""
    return Consent("marketing", None, status, at, expires_at, "tracking", None)


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        (ConsentStatus.GRANTED, ConsentStatus.UNKNOWN),
        (ConsentStatus.DENIED, ConsentStatus.DENIED),
        (ConsentStatus.REVOKED, ConsentStatus.REVOKED),
        (ConsentStatus.UNKNOWN, ConsentStatus.UNKNOWN),
    ],
)
def test_a_yes_runs_out_and_a_no_does_not(status: ConsentStatus, shown: ConsentStatus) -> None:
    """At the moment it expires a yes is none any more; before, and for any other word, nothing changes."""
    word = consent(status, expires_at=NOW)

    assert word.at(NOW - timedelta(microseconds=1)).status is status
    assert word.at(NOW).status is shown
    assert consent(status).at(NOW).status is status


def test_the_newer_word_counts() -> None:
    """Of two words the later one stands whichever arrives first; of two at the same moment the one that arrives last."""
    yes, no = consent(ConsentStatus.GRANTED), consent(ConsentStatus.REVOKED, NOW + timedelta(hours=1))
    same = consent(ConsentStatus.DENIED)

    assert later_word(None, yes) is yes
    assert later_word(yes, no) is no
    assert later_word(no, yes) is no
    assert later_word(yes, same) is same


def way(*events: tuple[int, bool]) -> Audience:
    """The way of a person who entered (True) or left (False) at these hours, as the events arrived."""
    found: Audience | None = None
    for hour, entered in events:
        found = moved(found, NOW + timedelta(hours=hour), None, entered=entered)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("events", "inside", "since"),
    [
        ([(1, True)], True, 1),
        ([(1, True), (3, True)], True, 1),
        ([(1, True), (2, False)], False, 1),
        ([(1, True), (2, False), (3, True)], True, 3),
        ([(1, True), (3, False), (2, True)], False, 1),
        ([(3, False), (1, True)], False, None),
        ([(1, True), (3, True), (2, False)], True, 1),
        ([(2, True), (2, False)], False, 2),
    ],
    ids=["in", "in twice", "out", "in again", "late in", "out only", "late out", "both at once"],
)
def test_the_newest_event_decides_on_an_audience(events: list[tuple[int, bool]], inside: bool, since: int | None) -> None:
    """A person is where the newest event put them, since they came in; a late event changes nothing."""
    found = way(*events)

    assert found.inside is inside
    assert found.entered_at == (None if since is None else NOW + timedelta(hours=since))


def test_a_segments_name() -> None:
    """The operator's name comes before the sender's, and that before the words of the key."""
    named, bare = Segment("vip_customers", "VIPs", None), Segment("vip_customers", None, None)

    assert named.label({"vip_customers": "Very important"}) == "Very important"
    assert named.label({}) == "VIPs"
    assert bare.label({"other": "x"}) == "Vip customers"
