"""The judge on histories of a few lines: each invariant holds on a good one and is found broken on a bad one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.checker.delivered import lost
from tests.checker.history import History, read_history
from tests.checker.judge import INVARIANTS, Bounds, judge, lags_in_calm
from tests.checker.lineages import Facts, facts_of
from tests.checker.report import explain, table

S, OTHER, DESK = "aa", "bb", "dd"


class Story:
    """A history being told: one profile stream with three notes (n1, n2, n3 at 1, 2, 3), each written by an operation of its name."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.contents: dict[str, Any] = {
            "heads": {S: [3, 0]},
            "log": [[S, seq, 1, f"n{seq}", str(100 + seq), float(seq)] for seq in (1, 2, 3)],
            "marks": {f"n{seq}": [[S, f"n{seq}"]] for seq in (1, 2, 3)},
            "occurred": {f"n{seq}": float(seq) for seq in (1, 2, 3)},
            "versions": {S: 4},
        }
        for seq in (1, 2, 3):
            self.add("writer", "invoke", wall=float(seq), op=f"n{seq}", kind="note", streams=[S])
            self.add("writer", "ok", wall=float(seq), op=f"n{seq}")

    def add(self, actor: str, kind: str, /, *, wall: float = 10.0, **values: Any) -> Story:
        """One more record; its clock is its place, unless `t` says otherwise."""
        self.records.append({"t": len(self.records) + 1, "wall": wall, "actor": actor, "type": kind, **values})
        return self

    def sees(self, kind: str, *, actor: str = "ann", lineage: int = 0, sort: str = "timeline", stream: str = S, **values: Any) -> Story:
        """Something a subscriber saw."""
        defaults: dict[str, Any] = {"snapshot": {"why": "start", "items": [], "oldest": None, "whole": False}}.get(kind, {})
        if kind == "recv":
            defaults = {"at": float(values["seq"]), "lag": 0.01, "live": True, "slow": False}
            defaults |= {} if sort == "state" else {"entity": f"n{values['seq']}"}
        return self.add(actor, kind, stream=stream, sort=sort, lineage=lineage, **{**defaults, **values})

    def receives(self, *numbers: int, **values: Any) -> Story:
        """A subscriber that had nothing, and then these."""
        self.sees("subscribe", after=0, **values).sees("ready", seq=0, resumed=True, **values)
        for seq in numbers:
            self.sees("recv", seq=seq, **values)
        return self

    def fault(self, kind: str, began: float, ended: float) -> Story:
        """Something broke and was mended."""
        number = len(self.records)
        self.add("nemesis", "fault", wall=began, phase="begin", kind=kind, number=number, target="it")
        return self.add("nemesis", "fault", wall=ended, phase="end", kind=kind, number=number)

    def logs(self, stream: str, seq: int, kind: int, entity: str, transaction: str = "900", at: float = 5.0) -> Story:
        """One more row of the log."""
        self.contents["log"].append([stream, seq, kind, entity, transaction, at])
        head = self.contents["heads"].setdefault(stream, [0, 0])
        head[0] = max(head[0], seq)
        return self

    @property
    def facts(self) -> Facts:
        """The story, at its end."""
        return facts_of([*self.records, {"t": 10**6, "wall": 99.0, "actor": "runner", "type": "contents", **self.contents}])

    def broken(self, **bounds: float) -> set[str]:
        """The invariants that do not hold."""
        return {name for name, violations in judge(self.facts, Bounds(**bounds)).items() if violations}


def test_a_good_story_holds() -> None:
    """Three writes, delivered once and in order: no invariant is broken."""
    story = Story().receives(1, 2, 3).sees("snapshot", seq=3, items=["n2", "n3"], oldest="n2")

    assert story.broken() == set()
    assert all((check.__doc__ or "").startswith(f"{name}: ") for name, check in INVARIANTS.items())


def test_i1_an_acknowledged_write_is_missing() -> None:
    """`ok` without an entity, `fail` with one, an entity without a log entry, and `unknown` twice are each found."""
    acknowledged = Story().add("w", "invoke", op="x", kind="note", streams=[S]).add("w", "ok", op="x")
    failed = Story().add("w", "invoke", op="x", kind="note", streams=[S]).add("w", "fail", op="x")
    failed.contents["marks"]["x"] = [[S, "n1"]]
    twice = Story().add("w", "invoke", op="x", kind="note", streams=[S]).add("w", "unknown", op="x")
    twice.contents["marks"]["x"] = [[S, "n1"], [S, "n2"]]
    unlogged = Story()
    unlogged.contents["marks"]["n3"] = [[S, "n9"]]

    assert [story.broken() for story in (acknowledged, failed, twice)] == [{"I1"}] * 3
    assert "I1" in unlogged.broken()


