"""One question of an API about many: requests for each or for all of them, page by page, and rows matched by key.

Owns how an endpoint is asked; rows are given to a `Sink`, which says when there are enough of them. One failing request fails the names it was
about and no others. Must not know records: those are `rest`'s and the sinks'. Called by `rest`.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from itertools import count
from typing import Any, Final, TypeVar
from urllib.parse import quote

import structlog

from gateway.errors import ConfigurationError, SourceError, SourceUnavailable
from gateway.sources.adapters.rest_exchange import Exchange
from gateway.sources.adapters.rest_options import Endpoint
from gateway.sources.adapters.rest_paging import ForeignPage, Pages
from gateway.sources.adapters.rest_plan import Keys, RequestTemplate, writable
from gateway.sources.conversions import UNREADABLE, to_id
from gateway.sources.expressions import Expression
from gateway.sources.http import Reply

__all__ = ["Question", "Sink", "raise_if_all_failed"]

_LONGEST: Final = 6_000
"""Characters of the keys of one request, encoded; longer URLs are refused by many servers."""

log = structlog.get_logger()


class Sink:
    """Rows by name, as they came. `is_complete`: there are no more. `is_absent`: the API said that it does not know who was asked for."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self.rows: defaultdict[str, list[Any]] = defaultdict(list)
        self.is_complete = True
        self.is_absent = False

    def add(self, name: str, row: Any) -> None:
        """Takes a row."""
        self.rows[name].append(row)

    def is_enough(self) -> bool:
        """Whether the next page need not be read."""
        return False


S = TypeVar("S", bound=Sink)


def raise_if_all_failed(answers: Sequence[object]) -> None:
    """Raise the first error when there is nothing else."""
    failed = [one for one in answers if isinstance(one, SourceError)]
    if failed and len(failed) == len(answers):
        raise failed[0]


