"""What a webhook's body says, in our shape and in others', and whether its signature is one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from gateway.commands.arrivals import CHANGED, News
from gateway.errors import BadRequest, BadUserInput
from gateway.sources.expressions import Expression
from gateway.transport.webhook_messages import MOST_ITEMS, Told, read_message
from gateway.transport.webhooks import _is_signed

__all__: list[str] = []

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def mapped(**expressions: str) -> dict[str, Expression]:
    """The expressions of a mapping."""
    return {name: Expression(text, name) for name, text in expressions.items()}


def own(**data: Any) -> Told:
    """A message of our own shape."""
    return read_message({"type": "x", "data": {"key": "C-1", **data}}, {})


def test_everything_that_can_be_said() -> None:
    """Each field is taken over, each name once."""
    told = own(
        changed=["traits", "traits"], items=["a", "b", "a"], removed=["c"], version=3, at="2026-01-02T03:04:05Z", workspace="demo", more=1
    )

    assert told == Told("C-1", News(("traits",), ("a", "b"), ("c",), 3, AT), "demo", None)


def test_a_message_that_names_nothing_means_everything() -> None:
    """The sender knows that something changed and not what."""
    assert own().news.changed == tuple(CHANGED)


def test_the_most_items() -> None:
    """A hundred are taken, one more is not, removed ones included."""
    assert len(own(items=[str(n) for n in range(MOST_ITEMS)]).news.items) == MOST_ITEMS
    with pytest.raises(BadUserInput):
        own(items=[str(n) for n in range(MOST_ITEMS)], removed=["x"])


@pytest.mark.parametrize("item", ["", "x" * 201, "a\nb", "a\x00b", "\ud800"])
def test_an_item_that_has_no_id(item: str) -> None:
    """Every item's id must be able to be a client's."""
    with pytest.raises(BadUserInput):
        own(items=[item])


def test_a_shape_of_their_own() -> None:
    """What the expressions find: numbers are written, texts that are numbers are versions, words that are not ours are left out."""
    body = {
        "who": 4711,
        "orders": [{"id": 1}, {"id": "b"}],
        "gone": "z",
        "kinds": ["traits", "invoices"],
        "rev": "12",
        "when": "2026-01-02T03:04:05Z",
    }
    told = read_message(
        body, mapped(key="who", item="orders[].id", removed="gone", changed="kinds", version="rev", at="when", id="join('-', ['m', rev])")
    )

    assert told == Told("4711", News(("traits",), ("1", "b"), ("z",), 12, AT), None, "m-12")


@given(
    st.dictionaries(
        st.sampled_from(["who", "rev", "when", "items", "kinds"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10), lambda x: st.lists(x, max_size=3), max_leaves=5
        ),
    )
)
def test_whatever_another_system_sends_is_a_message_or_refused(body: dict[str, Any]) -> None:
    """Never an error of ours."""
    try:
        told = read_message(body, mapped(key="who", version="rev", at="when", item="items", changed="kinds"))
    except (BadUserInput, BadRequest):
        return
    assert told.key
    assert told.news.at is None or told.news.at.tzinfo is not None
    assert told.news.version is None or 0 <= told.news.version < 2**63


def signed(secret: bytes, body: bytes, at: datetime | None = None) -> dict[str, str]:
    """Headers of a message."""
    moment = at or datetime.now(UTC)
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Webhook(secret).sign("msg_1", moment, body.decode()),
    }


def test_fault_138_any_of_the_secrets_signs() -> None:
    """Each configured one, and no other; a changed byte is another message."""
    signers = [Webhook(bytes([n]) * 24) for n in (1, 2)]
    body = b'{"data": {}}'

    assert [_is_signed(signers, signed(bytes([n]) * 24, body), body) for n in (1, 2, 3)] == [True, True, False]
    assert not _is_signed(signers, signed(b"\x01" * 24, body), body + b" ")


@pytest.mark.parametrize(("seconds", "is_signed"), [(-290, True), (290, True), (-310, False), (310, False)])
def test_fault_138_five_minutes(seconds: int, is_signed: bool) -> None:
    """As far may a signature's time be off."""
    body = b"{}"

    assert _is_signed([Webhook(b"k" * 24)], signed(b"k" * 24, body, datetime.now(UTC) + timedelta(seconds=seconds)), body) is is_signed


@given(
    st.dictionaries(st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]), st.text(max_size=40)), st.binary(max_size=20)
)
def test_fault_138_made_up_headers_are_refused_and_break_nothing(headers: dict[str, str], body: bytes) -> None:
    """Whatever stands in them."""
    assert not _is_signed([Webhook(b"k" * 24)], headers, body)