def test_i1_unknown_may_be_either() -> None:
    """A write whose outcome was never known is there once or not at all; one that was repeated after its success is still one."""
    absent = Story().add("w", "invoke", op="x", kind="note", streams=[S]).add("w", "unknown", op="x")
    repeated = Story().add("writer", "unknown", op="n1").add("writer", "ok", op="n1")

    assert absent.broken() == set()
    assert repeated.broken() == set()


@pytest.mark.parametrize(
    "damage",
    [
        lambda contents: contents["log"].pop(1),
        lambda contents: contents["log"].append(contents["log"][1]),
        lambda contents: contents["heads"].update({S: [4, 0]}),
        lambda contents: contents["heads"].update({S: [2, 0]}),
        lambda contents: contents["heads"].update({S: [3, 5]}),
        lambda contents: contents["heads"].clear(),
    ],
    ids=["hole", "repeat", "head ahead", "head behind", "low beyond head", "no head"],
)
def test_i2_numbers_have_no_hole_and_no_repeat(damage: Any) -> None:
    """Every way in which numbers and head can disagree is found."""
    story = Story()
    damage(story.contents)

    assert "I2" in story.broken()


def test_i2_what_was_retired_is_no_hole() -> None:
    """Up to `low` the log may be gone."""
    story = Story()
    story.contents["log"] = story.contents["log"][2:]
    story.contents["heads"] = {S: [3, 2]}

    assert not list(INVARIANTS["I2"](story.facts, Bounds()))


def test_i3_an_item_that_never_came_is_lost() -> None:
    """A hole between received items, and a missing end, count; what was before the first cursor does not."""
    assert Story().receives(1, 3).broken() == {"I3"}
    assert Story().receives(1, 2).broken() == {"I3"}
    assert Story().sees("ready", seq=2, resumed=False).sees("recv", seq=3).broken() == set()
    assert len(lost(Story().receives(2).facts, Story().receives(2).facts.lineages[0])) == 2


def test_i3_what_a_gap_skipped_must_be_shown_by_the_query_after_it() -> None:
    """A gap covers what it skipped, if the query that followed shows it and reaches the gap."""
    told = Story().receives(1).sees("gap", seq=3, reason="TOO_FAR")
    whole = {"why": "gap", "seq": 3, "whole": True, "oldest": "n1"}

    assert "I3" not in told.sees("snapshot", items=["n1", "n2", "n3"], **whole).broken()
    assert "I3" in Story().receives(1).sees("gap", seq=3, reason="TOO_FAR").sees("snapshot", items=["n1", "n3"], **whole).broken()
    assert (
        "I3" in Story().receives(1).sees("gap", seq=3, reason="TOO_FAR").sees("snapshot", **{**whole, "items": ["n1"], "seq": 1}).broken()
    )


def test_i3_a_cursor_newer_than_its_data_is_found() -> None:
    """A page that promises 3 and does not show n3 has lost it for whoever subscribes behind it; what is older than the page is no matter."""
    assert Story().sees("snapshot", seq=3, items=["n1", "n2"], oldest="n1").broken() == {"I3"}
    assert Story().sees("snapshot", seq=3, items=["n3"], oldest="n3").broken() == set()
    assert Story().sees("snapshot", seq=2, items=["n1", "n2"], oldest="n1").sees("recv", seq=3).broken() == set()


def test_i3_a_desk_gets_every_change_of_a_contact() -> None:
    """Three entries about one contact are three events."""
    story = Story().logs(DESK, 1, 6, "c").logs(DESK, 2, 6, "c").logs(DESK, 3, 6, "c")
    story.contents["occurred"]["c"] = 5.0
    same = {"actor": "bea", "sort": "desk", "stream": DESK, "entity": "c"}
    story.sees("ready", seq=0, resumed=False, **same).sees("recv", seq=1, **same).sees("recv", seq=3, **same)

    assert story.broken() == {"I3"}


