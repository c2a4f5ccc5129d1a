"""A history, put in order for the judge: who wrote what and when it was known, and what each lineage of cursors was given.

Owns no opinion. Pure: from records to values. Called by `judge`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.checker.history import Record

__all__ = ["Contents", "Entry", "Facts", "Lineage", "Operation", "facts_of"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the change log as it was at the end."""

    stream: str
    seq: int
    kind: int
    entity: str | None
    transaction: str
    at: float


@dataclass(slots=True)
class Contents:
    """The database at the end; see `contents.read_contents`."""

    heads: dict[str, tuple[int, int]]
    log: dict[str, list[Entry]]
    marks: dict[str, list[tuple[str, str]]]
    occurred: dict[str, float]
    versions: dict[str, int]

    def at(self, stream: str, seq: int) -> Entry | None:
        """The entry of this number."""
        entries = self.log.get(stream, [])
        near = entries[seq - 1 : seq]  # numbers begin at 1 and have no holes, unless something is very wrong
        if near and near[0].seq == seq:
            return near[0]
        return next((entry for entry in entries if entry.seq == seq), None)


@dataclass(slots=True)
class Operation:
    """What a writer set out to do, and the last word on what became of it."""

    name: str
    kind: str
    streams: list[str]
    entity: str | None
    invoked: int
    known: int = 0
    """When it was acknowledged first; 0: never."""
    outcome: str = "unknown"


@dataclass(slots=True)
class Lineage:
    """One unbroken chain of cursors of one subscriber: its records in order."""

    actor: str
    number: int
    stream: str
    sort: str
    records: list[Record] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.actor}/{self.number} on {self.sort} {self.stream}"


@dataclass(slots=True)
class Facts:
    """Everything the invariants are about."""

    start: Record
    contents: Contents
    operations: dict[str, Operation]
    lineages: list[Lineage]
    faults: list[tuple[str, float, float]]
    """(kind, from, to) in seconds of the wall clock."""
    records: list[Record]

    def of(self, *kinds: str) -> Iterable[Record]:
        """Records of these types, in order."""
        return (record for record in self.records if record["type"] in kinds)

    def happened(self, kind: str, before: float) -> bool:
        """Whether a fault of this kind had begun by then."""
        return any(name == kind and began <= before for name, began, _ in self.faults)


def facts_of(records: list[Record]) -> Facts:
    """Put a whole history in order.

    Raises:
        ValueError: the history has no end: the run was interrupted.
    """
    operations: dict[str, Operation] = {}
    lineages: dict[tuple[str, int], Lineage] = {}
    faults: dict[int, tuple[str, float, float]] = {}
    found = [record for record in records if record["type"] == "contents"]
    if not found:
        raise ValueError("the history ends before the database was read")
    for record in records:
        kind = record["type"]
        if kind == "invoke":
            operations[record["op"]] = Operation(record["op"], record["kind"], record["streams"], record.get("entity"), record["t"])
        elif kind in {"ok", "fail", "unknown"} and "op" in record:
            _outcome(operations[record["op"]], record)
        elif kind == "fault" and record["phase"] == "begin":
            faults[record["number"]] = (record["kind"], record["wall"], float("inf"))
        elif kind == "fault" and record["phase"] == "end":
            faults[record["number"]] = (*faults[record["number"]][:2], record["wall"])
        elif "lineage" in record:
            key = record["actor"], record["lineage"]
            if key not in lineages:
                lineages[key] = Lineage(record["actor"], record["lineage"], record["stream"], record["sort"])
            lineages[key].records.append(record)
    starts = [record for record in records if record["type"] == "start"]
    return Facts(starts[0] if starts else {}, _contents(found[-1]), operations, list(lineages.values()), list(faults.values()), records)


def _outcome(operation: Operation, record: Record) -> None:
    if operation.outcome == "ok":
        return  # asked again although it had succeeded
    operation.outcome = record["type"]
    if record["type"] == "ok":
        operation.known = record["t"]


def _contents(given: dict[str, Any]) -> Contents:
    log: defaultdict[str, list[Entry]] = defaultdict(list)
    for row in given["log"]:
        log[row[0]].append(Entry(*row))
    return Contents(
        heads={stream: (head, low) for stream, (head, low) in given["heads"].items()},
        log={stream: sorted(entries, key=lambda entry: entry.seq) for stream, entries in log.items()},
        marks={mark: [(stream, entity) for stream, entity in places] for mark, places in given["marks"].items()},
        occurred=given["occurred"],
        versions=given["versions"],
    )
