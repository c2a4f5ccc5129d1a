"""One question of a GraphQL API about many people: one request for all of them, then further pages for those who have more.

Owns how a document is asked and how its answer falls apart into sinks, one per person or one for all; and how the API is told who asks. What is
read of the rows is `graphql`'s. Called by `graphql`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import structlog

from gateway.errors import ConfigurationError, SourceError, SourceUnavailable
from gateway.sources.adapters.graphql_answer import Answered, RowPath, answered
from gateway.sources.adapters.graphql_document import Document
from gateway.sources.adapters.graphql_options import Lists
from gateway.sources.adapters.graphql_options import Question as Table
from gateway.sources.adapters.rest_question import Sink
from gateway.sources.adapters.rest_upstream import Credentials
from gateway.sources.expressions import Expression
from gateway.sources.http import Refused, Upstream

__all__ = ["Endpoint", "Question"]

_MOST_PAGES = 100
_AT_ONCE = 8
"""Requests for further pages."""
_LONGEST_CURSOR = 2000
_UNAUTHORIZED = 401

S = TypeVar("S", bound=Sink)
log = structlog.get_logger()


class Endpoint:
    """Where the API is asked, and by whom."""

    def __init__(self, api: Upstream, credentials: Credentials) -> None:
        self.source = api.source
        self._api = api
        self._credentials = credentials

    async def post(self, body: Mapping[str, Any]) -> Any:
        """The JSON of its answer.

        Raises:
            SourceError: there is none, or it does not take the question.
        """
        sent = await self._credentials.headers()
        try:
            reply = await self._api.request("POST", "", json=body, headers=sent)
        except Refused as error:
            if error.status != _UNAUTHORIZED or not await self._credentials.refused(sent):
                raise
            reply = await self._api.request("POST", "", json=body, headers=await self._credentials.headers())
        if not 200 <= reply.status < 300:  # noqa: PLR2004
            log.warning("source.refused", source=self.source, status=reply.status)
            raise SourceUnavailable(self.source, f"The source answered HTTP {reply.status}.")
        return reply.value

    async def close(self) -> None:
        """Lets go of connections."""
        await self._api.close()
        await self._credentials.close()


class Question:
    """A document and where in its answer what stands, checked. `by`: the variable that holds what is asked for.

    Raises:
        ConfigurationError: it cannot be asked like this; the message begins with `where`.
    """

    def __init__(self, table: Table, where: str, endpoint: Endpoint, known: frozenset[str] = frozenset(), *, by: str = "keys") -> None:
        self._where = where
        self._endpoint = endpoint
        self._by = by
        lists = table if isinstance(table, Lists) else None
        known |= {by} if lists is None else {by, "after"}
        self.document = Document(table.document, where, known=known, needed=by, variables=table.variables)
        self._rows = RowPath(table.rows, f"{where}.rows")
        self._key = Expression(table.key, f"{where}.key")
        self._records = _expression(lists.records if lists else None, f"{where}.records")
        self._cursor = _expression(lists.cursor if lists else None, f"{where}.cursor")
        self._more = _expression(lists.more if lists else None, f"{where}.more")
        self._pages = lists.pages if lists else 1
        self.is_per_person = self._records is not None
        if not 1 <= self._pages <= _MOST_PAGES:
            raise ConfigurationError(f"{where}.pages: is from 1 to {_MOST_PAGES}")
        if self._cursor is not None and "after" not in self.document.declared:
            raise ConfigurationError(f"{where}.cursor: the document does not declare $after, which carries it")

    async def ask(self, names: Sequence[str], values: Mapping[str, Any], wanted: frozenset[str] | None = None) -> Answered:
        """One answer about these names.

        Raises:
            SourceError: there is none.
        """
        asked = self.document.writable(self._by, list(dict.fromkeys(names)))
        if not asked:
            return Answered({}, [])
        value = await self._endpoint.post(self.document.body({**values, self._by: asked}, wanted))
        answer = answered(value, self._rows, self._key)
        if answer is None:
            log.warning("source.refused", source=self._endpoint.source, table=self._where, reason="an answer without data")
            raise SourceUnavailable(self._endpoint.source, "The source answered without data.")
        if answer.stray or answer.has_errors:
            log.warning(
                "source.partial",
                source=self._endpoint.source,
                table=self._where,
                rows_without_key=answer.stray,
                lost=len(answer.lost(asked)),
            )
        return answer

    async def gather(
        self, names: Sequence[str], values: Mapping[str, Any], sink: Callable[[Sequence[str]], S]
    ) -> tuple[dict[str, S], dict[str, SourceError]]:
        """(what came by name, why nothing came by name): all pages that are needed. Where rows belong to nobody's list, the names share one sink.

        Names of nobody who was asked for may be among the first; of whom nothing came, and nothing more may come, are not.
        """
        shared = None if self.is_per_person else sink(names)
        sinks: dict[str, S] = {}
        failed: dict[str, SourceError] = {}
        places = asyncio.Semaphore(_AT_ONCE)

        async def page(about: Sequence[str], after: str | None) -> Answered | SourceError:
            try:
                async with places:
                    return await self.ask(about, {**values, "after": after})
            except SourceError as error:
                return error

        waiting: list[tuple[Sequence[str], str | None]] = [(names, None)]
        for number in range(1, self._pages + 1):
            answers = await asyncio.gather(*(page(*one) for one in waiting))
            following: list[tuple[Sequence[str], str | None]] = []
            for (about, before), answer in zip(waiting, answers, strict=True):
                if isinstance(answer, SourceError):
                    failed |= dict.fromkeys(about, answer)
                    continue
                failed |= {name: failure(self._endpoint.source) for name in answer.lost(about)}
                for name, row in answer.rows:
                    into = sinks.setdefault(name, shared or sink([name]))
                    for record in self._things(row):
                        into.add(name, record)
                places_of = [(about, answer.data, shared)] if shared else [([name], row, sinks[name]) for name, row in answer.rows]
                for whose, place, into in places_of:
                    after = self._after(place)
                    if after is None:
                        continue
                    if after in {"", before} or number == self._pages or into.is_enough():
                        into.is_complete = False
                    else:
                        following.append((whose, after))
            waiting = following
            if not waiting:
                break
        if shared is not None and not shared.is_complete:
            sinks = dict.fromkeys(names, shared) | sinks
        return sinks, failed

    def _things(self, row: Any) -> Sequence[Any]:
        if self._records is None:
            return [row]
        found = self._records(row)
        return found if isinstance(found, list) else [] if found is None else [found]

    def _after(self, place: Any) -> str | None:
        """Where the next page begins; "": there is one that cannot be asked for; None: there is none."""
        cursor = None if self._cursor is None else self._cursor(place)
        if self._more is not None and self._more(place) is not True:
            return None
        if isinstance(cursor, str) and cursor and len(cursor) <= _LONGEST_CURSOR:
            return cursor
        return None if self._more is None and cursor is None else ""


def failure(source: str) -> SourceError:
    """That the source failed for one person."""
    return SourceUnavailable(source, "The source answered with an error for this person.")


def _expression(text: str | None, where: str) -> Expression | None:
    return None if text is None else Expression(text, where)