class Question:
    """An endpoint, checked. `one`: the name in braces of what is asked for one by one (key, item, value); `slots`: further names it may use.

    Raises:
        ConfigurationError: the endpoint cannot be asked like this; the message begins with `where`.
    """

    def __init__(
        self, endpoint: Endpoint, where: str, exchange: Exchange, places: asyncio.Semaphore, one: str, slots: frozenset[str]
    ) -> None:
        self._endpoint = endpoint
        self._exchange = exchange
        self._places = places
        self._one = one
        self._where = where
        self._template = RequestTemplate(endpoint, where, slots | {one, "keys"})
        self.used = frozenset(self._template.used)
        self.asks_one = one in self.used
        many = [name for name, is_there in (("keys_param", endpoint.keys_param is not None), ("{keys}", "keys" in self.used)) if is_there]
        if self.asks_one and many:
            raise ConfigurationError(f"{where}.path: asks for one by {{{one}}} and for many by {many[0]}; use one of the two")
        if not self.asks_one and len(many) != 1:
            raise ConfigurationError(
                f"{where}.keys_param: nothing says for whom is asked, or two things do; use {{{one}}}, {{keys}} or keys_param"
            )
        if not self.asks_one and one != "key" and "key" in self.used:
            raise ConfigurationError(f"{where}.path: {{key}} is one person, and this asks for many {one}s at once")
        if not self.asks_one and endpoint.key is None:
            raise ConfigurationError(f"{where}.key: is missing; answers about many are matched by it, never by their order")
        if not 1 <= endpoint.most_keys <= 100:  # noqa: PLR2004
            raise ConfigurationError(f"{where}.most_keys: is from 1 to 100")
        self._rows = Expression(endpoint.rows, f"{where}.rows")
        self._key = None if endpoint.key is None else Expression(endpoint.key, f"{where}.key")
        self._pages = Pages(endpoint.page, where, exchange.api.below)

    def uses(self, slot: str) -> bool:
        """Whether a template has this name in braces."""
        return slot in self.used

    async def ask(
        self,
        names: Sequence[str],
        kind: str,
        sink: Callable[[Sequence[str]], S],
        values: Mapping[str, Any],
        more: Sequence[tuple[str, Any]] = (),
        size: int | None = None,
        most: int | None = None,
    ) -> list[tuple[Sequence[str], S | SourceError]]:
        """What came for each group of names, or why nothing did.

        `size`: rows of a full page, where it is not the endpoint's own; `most`: rows that were asked for in all.

        Raises:
            SourceError: every request failed (what the guard may try again).
        """
        groups = [*self._groups(list(dict.fromkeys(names)))]
        answers = await asyncio.gather(*(self.about(group, kind, sink(group), values, more, size, most) for group in groups))
        raise_if_all_failed(answers)
        return list(zip(groups, answers, strict=True))

    async def about(
        self,
        group: Sequence[str],
        kind: str,
        sink: S,
        values: Mapping[str, Any],
        more: Sequence[tuple[str, Any]] = (),
        size: int | None = None,
        most: int | None = None,
    ) -> S | SourceError:
        """The same for the names of one request."""
        asked: dict[str, Any] = (
            {self._one: group[0]} if self.asks_one else {"keys": Keys(group, self._endpoint.join, self._endpoint.prefix)}
        )
        if self._endpoint.keys_param is not None:
            more = [(self._endpoint.keys_param, asked["keys"]), *more]
        request = self._template.filled({**values, **asked}, *more)
        if request is None:  # no such name can be known there
            sink.is_absent = True
            return sink
        request = self._pages.first(request)
        seen = stray = 0
        try:
            async with self._places if self.asks_one else nullcontext():
                for number in count(1):
                    reply = await self._exchange.read(request, kind)
                    if reply.status in self._endpoint.absent:
                        sink.is_absent = seen == 0
                        return sink
                    rows = self._rows_of(reply)
                    seen += len(rows)
                    for row in rows:
                        name = group[0] if self._key is None else to_id(self._key(row))
                        if name is UNREADABLE:
                            stray += 1
                        else:
                            sink.add(name, row)
                    following = self._pages.following(request, number, reply.value, reply.headers, len(rows), seen, size)
                    if following is None:
                        is_full = self._endpoint.page is None and size is not None and len(rows) >= size
                        sink.is_complete = not is_full and (most is None or seen < most)
                        return sink
                    if sink.is_enough() or number >= self._pages.most:
                        sink.is_complete = False
                        return sink
                    request = following
        except SourceError as error:
            return error
        except ForeignPage:
            return SourceUnavailable(self._exchange.source, "The source named a next page that is not followed.")
        finally:
            if stray:
                log.warning("source.rows_dropped", source=self._exchange.source, table=self._where, rows=stray, reason="no key")
        raise AssertionError  # count() has no end

    def _groups(self, names: Sequence[str]) -> Iterator[Sequence[str]]:
        if self.asks_one:
            yield from ((name,) for name in names)
            return
        group: list[str] = []
        length = 0
        for name in names:
            if writable(name, self._endpoint.join):
                size = len(quote(self._endpoint.prefix + name, safe="")) + 9  # a comma and two quotes, encoded
                if group and (len(group) >= self._endpoint.most_keys or length + size > _LONGEST):
                    yield group
                    group, length = [], 0
                group.append(name)
                length += size
        if group:
            yield group

    def _rows_of(self, reply: Reply) -> list[Any]:
        if not 200 <= reply.status < 300:  # noqa: PLR2004
            log.warning("source.refused", source=self._exchange.source, status=reply.status, table=self._where)
            raise SourceUnavailable(self._exchange.source, f"The source answered HTTP {reply.status}.")
        if reply.status == 204:  # noqa: PLR2004
            return []
        found = self._rows(reply.value)
        if isinstance(found, list):
            return found
        if isinstance(found, Mapping):
            return [found]
        log.warning("source.refused", source=self._exchange.source, table=self._where, reason="no rows where they should stand")
        raise SourceUnavailable(self._exchange.source, "The source answered in another shape than it should.")
