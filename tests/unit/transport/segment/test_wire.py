"""Bodies: cut into items, a broken item apart from its neighbours."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadRequest, PayloadTooLarge
from gateway.transport.segment.wire import MAX_BATCH_EVENTS, label_of, read_batch, read_item, read_single

GOOD = b'{"messageId":"good"}'

BROKEN = {
    "half a surrogate pair": rb'{"traits":"\ud800"}',
    "the other half": rb'{"traits":"\udc00x"}',
    "half a pair as a key": rb'{"\ud83d":1}',
    "not a number": b'{"traits":NaN}',
    "infinity": b'{"traits":[-Infinity]}',
    "overflowing number": b'{"traits":1e400}',
    "endless number": b'{"traits":' + b"9" * 5000 + b"}",
    "bottomless list": b'{"traits":' + b"[" * 15_000 + b"]" * 15_000 + b"}",
    "bottomless object": b'{"traits":' * 5000 + b"1" + b"}" * 5000,
    "not UTF-8": b'{"traits":"\xff"}',
    "encoded surrogate": b'{"traits":"\xed\xa0\x80"}',
    "overlong NUL": b'{"traits":"\xc0\x80"}',
    "escaped NUL": rb'{"traits":"x\u0000"}',
    "escaped NUL behind a backslash": rb'{"traits":"\\\u0000"}',
    "NUL as a key": rb'{"\u0000":1}',
    "raw control character": b'{"traits":"\x00"}',
    "trailing comma": b'{"traits":[1,]}',
    "single quotes": b"{'a':1}",
    "a bare word": b"oops",
    "nothing": b"",
    "a list": b"[1]",
    "a number": b"5",
    "null": b"null",
    "a text with brackets": b'"]}"',
}


@pytest.mark.parametrize("item", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_item_is_alone(item: bytes) -> None:
    """Whatever is wrong inside an item, its neighbours are read as they were sent, and only it is refused."""
    batch = read_batch(b'{"sentAt":"s","batch":[' + GOOD + b" , " + item + b"," + GOOD + b'],"writeKey":"k"}')

    assert [batch.items[0].strip(), batch.items[-1].strip()] == [GOOD, GOOD]
    assert len(batch.items) == 3
    assert (batch.sent_at, batch.write_key) == ("s", "k")
    with pytest.raises(ValueError, match=r"^The event "):
        read_item(batch.items[1])


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b" ", b"5", b'"x"', b"null", b"[]", b"[1]", b"{}", b"oops", b"{'batch':[]}"),
        *(b'{"batch":null}', b'{"batch":5}', b'{"batch":{}}', b'{"batch":[{}]', b'{"batch":[{"traits":"\\ud800"}]'),
        *(b'{"batch":[]} x', b'{"batch":[NaN]} x', b'{"batch":[NaN],"batch":[{}]}', b'{"batch":[{"traits":"]}', b'{"batch":["\\"'),
        *(
            b'\xef\xbb\xbf{"batch":[]}',
            '{"batch":[]}'.encode("utf-16"),
            b"[" * 100_000,
            b'{"traits":' * 50_000,
            b'"' * 100_001,
            b'"\\' * 50_000,
        ),
        *(b'{"x":{"batch":[NaN]}}', b'{"x":"batch","y":[NaN]}'),
    ],
    ids=range(28),
)
def test_a_body_that_is_no_batch(body: bytes) -> None:
    """What is not an object with a list of events is refused as a whole, and soon."""
    started = time.perf_counter()
    with pytest.raises(BadRequest):
        read_batch(body)

    assert time.perf_counter() - started < 0.5


@pytest.mark.parametrize("last", [b"1", b"NaN"], ids=["fast", "slow"])
def test_a_batch_of_too_many(last: bytes) -> None:
    """2 500 items are a batch, one more is too many, whichever way it is read."""
    most = b"1," * (MAX_BATCH_EVENTS - 1) + last

    assert len(read_batch(b'{"batch":[' + most + b"]}").items) == 2500
    with pytest.raises(PayloadTooLarge):
        read_batch(b'{"batch":[' + most + b",1]}")


def test_an_empty_batch() -> None:
    """No events is a batch of none."""
    assert read_batch(b'{"batch":[]}').items == []
    assert read_batch(b'{"batch":[ ],"x":"y"}').items == []


@pytest.mark.parametrize("body", [b"", b"5", b"null", b"[]", b'"x"', b"{", rb'{"traits":"\ud800"}', b'{"a":' * 50_000], ids=range(8))
def test_a_single_call_that_is_no_event(body: bytes) -> None:
    """The body of a single call is one JSON object."""
    with pytest.raises(BadRequest):
        read_single(body)


def test_a_single_call_is_a_batch_of_one() -> None:
    """A single call has its write key and time of sending beside the event's own fields."""
    body = b'{"userId":"u","writeKey":"k","sentAt":"s"}'
    batch = read_single(body)

    assert (list(batch.items), batch.write_key, batch.sent_at) == ([body], "k", "s")


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    """The six characters backslash, u and four zeros may be talked about."""
    assert read_item(rb'{"event":"\\u0000"}').event == r"\u0000"


def test_a_refused_item_is_named_when_it_can_be() -> None:
    """The message id of an item that cannot be used is told as far as it can be read."""
    assert label_of(rb'{"messageId":"m","a":"\u0000"}') == "m"
    assert label_of(rb'{"messageId":"m","a":"\ud800"}') is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.lists(json_values, max_size=5), st.integers(0, 4), st.booleans())
def test_the_slow_way_cuts_like_the_fast_one(values: list[Any], place: int, indented: bool) -> None:
    """Items around one that is not JSON are cut exactly where they begin and end, whatever texts and brackets they hold."""
    texts = [json.dumps(value, indent=1 if indented else None) for value in values]
    texts.insert(min(place, len(texts)), "NaN")
    body = '{"x": {"batch": ["]"]}, "batch" :\n[' + ", ".join(texts) + '], "y": "}"}'

    assert [item.decode().strip() for item in read_batch(body.encode()).items] == texts
