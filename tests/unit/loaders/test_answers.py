"""Several sources' answers as one, and the ledger of how they did."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from graphql.pyutils import Path
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import SourceCircuitOpen, SourceError, SourceTimeout, SourceUnavailable
from gateway.loaders.answers import answered, failure, united_memberships, united_notes, united_owners
from gateway.loaders.ledger import FIELD, SEARCH, Ledger, report_of
from gateway.model.actor import SYSTEM
from gateway.model.company import Company, CompanyMembership
from gateway.model.note import Note
from gateway.model.source import Source, SourceReport, SourceState, worst_of
from gateway.sources.contract import Stale

__all__: list[str] = []

NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)
ANA = UUID(int=7)
CRM = Source("crm", "CRM", (), priority=60)
NATIVE = Source("native", "Gateway", (), priority=100)
DOWN = SourceTimeout("crm", "connection to 10.0.0.7 refused")


def note(number: int, *, pinned: bool = False) -> Note:
    """The note of a moment."""
    return Note(ANA, UUID(int=number), 1, "", pinned, SYSTEM, NOON, NOON, CRM)


def member(number: int, *, main: bool = False) -> CompanyMembership:
    """A place in a company."""
    return CompanyMembership(Company(UUID(int=number), 1, f"Company {number}", None), None, main, None)


@given(
    notes=st.lists(st.tuples(st.integers(0, 40), st.booleans()), unique_by=lambda one: one[0], max_size=20),
    split=st.lists(st.integers(0, 2), min_size=20, max_size=20),
    size=st.integers(1, 5),
)
def test_notes_page_by_page(notes: list[tuple[int, bool]], split: list[int], size: int) -> None:
    """However notes are spread over sources, their pages of any size put together are all notes, pinned ones first, newest first, each once."""
    line = sorted((note(number, pinned=pinned) for number, pinned in notes), key=lambda one: (one.is_pinned, one.note_id), reverse=True)
    holders = {number: holder for (number, _), holder in zip(notes, split, strict=False)}
    seen: list[Note] = []
    while True:
        behind = [one for one in line if not seen or (one.is_pinned, one.note_id) < (seen[-1].is_pinned, seen[-1].note_id)]
        page = united_notes([[one for one in behind if holders[one.note_id.int] == number][: size + 1] for number in range(3)], size + 1)
        seen += page[:size]
        if len(page) <= size:
            break

    assert seen == line


@given(sides=st.lists(st.lists(st.tuples(st.integers(0, 6), st.booleans()), unique_by=lambda one: one[0], max_size=4), max_size=3))
def test_exactly_one_company_is_main(sides: list[list[tuple[int, bool]]]) -> None:
    """Every company once, as the first source that knows it says; exactly one is main and stands first: the first that is called so."""
    united = united_memberships([[member(number, main=main) for number, main in side] for side in sides])
    ids = [number for side in sides for number, _ in side]

    assert {one.company.company_id.int for one in united} == set(ids)
    assert len(united) == len(set(ids))
    assert [one.is_main for one in united] == [True, *([False] * (len(united) - 1))][: len(united)]
    if sides and any(main for _, main in sides[0]):
        assert united[0].company.company_id.int == next(number for number, main in sides[0] if main)


def test_companies_of_the_gateway_come_first() -> None:
    """Behind the main one the companies stand in the order of their sources."""
    own, theirs = [member(2, main=True), member(5)], [member(1, main=True), member(5), member(3)]

    assert [one.company.company_id.int for one in united_memberships([own, Stale(theirs, NOON, DOWN)])] == [2, 5, 1, 3]
    assert [one.company.company_id.int for one in united_memberships([[], theirs])] == [1, 5, 3]
    assert united_memberships([own, DOWN]) == own


def test_owners_are_united() -> None:
    """Whom several sources know by a value is told once, in order."""
    assert united_owners([[UUID(int=3)], DOWN, Stale([UUID(int=1), UUID(int=3)], NOON, DOWN)]) == [UUID(int=1), UUID(int=3)]


def test_who_answered() -> None:
    """What is old is an answer, a failure is none; only where nobody answered there is an error: that of the highest priority."""
    row: list[Any] = [DOWN, Stale([1], NOON, DOWN), []]

    assert answered(row) == [[1], []]
    assert failure(row) is None
    assert failure([SourceUnavailable("native"), DOWN]) is not DOWN
    assert failure([DOWN]) is DOWN
    assert failure([]) is None


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (DOWN, SourceState.TIMEOUT),
        (SourceUnavailable("crm", "password of root is hunter2"), SourceState.ERROR),
        (SourceCircuitOpen("crm"), SourceState.CIRCUIT_OPEN),
        (SourceError("crm"), SourceState.ERROR),
    ],
)
def test_a_report_says_it_in_our_words(error: SourceError, state: SourceState) -> None:
    """A report names the state, and never what the source itself or a driver said; the failure has the code of its state."""
    ledger = Ledger()
    report = report_of(CRM, error)
    ledger.enter([report], ANA)
    (failed,) = ledger.failures

    assert report.state is state
    assert report.message is not None
    assert report.message.startswith("CRM ")
    assert "10.0.0.7" not in report.message
    assert "hunter2" not in report.message
    assert (failed.source, failed.code, failed.message) == ("crm", error.code, report.message)


def test_what_is_old_is_no_failure() -> None:
    """A stale answer is reported with the moment it was true at; nothing is missing, so it is no failure."""
    ledger = Ledger()
    report = report_of(CRM, Stale([], NOON, DOWN))
    ledger.enter([report], ANA)

    assert (report.state, report.as_of) == (SourceState.STALE, NOON)
    assert list(ledger.failures) == []
    assert ledger.of(ANA) == [report]


def test_each_source_is_told_once_and_at_its_worst() -> None:
    """A failure counts more than what is old, and of that the oldest; sources stand by priority, and each thing has its own reports."""
    old = [report_of(CRM, Stale([], NOON - timedelta(hours=n), DOWN)) for n in (1, 3, 2)]
    fine, failed = report_of(CRM, []), report_of(CRM, DOWN)
    own = SourceReport(NATIVE, SourceState.OK)

    assert worst_of([fine, *old, own]) == [own, old[1]]
    assert worst_of([failed, *old, fine]) == [failed]
    ledger = Ledger()
    ledger.enter([fine], ANA)
    ledger.enter([failed], SEARCH)
    ledger.enter([failed])
    assert (ledger.of(ANA), ledger.of(SEARCH), ledger.of(UUID(int=8))) == ([fine], [failed], [])


def test_the_first_field_that_misses_it_is_named() -> None:
    """A source that fails several times is one failure, at the first field that was being answered."""
    ledger = Ledger()
    for field in ("traits", "notes"):
        token = FIELD.set(Path(Path(None, "profile", "Query"), field, "Profile"))
        ledger.enter([report_of(CRM, DOWN)], ANA)
        FIELD.reset(token)

    assert [(one.source, one.path) for one in ledger.failures] == [("crm", ["profile", "traits"])]
