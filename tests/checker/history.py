"""The history of a run: what every actor did and saw, one JSON object a line, in the order in which it happened here.

Owns the file and its clock. Every record has `t` (nanoseconds of the monotonic clock), `wall` (seconds since 1970), `actor` and `type`; what else
it has depends on the type and is listed in docs/checker.md. Written by the runner's actors, read by the judge.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any, TextIO

__all__ = ["History", "Record", "read_history"]

Record = dict[str, Any]


class History:
    """Writes records. One per run; not for several threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.counts: Counter[str] = Counter()
        """How many records of each type there are; faults that began count by kind too, as `fault:<kind>`."""
        self._file: TextIO = path.open("w", encoding="utf-8")

    def add(self, actor: str, kind: str, /, **values: Any) -> None:
        """Append one record of now."""
        self.counts[kind] += 1
        if kind == "fault" and values.get("phase") == "begin":
            self.counts[f"fault:{values['kind']}"] += 1
        self._file.write(json.dumps({"t": time.monotonic_ns(), "wall": time.time(), "actor": actor, "type": kind, **values}) + "\n")

    @property
    def faults(self) -> dict[str, int]:
        """How often each kind of fault began."""
        return {name.partition(":")[2]: count for name, count in sorted(self.counts.items()) if name.startswith("fault:")}

    def close(self) -> None:
        """Write what is buffered, and write no more."""
        self._file.close()


def read_history(path: Path) -> list[Record]:
    """All records of a file, in order."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]
