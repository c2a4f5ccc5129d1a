"""Single values: what is understood, and that nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest

from gateway.transport.segment.values import calendar_day, epoch_or_iso, host_name, iso_moment, one_of, plain_text, snake_case, web_address


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31T09:30:00Z", datetime(2026, 1, 31, 9, 30, tzinfo=UTC)),
        ("2026-01-31T09:30:00z", datetime(2026, 1, 31, 9, 30, tzinfo=UTC)),
        ("2026-01-31T09:30:00.123Z", datetime(2026, 1, 31, 9, 30, 0, 123_000, tzinfo=UTC)),
        ("2026-01-31T09:30:00.123456789Z", datetime(2026, 1, 31, 9, 30, 0, 123_456, tzinfo=UTC)),
        ("2026-01-31T10:30:00+01:00", datetime(2026, 1, 31, 9, 30, tzinfo=UTC)),
        ("2026-01-31T04:00:00-0530", datetime(2026, 1, 31, 9, 30, tzinfo=UTC)),
        ("2026-01-31 09:30", datetime(2026, 1, 31, 9, 30, tzinfo=UTC)),
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
    ],
)
def test_moments(text: str, moment: datetime) -> None:
    """A moment is ISO 8601; without a zone it is UTC."""
    read = iso_moment(text)

    assert (read, read.utcoffset()) == (moment, timedelta(0))


@pytest.mark.parametrize(
    "value",
    [
        *("", "now", "2026-02-30T00:00:00Z", "2026-01-31T25:00:00Z", "2026-W05-6", "20260131", "31.01.2026", "2026-01-31x09:30:00Z"),
        *("2026-01-31T09:30:00Z ", "٢٠٢٦-01-31", "infinity", "9999-12-31T23:59:59-23:00", "0001-01-01T00:00:00+23:00", "1" * 10_000),
        *(0, 1.5, True, None, [], {}),
    ],
)
def test_what_is_no_moment(value: object) -> None:
    """Anything else is refused, without repeating it."""
    with pytest.raises(ValueError, match=r"^(A moment is|There is no)"):
        iso_moment(value)


@pytest.mark.parametrize(
    "value", [1_500_000_000, 1_500_000_000.0, 1_500_000_000_000, "1500000000", "1500000000000", "2017-07-14T02:40:00Z"]
)
def test_seconds_milliseconds_and_iso(value: object) -> None:
    """The moment somebody became a customer may be a number of seconds or milliseconds, or ISO 8601."""
    assert epoch_or_iso(value) == datetime(2017, 7, 14, 2, 40, tzinfo=UTC)


@pytest.mark.parametrize("value", [True, None, [], -5, 1e300, float("-inf"), 99_999_999_999_999, "99999999999999", "1969-12-31", ""])
def test_what_no_customer_came_at(value: object) -> None:
    """A moment before 1970, in the future, or none at all is refused."""
    with pytest.raises(ValueError):
        epoch_or_iso(value)


def test_birthdays() -> None:
    """A birthday is a day; a time of day behind it does not matter."""
    assert calendar_day("1985-04-12") == calendar_day("1985-04-12T23:00:00.000Z") == date(1985, 4, 12)


@pytest.mark.parametrize("value", ["1985-02-30", "12.04.1985", "0001-01-01", "2999-01-01", 19850412, None, ""])
def test_what_is_no_birthday(value: object) -> None:
    """Nobody was born on a day that does not exist, long ago, or in the future."""
    with pytest.raises(ValueError):
        calendar_day(value)


@pytest.mark.parametrize("value", ["javascript:alert(1)", "data:text/html,x", "//x", "http://", "https://a b", "x" * 3000, 5, "http://[x"])
def test_what_is_no_address(value: object) -> None:
    """Only an absolute http or https address may become a link."""
    with pytest.raises(ValueError):
        web_address(value)


@pytest.mark.parametrize(
    ("value", "host"),
    [
        ("https://www.Example.com/about", "example.com"),
        ("example.com", "example.com"),
        ("example.com:8080/x", "example.com"),
        ("https://bücher.example", "xn--bcher-kva.example"),
        ("  ", None),
    ],
)
def test_domains(value: object, host: str | None) -> None:
    """A company's domain comes from its website or from itself."""
    assert host_name(value) == host


@pytest.mark.parametrize("value", ["no domain", "localhost", "http://", "-x-.com", ".com", 7, "a" * 300 + ".com", "http://[x"])
def test_what_is_no_domain(value: object) -> None:
    """What has no dot or strange characters is no domain."""
    with pytest.raises(ValueError):
        host_name(value)


@pytest.mark.parametrize(
    ("key", "stored"),
    [
        ("lifetimeValue", "lifetime_value"),
        ("lifetime_value", "lifetime_value"),
        ("Lifetime Value", "lifetime_value"),
        ("lifetime-value", "lifetime_value"),
        ("HTMLTitle", "html_title"),
        ("userID", "user_id"),
        ("address.city", "address.city"),
        ("größe", "größe"),
        (" ", ""),
    ],
)
def test_trait_keys(key: str, stored: str) -> None:
    """Spellings of one trait are one trait."""
    assert snake_case(key) == stored


@pytest.mark.parametrize(("read", "value"), [(lambda value: plain_text(value, 3), "four"), (lambda value: plain_text(value, 3), 5)])
def test_what_is_no_text(read: Callable[[object], str | None], value: object) -> None:
    """A text has a length it may not exceed."""
    with pytest.raises(ValueError):
        read(value)


def test_words_of_a_closed_set() -> None:
    """Case, blanks, dashes and underscores make no other word; what is not a text is none."""
    assert one_of("Web-Chat", {"webchat": "CHAT"}) == "CHAT"
    assert one_of("pigeon", {"webchat": "CHAT"}) is one_of(5, {"webchat": "CHAT"}) is None
