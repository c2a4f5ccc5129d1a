"""What is known of a person beyond attributes: traits of every kind, segments, whose data it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import orjson
import pytest

from gateway.auth.policy import ROLE_SCOPES
from gateway.auth.principal import Principal, Role
from gateway.commands.tracking import take_in
from gateway.model.source import DataParty, Source, SourceKind
from gateway.transport.segment.event import Arrival, read_event

from .conftest import START, Graph

__all__ = ["event", "send", "user"]

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONFIG = """
[segments]
vip = "Very important customers"
"""

TRAITS = """query ($id: ID!, $filter: TraitFilter) { profile(by: {id: $id}) { traits(filter: $filter) { nodes {
  key displayName kind category value confidence provenance { source { key party } computedFrom model expiresAt observedAt }
  conflicts { value lostBecause } } } } }"""
SEGMENTS = "query ($id: ID!) { profile(by: {id: $id}) { segments { key displayName enteredAt } } }"
_numbers = count(1)


def event(type_: str, name: str | None = None, *, by: str = "u-1", at: datetime = START, **more: Any) -> dict[str, Any]:
    """One call of the tracking API, with a message id of its own."""
    sent = {"type": type_, "messageId": f"m-{next(_numbers)}", "userId": by, "timestamp": at.isoformat(), **more}
    return sent | ({"event": name} if name else {})


async def send(graph: Graph, *events: dict[str, Any], source: str = "tracking") -> list[str]:
    """Take events in as the tracking API does, together; the warnings."""
    agent = graph.agent
    key = Principal(
        agent.workspace_id, agent.workspace_key, "write-key", "Write key", Role.SERVICE, ROLE_SCOPES[Role.SERVICE], None, source
    )
    readings = [read_event(orjson.dumps(one), None, Arrival(datetime.now(UTC))) for one in events]
    assert [reading.problem for reading in readings if reading.problem] == []
    await take_in(graph.runtime.writer, key, source, [reading.event for reading in readings if reading.event])
    return [warning for reading in readings for warning in reading.warnings]


async def user(graph: Graph, number: str = "u-1") -> str:
    """The id of the profile that events of this user id belong to."""
    found = await graph.data(
        "query ($value: String!) { profile(by: {identifier: {type: user_id, value: $value}}) { id } }".replace(
            "type: user_id", 'type: "user_id"'
        ),
        {"value": number},
    )
    return str(found["id"])


async def traits(graph: Graph, profile: str, **chosen: Any) -> dict[str, dict[str, Any]]:
    """A profile's traits by key."""
    shown = await graph.data(TRAITS, {"id": profile, "filter": chosen or None})
    return {one["key"]: one for one in shown["traits"]["nodes"]}


async def test_cap_048_demographics_are_traits_of_their_kind(graph: Graph) -> None:
    """Demographic facts are found by their kind, apart from everything else."""
    await send(graph, event("identify", traits={"age": 41, "gender": "f", "plan": "gold", "lifetimeValue": 120}))
    found = await traits(graph, await user(graph), kinds=["DEMOGRAPHIC"])

    assert {key: (one["kind"], one["value"]) for key, one in found.items()} == {"age": ("DEMOGRAPHIC", 41), "gender": ("DEMOGRAPHIC", "f")}


async def test_cap_049_preferences_are_traits_and_consents(graph: Graph) -> None:
    """What a person prefers is a trait of that kind; what a person agreed to is a consent."""
    await send(
        graph,
        event("identify", traits={"language": "pt", "tone": "formal"}, context={"traitMeta": {"tone": {"kind": "preference"}}}),
        event("track", "Consent Updated", properties={"purpose": "marketing", "status": "GRANTED"}),
    )
    ana = await user(graph)
    consents = await graph.data("query ($id: ID!) { profile(by: {id: $id}) { consents { purpose status } } }", {"id": ana})

    assert {key: one["value"] for key, one in (await traits(graph, ana, kinds=["PREFERENCE"])).items()} == {
        "language": "pt",
        "tone": "formal",
    }
    assert consents["consents"] == [{"purpose": "marketing", "status": "GRANTED"}]


