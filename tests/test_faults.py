"""Every bad input and fault that docs/faults.md lists is proven by a test that carries its number."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

__all__: list[str] = []

HERE = Path(__file__).parent
DOCUMENT = HERE.parent / "docs" / "faults.md"
ROW = re.compile(r"^\| (\d+) \| .+ \| (proven|later: .+?\.) \|$", re.MULTILINE)
NAME = re.compile(r"test_fault_(\d{3}(?:_\d{3})*)_[a-z]\w+")
NUMBERS = [*range(1, 38), *range(49, 71), *range(91, 140), *range(149, 158)]


def proofs() -> dict[int, set[str]]:
    """Number → the tests that carry it in their names."""
    found: dict[int, set[str]] = defaultdict(set)
    for path in sorted(HERE.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (match := NAME.fullmatch(node.name)):
                for number in match[1].split("_"):
                    found[int(number)].add(node.name)
    return found


def test_the_document_lists_all_of_them() -> None:
    """Each number of HTTP, documents, WebSocket, delivery, Postgres, bell, sources and processes stands in the document, once and in order."""
    assert [int(number) for number, _ in ROW.findall(DOCUMENT.read_text())] == NUMBERS


def test_what_is_called_proven_has_a_test() -> None:
    """A row whose state is `proven` has at least one test named after its number."""
    have = proofs()

    assert [number for number, state in ROW.findall(DOCUMENT.read_text()) if state == "proven" and not have[int(number)]] == []


def test_a_number_in_a_name_stands_in_the_document() -> None:
    """No test carries the number of a row that is not there."""
    assert sorted(set(proofs()) - set(NUMBERS)) == []
