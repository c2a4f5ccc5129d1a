"""Writing to an API: one attribute of a person, a new note. What it refuses is told in words an agent may read.

Owns which answers are refusals. A write is sent once; when nobody knows whether it happened, that is a `SourceError`. Called by `rest`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

from gateway.errors import ConfigurationError, Problem, Rejected, SourceUnavailable
from gateway.sources.adapters.rest_exchange import Exchange
from gateway.sources.adapters.rest_options import Request, Write
from gateway.sources.adapters.rest_plan import RequestTemplate, checked
from gateway.sources.addresses import checked_headers
from gateway.sources.conversions import UNREADABLE, to_text
from gateway.sources.expressions import Expression

__all__ = ["Writing"]

_REFUSALS: Final = frozenset({400, 409, 412, 422})
_UNKNOWN: Final = frozenset({404, 410})
_LONGEST_MESSAGE: Final = 200
_PLAIN: Final = re.compile(r"[\x21-\x7e]{1,200}")


class Writing:
    """A request that changes something, checked. `slots`: the names it may use; `name`: what a person calls the system.

    Raises:
        ConfigurationError: it cannot be sent like this; the message begins with `where`.
    """

    def __init__(self, write: Write, where: str, exchange: Exchange, slots: frozenset[str], name: str) -> None:
        shape = Request(path=write.path, method="POST", headers=write.headers, body=write.body)
        self._template = RequestTemplate(shape, where, slots)
        self._template.method = write.method
        self._header = write.idempotency_header
        if self._header is not None:
            checked(f"{where}.idempotency_header", checked_headers, {self._header: "key"})
        if "key" not in self._template.used:
            raise ConfigurationError(f"{where}.path: nothing says whom it is about; use {{key}} in the path or the body")
        self._refusal = None if write.refusal is None else Expression(write.refusal, f"{where}.refusal")
        self._exchange = exchange
        self._name = name

    async def send(self, values: Mapping[str, Any], idempotency_key: str) -> Any:
        """The JSON that it answered.

        Raises:
            Rejected: it refuses.
            SourceError: it may or may not have happened.
        """
        asked = self._template.filled(values)
        if asked is None:
            raise Rejected(Problem("NOT_FOUND", f"{self._name} does not know this person."))
        if self._header is not None:
            key = idempotency_key if _PLAIN.fullmatch(idempotency_key) else hashlib.sha256(idempotency_key.encode()).hexdigest()
            asked = asked.with_header(self._header, key)
        try:
            reply = await self._exchange.write(asked)
        finally:
            self._exchange.forget(str(values["key"]))
        if 200 <= reply.status < 300:  # noqa: PLR2004
            return reply.value
        if reply.status in _UNKNOWN:
            raise Rejected(Problem("NOT_FOUND", f"{self._name} does not know this person."))
        if reply.status in _REFUSALS:
            raise Rejected(Problem("INVALID", self._why(reply.value)))
        raise SourceUnavailable(self._exchange.source, f"The source answered HTTP {reply.status}.")

    def _why(self, value: Any) -> str:
        """The mapped message, one line of it; it is shown as what the system said, never as ours."""
        found = None if self._refusal is None else to_text(self._refusal(value))
        if not found or found is UNREADABLE:
            return f"{self._name} did not take it."
        text = " ".join("".join(character if character.isprintable() else " " for character in found).split())
        return f"{self._name}: {text if len(text) <= _LONGEST_MESSAGE else text[: _LONGEST_MESSAGE - 1] + '…'}"