async def test_cap_051_computed_traits_say_what_they_are_made_of(graph: Graph) -> None:
    """A computed trait is of that kind and names what it was calculated from."""
    meta = {"top_purchase_category": {"computedFrom": "orders of 12 months"}, "spendPerVisit": {"kind": "COMPUTED", "category": "Value"}}
    await send(graph, event("identify", traits={"topPurchaseCategory": "Tents", "spend_per_visit": 31.5}, context={"traitMeta": meta}))
    found = await traits(graph, await user(graph), kinds=["COMPUTED"])

    assert (found["top_purchase_category"]["value"], found["spend_per_visit"]["value"]) == ("Tents", 31.5)
    assert found["top_purchase_category"]["provenance"]["computedFrom"] == "orders of 12 months"
    assert [one["category"] for one in found.values()] == ["Value", "Value"]


async def test_cap_052_predictions_have_confidence_and_model(graph: Graph) -> None:
    """A predicted trait says how sure it is, which model made it and until when it holds."""
    until = (datetime.now(UTC) + timedelta(days=30)).replace(microsecond=0)
    meta = {"confidence": 0.87, "model": "churn-2026-03", "expiresAt": until.isoformat()}
    await send(graph, event("identify", traits={"churn_likelihood": 0.42}, context={"traitMeta": {"churnLikelihood": meta}}))
    (found,) = (await traits(graph, await user(graph), kinds=["PREDICTIVE"])).values()

    assert (found["value"], found["confidence"], found["provenance"]["model"]) == (0.42, 0.87, "churn-2026-03")
    assert datetime.fromisoformat(found["provenance"]["expiresAt"]) == until


async def test_a_value_that_expired_gives_way(graph: Graph) -> None:
    """An expired value loses against a living one of a lesser source and says so; where only expired ones are left there is no trait."""
    ana = await graph.profile(identifiers=[{"type": "user_id", "value": "u-1"}], attributes={"plan": "basic"})
    past = {"expiresAt": "2026-01-02T00:00:00Z"}
    sent = event("identify", traits={"churn_likelihood": 0.9, "score": 7}, context={"traitMeta": {"churn_likelihood": past, "score": past}})
    await send(graph, sent)
    await graph.observed(ana, "warehouse", {"churn_likelihood": 0.1}, at=START - timedelta(days=9))
    found = await traits(graph, ana)

    assert set(found) == {"churn_likelihood", "plan"}
    assert found["churn_likelihood"]["value"] == 0.1
    assert found["churn_likelihood"]["conflicts"] == [{"value": 0.9, "lostBecause": "the value expired"}]


async def test_what_was_said_of_a_value_ends_with_it(graph: Graph) -> None:
    """The next value without a description has none; a late, older one with a description changes nothing."""
    meta = {"churn_likelihood": {"confidence": 0.9, "model": "old", "kind": "COMPUTED"}}
    await send(graph, event("identify", traits={"churn_likelihood": 0.9}, context={"traitMeta": meta}))
    await send(graph, event("identify", at=START + timedelta(hours=1), traits={"churn_likelihood": 0.2}))
    await send(graph, event("identify", at=START + timedelta(minutes=1), traits={"churn_likelihood": 0.5}, context={"traitMeta": meta}))
    (found,) = (await traits(graph, await user(graph))).values()

    assert (found["value"], found["confidence"], found["kind"], found["provenance"]["model"]) == (0.2, None, "PREDICTIVE", None)


