"""Documents that ask for too much, or for nothing that can be meant, over HTTP and over WebSocket: refused alike, cheaply, and saying nothing more.

One table; each document is sent both ways by `Asked.refused`, which looks at status, code and message. Boundaries, costs and what variables do
are in `test_documents_limits.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from gateway.storage.embedded import EmbeddedPostgres
from tests.faults.bad_documents import CASES, INVALID, OVERLAPS, VIEWER, Case
from tests.faults.documents import WELL, Asked, asking

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")


def of(row: int) -> pytest.MarkDecorator:
    """The documents of a row."""
    return pytest.mark.parametrize("case", [case for case in CASES if case.row == row], ids=str)


@pytest_asyncio.fixture(name="asked", scope="module", loop_scope="module")
async def _asked(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Asked]:
    """A gateway as it runs in production."""
    async with asking(postgres, tmp_path_factory.mktemp("documents")) as asked:
        yield asked


@of(18)
async def test_fault_018_a_fragment_bomb(asked: Asked, case: Case) -> None:
    """Fragments that spread the next one twice are counted as what they would grow to, and refused."""
    await asked.refused(case.text, case.code)


@of(19)
async def test_fault_019_a_bomb_of_aliases(asked: Asked, case: Case) -> None:
    """The same with names of its own in each is refused too."""
    await asked.refused(case.text, case.code)


@of(20)
async def test_fault_020_circular_fragments(asked: Asked, case: Case) -> None:
    """Fragments that come back to themselves, by however many others, are not valid."""
    await asked.refused(case.text, case.code)


@of(21)
async def test_fault_021_fragments_that_are_not_there(asked: Asked, case: Case) -> None:
    """A fragment that is undefined, unused, there twice or of a wrong type is not valid, and the message is a sentence about it."""
    outcome = await asked.refused(case.text, case.code)

    assert all(len(error["message"].split()) >= 3 for error in outcome.errors)
    assert all(error["locations"] for error in outcome.errors)


@of(22)
async def test_fault_022_many_aliases_and_fields(asked: Asked, case: Case) -> None:
    """Thousands of aliases, of one field, of roots: each is over a limit."""
    await asked.refused(case.text, case.code)


@of(23)
async def test_fault_023_many_directives(asked: Asked, case: Case) -> None:
    """Hundreds of directives, also of such as nobody knows, are over a limit, with a few errors at most."""
    outcome = await asked.refused(case.text, case.code)

    assert len(outcome.errors) <= 20


async def test_fault_023_many_mistakes(asked: Asked) -> None:
    """Of hundreds of mistakes the first twenty are told."""
    outcome = await asked.refused(VIEWER % " ".join(f"x{number}" for number in range(300)), INVALID)

    assert len(outcome.errors) == 20


@of(24)
async def test_fault_024_deep_documents(asked: Asked, case: Case) -> None:
    """What is nested too deep is refused as such, whether it is so little too deep that it could run or so much that no parser should go there."""
    await asked.refused(case.text, case.code)


@of(25)
async def test_fault_025_introspection_and_guessing(asked: Asked, case: Case) -> None:
    """The schema cannot be asked for by any road, and no mistake is answered with what would have been right."""
    outcome = await asked.refused(case.text, case.code)

    for hint in ("'viewer'", "'by'", "'Viewer'", "'ASC'", "'id'", "mean"):
        assert hint not in outcome.text


@of(26)
async def test_fault_026_much_of_nothing(asked: Asked, case: Case) -> None:
    """A document of kilobytes of comments, commas, one name or one string is not read."""
    await asked.refused(case.text, case.code)


@pytest.mark.parametrize("what", ["comment", "commas", "name", "string"])
async def test_fault_026_a_megabyte(asked: Asked, what: str) -> None:
    """A megabyte never gets as far as the parser: 413, or 1009 on a socket."""
    text = {
        "comment": "#" + "x" * 2**20,
        "commas": "," * 2**20 + WELL,
        "name": VIEWER % ("x" * 2**20),
        "string": '{ profile(by: {id: """' + "x" * 2**20 + '"""}) { id } }',
    }[what]
    assert (await asked.post({"query": text})).status_code == 413
    client = await asked.socket()
    await client.subscribe("1", text)

    assert (await client.close_code())[0] == 1009


@of(27)
async def test_fault_027_many_tokens(asked: Asked, case: Case) -> None:
    """Sixteen thousand tokens are over the limit, whatever they would mean."""
    await asked.refused(case.text, case.code)


@of(31)
async def test_fault_031_several_operations(asked: Asked, case: Case) -> None:
    """Operations that cannot be told apart, or none, are not valid."""
    await asked.refused(case.text, case.code)


@of(32)
async def test_fault_032_subscriptions_with_several_roots(asked: Asked, case: Case) -> None:
    """A subscription has one root, and has it for certain."""
    await asked.refused(case.text, case.code)


@of(33)
async def test_fault_033_defer_and_stream(asked: Asked, case: Case) -> None:
    """Answers come in one piece: who asks for pieces is told so before anything runs."""
    await asked.refused(case.text, case.code)


@pytest.mark.parametrize("name", OVERLAPS)
async def test_fault_028_overlapping_is_answered(asked: Asked, name: str) -> None:
    """They run, or are refused for a reason a client can understand."""
    for outcome in await asked.both(OVERLAPS[name]):
        assert outcome.codes <= {INVALID, "BAD_USER_INPUT", "LIMIT_FIELDS", "LIMIT_COST", "LIMIT_DEPTH"}, outcome
