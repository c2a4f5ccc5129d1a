"""Scalars: how values look on the wire, and what is let in.

Output is left to the encoder (orjson writes datetimes and UUIDs faster than Python can format them).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any, NewType

import strawberry
from strawberry.types.scalar import ScalarDefinition

from gateway.errors import BadUserInput

__all__ = ["JSON", "SCALARS", "URL", "EmailAddress", "FeedCursor", "PhoneNumber", "Representation", "StreamCursor", "shown_as_is"]

JSON = NewType("JSON", object)
PhoneNumber = NewType("PhoneNumber", str)
EmailAddress = NewType("EmailAddress", str)
URL = NewType("URL", str)
StreamCursor = NewType("StreamCursor", str)
FeedCursor = NewType("FeedCursor", str)
Representation = NewType("Representation", object)


def shown_as_is(value: Any) -> Any:
    """The value: how it is written is the encoder's."""
    return value


def _text(longest: int) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        if not isinstance(value, str) or len(value) > longest:
            raise BadUserInput(f"A string of at most {longest} characters is expected.")
        return value

    return parse


def _moment(value: Any) -> datetime:
    """RFC 3339 with a time zone; the years Postgres and every client can hold."""
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise BadUserInput("A date-time is written like 2026-01-31T09:30:00Z.") from None
    if moment.tzinfo is None:
        raise BadUserInput("A date-time needs its time zone, for example 2026-01-31T09:30:00Z.")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise BadUserInput("The date-time is out of range.") from None


def _day(value: Any) -> date:
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise BadUserInput("A date is written like 2026-01-31.") from None


def _scalar(name: str, description: str, parse: Callable[[Any], Any], specified_by: str | None = None) -> ScalarDefinition:
    return strawberry.scalar(name=name, description=description, serialize=shown_as_is, parse_value=parse, specified_by_url=specified_by)


_ANDIMAREK = "https://scalars.graphql.org/andimarek"

SCALARS: dict[object, ScalarDefinition] = {
    datetime: _scalar("DateTime", "A moment with its time zone (RFC 3339).", _moment, f"{_ANDIMAREK}/date-time.html"),
    date: _scalar("Date", "A day (RFC 3339 full-date).", _day, f"{_ANDIMAREK}/local-date.html"),
    JSON: _scalar("JSON", "Any JSON value (RFC 8259).", shown_as_is, "https://www.rfc-editor.org/rfc/rfc8259"),
    PhoneNumber: _scalar(
        "PhoneNumber",
        r"Strict E.164: ^\\+[1-9][0-9]{1,14}$ - never a national format.".replace("\\\\", "\\"),
        _text(40),
        "https://www.itu.int/rec/T-REC-E.164",
    ),
    EmailAddress: _scalar("EmailAddress", "An e-mail address; compared without case, international domains in ASCII form.", _text(320)),
    URL: _scalar("URL", "An absolute URL.", _text(2048)),
    StreamCursor: _scalar(
        "StreamCursor",
        "Opaque position in ONE stream (a profile's or an agent desk's change log); only the server can compare two of them.",
        _text(512),
    ),
    Representation: _scalar("_Any", "The key of an entity, with its __typename (Apollo Federation).", shown_as_is),
    FeedCursor: _scalar("FeedCursor", "Opaque position in the workspace-wide change feed.", _text(512)),
}
"""Python type → scalar, for `StrawberryConfig(scalar_map=…)`."""
