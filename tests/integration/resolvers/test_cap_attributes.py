"""Attributes of profiles: the registry, what is shown, and what may be written."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from .conftest import START, Graph, codes

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONFIG = """
features = ["merge", "contacts"]

[attributes.define.tier]
name = "Loyalty tier"
type = "SELECT"
options = ["basic", "silver", "gold"]
group = "Loyalty"
required = true
position = 1
names = { de = "Treuestufe", "pt-BR" = "Nível" }

[attributes.define.products]
name = "Products purchased"
type = "MULTI_SELECT"
options = ["phone", "tablet", "watch"]
group = "Purchases"
visible = false
position = 2

[attributes.define.credit_limit]
name = "Credit limit"
type = "MONEY"
managed_by = "billing"
position = 3

[attributes.define.first_order_at]
name = "First order"
type = "DATETIME"
editable = false
position = 4

[attributes.define.fax]
name = "Fax"
type = "PHONE"
deprecated = "Nobody faxes any more."
sensitivity = "PERSONAL"
position = 5

[attributes.define.open_word]
name = "Open word"
sensitivity = "PUBLIC"
position = 6

[attributes.define.nickname]
name = "Nickname"
sensitivity = "PERSONAL"
position = 7

[attributes.define.passphrase]
name = "Passphrase"
type = "JSON"
sensitivity = "SENSITIVE"
required = true
position = 8

[attributes.define.contract_id]
name = "Contract"
identifier = true
required = true
visible = false
position = 9

