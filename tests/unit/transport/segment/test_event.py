"""One item of the tracking API: ids, moments, kinds of calls."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.commands.tracking import Event, Group
from gateway.model.activity import TimelineKind
from gateway.sources.contract import LookupKey
from gateway.transport.segment.event import CALLS, MAX_EVENT_BYTES, Arrival, Reading, read_event

NOW = datetime.now(UTC)
USER, ANONYMOUS = LookupKey("user_id", "u"), LookupKey("anonymous_id", "a")


def read(item: object = None, call: str | None = None, sent_at: object = None, **fields: Any) -> Reading:
    """A track of the user `u` with these fields, or an item as it is."""
    given = {"type": "track", "messageId": "m", "userId": "u", "event": "x", **fields} if item is None else item
    raw = given if isinstance(given, bytes) else json.dumps({key: value for key, value in given.items() if value is not ...}).encode()
    return read_event(raw, call, Arrival(NOW, sent_at, "GB"))


def event(**fields: Any) -> Event:
    """The event of `read`, which must be one."""
    reading = read(**fields)
    assert reading.event is not None, reading.problem
    return reading.event


def refusal(**fields: Any) -> tuple[str, str]:
    """Code and message of a refusal by `read`."""
    reading = read(**fields)
    assert reading.problem is not None
    assert reading.event is None
    return reading.problem.code, reading.problem.message


class TestIdentifiers:
    """Who it is about."""

    def test_strongest_first(self) -> None:
        """User id, then other systems' ids, then the anonymous id; ids are compared without surrounding blanks, as typed they are kept."""
        ids = [{"id": "c-9", "type": "crmContactId", "collection": "users"}, {"id": "u2", "type": "user_id"}]
        found = event(anonymousId=" a ", context={"externalIds": ids})

        assert found.keys == (USER, LookupKey("user_id", "u2"), LookupKey("crm_contact_id", "c-9"), ANONYMOUS)
        assert found.raw_keys == {ANONYMOUS: " a "}

    def test_numbers(self) -> None:
        """A whole number is an id as well as its digits."""
        assert event(userId=42).keys == (LookupKey("user_id", "42"),)

    @pytest.mark.parametrize("user_id", ["0", "null", "anonymous", "00000000-0000-0000-0000-000000000000", "x" * 257, {}, [1], True, 1.5])
    def test_an_id_that_identifies_nobody(self, user_id: object) -> None:
        """A placeholder is left out with a warning when there is another id, and refuses the event when there is none."""
        reading = read(userId=user_id, anonymousId="a")
        assert reading.event is not None
        assert reading.event.keys == (ANONYMOUS,)
        (warning,) = reading.warnings
        assert warning.startswith("userId: ")

        code, message = refusal(userId=user_id)
        assert (code, message.startswith("An event needs a userId or an anonymousId. userId: ")) == ("INVALID", True)

    @pytest.mark.parametrize("absent", [..., None, ""])
    def test_nobody(self, absent: object) -> None:
        """Without any id there is nobody to whom it happened."""
        assert refusal(userId=absent, anonymousId=absent) == ("REQUIRED", "An event needs a userId or an anonymousId.")

    @pytest.mark.parametrize(
        "ids",
        [
            *("x", 5, {}, [5], [{"id": "x"}], [{"id": "x", "type": 5}], [{"id": "x", "type": "email"}], [{"id": "0", "type": "crm"}]),
            *([{"id": "x", "type": "a b!"}], [{"id": f"{n}x", "type": "crm"} for n in range(21)]),
        ],
        ids=range(10),
    )
    def test_external_ids_that_are_none(self, ids: object) -> None:
        """What is no external id is left out with a warning; at most twenty are taken."""
        reading = read(context={"externalIds": ids})

        assert reading.event is not None
        assert reading.event.keys[0] == USER
        assert len(reading.event.keys) in {1, 21}
        assert len(reading.warnings) == 1
        assert reading.warnings[0].startswith("context.externalIds")

    def test_ids_of_other_collections(self) -> None:
        """An external id of an account says nothing about the person."""
        assert event(context={"externalIds": [{"id": "x", "type": "crm", "collection": "accounts"}]}).keys == (USER,)


