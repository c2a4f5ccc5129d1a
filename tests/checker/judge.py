"""The judge: invariants I1 to I14 over a finished history. Pure functions, one per invariant; each returns what contradicts its sentence.

Owns the verdict and nothing else: it starts nothing and knows no gateway. Streams, deliveries and writes are compared with what the database
held at the end. Called by `report`, and by the tests with histories of a few lines.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.checker.delivered import completeness, snapshots_whole
from tests.checker.history import Record
from tests.checker.lineages import Facts

__all__ = ["INVARIANTS", "Bounds", "Verdict", "Violation", "judge", "lags_in_calm"]

_BROKEN = {"EPOCH_CHANGED", "AHEAD"}
_TOO_FAR = 1000
_REVOKED_WITHIN = _TOLD_WITHIN = 5.0
_CONTACT = 6


@dataclass(frozen=True, slots=True)
class Violation:
    """One contradiction: which invariant, where, and what was expected instead."""

    invariant: str
    where: str
    what: str


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of time in seconds; None: measured and reported, not judged."""

    calm: float | None = None
    """99 of 100 live deliveries while nothing fails."""
    heal: float | None = None
    """From the last mending until everybody has everything."""


Verdict = dict[str, list[Violation]]


def judge(facts: Facts, bounds: Bounds = Bounds()) -> Verdict:  # frozen
    """Every invariant's violations, in the order of their numbers."""
    return {name: [Violation(name, *found) for found in check(facts, bounds)] for name, check in INVARIANTS.items()}


Found = Iterator[tuple[str, str]]


def durable(facts: Facts, _: Bounds) -> Found:
    """I1: every write acknowledged `ok` is in the log, once; every `fail` is not; `unknown` is there at most once."""
    logged = {(entry.stream, entry.entity) for entries in facts.contents.log.values() for entry in entries}
    for operation in facts.operations.values():
        if operation.kind == "association":
            continue  # it leaves no mark of its own: see I14
        places = facts.contents.marks.get(operation.name, [])
        expected = len(operation.streams) if operation.kind == "overlap" else 1
        if operation.outcome == "ok" and len(places) != expected:
            yield operation.name, f"acknowledged, and found {len(places)} times instead of {expected}"
        if operation.outcome == "fail" and places:
            yield operation.name, f"failed, and found {len(places)} times"
        if operation.outcome == "unknown" and len(places) not in {0, expected}:
            yield operation.name, f"unknown, and found {len(places)} times: neither none nor {expected}"
        for place in places:
            in_log = place in logged or (operation.kind == "contact" and any((stream, place[1]) in logged for stream in operation.streams))
            if not in_log:
                yield operation.name, f"entity {place[1]} exists and no log entry of stream {place[0]} names it"


def gapless(facts: Facts, _: Bounds) -> Found:
    """I2: per stream the numbers are low + 1 … head, without a gap or a repeat, and low ≤ head."""
    for stream, (head, low) in facts.contents.heads.items():
        numbers = [entry.seq for entry in facts.contents.log.get(stream, []) if entry.seq > low]
        if low > head:
            yield stream, f"low {low} is beyond head {head}"
        repeated = [seq for seq, times in Counter(numbers).items() if times > 1]
        if repeated:
            yield stream, f"seq {repeated[:5]} given out more than once"
        missing = sorted(set(range(low + 1, head + 1)) - set(numbers))
        if missing:
            yield stream, f"seq {missing[:5]} missing below head {head} ({len(missing)} in all)"
        beyond = [seq for seq in numbers if seq > head]
        if beyond:
            yield stream, f"seq {beyond[:5]} beyond head {head}"
    for stream in facts.contents.log.keys() - facts.contents.heads.keys():
        yield stream, "has entries and no head"


def complete(facts: Facts, _: Bounds) -> Found:
    """I3: what a complete subscriber was given, with what its snapshots cover, is every committed item since its first cursor."""
    yield from completeness(facts)
    yield from snapshots_whole(facts)


