"""What the demo's website has seen: a batch that can be sent again, and a catalogue of topics."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gateway.cli.sample.story import KNOWN_PHONE, past_events, topics
from gateway.identity import normalize_phone

__all__: list[str] = []

UNTIL = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_every_event_has_its_own_name_and_lies_in_the_past() -> None:
    """Message ids are fixed and differ, so sending the batch again changes nothing; moments lie before `until`, oldest first."""
    events = past_events(UNTIL)
    moments = [datetime.fromisoformat(event["timestamp"]) for event in events]

    assert len({event["messageId"] for event in events}) == len(events)
    assert {event["messageId"] for event in past_events(UNTIL + timedelta(days=1))} == {event["messageId"] for event in events}
    assert moments == sorted(moments)
    assert max(moments) < UNTIL


def test_the_duplicate_has_the_known_persons_number() -> None:
    """Somebody registered again with the phone and the name of the known customer: what a merge proposal is made of."""
    (double,) = [event for event in past_events(UNTIL) if event["messageId"] == "demo-double"]

    assert normalize_phone(double["traits"]["phone"]) == KNOWN_PHONE
    assert double["traits"]["lastName"] == "Souza"


def test_twelve_thousand_topics() -> None:
    """The catalogue has as many topics as asked, each once, with a category."""
    made = list(topics())

    assert len(made) == len({topic for topic, _ in made}) == 12_000
    assert all(category for _, category in made)
    assert list(topics(3)) == made[:3]
