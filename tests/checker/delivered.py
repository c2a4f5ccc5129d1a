"""Completeness: what a lineage of cursors had to be given, and what it was.

Owns the arithmetic of I3. A lineage begins with a snapshot or with the first `StreamReady`. From there on every entry that its kind of subscriber
is shown must have come as an event, or lie in the stretch that a gap skipped, which a query made after it must show. Pure; called by `judge`.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.checker.contents import must_be_seen
from tests.checker.history import Record
from tests.checker.lineages import Entry, Facts, Lineage

__all__ = ["completeness", "lost", "snapshots_whole"]

_COMPLETE = ("timeline", "desk")


def lost(facts: Facts, lineage: Lineage) -> list[Entry]:
    """Entries that this lineage had to be given, and was not."""
    first, given, skipped, last = None, set[int](), list[tuple[int, int]](), -1
    for record in lineage.records:
        seq = record.get("seq")
        match record["type"]:
            case "snapshot" if record["why"] != "gap" and first is None:
                first = last = seq
            case "ready" if first is None:
                first = last = seq
            case "gap":
                skipped.append((last, seq))
                last = seq
            case "recv":
                given.add(seq)
                last = max(last, seq)
            case "goaway":
                last = max(last, seq)
    if first is None:
        return []
    end = _end(facts, lineage, last)
    return [
        entry
        for entry in facts.contents.log.get(lineage.stream, [])
        if first < entry.seq <= end
        and entry.seq not in given
        and must_be_seen(lineage.sort, entry.kind, entry.entity)
        and not any(low < entry.seq <= high for low, high in skipped)
    ]


def completeness(facts: Facts) -> Iterator[tuple[str, str]]:
    """Each lineage that was not given everything."""
    for lineage in facts.lineages:
        missing = lost(facts, lineage) if lineage.sort in _COMPLETE else []
        if missing:
            some = ", ".join(f"seq {entry.seq} ({entry.entity})" for entry in missing[:3])
            yield str(lineage), f"{len(missing)} never delivered: {some}"


def snapshots_whole(facts: Facts) -> Iterator[tuple[str, str]]:
    """Each query whose cursor promises more than its items show; where one followed a gap, it must reach the gap."""
    for lineage in facts.lineages:
        if lineage.sort not in _COMPLETE:
            continue
        gap: int | None = None
        for record in lineage.records:
            if record["type"] == "gap":
                gap = record["seq"]
            elif record["type"] == "snapshot" and record["why"] != "oldest":
                if record["why"] == "gap" and gap is not None and record["seq"] < gap:
                    yield str(lineage), f"the query after the gap at {gap} answered cursor {record['seq']}: what lies between was not shown"
                missing = list(_not_shown(facts, lineage, record))
                if missing:
                    some = ", ".join(f"seq {entry.seq} ({entry.entity})" for entry in missing[:3])
                    yield str(lineage), f"a query answered cursor {record['seq']} and did not show {some}"


def _not_shown(facts: Facts, lineage: Lineage, snapshot: Record) -> Iterator[Entry]:
    items, occurred = set(snapshot["items"]), facts.contents.occurred
    oldest = occurred.get(snapshot["oldest"], float("inf")) if snapshot["oldest"] is not None else float("inf")
    for entry in facts.contents.log.get(lineage.stream, []):
        if entry.seq > snapshot["seq"] or not must_be_seen(lineage.sort, entry.kind, entry.entity) or entry.entity in items:
            continue
        when = occurred.get(entry.entity or "")
        if when is not None and (snapshot["whole"] or when > oldest):
            yield entry


def _end(facts: Facts, lineage: Lineage, last: int) -> int:
    """How far a lineage had to come: the head at the end, or for one that was given up, as far as it was."""
    newest = max(other.number for other in facts.lineages if other.actor == lineage.actor)
    entries = facts.contents.log.get(lineage.stream, [])
    return entries[-1].seq if entries and lineage.number == newest else last