def once(facts: Facts, _: Bounds) -> Found:
    """I4: no number comes twice within a lineage of cursors."""
    for lineage in facts.lineages:
        seen: set[int] = set()
        for record in lineage.records:
            if record["type"] == "recv":
                if record["seq"] in seen:
                    yield str(lineage), f"seq {record['seq']} delivered again"
                seen.add(record["seq"])


def ordered(facts: Facts, _: Bounds) -> Found:
    """I5: received numbers strictly increase, and a resumed stream begins where its cursor stands."""
    for lineage in facts.lineages:
        last, seen = -1, set[int]()
        after: int | None = None
        for record in lineage.records:
            seq = record.get("seq")
            match record["type"]:
                case "subscribe":
                    after = record["after"]
                case "ready":
                    if record["resumed"] and seq != after:
                        yield str(lineage), f"asked to resume behind {after}, told to be at {seq}"
                    last = max(last, seq)
                case "gap":
                    last = seq  # a failover may go back
                case "recv":
                    if seq <= last and seq not in seen:
                        yield str(lineage), f"seq {seq} came behind {last}"
                    last = max(last, seq)
                    seen.add(seq)


def in_real_time(facts: Facts, _: Bounds) -> Found:
    """I6: a write acknowledged before another began has the smaller number on every stream they share."""
    by_entry: dict[tuple[str, str], str] = {}
    for mark, places in facts.contents.marks.items():
        for place in places:
            by_entry.setdefault(place, mark)
    for stream, entries in facts.contents.log.items():
        latest, whose = 0, ""
        for entry in entries:
            operation = facts.operations.get(by_entry.get((stream, entry.entity or ""), ""))
            if operation is None:
                continue
            if operation.known and operation.known < latest:
                yield stream, f"{operation.name} (seq {entry.seq}) was acknowledged before {whose} began, and follows it"
            if operation.invoked > latest:
                latest, whose = operation.invoked, operation.name


def no_ghost(facts: Facts, _: Bounds) -> Found:
    """I7: nothing is delivered that did not commit, or that belongs to another stream."""
    existing = facts.contents.occurred
    for lineage in facts.lineages:
        for record in lineage.records:
            if record["type"] == "recv":
                entry = facts.contents.at(lineage.stream, record["seq"])
                if entry is None:
                    yield str(lineage), f"seq {record['seq']} was delivered and is not in the log"
                elif "entity" in record and record["entity"] != entry.entity:
                    yield str(lineage), f"seq {record['seq']} was delivered as {record['entity']}, the log says {entry.entity}"
            elif record["type"] == "snapshot":
                for item in record["items"]:
                    if item not in existing:
                        yield str(lineage), f"a query showed {item}, which does not exist"


def own_writes(facts: Facts, _: Bounds) -> Found:
    """I8: a query asked after a write was acknowledged answers with a cursor at that write or behind it."""
    acknowledged: dict[str, list[tuple[int, int]]] = defaultdict(list)
    numbers = {(entry.stream, entry.entity): entry.seq for entries in facts.contents.log.values() for entry in reversed(entries)}
    for operation in facts.operations.values():
        for stream, entity in facts.contents.marks.get(operation.name, []):
            if operation.known and (stream, entity) in numbers:
                acknowledged[stream].append((operation.known, numbers[stream, entity]))
    highest = {stream: _running_maximum(sorted(pairs)) for stream, pairs in acknowledged.items()}
    asked: dict[tuple[str, str], int] = {}
    for record in facts.of("look", "snapshot"):
        if record["type"] == "look" and record["phase"] == "asked":
            asked[record["actor"], record["stream"]] = record["t"]
            continue
        moment = record.get("asked") if record["type"] == "snapshot" else asked.get((record["actor"], record["stream"]))
        times, seqs = highest.get(record["stream"], ([], []))
        known = bisect_right(times, moment or 0)
        if known and record["seq"] < seqs[known - 1]:
            yield (
                f"{record['actor']} on {record['stream']}",
                f"a query answered cursor {record['seq']} when {seqs[known - 1]} was acknowledged",
            )


