"""Every capability the product owes is proven by a test that carries its number, or docs/capabilities.md says what is missing."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

__all__: list[str] = []

HERE = Path(__file__).parent
DOCUMENT = HERE.parent / "docs" / "capabilities.md"
ROW = re.compile(r"\| (\d+) \| (.+?) \| (IN|LITE) \| (proven|later: .+?\.) \|")
NAME = re.compile(r"test_cap_(\d{3}(?:_\d{3})*)_[a-z]\w+")


def rows() -> dict[int, tuple[str, str]]:
    """Number → (scope, state) as the document has it."""
    return {int(number): (scope, state) for number, _, scope, state in ROW.findall(DOCUMENT.read_text())}


def proofs() -> dict[int, set[str]]:
    """Number → the tests that carry it in their names."""
    found: dict[int, set[str]] = defaultdict(set)
    for path in sorted(HERE.rglob("test_*.py")):
        for name in _functions(path):
            match = NAME.fullmatch(name)
            for number in match[1].split("_") if match else ():
                found[int(number)].add(name)
    return found


def _functions(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name


def test_the_document_lists_all_of_them() -> None:
    """The capabilities are numbered 1 to 142, each once."""
    numbers = [int(row[0]) for row in ROW.findall(DOCUMENT.read_text())]

    assert numbers == list(range(1, 143))


def test_what_is_called_proven_has_a_test() -> None:
    """A capability whose state is `proven` has at least one test named after its number."""
    have = proofs()

    assert [number for number, (_, state) in rows().items() if state == "proven" and not have[number]] == []


def test_what_has_a_test_is_called_proven() -> None:
    """Nobody finds a capability marked as missing that a test proves, and no test carries a number that does not exist."""
    states = rows()

    assert sorted(number for number in proofs() if states.get(number, ("", ""))[1] != "proven") == []
