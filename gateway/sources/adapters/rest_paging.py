"""Where the next page of a list is: a link or a token in the answer, the header `Link`, a page number, an offset.

Owns the rule that a next page lies below the source's base URL, and that pages end. Pure: nothing is sent here. Called by `rest_question`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote

from gateway.errors import ConfigurationError
from gateway.sources.adapters.rest_options import Paging
from gateway.sources.adapters.rest_plan import Asked
from gateway.sources.conversions import UNREADABLE, to_text, to_truth
from gateway.sources.expressions import Expression

__all__ = ["ForeignPage", "Pages"]

_LINK: Final = re.compile(r"<([^<>]*)>((?:\s*;\s*[a-z*]+\s*=\s*(?:\"[^\"]*\"|[^\s\",;]+))*)", re.IGNORECASE)
_NEXT: Final = re.compile(r";\s*rel\s*=\s*(?:\"(?:[^\"]*\s)?next(?:\s[^\"]*)?\"|next(?=[\s;]|$))", re.IGNORECASE)
_LEFT: Final = "!#$%&'()*+,/:;=?@~-._"
"""Characters of a link that stay as they are."""


class ForeignPage(Exception):
    """The next page lies elsewhere than below the base URL, or is the one that was just read."""


class Pages:
    """The pages of one kind of list. `most`: how many are read.

    Raises:
        ConfigurationError: more than one way to the next page, or none; the message begins with `where`.
    """

    def __init__(self, paging: Paging | None, where: str, below: Callable[[str], str | None]) -> None:
        self._paging = paging or Paging()
        self._below = below
        self.most = self._paging.most if paging is not None else 1
        self._next = None if self._paging.next is None else Expression(self._paging.next, f"{where}.page.next")
        self._more = None if self._paging.more is None else Expression(self._paging.more, f"{where}.page.more")
        ways = [name for name in ("next", "link", "page_param", "offset_param") if getattr(self._paging, name)]
        if paging is not None and len(ways) != 1:
            raise ConfigurationError(f"{where}.page: names one of next, link, page_param and offset_param")
        if paging is not None and (paging.most < 1 or paging.size < 1):
            raise ConfigurationError(f"{where}.page: most and size are 1 or more")
        if self._paging.token_param is not None and self._next is None:
            raise ConfigurationError(f"{where}.page.token_param: needs next, which leads to the token")

    def first(self, asked: Asked) -> Asked:
        """The request for the first page."""
        page = self._paging
        more = [] if page.size_param is None else [(page.size_param, str(page.size))]
        more += [] if page.page_param is None else [(page.page_param, str(page.first_page))]
        return asked.with_params(*more)

    def following(
        self, asked: Asked, number: int, value: Any, headers: Mapping[str, str], rows: int, seen: int, size: int | None
    ) -> Asked | None:
        """The request for the page behind page `number` (from 1) that answered `rows` rows, `seen` so far; None: it was the last.

        `size`: rows a full page has, where it is not the configured one.

        Raises:
            ForeignPage: it must not be followed.
        """
        page = self._paging
        if self._more is not None and to_truth(self._more(value)) is not True:
            return None
        if self._next is not None:
            found = self._next(value)
            link = None if found is None or found is False else to_text(found)
            if link is UNREADABLE:
                raise ForeignPage
            following = self._linked(asked, link, page.token_param)
        elif page.link:
            following = self._linked(asked, _next_link(headers.get("link", "")), None)
        elif rows == 0 or (self._more is None and rows < (size or page.size)):
            return None
        elif page.page_param is not None:
            following = asked.with_params((page.page_param, str(page.first_page + number)))
        elif page.offset_param is not None:
            following = asked.with_params((page.offset_param, str(seen)))
        else:
            return None
        if following == asked:
            raise ForeignPage
        return following

    def _linked(self, asked: Asked, link: str | None, token_param: str | None) -> Asked | None:
        if not link:
            return None
        if token_param is not None:
            return asked.with_params((token_param, link))
        path = self._below(quote(link, safe=_LEFT))  # many write brackets and blanks as they are
        if path is None:
            raise ForeignPage
        return replace(asked, path=path, params=())


def _next_link(header: str) -> str | None:
    """The URL of the link with the relation `next`."""
    return next((match[1] for match in _LINK.finditer(header[:8000]) if _NEXT.search(match[2])), None)
