"""Starts the ordinary command with one bug in it: the gateway's own code, except for what `bugs` changes while it is imported.

Owns the import hook. Production code has no switch for tests; a bug whose place is not found any more ends the process with a message that says
so. Run as a process by `cluster`, with the bug's name in CHECKER_BUG.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType
from typing import Any

from tests.checker.bugs import BUGS, Edit

__all__ = ["edited", "main"]


def edited(source: str, edits: Sequence[Edit]) -> str:
    """The source with the edits in it.

    Raises:
        LookupError: what an edit replaces is not there exactly once: the code has changed, and the bug must be written anew.
    """
    for edit in edits:
        if source.count(edit.before) != 1:
            raise LookupError(
                f"{edit.module} has {source.count(edit.before)} places like this one, so tests/checker/bugs.py must be adapted: {edit.before}"
            )
        source = source.replace(edit.before, edit.after)
    return source


class _Loader(SourceFileLoader):
    edits: Sequence[Edit] = ()

    def source_to_code(self, data: Any, path: Any, *, _optimize: int = -1) -> CodeType:  # type: ignore[override]
        return compile(edited(bytes(data).decode(), self.edits), path, "exec", dont_inherit=True, optimize=_optimize)

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.get_filename(fullname)), self.get_filename(fullname))  # never from a cache


class _Finder(MetaPathFinder):
    def __init__(self, edits: Sequence[Edit]) -> None:
        self._edits = edits

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """The module, read with its edits; None: not one of ours."""
        mine = [edit for edit in self._edits if edit.module == fullname]
        found = PathFinder.find_spec(fullname, path, target) if mine else None
        if found is None or found.origin is None:
            return None
        loader = _Loader(fullname, found.origin)
        loader.edits = mine
        return importlib.util.spec_from_file_location(fullname, found.origin, loader=loader)


def main() -> None:
    """Run the command line with the bug."""
    bug = BUGS[os.environ["CHECKER_BUG"]]
    sys.meta_path.insert(0, _Finder(bug.edits))
    bug.install()
    from gateway.cli import main as command

    command()


if __name__ == "__main__":
    main()