class TestMoments:
    """When it happened."""

    def test_the_timestamp_counts(self) -> None:
        """The timestamp is taken as it is, whatever else was sent."""
        at = NOW - timedelta(hours=3)
        other = (NOW - timedelta(days=9)).isoformat()

        assert event(timestamp=at.isoformat(), originalTimestamp=other, sentAt=other).at == at

    @pytest.mark.parametrize("where", ["event", "batch"])
    def test_a_wrong_clock_is_set_right(self, where: str) -> None:
        """A sender whose clock says 1999 and who sends ten seconds later did it ten seconds before it arrived."""
        happened, sent = datetime(1999, 1, 1, tzinfo=UTC), datetime(1999, 1, 1, 0, 0, 10, tzinfo=UTC)
        sent_at: dict[str, Any] = {"sentAt": sent.isoformat()} if where == "event" else {"sent_at": sent.isoformat()}

        assert event(originalTimestamp=happened.isoformat(), **sent_at).at == NOW - timedelta(seconds=10)

    def test_without_a_moment(self) -> None:
        """What says nothing happened as it arrived; an original timestamp alone is taken as it is."""
        assert event().at == NOW
        assert event(originalTimestamp="2020-01-01T00:00:00Z").at == datetime(2020, 1, 1, tzinfo=UTC)

    @pytest.mark.parametrize(
        "fields",
        [
            *({"timestamp": "yesterday"}, {"timestamp": 5}, {"timestamp": "1969-12-31T23:59:59Z"}, {"timestamp": "2999-01-01T00:00:00Z"}),
            *({"originalTimestamp": {}}, {"originalTimestamp": "2020-01-01", "sentAt": "x"}),
            {"originalTimestamp": "0001-01-01", "sentAt": "9999-12-31"},
            {"originalTimestamp": "9999-12-31", "sentAt": "0001-01-01"},
        ],
        ids=str,
    )
    def test_impossible_moments(self, fields: dict[str, Any]) -> None:
        """What cannot have happened then refuses the event."""
        assert refusal(**fields)[0] == "INVALID"


class TestCalls:
    """What was said."""

    def test_the_address_decides(self) -> None:
        """A single call is what its address says, not what its body says."""
        assert event(call="identify", type="track").person is not None

    @pytest.mark.parametrize("type_", [..., None, "", "delete", "Track", 5, {}, ["track"]])
    def test_unknown_calls(self, type_: object) -> None:
        """Another type than Segment's six is refused."""
        assert refusal(type=type_)[0] == "INVALID"

    @pytest.mark.parametrize(("call", "type_"), [("page", "Page Viewed"), ("screen", "Screen Viewed")])
    def test_views(self, call: str, type_: str) -> None:
        """Pages and screens are items of kind WEB."""
        activity = event(type=call, name="Home").activity

        assert activity is not None
        assert (activity.kind, activity.type, activity.detail) == (TimelineKind.WEB, type_, {"name": "Home"})

    def test_a_conversation_stands_where_it_began(self) -> None:
        """The moment of a conversation is its beginning."""
        begun = NOW - timedelta(hours=1)

        assert event(event="Engagement Completed", properties={"startedAt": begun.isoformat()}).at == begun

    def test_a_group(self) -> None:
        """A group names its company by its id, and says name, domain and traits of it."""
        group = event(type="group", groupId=5, traits={"name": "Acme", "website": "https://www.acme.example/x", "employeeCount": 9}).group

        traits = {"name": "Acme", "website": "https://www.acme.example/x", "employee_count": 9}
        assert group == Group("group:5", "Acme", "acme.example", traits)

    def test_a_group_that_says_little(self) -> None:
        """A name or a domain that is none stays among the traits, with a warning."""
        reading = read(type="group", groupId="g", traits={"name": 5, "domain": "none"})

        assert reading.event is not None
        assert reading.event.group == Group("group:g", "", None, {"name": 5, "domain": "none"})
        assert len(reading.warnings) == 2

    @pytest.mark.parametrize("group_id", [..., None, "", "null", [], True])
    def test_a_group_without_an_id(self, group_id: object) -> None:
        """A group needs a groupId."""
        assert refusal(type="group", groupId=group_id)[0] in {"REQUIRED", "INVALID"}

    def test_an_alias(self) -> None:
        """An alias offers the previous id as an anonymous one of the user, and tells which values are said to be one person."""
        reading = read(type="alias", previousId="a", anonymousId="other")

        assert reading.event is not None
        assert reading.event.keys == (USER, ANONYMOUS)
        assert set(reading.linked) == {USER, ANONYMOUS, LookupKey("user_id", "a")}

    @pytest.mark.parametrize("fields", [{"userId": ...}, {"previousId": ...}, {"userId": "0"}, {"previousId": {}}], ids=str)
    def test_an_alias_of_nobody(self, fields: dict[str, Any]) -> None:
        """An alias needs both ids."""
        assert refusal(**{"type": "alias", "previousId": "a", **fields})[0] in {"REQUIRED", "INVALID"}