def converged(facts: Facts, _: Bounds) -> Found:
    """I9: a state subscriber's version never decreases, and at the end it is the database's."""
    for lineage in facts.lineages:
        if lineage.sort != "state":
            continue
        version = -1
        for record in lineage.records:
            if "version" in record:
                if record["type"] == "recv" and record["version"] < version:
                    yield str(lineage), f"version {record['version']} after {version} (seq {record['seq']})"
                version = max(version, record["version"])
        final = facts.contents.versions.get(lineage.stream)
        if _is_last(facts, lineage.actor, lineage.number) and final is not None and version != final:
            yield str(lineage), f"ended at version {version}, the profile has {final}"


def soon(facts: Facts, bounds: Bounds) -> Found:
    """I10: in calm deliveries are fast; when everything is mended everybody catches up in time."""
    lags = sorted(lags_in_calm(facts))
    if bounds.calm is not None and lags and lags[int(len(lags) * 0.99)] > bounds.calm:
        yield "all", f"99 of 100 deliveries in calm took up to {lags[int(len(lags) * 0.99)]:.3f} s, allowed are {bounds.calm} s"
    for record in facts.of("quiet"):
        if record["behind"]:
            yield ", ".join(record["behind"][:5]), f"still behind {record['waited']:.1f} s after the last fault was mended"
        elif bounds.heal is not None and record["waited"] > bounds.heal:
            yield "all", f"caught up {record['waited']:.1f} s after the last fault was mended, allowed are {bounds.heal} s"


def revoked(facts: Facts, _: Bounds) -> Found:
    """I11: nothing that commits 5 s or more after credentials were taken back is delivered to them (a fault meanwhile extends that)."""
    for record in facts.of("revoked"):
        until = _after_faults(facts, record["wall"] + _REVOKED_WITHIN)
        back = [
            other["wall"] for other in facts.of("reinstated") if other["subject"] == record["subject"] and other["wall"] > record["wall"]
        ]
        end = min(back, default=float("inf"))
        for lineage in facts.lineages:
            for other in lineage.records if lineage.actor in record["actors"] else ():
                if other["type"] == "recv" and until < other["at"] and other["wall"] < end:
                    late = other["at"] - record["wall"]
                    yield str(lineage), f"seq {other['seq']} was delivered, {late:.1f} s after {record['subject']} was disconnected"


def gaps_justified(facts: Facts, _: Bounds) -> Found:
    """I12: a gap is told only where continuity could not be proven, and within 5 s of every failover; a true cursor is never refused."""
    failovers = [(began, ended) for kind, began, ended in facts.faults if kind == "promote"]
    for lineage in facts.lineages:
        last = -1
        for record in lineage.records:
            if record["type"] == "gap" and not _justified(facts, lineage.stream, last, record):
                yield str(lineage), f"gap {record['reason']} at seq {record['seq']} behind {last}, without need"
            if record["type"] == "refused" and "CURSOR_INVALID" in record["codes"]:
                yield str(lineage), f"its own cursor ({last}) was refused as invalid"
            last = max(last, record.get("seq", -1))
        for began, ended in failovers:
            if _not_told(lineage.records, began, _after_faults(facts, ended + _TOLD_WITHIN)):
                yield str(lineage), "went on over the failover without being told"


def nothing_left(facts: Facts, _: Bounds) -> Found:
    """I13: when everybody has left, sockets, streams and descriptors of each process and connections of Postgres are what they were; none died."""
    for record in facts.of("died"):
        yield record["target"], f"ended by itself with status {record['status']}"
    for record in facts.of("measured"):
        if record["phase"] != "after":
            continue
        for name in ("sockets", "streams"):
            if record[name] != 0:
                yield record["target"], f"{name}: {record[name]:.0f} left"
        if record["descriptors"] > record["allowed_descriptors"]:
            yield record["target"], f"descriptors: {record['descriptors']} open, at most {record['allowed_descriptors']} expected"
        if record["connections"] > record["allowed_connections"]:
            yield (
                record["target"],
                f"Postgres has {record['connections']} connections of gateways, at most {record['allowed_connections']} expected",
            )
        if record["in_transaction"] != 0:
            yield record["target"], f"{record['in_transaction']} connections are idle in a transaction"