async def test_a_description_that_cannot_be_read(graph: Graph) -> None:
    """Each part that cannot be read is left out with a warning; the value and the other parts are kept."""
    meta = {
        "churn_likelihood": {
            "kind": "magic",
            "confidence": 2,
            "model": 5,
            "computedFrom": "x" * 300,
            "expiresAt": "soon",
            "category": "Risk",
        },
        "nothing": {"confidence": 1},
        "plan": "text",
    }
    warnings = await send(graph, event("identify", traits={"churn_likelihood": 0.4, "plan": "gold"}, context={"traitMeta": meta}))
    more = await send(graph, event("identify", at=START - timedelta(days=1), traits={"other": 1}, context={"traitMeta": ["x"]}))
    found = (await traits(graph, await user(graph)))["churn_likelihood"]

    assert (found["value"], found["category"], found["kind"], found["confidence"]) == (0.4, "Risk", "PREDICTIVE", None)
    named = [warning.partition(":")[0].partition(" ")[0] for warning in warnings]
    places = ["kind", "confidence", "model", "computedFrom", "expiresAt"]
    assert named == [
        *(f"context.traitMeta.churn_likelihood.{place}" for place in places),
        "context.traitMeta.nothing",
        "context.traitMeta.plan",
    ]
    assert more == ["context.traitMeta is an object of traits; it is left out."]


async def test_cap_053_visitors_prospects_and_customers(graph: Graph) -> None:
    """A visitor is anonymous until somebody says who it is; what becomes of a prospect an agent says."""
    visit = {"type": "page", "messageId": "visit", "anonymousId": "v-1", "timestamp": START.isoformat()}
    await send(graph, visit)
    lifecycle = 'query { profile(by: {identifier: {type: "anonymous_id", value: "v-1"}}) { id lifecycle } }'
    first = await graph.data(lifecycle)
    await send(graph, event("identify", anonymousId="v-1", traits={"firstName": "Ana"}))
    second = await graph.data(lifecycle)
    change = "mutation ($id: ID!, $to: ProfileLifecycle!) { updateProfile(input: {id: $id, lifecycle: $to}) { profile { lifecycle } } }"
    later = [(await graph.data(change, {"id": first["id"], "to": to}))["profile"]["lifecycle"] for to in ("CUSTOMER", "FORMER")]

    assert first["id"] == second["id"]
    assert [first["lifecycle"], second["lifecycle"], *later] == ["ANONYMOUS", "PROSPECT", "CUSTOMER", "FORMER"]


async def test_cap_055_segments_are_entered_and_left(graph: Graph) -> None:
    """Audiences of another system show under the operator's name, the sender's or the key's words, until the person leaves them."""
    await send(
        graph,
        event("track", "Audience Entered", properties={"audience_key": "vip", "audience_name": "VIPs"}),
        event("track", "Audience Entered", properties={"audience_key": "spring_trips", "audience_name": "Trips in spring"}),
        event("track", "Audience Entered", at=START + timedelta(hours=1), properties={"audience_key": "lateBuyers"}),
        event("track", "Audience Entered", properties={"audience_name": "without a key"}),
    )
    ana = await user(graph)
    entered = (await graph.data(SEGMENTS, {"id": ana}))["segments"]
    logged = len(await graph.log(ana))
    await send(graph, event("track", "Audience Exited", at=START + timedelta(hours=2), properties={"audience_key": "vip"}))
    await send(graph, event("track", "Audience Entered", at=START + timedelta(hours=1), properties={"audience_key": "vip"}))
    left = (await graph.data(SEGMENTS, {"id": ana}))["segments"]

    assert [(one["key"], one["displayName"], one["enteredAt"]) for one in entered] == [
        ("lateBuyers", "Late buyers", "2026-01-01T13:00:00Z"),
        ("spring_trips", "Trips in spring", "2026-01-01T12:00:00Z"),
        ("vip", "Very important customers", "2026-01-01T12:00:00Z"),
    ]
    assert left == entered[:2]
    fields = [entry[1] for entry in await graph.log(ana)]
    assert ["segments" in one for one in fields[:logged]].count(True) == 1
    assert [one for one in fields[logged:] if one] == [["segments"]]  # the late entry changed nothing


