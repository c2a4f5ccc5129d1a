"""The driver's errors in the gateway's words: for clients, and for whoever starts a process."""

from __future__ import annotations

import asyncpg
import pytest

from gateway.errors import BadUserInput, ConfigurationError, GatewayError, Overloaded, SourceTimeout, SourceUnavailable
from gateway.storage.failures import lost, our_errors, server_errors

__all__: list[str] = []


def server(state: str) -> asyncpg.PostgresError:
    """What the driver makes of the server's error with this code; its words name a secret."""
    return asyncpg.PostgresError.new({"C": state, "M": "hunter2"})


LAST_WORDS = asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress")

OURS: list[tuple[BaseException, type[GatewayError], bool]] = [
    (server("22P02"), BadUserInput, False),
    (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates"), BadUserInput, False),
    (asyncpg.InterfaceError("invalid input for query argument $1"), BadUserInput, False),
    (server("57014"), SourceTimeout, False),
    (server("55P03"), SourceTimeout, False),
    (server("40P01"), SourceTimeout, False),
    (TimeoutError(), SourceTimeout, False),
    (server("25006"), SourceUnavailable, False),
    (server("53100"), SourceUnavailable, False),
    (server("53200"), SourceUnavailable, False),
    (server("58030"), SourceUnavailable, False),
    (server("25P03"), Overloaded, False),
    (server("28P01"), Overloaded, False),
    (server("3D000"), Overloaded, False),
    (server("08006"), Overloaded, True),
    (server("57P01"), Overloaded, True),
    (server("57P03"), Overloaded, True),
    (asyncpg.ConnectionDoesNotExistError("gone"), Overloaded, True),
    (asyncpg.InterfaceError("connection is closed"), Overloaded, True),
    (ConnectionRefusedError(111, "hunter2"), Overloaded, True),
    (LAST_WORDS, Overloaded, True),
]


@pytest.mark.parametrize(
    ("error", "expected", "gone"), OURS, ids=lambda value: getattr(value, "sqlstate", None) or getattr(value, "__name__", repr(value))
)
def test_a_client_is_told_in_our_words(error: BaseException, expected: type[GatewayError], gone: bool) -> None:
    """Each error of the driver is one of ours, with the original behind it and none of its words; only a lost connection is worth another at once."""
    with pytest.raises(GatewayError) as caught, our_errors():
        raise error

    assert type(caught.value) is expected
    assert caught.value.__cause__ is error
    assert "hunter2" not in caught.value.message
    assert lost(error) is gone


@pytest.mark.parametrize(
    "error",
    [
        server("42P01"),
        server("XX000"),
        asyncpg.InterfaceError("the server expects 2 arguments for this query, 1 was passed"),
        ValueError("x"),
    ],
    ids=["no such table", "internal", "wrong arguments", "ours"],
)
def test_a_bug_stays_one(error: BaseException) -> None:
    """What no retry mends is not called an outage."""
    with pytest.raises(type(error)), our_errors():
        raise error
    assert not lost(error)


@pytest.mark.parametrize(
    ("error", "expected", "words"),
    [
        (server("53300"), Overloaded, "GATEWAY_POOL_SIZE"),
        (server("57P03"), Overloaded, "starting, stopping or recovering"),
        (server("08P01"), ConfigurationError, "the server's own address"),
        (server("26000"), ConfigurationError, "the server's own address"),
        (
            asyncpg.PostgresError.new({"C": "28P01", "M": "password authentication failed"}),
            ConfigurationError,
            "password authentication failed",
        ),
        (asyncpg.exceptions.TargetServerAttributeNotMatched("primary"), ConfigurationError, "standby"),
        (asyncpg.ClientConfigurationError("hunter2"), ConfigurationError, "postgresql://user:password@host:5432/database"),
        (asyncpg.ConnectionDoesNotExistError("hunter2"), Overloaded, "cannot be reached;"),
        (ConnectionRefusedError(111, "Connection refused"), Overloaded, "cannot be reached (Connection refused)"),
        (TimeoutError(), Overloaded, "cannot be reached"),
    ],
    ids=["no room", "recovering", "pooler", "no statement", "password", "standby", "no URL", "cut", "refused", "silent"],
)
def test_an_operator_is_told_what_to_do(error: BaseException, expected: type[GatewayError], words: str) -> None:
    """One sentence with the way out, and no secret."""
    with pytest.raises(expected) as caught, server_errors():
        raise error

    assert words in caught.value.message
    assert "hunter2" not in caught.value.message