def all_or_none(facts: Facts, _: Bounds) -> Found:
    """I14: a transaction over several streams is in each of them, or in none."""
    entries = {(entry.stream, entry.entity): entry for found in facts.contents.log.values() for entry in found}
    for operation in facts.operations.values():
        if operation.kind == "overlap" and len(operation.streams) > 1:
            places = facts.contents.marks.get(operation.name, [])
            found = [entries[place] for place in places if place in entries]
            if places and len(found) != len(operation.streams):
                yield operation.name, f"is in {len(found)} of {len(operation.streams)} streams"
            if len({entry.transaction for entry in found}) > 1:
                yield operation.name, "its parts were logged by different transactions"
        if operation.kind == "association" and operation.outcome == "ok":
            desk, profile = operation.streams
            told = {e.transaction for e in facts.contents.log.get(desk, []) if e.kind == _CONTACT and e.entity == operation.entity}
            if told.isdisjoint(e.transaction for e in facts.contents.log.get(profile, [])):
                yield operation.name, "was acknowledged, and no transaction tells both the desk and the profile"


INVARIANTS: dict[str, Callable[[Facts, Bounds], Found]] = {
    "I1": durable,
    "I2": gapless,
    "I3": complete,
    "I4": once,
    "I5": ordered,
    "I6": in_real_time,
    "I7": no_ghost,
    "I8": own_writes,
    "I9": converged,
    "I10": soon,
    "I11": revoked,
    "I12": gaps_justified,
    "I13": nothing_left,
    "I14": all_or_none,
}


def lags_in_calm(facts: Facts, rest: float = 5.0) -> list[float]:
    """Seconds from log to client of live deliveries to attentive subscribers, at least `rest` seconds away from any fault."""
    disturbed = sorted((began, ended + rest) for _, began, ended in facts.faults)
    return [
        record["lag"]
        for record in facts.of("recv")
        if record["live"] and not record["slow"] and not any(began - 0.5 <= record["wall"] <= ended for began, ended in disturbed)
    ]


def _running_maximum(pairs: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    highest, times, seqs = 0, [], []
    for moment, seq in pairs:
        highest = max(highest, seq)
        times.append(moment)
        seqs.append(highest)
    return times, seqs


def _is_last(facts: Facts, actor: str, number: int) -> bool:
    return number == max(lineage.number for lineage in facts.lineages if lineage.actor == actor)


def _after_faults(facts: Facts, moment: float) -> float:
    """The moment, or 5 s after the end of the faults that overlap the 5 s before it."""
    for _, began, ended in sorted(facts.faults, key=lambda fault: fault[1]):
        if began <= moment and ended >= moment - _REVOKED_WITHIN:
            moment = max(moment, ended + _REVOKED_WITHIN)
    return moment


def _not_told(records: list[Record], began: float, noticed: float) -> bool:
    """Whether a lineage from before a failover was shown what committed when it had to be noticed, and no gap in between."""
    if not any(record["type"] in {"ready", "recv"} and record["wall"] < began for record in records):
        return False
    told = False
    for record in records:
        if record["type"] == "gap" and record["wall"] >= began:
            told = True
        if record["type"] == "recv" and record["at"] > noticed:
            return not told
    return False


def _justified(facts: Facts, stream: str, last: int, gap: Record) -> bool:
    seq, wall = gap["seq"], gap["wall"]
    match gap["reason"]:
        case "TOO_FAR":
            return seq - last > _TOO_FAR
        case "CURSOR_EXPIRED":
            return last < facts.contents.heads.get(stream, (0, 0))[1]
        case reason if reason in _BROKEN:
            return facts.happened("promote", wall)
        case "PERMISSION_CHANGED":
            return any(record["wall"] <= wall for record in facts.of("revoked"))
    return False
