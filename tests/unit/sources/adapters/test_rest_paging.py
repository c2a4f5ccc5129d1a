"""Next pages and pauses as servers write them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.sources.adapters.rest_options import Paging
from gateway.sources.adapters.rest_paging import ForeignPage, Pages
from gateway.sources.adapters.rest_plan import Asked
from gateway.sources.adapters.rest_upstream import pause_of
from gateway.sources.addresses import parsed_base, relative

__all__: list[str] = []

BASE = parsed_base("https://api.example/v1")
ASKED = Asked("GET", "/list", (("ids", "1"),))


def following(paging: Paging, value: Any = None, link: str = "", rows: int = 5) -> Asked | None:
    """The request behind the first page."""
    pages = Pages(paging, "items", lambda text: relative(BASE, text))
    return pages.following(ASKED, 1, value, {"link": link}, rows, rows, None)


@pytest.mark.parametrize(
    ("link", "path"),
    [
        ('<https://api.example/v1/list?page=2>; rel="next"', "/list?page=2"),
        ('</v1/list?page=1>; rel=prev, </v1/list?page=2> ; title="a, b" ; REL=next', "/list?page=2"),
        ('</v1/list?page[after]=a b>; rel="prev next"', "/list?page%5Bafter%5D=a%20b"),
        ('</v1/list?page=1>; rel="nextish"', None),
        ('</v1/list>; rel="prev"; x="rel=next"', None),
        ("<" * 9000, None),
        ("", None),
    ],
)
def test_the_header_names_the_next_page(link: str, path: str | None) -> None:
    """Of several links the one whose relation is next; anything else is the end of the list."""
    asked = following(Paging(link=True), link=link)

    assert (asked.path if asked else None) == path
    assert asked is None or asked.params == ()


@pytest.mark.parametrize(
    "link",
    ["https://evil.example/v1/x", "https://api.example:444/v1/x", "/v2/x", "/v1/../x", "//x/v1/", "http://api.example/v1/x", 5, ["x"]],
)
def test_a_page_elsewhere_is_foreign(link: Any) -> None:
    """Another host, port, scheme or path than the base URL's, or no link at all."""
    with pytest.raises(ForeignPage):
        following(Paging(next="next"), {"next": link})


@pytest.mark.parametrize(
    ("paging", "value", "rows", "params"),
    [
        (Paging(next="c.next", token_param="after"), {"c": {"next": 7}}, 5, (("ids", "1"), ("after", "7"))),
        (Paging(next="c.next", token_param="after", more="c.more"), {"c": {"next": "x", "more": False}}, 5, None),
        (Paging(next="next"), {"next": None}, 5, None),
        (Paging(page_param="page", first_page=0, size=5), {}, 5, (("ids", "1"), ("page", "1"))),
        (Paging(page_param="page", size=5), {}, 4, None),
        (Paging(offset_param="skip", more="more"), {"more": True}, 3, (("ids", "1"), ("skip", "3"))),
        (Paging(offset_param="skip", more="more"), {"more": True}, 0, None),
    ],
)
def test_tokens_numbers_and_offsets(paging: Paging, value: Any, rows: int, params: Any) -> None:
    """Each way ends where its list does."""
    asked = following(paging, value, rows=rows)

    assert (asked.params if asked else None) == params


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("-5", 0.0),
        ("99999999999", 3600.0),
        ("Thu, 01 Jan 2026 00:01:00 GMT", 60.0),
        ("soon", None),
        (None, None),
        ("x" * 10**5, None),
    ],
)
def test_a_pause_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    """Never more than an hour; what is neither says nothing."""
    assert pause_of(header, datetime(2026, 1, 1, tzinfo=UTC).timestamp()) == seconds