def test_i4_twice_within_a_lineage() -> None:
    """The same number again is a double; in another lineage it is not."""
    assert Story().receives(1, 2, 2, 3).broken() == {"I4"}
    assert Story().receives(1, 2, 3).receives(1, 2, 3, lineage=1).broken() == set()


def test_i5_out_of_order() -> None:
    """A smaller number behind a greater one, and a resumed stream that begins elsewhere."""
    assert Story().receives(1, 3, 2).broken() == {"I5"}
    assert Story().sees("subscribe", after=1).sees("ready", seq=2, resumed=True).sees("recv", seq=3).broken() == {"I5"}


def test_i6_an_earlier_write_has_the_smaller_number() -> None:
    """n1 was acknowledged before n2 began: their numbers the other way round are found, of writes at the same time they are not."""
    story = Story()
    story.contents["log"][0][3], story.contents["log"][1][3] = "n2", "n1"
    together = Story()
    together.contents["log"][0][3], together.contents["log"][1][3] = "n2", "n1"
    together.records[3]["t"], together.records[2]["t"] = 4, 1

    assert "I6" in story.broken()
    assert not list(INVARIANTS["I6"](together.facts, Bounds()))


def test_i7_what_never_committed_is_a_ghost() -> None:
    """A number beyond the log, another entity than the log's, and an item in a query that does not exist."""
    assert "I7" in Story().receives(1, 2, 3, 4).broken()
    assert "I7" in Story().receives(1, 2).sees("recv", seq=3, entity="x3").broken()
    assert "I7" in Story().sees("snapshot", seq=3, items=["n1", "n2", "n3", "n4"], oldest="n1").broken()


def test_i8_a_query_after_a_write_shows_it() -> None:
    """Asked after the acknowledgement of n3, a cursor at 2 is stale; asked before, it is not."""
    late = Story().sees("snapshot", seq=2, items=["n2"], oldest="n2", asked=100).sees("recv", seq=3)
    early = Story().sees("snapshot", seq=2, items=["n2"], oldest="n2", asked=5).sees("recv", seq=3)
    looked = Story().add("api", "look", stream=S, phase="asked").add("api", "look", stream=S, phase="shown", seq=2)

    assert (late.broken(), early.broken(), looked.broken()) == ({"I8"}, set(), {"I8"})


def test_i9_state_converges_and_never_goes_back() -> None:
    """The last version seen is the database's, and none is smaller than one before."""
    state = {"sort": "state", "actor": "sue"}

    assert Story().sees("recv", seq=1, version=2, **state).sees("recv", seq=3, version=4, **state).broken() == set()
    assert Story().sees("recv", seq=1, version=2, **state).broken() == {"I9"}
    assert "I9" in Story().sees("recv", seq=1, version=4, **state).sees("recv", seq=3, version=3, **state).broken()


def test_i10_lateness_is_judged_when_bounds_are_given() -> None:
    """Who is still behind at the end always counts; percentiles and the time to heal only against a bound; lag near a fault is no calm."""
    quiet = Story().receives(1, 2, 3).add("runner", "quiet", waited=7.0, behind=[])
    behind = Story().receives(1, 2, 3).add("runner", "quiet", waited=40.0, behind=["ann"])
    near = Story().receives(1, 2, 3).fault("replica-kill", 6.0, 7.0)

    assert (quiet.broken(), behind.broken()) == (set(), {"I10"})
    assert quiet.broken(heal=5.0) == {"I10"}
    assert quiet.broken(calm=0.001) == {"I10"}
    assert lags_in_calm(quiet.facts) == [0.01] * 3
    assert lags_in_calm(near.facts) == []


def test_i11_nothing_for_who_was_disconnected() -> None:
    """What committed more than 5 s after the revocation must not arrive, unless a fault overlapped or newer credentials came."""

    def story() -> Story:
        late = Story().logs(S, 4, 1, "n4", at=30.0)
        return late.add("runner", "revoked", wall=20.0, subject="ann", actors=["ann"]).receives(1, 2, 3)

    late: dict[str, Any] = {"seq": 4, "at": 30.0, "wall": 30.0}

    assert story().sees("recv", **late).broken() == {"I11"}
    assert story().fault("database-hole", 21.0, 28.0).sees("recv", **late).broken() == set()
    assert story().sees("reinstated", subject="ann", wall=29.0).sees("recv", **late).broken() == set()


