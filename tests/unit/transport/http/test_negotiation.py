"""Which media type answers: what real clients send, weights, wildcards, order, and what cannot be read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.transport.http.negotiation import EVENTS, JSON, RESPONSE, Accepted, media_type, negotiate

__all__: list[str] = []

URQL = "application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed"
URQL_SUBSCRIPTION = "text/event-stream, multipart/mixed"
APOLLO = "application/graphql-response+json,application/json;q=0.9"
APOLLO_SUBSCRIPTION = "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/graphql-response+json,application/json;q=0.9"
JAVA = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"

CHOICES: dict[str, tuple[str | None, bool]] = {
    URQL: (RESPONSE, True),
    URQL_SUBSCRIPTION: (None, True),
    APOLLO: (RESPONSE, False),
    APOLLO_SUBSCRIPTION: (RESPONSE, False),
    JAVA: (JSON, False),
    "text/event-stream": (None, True),
    "*/*": (JSON, False),
    "": (JSON, False),
    " , ": (JSON, False),
    "application/json": (JSON, False),
    "application/json; charset=utf-8": (JSON, False),
    'Application/JSON; charset="UTF-8"': (JSON, False),
    "application/*": (JSON, False),
    "text/*": (None, True),
    "text/*, application/json": (JSON, True),
    # weights
    "application/json;q=0.9, application/graphql-response+json;q=0.8": (JSON, False),
    "application/json;q=0.8, application/graphql-response+json;q=0.9": (RESPONSE, False),
    "application/json;q=0, application/graphql-response+json": (RESPONSE, False),
    "application/graphql-response+json;q=0, */*": (JSON, False),
    "application/json;q=0, */*;q=0.1": (RESPONSE, False),
    "text/event-stream;q=0, application/json": (JSON, False),
    "text/event-stream;q=0, text/*": (None, False),
    "*/*;q=0": (None, False),
    "application/json;q=2": (JSON, False),
    "application/json;q=.5, application/graphql-response+json;q=0.4": (JSON, False),
    # the same weight: named before let in, then the first
    "application/json, application/graphql-response+json": (JSON, False),
    "application/graphql-response+json, application/json": (RESPONSE, False),
    "*/*, application/graphql-response+json": (RESPONSE, False),
    "application/*, application/graphql-response+json": (RESPONSE, False),
    # nothing that is here
    "text/plain": (None, False),
    "text/html, image/png": (None, False),
    "application/json; charset=iso-8859-1": (None, False),
    "multipart/mixed": (None, False),
    # what cannot be read is passed over
    "nonsense": (None, False),
    "application/, /json, /, application/json;q=high": (None, False),
    "application/json;q=-1": (None, False),
    "application/json;q=nan": (None, False),
    "nonsense;;;=, application/json": (JSON, False),
    'text/html;a="b,c", application/json': (JSON, False),
}


@pytest.mark.parametrize("accept", CHOICES)
def test_choices(accept: str) -> None:
    """Each header leads to its media type, and to events where they are asked for by name."""
    assert negotiate([accept]) == Accepted(*CHOICES[accept])


def test_no_header_is_json() -> None:
    """Who says nothing gets application/json."""
    assert negotiate([]) == Accepted(JSON, events=False)


def test_several_headers_are_one() -> None:
    """A header that comes twice counts as one with commas."""
    assert negotiate(["application/json;q=0.1", "application/graphql-response+json", "text/event-stream"]) == Accepted(
        RESPONSE, events=True
    )


@given(st.lists(st.text(alphabet='aj*/;,=q01. "\\\t', max_size=40), max_size=3))
def test_nothing_breaks_it(accept: list[str]) -> None:
    """Whatever the header says, there is a choice."""
    assert negotiate(accept).answer in {None, JSON, RESPONSE}


@given(st.permutations([JSON, RESPONSE, EVENTS, "text/html"]), st.integers(1, 999))
def test_weights_alone_decide(order: list[str], thousandths: int) -> None:
    """With different weights the order says nothing."""
    weights = {JSON: thousandths / 1000, RESPONSE: 1.0, EVENTS: 0.001, "text/html": 1.0}

    assert negotiate([", ".join(f"{name};q={weights[name]}" for name in order)]) == Accepted(RESPONSE, events=True)


def test_a_long_header_is_read_in_no_time() -> None:
    """64 KB of commas, semicolons and quotes are passed over."""
    assert negotiate(['",;=' * 16_000]).answer is None


def test_media_types() -> None:
    """Names and parameters in lower case, quotes taken off."""
    assert media_type(' Application/JSON ; Charset="UTF-8"; a') == ("application/json", {"charset": "utf-8", "a": ""})
