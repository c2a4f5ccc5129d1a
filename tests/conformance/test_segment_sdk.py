"""segment-analytics-python, unmodified but for its host: what it sends can be queried."""

from __future__ import annotations

import pytest
from segment.analytics.client import Client

from tests.running import Gateway

SCREEN = """query($email: EmailAddress!) { profile(by: {email: $email}) {
  id firstName lastName lifecycle identifiers { type value } contactPoints { channel email } mainCompany { name }
  traits { nodes { key value provenance { source { key } } } }
  timeline(filter: {preset: ALL}) { nodes { title ... on ExternalActivity { properties } } } } }"""


@pytest.mark.parametrize("compressed", [False, True])
def test_identify_track_page_and_group_arrive(gateway: Gateway, compressed: bool) -> None:
    """A person, what they did, what they looked at and where they work, sent by the SDK, are one profile."""
    user, failures = f"sdk-{compressed}", []
    email = f"{user}@example.com".lower()
    client = Client(
        gateway.write_key(),
        host=gateway.url,
        gzip=compressed,
        on_error=lambda error, _: failures.append(error),
        upload_interval=0.05,
        max_retries=0,
    )
    client.identify(user, {"firstName": "Ana", "lastName": "Gomez", "email": email.upper(), "plan": "gold"})
    client.track(user, "Order Completed", {"total": 42.5, "items": ["a", "b"]})
    client.page(user, "Docs", "Pricing", {"path": "/pricing"})
    client.group(user, f"acme-{compressed}", {"name": "Acme", "employees": 10})
    client.flush()
    client.join()

    assert failures == []

    profile = gateway.query(gateway.token(), SCREEN, email=email)["profile"]
    traits = {trait["key"]: trait["value"] for trait in profile["traits"]["nodes"]}
    titles = [item["title"] for item in profile["timeline"]["nodes"]]

    assert (profile["firstName"], profile["lastName"], profile["lifecycle"]) == ("Ana", "Gomez", "PROSPECT")
    assert {"type": "user_id", "value": user} in profile["identifiers"]
    assert profile["contactPoints"] == [{"channel": "EMAIL", "email": email}]
    assert profile["mainCompany"] == {"name": "Acme"}
    assert traits["plan"] == "gold"
    assert "Order Completed" in titles
    assert profile["timeline"]["nodes"][titles.index("Order Completed")]["properties"] == {"total": 42.5, "items": ["a", "b"]}
    assert any("ricing" in title for title in titles)


def test_a_wrong_key_is_told_to_the_sdk(gateway: Gateway) -> None:
    """The SDK hears that its key opens nothing."""
    failures: list[Exception] = []
    client = Client("not-a-key", host=gateway.url, on_error=lambda error, _: failures.append(error), max_retries=0, upload_interval=0.05)
    client.track("u", "Order Completed")
    client.flush()
    client.join()

    assert len(failures) == 1
    assert "401" in str(failures[0]) or "UNAUTHENTICATED" in str(failures[0])