class TestRefusals:
    """What is no event, and how that is told."""

    @pytest.mark.parametrize(
        ("message_id", "code"), [(..., "REQUIRED"), (None, "REQUIRED"), ("", "REQUIRED"), (5, "INVALID"), ("x" * 256, "INVALID")]
    )
    def test_message_ids(self, message_id: object, code: str) -> None:
        """An event needs a message id of at most 255 characters; one that is none is not repeated."""
        assert refusal(messageId=message_id)[0] == code
        assert read(messageId=message_id).message_id == ("" if message_id == "" else None)

    def test_the_largest_event(self) -> None:
        """An event has at most 32 KB as sent; a larger one is refused under its message id."""
        empty = len(json.dumps({"type": "track", "messageId": "m", "userId": "u", "event": "x", "x": ""}))

        assert read(x="x" * (MAX_EVENT_BYTES - empty)).event is not None
        reading = read(x="x" * (MAX_EVENT_BYTES - empty + 1))
        assert reading.problem is not None
        assert (reading.problem.code, reading.message_id) == ("LIMIT_EXCEEDED", "m")

    @pytest.mark.parametrize("context", [5, "x", [], True])
    def test_a_context_that_is_none(self, context: object) -> None:
        """The context is an object; the refusal names the message."""
        reading = read(context=context)

        assert reading.problem is not None
        assert reading.message_id == "m"

    def test_no_value_is_repeated(self) -> None:
        """A refusal or a warning never repeats what was sent."""
        for fields in (
            {"timestamp": "SECRET"},
            {"type": "SECRET"},
            {"userId": ["SECRET"]},
            {"context": "SECRET"},
            {"properties": "SECRET"},
        ):
            assert "SECRET" not in refusal(**fields)[1]


names = ["type", "messageId", "userId", "anonymousId", "previousId", "groupId", "event", "name", "traits", "properties", "context"]
names += ["timestamp", "originalTimestamp", "sentAt"]
values = st.recursive(
    st.sampled_from([*CALLS, "m", "2026-01-31T09:00:00Z", "Engagement Completed", "a@example.com"])
    | st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec=None)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["email", "phone", "name", "externalIds", "id", "type", "locale", "page", "createdAt"]), inner)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(names), values), st.sampled_from([None, *CALLS]))
def test_whatever_is_sent_is_answered(item: dict[str, Any], call: str | None) -> None:
    """Every JSON object is either an event or refused with a reason; none breaks anything."""
    reading = read_event(json.dumps(item).encode(), call, Arrival(NOW, None, "GB"))

    assert (reading.event is None) != (reading.problem is None)


@given(st.binary(max_size=200))
def test_whatever_bytes_are_sent_are_answered(raw: bytes) -> None:
    """Bytes that are no JSON are refused with a reason."""
    assert read_event(raw, None, Arrival(NOW)).problem is not None