[links]
profile = "https://crm.example.com/customers/{id}?tab=1"
"""

CREATE = "mutation ($input: CreateProfileInput!) { createProfile(input: $input) { profile { id } userErrors { code message path } } }"
UPDATE = """mutation ($input: UpdateProfileInput!) { updateProfile(input: $input) {
  profile { id version attributes(visibility: ALL) { definition { key } value } } userErrors { code message path } } }"""
ATTRIBUTES = """query ($id: ID!, $visibility: AttributeVisibility! = MAIN, $search: String) { profile(by: {id: $id}) {
  attributes(visibility: $visibility, search: $search) {
    definition { key type } value displayValue mask provenance { source { key } actor { id } } } } }"""


async def update(graph: Graph, profile: str, attributes: Any, principal: Any = None, **more: Any) -> dict[str, Any]:
    """The payload of an update of attributes."""
    payload: dict[str, Any] = await graph.data(UPDATE, {"input": {"id": profile, "attributes": attributes, **more}}, principal)
    return payload


async def shown(graph: Graph, profile: str, principal: Any = None, **arguments: Any) -> dict[str, dict[str, Any]]:
    """Key → attribute, in the order answered."""
    found = await graph.data(ATTRIBUTES, {"id": profile, **arguments}, principal)
    return {one["definition"]["key"]: one for one in found["attributes"]}


async def test_cap_001_viewer_features_are_what_the_operator_switched_on(graph: Graph) -> None:
    """The viewer is told which features the operator switched on, sorted."""
    assert await graph.data("{ viewer { features } }") == {"features": ["contacts", "merge"]}


async def test_cap_041_each_verb_takes_its_own_scope(graph: Graph) -> None:
    """To view, create, edit and merge are granted one by one; viewerCan says the same as what happens."""
    ana = await graph.profile()
    may_view = graph.narrowed(graph.agent, "profile:read")
    may_edit = graph.narrowed(graph.agent, "profile:write")
    may_create = graph.narrowed(graph.agent, "profile:create")
    query = "query ($id: ID!) { profile(by: {id: $id}) { firstName viewerCan { update merge } } }"

    assert (await graph.data(query, {"id": ana}, may_view))["viewerCan"] == {"update": False, "merge": False}
    assert (await graph.data(query, {"id": ana}))["viewerCan"] == {"update": True, "merge": False}
    assert (await graph.data(query, {"id": ana}, graph.supervisor))["viewerCan"] == {"update": True, "merge": True}
    for principal in (may_edit, may_create):
        assert (await graph.error(query, {"id": ana}, principal))["extensions"]["scope"] == "profile:read"
    for principal in (may_view, may_create):
        error = await graph.error(UPDATE, {"input": {"id": ana, "attributes": {"plan": "pro"}}}, principal)
        assert error["extensions"] == {**error["extensions"], "code": "FORBIDDEN", "scope": "profile:write"}
    for principal in (may_view, may_edit):
        assert (await graph.error(CREATE, {"input": {"firstName": "Bo"}}, principal))["extensions"]["scope"] == "profile:create"
    edited = await update(graph, ana, {"plan": "pro"}, may_edit)
    assert (edited["userErrors"], edited["profile"]) == ([], None)


async def test_cap_043_missing_attributes_are_the_required_ones_without_a_value(graph: Graph) -> None:
    """A required attribute is missing until somebody says it: a trait of any source, an identifier, or a sealed value; a blank is none."""
    query = "query ($by: [ProfileRef!]!) { profiles(by: $by) { missingAttributes { key displayName isRequired } } }"
    ana, bob = await graph.profile(), await graph.profile("Bob", identifiers=[{"type": "contract_id", "value": "C-1"}])
    await update(graph, bob, {"passphrase": ["x"]})
    await graph.observed(bob, "billing", {"tier": "gold"})
    await graph.observed(ana, "billing", {"tier": ""})

    first, second = await graph.data(query, {"by": [{"id": ana}, {"id": bob}]})
    assert [one["key"] for one in first["missingAttributes"]] == ["tier", "passphrase", "contract_id"]
    assert all(one["isRequired"] for one in first["missingAttributes"])
    assert second == {"missingAttributes": []}


async def test_cap_054_any_fact_can_be_kept_and_defined_ones_have_a_type(graph: Graph) -> None:
    """What is defined has its type; what nobody defined is kept as it is and typed by its value."""
    ana = await graph.profile(
        attributes={"products": ["phone", "watch"], "shoe_size": 42, "vip": True, "pets": {"cat": "Tom"}, "motto": "on"}
    )
    found = await shown(graph, ana, visibility="ALL")

    assert found["products"] == {
        "definition": {"key": "products", "type": "MULTI_SELECT"},
        "value": ["phone", "watch"],
        "displayValue": "phone, watch",
        "mask": "CLEAR",
        "provenance": {"source": {"key": "native"}, "actor": {"id": "ann"}},
    }
    types = {key: found[key]["definition"]["type"] for key in ("shoe_size", "vip", "pets", "motto")}
    assert types == {"shoe_size": "NUMBER", "vip": "BOOLEAN", "pets": "JSON", "motto": "TEXT"}


async def test_cap_059_and_060_the_summary_counts_categories_and_names_their_first(graph: Graph) -> None:
    """Traits are counted by the group of their definition, under the labels of the registry."""
    ana = await graph.profile(attributes={"tier": "gold", "products": ["phone"], "plan": "pro", "shoe_size": 42, "age": 30, "gender": "f"})
    found = await graph.data("query ($id: ID!) { profile(by: {id: $id}) { traitSummary { category count top } } }", {"id": ana})

    assert found["traitSummary"] == [
        {"category": "Demographics", "count": 2, "top": ["Age", "Gender"]},
        {"category": "Loyalty", "count": 1, "top": ["Loyalty tier"]},
        {"category": "Other", "count": 1, "top": ["Shoe size"]},
        {"category": "Purchases", "count": 1, "top": ["Products purchased"]},
        {"category": "Subscription", "count": 1, "top": ["Plan"]},
    ]


async def test_cap_061_traits_are_explored_by_label_and_group(graph: Graph) -> None:
    """Traits can be filtered by the label and the group they are shown under, and paged."""
    ana = await graph.profile(attributes={"tier": "gold", "products": ["phone"], "plan": "pro"})
    query = """query ($id: ID!, $filter: TraitFilter, $first: Int = 50, $after: String) { profile(by: {id: $id}) {
      traits(filter: $filter, first: $first, after: $after) { nodes { key displayName category } pageInfo { hasNextPage endCursor } } } }"""

    async def keys(**arguments: Any) -> list[str]:
        found = await graph.data(query, {"id": ana, **arguments})
        return [trait["key"] for trait in found["traits"]["nodes"]]

    assert await keys(filter={"search": "LOYALTY"}) == ["tier"]
    assert await keys(filter={"categories": ["Purchases"]}) == ["products"]
    page = await graph.data(query, {"id": ana, "first": 2})
    assert page["traits"]["nodes"][1] == {"key": "products", "displayName": "Products purchased", "category": "Purchases"}
    assert await keys(after=page["traits"]["pageInfo"]["endCursor"]) == ["tier"]


async def test_cap_067_a_deep_link_leads_to_the_full_profile(graph: Graph) -> None:
    """The operator's address with the profile's id in it."""
    ana = await graph.profile()
    found = await graph.data("query ($id: ID!) { profile(by: {id: $id}) { url } }", {"id": ana})

    assert found == {"url": f"https://crm.example.com/customers/{ana}?tab=1"}


async def test_cap_068_show_more_is_every_attribute(graph: Graph) -> None:
    """ALL is the whole registry in its order, with and without values, then everything else that is known of the profile."""
    ana = await graph.profile(attributes={"zebra": 1, "aardvark": 2, "plan": "pro"}, identifiers=[{"type": "contract_id", "value": "S-1"}])
    found = await shown(graph, ana, visibility="ALL")
    registry = [one["key"] for one in await graph.data("{ attributeDefinitions { key } }")]

    assert list(found) == [*registry, "aardvark", "zebra"]
    assert (found["plan"]["value"], found["contract_id"]["value"]) == ("pro", "S-1")
    assert {key: found["tier"][key] for key in ("value", "displayValue", "provenance")} == dict.fromkeys(
        ("value", "displayValue", "provenance")
    )


async def test_cap_069_attributes_are_searched_by_label_and_key(graph: Graph) -> None:
    """Profile.attributes and attributeDefinitions find a part of a key or of a label in any language, whatever the case."""
    ana = await graph.profile(attributes={"shoe_size": 42})

    assert list(await shown(graph, ana, visibility="ALL", search="SIZE")) == ["shoe_size"]
    assert list(await shown(graph, ana, search="treue")) == ["tier"]
    assert list(await shown(graph, ana, search="products")) == []
    assert list(await shown(graph, ana, visibility="ALL", search=" ")) == list(await shown(graph, ana, visibility="ALL"))
    query = "query ($search: String) { attributeDefinitions(search: $search) { key } }"
    for search, expected in (("nÍVEL", ["tier"]), ("CREDIT", ["credit_limit"]), ("_limit", ["credit_limit"]), ("no such", [])):
        assert [one["key"] for one in await graph.data(query, {"search": search})] == expected


async def test_cap_074_an_edit_keeps_what_is_absent_and_clears_what_is_null(graph: Graph) -> None:
    """An attribute that is left out stays; null takes the agent's word away, and a source's shows again."""
    ana = await graph.profile(attributes={"tier": "gold", "nickname": "Annie"})
    await graph.observed(ana, "billing", {"tier": "basic"}, at=START + timedelta(days=1))
    assert (await shown(graph, ana))["tier"]["value"] == "gold"
    payload = await update(graph, ana, {"tier": None})

    assert payload["userErrors"] == []
    found = await shown(graph, ana)
    assert (found["tier"]["value"], found["tier"]["provenance"]["source"], found["nickname"]["value"]) == (
        "basic",
        {"key": "billing"},
        "Annie",
    )


async def test_cap_074_a_lifecycle_cannot_be_cleared(graph: Graph) -> None:
    """lifecycle: null is refused, since a profile always has one; left out it is kept."""
    ana = await graph.profile()
    refused = await graph.data(UPDATE, {"input": {"id": ana, "firstName": "Ada", "lifecycle": None}})
    found = await graph.data("query ($id: ID!) { profile(by: {id: $id}) { firstName lifecycle version } }", {"id": ana})

    assert codes(refused) == [("INVALID", "input.lifecycle")]
    assert found == {"firstName": "Ana", "lifecycle": "PROSPECT", "version": 1}


async def test_cap_075_the_editor_is_told_type_and_options(graph: Graph) -> None:
    """A definition says what its values are and which there are, and comes back by its id."""
    fields = "key type options group isEditable isSearchKey isRequired sensitivity isVisibleByDefault position deprecationReason"
    found = {one["key"]: one for one in await graph.data(f"{{ attributeDefinitions {{ id {fields} managedBy {{ key }} }} }}")}

    described = {
        "id": "atd_tier",
        "key": "tier",
        "type": "SELECT",
        "options": ["basic", "silver", "gold"],
        "group": "Loyalty",
        "position": 1,
    }
    flags = {"isEditable": True, "isSearchKey": False, "isRequired": True, "isVisibleByDefault": True}
    assert found["tier"] == {**described, **flags, "sensitivity": "INTERNAL", "deprecationReason": None, "managedBy": None}
    assert (found["contract_id"]["isSearchKey"], found["fax"]["deprecationReason"]) == (True, "Nobody faxes any more.")
    node = await graph.data('{ node(id: "atd_tier") { id ... on AttributeDefinition { key options } } }')
    assert node == {"id": "atd_tier", "key": "tier", "options": ["basic", "silver", "gold"]}


async def test_cap_076_managed_attributes_are_read_only(graph: Graph) -> None:
    """What a source or a rule keeps cannot be written or cleared by hand; the refusal names the attribute, and nothing is written."""
    ana = await graph.profile()
    await graph.observed(ana, "billing", {"credit_limit": {"amount": 500, "currency": "EUR"}})
    before = await graph.contents()
    for attributes in ({"credit_limit": 1, "tier": "gold"}, {"credit_limit": None}, {"first_order_at": "2026-01-01T00:00:00Z"}):
        refused = await update(graph, ana, attributes)
        assert codes(refused) == [("READ_ONLY", f"input.attributes.{next(iter(attributes))}")]
    assert codes(await graph.data(CREATE, {"input": {"firstName": "Bo", "attributes": {"credit_limit": 1}}})) == [
        ("READ_ONLY", "input.attributes.credit_limit")
    ]
    assert await graph.contents() == before
    definitions = {one["key"]: one for one in await graph.data("{ attributeDefinitions { key isEditable managedBy { key displayName } } }")}
    assert definitions["credit_limit"] == {
        "key": "credit_limit",
        "isEditable": False,
        "managedBy": {"key": "billing", "displayName": "Billing"},
    }
    assert (definitions["first_order_at"]["isEditable"], definitions["first_order_at"]["managedBy"]) == (False, None)
    assert (await shown(graph, ana))["credit_limit"]["displayValue"] == "500 EUR"


async def test_cap_077_labels_are_localised(graph: Graph) -> None:
    """A label comes in the language asked for, else in its language without the region, else as it is."""
    query = 'query ($locale: String) { attributeDefinitions(search: "loyalty") { displayName(locale: $locale) } }'
    for locale, label in (
        (None, "Loyalty tier"),
        ("de", "Treuestufe"),
        ("de-AT", "Treuestufe"),
        ("pt-BR", "Nível"),
        ("pt", "Loyalty tier"),
        ("", "Loyalty tier"),
    ):
        assert await graph.data(query, {"locale": locale}) == [{"displayName": label}]


WRONG: list[tuple[Any, str]] = [
    ({"tier": "platinum"}, "tier"),
    ({"tier": ["gold"]}, "tier"),
    ({"products": ["phone", "phone"]}, "products"),
    ({"fax": "020 7946 0958"}, "fax"),
    ({"nickname": "a\nb"}, "nickname"),
    ({"nickname": {"a": 1}}, "nickname"),
    ({"passphrase": "\x00"}, "passphrase"),
    ({"contract_id": "C-9"}, "contract_id"),
    ({"contract_id": None}, "contract_id"),
    ({"x" * 129: 1}, "x" * 128),
    ({"deep": [[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]}, "deep"),
]


@pytest.mark.parametrize(("attributes", "key"), WRONG)
async def test_values_that_cannot_be(graph: Graph, attributes: Any, key: str) -> None:
    """A value that is none of its type, or an identifier written as an attribute, is INVALID at its key, and nothing else is written."""
    ana = await graph.profile(attributes={"tier": "gold"})
    before = await graph.contents()

    assert codes(await update(graph, ana, {**attributes, "plan": "pro"})) == [("INVALID", f"input.attributes.{key}")]
    assert codes(await graph.data(CREATE, {"input": {"firstName": "Bo", "attributes": attributes}})) == [
        ("INVALID", f"input.attributes.{key}")
    ]
    assert await graph.contents() == before


async def test_a_phone_is_stored_as_it_compares(graph: Graph) -> None:
    """A phone attribute is E.164 whatever was typed, and typing it otherwise is no change; a deprecated attribute can still be written."""
    ana = await graph.profile(attributes={"fax": "+44 20 7946 0958"})
    same = await update(graph, ana, {"fax": "+44 (20) 79460958"})

    assert (await shown(graph, ana))["fax"]["value"] == "+442079460958"
    assert same["profile"]["version"] == 1