@pytest.mark.parametrize("party", [DataParty.SECOND, DataParty.THIRD, DataParty.PUBLIC])
async def test_cap_056_062_each_value_says_whose_data_it_is(graph: Graph, party: DataParty) -> None:
    """Provenance shows the party of the data, public sources included, and traits can be narrowed to one source."""
    described = graph.runtime.services.registry.described
    described["register"] = Source("register", "Company register", (SourceKind.TRAITS,), party, priority=10)
    try:
        ana = await graph.profile(attributes={"plan": "gold"})
        await graph.observed(ana, "register", {"plan": "basic", "board_member": True})
        found = await traits(graph, ana)
        only = await traits(graph, ana, sources=["src_register"])
    finally:
        del described["register"]

    assert {key: one["provenance"]["source"] for key, one in found.items()} == {
        "board_member": {"key": "register", "party": party.value},
        "plan": {"key": "native", "party": "FIRST"},
    }
    assert set(only) == {"board_member"}


async def test_cap_063_data_says_which_identity_it_came_by(graph: Graph) -> None:
    """Identifiers and traits of one person name the source each, so that accounts on two platforms stay apart."""
    await send(
        graph, event("identify", traits={"followers": 12}, context={"externalIds": [{"type": "x_handle", "id": "@ana"}]}), source="x-feed"
    )
    await send(graph, event("identify", at=START + timedelta(hours=1), traits={"followers": 90, "city": "Porto"}), source="web-shop")
    query = "query ($id: ID!) { profile(by: {id: $id}) { identifiers { type value source { key } } } }"
    ana = await user(graph)
    shown_ = await graph.data(query, {"id": ana})
    found = await traits(graph, ana)

    assert {(one["type"], one["source"]["key"]) for one in shown_["identifiers"]} == {("user_id", "x-feed"), ("x_handle", "x-feed")}
    assert found["followers"]["value"] == 90
    assert [one["value"] for one in found["followers"]["conflicts"]] == [12]
    assert {key: one["provenance"]["source"]["key"] for key, one in found.items()} == {"followers": "web-shop", "city": "web-shop"}


async def test_cap_118_survey_answers_are_history_and_a_trait(graph: Graph) -> None:
    """A survey's answer stands on the timeline as it was sent; the score is a computed trait."""
    await send(graph, event("track", "survey", properties={"score": 9, "comment": "Quick."}), event("identify", traits={"nps": 9}))
    ana = await user(graph)
    query = """query ($id: ID!) { profile(by: {id: $id}) { timeline(filter: {types: ["survey"]}, first: 5) { nodes {
      ... on ExternalActivity { type properties } } } } }"""
    items = (await graph.data(query, {"id": ana}))["timeline"]["nodes"]
    nps = (await traits(graph, ana))["nps"]

    assert items == [{"type": "survey", "properties": {"score": 9, "comment": "Quick."}}]
    assert (nps["value"], nps["kind"], nps["displayName"], nps["category"]) == (9, "COMPUTED", "NPS", "Satisfaction")


async def test_cap_123_a_changed_definition_takes_effect_at_once(graph: Graph) -> None:
    """The first value under a changed definition is what every screen shows from then on, and a subscriber is told."""
    old, new = ({"nps": {"computedFrom": text}} for text in ("all surveys", "surveys of 90 days"))
    await send(graph, event("identify", traits={"nps": 9}, context={"traitMeta": old}))
    ana = await user(graph)
    stream = graph.stream(
        'subscription ($id: ID!) { profileEvents(profileId: $id, fields: ["traits"]) { __typename ... on ProfileUpdated { changedFields '
        "profile { traits { nodes { value provenance { computedFrom } } } } } } }",
        {"id": ana},
    )
    await stream.next()
    await send(graph, event("identify", at=START + timedelta(hours=1), traits={"nps": 8}, context={"traitMeta": new}))
    told = await stream.next()
    await stream.close()

    assert "traits" in told["changedFields"]
    assert told["profile"]["traits"]["nodes"] == [{"value": 8, "provenance": {"computedFrom": "surveys of 90 days"}}]
