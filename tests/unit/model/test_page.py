"""Pages of a list."""

from __future__ import annotations

import pytest

from gateway.errors import BadUserInput
from gateway.model.page import Connection, PageArgs, PageInfo

__all__: list[str] = []


@pytest.mark.parametrize("size", [1, 20, 99, 100])
def test_sizes_within_bounds(size: int) -> None:
    """1 to 100 items may be asked for, from either end."""
    assert PageArgs.check(first=size, after="a", before="b") == PageArgs(size, "a", "b", backward=False)
    assert PageArgs.check(last=size, after="a", before="b") == PageArgs(size, "a", "b", backward=True)


@pytest.mark.parametrize("size", [-(2**31), -1, 0, 101, 2**31 - 1])
@pytest.mark.parametrize("argument", ["first", "last"])
def test_sizes_out_of_bounds(argument: str, size: int) -> None:
    """Less than 1 or more than 100 is BAD_USER_INPUT and names the argument."""
    with pytest.raises(BadUserInput, match=f"^{argument} must be between 1 and 100") as caught:
        PageArgs.check(**{argument: size})  # type: ignore[arg-type]

    assert caught.value.extensions == {"argument": argument}


@pytest.mark.parametrize(("first", "last"), [(1, 1), (20, 101), (0, 1)])
def test_both_ends_at_once(first: int, last: int) -> None:
    """`first` together with `last` is BAD_USER_INPUT, whatever the sizes."""
    with pytest.raises(BadUserInput, match="not both"):
        PageArgs.check(first=first, last=last)


def test_no_size_is_the_default_from_the_front() -> None:
    """Without a size the list's own default applies, forward."""
    assert PageArgs.check() == PageArgs(20)
    assert PageArgs.check(before="b", default=3) == PageArgs(3, None, "b", backward=False)


def test_a_connection_says_where_it_lies() -> None:
    """Edges carry their items' cursors; pageInfo has those of the ends."""
    connection = Connection(["a", "b", "c"], str.upper, has_next_page=True)

    assert [(edge.node, edge.cursor) for edge in connection.edges] == [("a", "A"), ("b", "B"), ("c", "C")]
    assert connection.page_info == PageInfo(has_next_page=True, has_previous_page=False, start_cursor="A", end_cursor="C")


def test_an_empty_connection_has_no_cursors() -> None:
    """Without items there are no edges and both cursors are null."""
    connection: Connection[str] = Connection([], str.upper, has_previous_page=True)

    assert connection.edges == []
    assert connection.page_info == PageInfo(has_next_page=False, has_previous_page=True, start_cursor=None, end_cursor=None)


def test_cursors_are_made_on_demand() -> None:
    """Showing nodes alone seals nothing: a cursor costs more than the item."""
    made: list[str] = []
    connection = Connection(["a", "b"], lambda node: made.append(node) or node)  # type: ignore[func-returns-value]

    assert [edge.node for edge in connection.edges] == ["a", "b"]
    assert made == []
