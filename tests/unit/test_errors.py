"""The error tree: stable codes, documented, bounded messages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import errors
from gateway.engine.limits import CODES
from gateway.errors import ConfigurationError, GatewayError, LimitExceeded, Problem, Rejected, SourceError, SourceTimeout

DOCUMENT = Path(__file__).parents[2] / "docs" / "errors.md"


def everybody(kind: type[GatewayError] = GatewayError) -> Iterator[type[GatewayError]]:
    """Every class, also those that an adapter made for itself."""
    yield kind
    for child in kind.__subclasses__():
        yield from everybody(child)


def tree() -> Iterator[type[GatewayError]]:
    """Every class of the tree."""
    return (kind for kind in everybody() if kind.__module__ == errors.__name__)


SHOWN = [kind for kind in tree() if kind not in {LimitExceeded, Rejected, ConfigurationError, SourceError}]


@pytest.mark.parametrize("kind", SHOWN, ids=lambda kind: kind.__name__)
def test_every_code_is_documented_as_it_is(kind: type[GatewayError]) -> None:
    """docs/errors.md has each code with its status, whether to retry, and its message."""
    message = (kind.__doc__ or "").splitlines()[0]
    row = f"| `{kind.code}` | {kind.http_status} | {'yes' if kind.retryable else 'no'} | {message} |"

    assert row in DOCUMENT.read_text().splitlines()


def test_nothing_is_documented_that_is_not_there() -> None:
    """Every documented code exists."""
    documented = set(re.findall(r"^\| `([A-Z_]+)` \|", DOCUMENT.read_text(), re.MULTILINE))

    assert documented == {kind.code for kind in SHOWN} | {*CODES, "GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED"}


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    """The picture at the top of the module names every class."""
    for kind in tree():
        assert kind.__name__ in (errors.__doc__ or "")


def test_every_class_is_exported() -> None:
    """`__all__` holds the whole tree."""
    assert {kind.__name__ for kind in tree()} | {"Problem"} == set(errors.__all__)


def test_nobody_makes_a_code_of_their_own() -> None:
    """What is made of the tree elsewhere says more to this gateway, and the same to a client."""
    codes = {kind.code for kind in tree()}
    assert {kind.code for kind in everybody()} <= codes


def test_a_message_is_never_long() -> None:
    """What a client sent cannot come back whole in a message."""
    assert len(GatewayError("x" * 10_000).message) == 500


def test_a_source_error_names_its_source() -> None:
    """Clients learn which source failed."""
    assert SourceTimeout("crm").extensions == {"source": "crm"}


def test_a_limit_names_itself() -> None:
    """One class, one code per limit."""
    assert LimitExceeded("DEPTH", "Too deep.").code == "LIMIT_DEPTH"


def test_a_rejection_holds_its_problems() -> None:
    """A refused command says everything that was wrong."""
    problems = (Problem("INVALID", "No."), Problem("REQUIRED", "Yes."))

    assert tuple(Rejected(*problems).problems) == problems
