"""Many systems behind one screen, from outside: the installed gateway in front of five real servers that count, hang and come back.

One gateway and five systems for all of it; a test leaves them well.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.elsewhere import SCREEN, Office, office
from tests.running import Gateway
from tests.upstreams import WELL, Fault

from .desk import Desk

__all__: list[str] = []

pytestmark = pytest.mark.slow

DEADLINE = 0.6
"""Seconds that a source has here."""
HEALED = """subscription($id: ID!) { profileEvents(profileId: $id) { __typename ... on LiveEvent { seq }
  ... on ProfileUpdated { changedFields profile { id traits { nodes { key } } sources { source { key } state } } } } }"""
LATE = """subscription($id: ID!) { timelineEvents(profileId: $id) { __typename ... on LiveEvent { seq }
  ... on TimelineItemUpserted { item { title source { key } } } } }"""


@dataclass(frozen=True)
class House:
    """The gateway, who asks, and what stands behind it."""

    gateway: Gateway
    office: Office
    token: str
    people: tuple[str, ...]

    def screen(self, *numbers: int) -> dict[str, Any]:
        """The whole answer to the agent's screen of these people."""
        by = [{"identifier": {"type": "user_id", "value": f"u-{number}"}} for number in numbers]
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = httpx2.post(f"{self.gateway.url}/graphql", json={"query": SCREEN, "variables": {"by": by}}, headers=headers, timeout=10)
        shown: dict[str, Any] = answer.json()
        return shown

    def until(self, wanted: Any, *numbers: int) -> dict[str, Any]:
        """The first answer that is as wanted; asks again and again, ten seconds at most."""
        last = time.monotonic() + 10
        while not wanted(answer := self.screen(*numbers)):
            assert time.monotonic() < last, answer
        return answer