def test_i12_gaps_need_a_reason() -> None:
    """A gap without a failover, within reach or within the log is unjustified; a failover makes it right, and silence wrong."""
    after = {"why": "gap", "seq": 3, "whole": True, "oldest": "n1", "items": ["n1", "n2", "n3"]}

    def gap(reason: str) -> Story:
        return Story().receives(1).sees("gap", seq=3, reason=reason).sees("snapshot", **after)

    assert [gap(reason).broken() for reason in ("EPOCH_CHANGED", "TOO_FAR", "CURSOR_EXPIRED", "AHEAD")] == [{"I12"}] * 4
    assert gap("EPOCH_CHANGED").fault("promote", 5.0, 6.0).broken() == set()
    assert Story().receives(1, 2, 3).sees("refused", codes=["CURSOR_INVALID"]).broken() == {"I12"}


def test_i12_a_failover_is_always_told() -> None:
    """A lineage from before a failover that is shown what committed after it, and no gap in between, was not told."""

    def story() -> Story:
        return Story().logs(S, 4, 1, "n4", at=50.0).receives(1, 2, 3).fault("promote", 20.0, 21.0)

    assert story().sees("recv", seq=4, at=50.0, wall=50.0).broken() == {"I12"}
    assert story().sees("gap", seq=3, reason="EPOCH_CHANGED", wall=22.0).sees("recv", seq=4, at=50.0, wall=50.0).broken() == set()


@pytest.mark.parametrize("left", ["sockets", "streams", "descriptors", "connections", "in_transaction"])
def test_i13_nothing_is_left(left: str) -> None:
    """Sockets, streams, descriptors and connections that stay are found, and so is a process that ended by itself."""
    measured = {"sockets": 0, "streams": 0, "descriptors": 50, "allowed_descriptors": 60, "in_transaction": 0}
    measured |= {"phase": "after", "target": "replica-0", "connections": 9, "allowed_connections": 20, "memory": 90_000}

    assert Story().add("runner", "measured", **measured).broken() == set()
    assert Story().add("runner", "measured", **{**measured, left: 70}).broken() == {"I13"}
    assert Story().add("runner", "died", target="replica-0", status=1).broken() == {"I13"}


def test_i14_a_transaction_is_in_all_its_streams_or_in_none() -> None:
    """A part that is missing, and parts of different transactions, are found."""

    def story(second: str | None) -> Story:
        both = Story().add("w", "invoke", op="x", kind="overlap", streams=[S, OTHER]).add("w", "unknown", op="x")
        both.logs(S, 4, 1, "x1", "700").contents["marks"]["x"] = [[S, "x1"]]
        if second is not None:
            both.logs(OTHER, 1, 1, "x2", second).contents["marks"]["x"].append([OTHER, "x2"])
        return both

    assert story("700").broken() == set()
    assert story("701").broken() == {"I14"}
    assert "I14" in story(None).broken()


def test_i14_an_association_is_told_on_the_desk_and_on_the_profile() -> None:
    """One transaction tells both."""

    def story(transaction: str) -> Story:
        made = Story().add("w", "invoke", op="x+", kind="association", streams=[DESK, S], entity="c").add("w", "ok", op="x+")
        return made.logs(DESK, 1, 6, "c", "700").logs(S, 4, 1, "n4", transaction)

    assert "I14" not in story("700").broken()
    assert "I14" in story("701").broken()


def test_a_history_without_an_end_is_refused() -> None:
    """An interrupted run is not judged."""
    with pytest.raises(ValueError, match="before the database was read"):
        facts_of(Story().records)


def test_the_report_names_what_broke_and_where(tmp_path: Any) -> None:
    """The table has the numbers, the explanation the invariant's sentence, the stream, the number and the subscriber; files are read back."""
    story = Story().receives(1, 3)
    history = History(tmp_path / "history.jsonl")
    history.add("ann", "recv", seq=1)
    history.add("nemesis", "fault", phase="begin", kind="promote")
    history.close()
    verdict = judge(story.facts)
    explained = explain(verdict)

    assert "lost           1" in table(story.facts, verdict, history.path)
    assert explained.startswith("I3: ")
    assert "ann/0 on timeline aa: 1 never delivered: seq 2 (n2)" in explained
    assert [record["type"] for record in read_history(history.path)] == ["recv", "fault"]
    assert history.faults == {"promote": 1}