@pytest.fixture(name="house", scope="module")
def _house(command: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    place = tmp_path_factory.mktemp("sources")
    with office(5, deadline=DEADLINE, failures=2, pause=0.5, longest_pause=0.5, retries=0) as systems:
        environment = {"GATEWAY_SOURCES": str(systems.write(place / "sources.toml")), "GATEWAY_COST_LIMIT": "20000"}
        gateway = Gateway(command, place / "data", environment=environment)
        try:
            gateway.start()
            key = gateway.write_key()
            users = [f"u-{number}" for number in range(50)]
            gateway.track(key, *({"type": "identify", "messageId": user, "userId": user, "traits": {"firstName": user}} for user in users))
            token = gateway.token()
            asked = [{"identifier": {"type": "user_id", "value": user}} for user in users]
            found = gateway.query(token, "query($by: [ProfileRef!]!) { profiles(by: $by) { id } }", by=asked)["profiles"]
            yield House(gateway, systems, token, tuple(one["id"] for one in found))
        finally:
            if gateway.process is not None:
                gateway.stop()


@pytest.fixture(autouse=True)
def _well(house: House) -> Iterator[None]:
    yield
    for system in house.office.systems.values():
        system.fault = WELL
    house.until(healthy, 0)


def healthy(answer: dict[str, Any]) -> bool:
    """Whether every source answered."""
    return "errors" not in answer and all(set(states(profile).values()) == {"OK"} for profile in answer["data"]["profiles"])


def states(profile: dict[str, Any]) -> dict[str, str]:
    """Source → state, of all that a profile's screen asks for."""
    said = [*profile["sources"], *profile["timeline"]["sources"]]
    return {report["source"]["key"]: report["state"] for report in said if report["source"]["key"] not in {"native", "tracking"}}


def parts(profile: dict[str, Any]) -> dict[str, Any]:
    """What each system contributes to a screen."""
    told = {f"{trait['provenance']['source']['key']} {trait['key']}" for trait in profile["traits"]["nodes"]}
    seen = {(item["source"]["key"], item["title"]) for item in profile["timeline"]["nodes"]}
    return {
        "crm": (profile["middleName"], "crm crm_status" in told),
        "billing": "billing billing_status" in told,
        "desk": [note["body"] for note in profile["notes"]["nodes"]],
        "orders": sorted(title for source, title in seen if source == "orders"),
        "web": sorted(title for source, title in seen if source == "web"),
    }


WHOLE = {
    "crm": ("Q.", True),
    "billing": True,
    "desk": ["Known at the desk."],
    "orders": ["Orders 1", "Orders 2", "Orders 3"],
    "web": ["Web 1", "Web 2", "Web 3"],
}


@pytest.mark.parametrize("count", [1, 50])
def test_a_screen_takes_one_call_of_each_system(house: House, count: int) -> None:
    """The agent's screen over five systems asks each of them once, for one profile and for fifty, and shows what each of them said."""
    house.until(healthy, *range(count))
    house.office.forget()

    answer = house.screen(*range(count))

    assert house.office.counts() == dict.fromkeys(house.office.systems, 1)
    assert healthy(answer), answer
    assert [parts(profile) for profile in answer["data"]["profiles"]] == [WHOLE] * count


def test_the_systems_are_asked_at_once(house: House) -> None:
    """All five are being asked at the same time, so that a screen takes as long as the slowest and not as long as all of them."""
    for system in house.office.systems.values():
        system.fault = Fault(latency=0.3)
    house.office.forget()

    began = time.monotonic()
    answer = house.screen(1)
    took = time.monotonic() - began

    came = [system.seen[0].began for system in house.office.systems.values()]
    assert healthy(answer), answer
    assert max(came) - min(came) < 0.3, "the last was asked when the first had answered"
    assert took < 2 * 0.3


def test_one_system_that_hangs_costs_its_own_branch(house: House) -> None:
    """While the orders hang, all else is there and the answer says who is missing; once the circuit is open nobody waits for them."""
    house.until(healthy, 0)
    house.office.systems["orders"].fault = Fault(hang=True)

    began = time.monotonic()
    first = house.screen(0)
    waited = time.monotonic() - began
    opened = house.until(lambda answer: states(answer["data"]["profiles"][0])["orders"] == "CIRCUIT_OPEN", 0)
    began = time.monotonic()
    fast = house.screen(0)
    took = time.monotonic() - began
    asked = house.office.systems["orders"].count()

    profile = first["data"]["profiles"][0]
    assert DEADLINE * 0.9 < waited < 2 * DEADLINE
    assert parts(profile) == {**WHOLE, "orders": []}
    assert states(profile) == {"crm": "OK", "billing": "OK", "desk": "OK", "web": "OK", "orders": "TIMEOUT"}
    assert {(error["extensions"]["code"], error["extensions"]["source"]) for error in first["errors"]} == {("SOURCE_TIMEOUT", "orders")}
    for answer in (opened, fast):
        (shown,) = answer["data"]["profiles"]
        assert parts(shown) == {**WHOLE, "orders": []}
        assert {(error["extensions"]["code"], error["extensions"]["source"]) for error in answer["errors"]} <= {
            ("SOURCE_CIRCUIT_OPEN", "orders"),
            ("SOURCE_TIMEOUT", "orders"),
        }
    assert took < DEADLINE / 2 or states(fast["data"]["profiles"][0])["orders"] == "TIMEOUT"  # it was the probe
    assert asked < 12
    house.office.systems["orders"].fault = WELL
    back = house.until(healthy, 0)
    assert parts(back["data"]["profiles"][0]) == WHOLE


async def test_an_open_page_heals_by_subscription(house: House) -> None:
    """Whoever has the page open while a system is away is sent what was missing when it is back, without asking again."""
    for key in ("billing", "orders"):
        house.office.systems[key].fault = Fault(failing=1.0, status=503)
    async with Desk(house.gateway, house.token) as desk:
        profile = await desk.watch(HEALED, id=house.people[7])
        timeline = await desk.watch(LATE, id=house.people[7])
        await asyncio.to_thread(house.until, lambda answer: states(answer["data"]["profiles"][0])["orders"] != "OK", 7)
        for key in ("billing", "orders"):
            house.office.systems[key].fault = WELL
        healed = await desk.until(profile, "ProfileUpdated")
        late = await desk.until(timeline, "TimelineItemUpserted")

    assert "billing_status" in {trait["key"] for trait in healed["profile"]["traits"]["nodes"]}
    assert late["item"]["source"]["key"] == "orders"
