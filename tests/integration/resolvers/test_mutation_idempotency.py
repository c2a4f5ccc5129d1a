"""Idempotency keys: the same change asked for twice is made once, and a key stands for one input only."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from .conftest import Graph

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

CREATE = """mutation ($input: CreateProfileInput!) { createProfile(input: $input) {
  profile { id version firstName streamCursor } streamCursor userErrors { code message path } } }"""
NOTE = """mutation ($input: NoteInput!) { addNote(input: $input) {
  note { id version body } profile { id streamCursor } streamCursor userErrors { code message path } } }"""


async def given(graph: Graph, mutation: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """A mutation with a key, its input, and another input under the same key."""
    if mutation == "createProfile":
        whole = {
            "firstName": "Ana",
            "contactPoints": [{"channel": "EMAIL", "value": "ana@example.com"}],
            "identifiers": [{"type": "account_id", "value": "A-100"}],
            "attributes": {"a": 1, "b": [2, {"c": None}]},
            "idempotencyKey": "k-1",
        }
        return CREATE, whole, {**whole, "attributes": {"a": True, "b": [2, {"c": None}]}}
    whole = {"profileId": await graph.profile(), "body": "Called.", "idempotencyKey": "k-1"}
    return NOTE, whole, {**whole, "isPinned": True}


MUTATIONS = pytest.mark.parametrize("mutation", ["createProfile", "addNote"])


@MUTATIONS
async def test_a_retry_gives_the_same_answer_and_one_change(graph: Graph, mutation: str) -> None:
    """The same key with the same input answers the same and changes nothing, however often, and in whatever order its fields come."""
    query, input_, _ = await given(graph, mutation)
    first = await graph.run(query, {"input": input_})
    before = await graph.contents()
    again = await graph.run(query, {"input": dict(reversed(input_.items()))})

    assert "errors" not in first
    assert first["data"][mutation]["userErrors"] == []
    assert again == first
    assert await graph.contents() == before


@MUTATIONS
async def test_another_input_under_the_same_key(graph: Graph, mutation: str) -> None:
    """The same key with another input is IDEMPOTENCY_KEY_REUSED, and changes nothing."""
    query, input_, other = await given(graph, mutation)
    await graph.data(query, {"input": input_})
    before = await graph.contents()
    error = await graph.error(query, {"input": other})

    assert (error["path"], error["extensions"]) == ([mutation], {"code": "IDEMPOTENCY_KEY_REUSED"})
    assert await graph.contents() == before


@MUTATIONS
async def test_concurrent_requests_with_one_key(graph: Graph, mutation: str) -> None:
    """Of many requests with one key at the same moment one makes the change, and all give the same answer."""
    query, input_, _ = await given(graph, mutation)
    table = "profile" if mutation == "createProfile" else "note"
    before = [await graph.count(one) for one in ("idempotency", "change_log", table)]
    answers = await asyncio.gather(*(graph.run(query, {"input": input_}) for _ in range(8)))
    after = [await graph.count(one) for one in ("idempotency", "change_log", table)]

    assert all(answer == answers[0] for answer in answers)
    assert answers[0]["data"][mutation]["userErrors"] == []
    assert [now - then for now, then in zip(after, before, strict=True)] == [1, 1, 1]


@MUTATIONS
async def test_a_key_belongs_to_whoever_used_it(graph: Graph, mutation: str) -> None:
    """Another agent's equal key, and the same agent's in another workspace, are other keys."""
    query, input_, _ = await given(graph, mutation)
    if mutation == "createProfile":
        del input_["identifiers"]
    first = await graph.data(query, {"input": input_})
    second = await graph.data(query, {"input": input_}, graph.colleague)
    if mutation == "addNote":
        input_["profileId"] = await graph.profile(principal=graph.stranger)
    third = await graph.data(query, {"input": input_}, graph.stranger)
    ids = [payload["note" if mutation == "addNote" else "profile"]["id"] for payload in (first, second, third)]

    assert len(set(ids)) == 3


async def test_a_refused_change_leaves_its_key_free(graph: Graph) -> None:
    """After a refusal the same key may be used for the corrected input."""
    ana = await graph.profile(identifiers=[{"type": "account_id", "value": "A-100"}])
    input_ = {"firstName": "Bob", "identifiers": [{"type": "account_id", "value": "A-100"}], "idempotencyKey": "k-1"}
    refused = await graph.data(CREATE, {"input": input_})
    input_["identifiers"] = [{"type": "account_id", "value": "A-200"}]
    made = await graph.data(CREATE, {"input": input_})

    assert [error["code"] for error in refused["userErrors"]] == ["TAKEN"]
    assert made["userErrors"] == []
    assert made["profile"]["id"] != ana


async def test_without_a_key_each_request_is_a_change(graph: Graph) -> None:
    """No key, or null, and the same request twice makes two notes."""
    ana = await graph.profile()
    ids = {await graph.note(ana, "same", **key) for key in ({}, {}, {"idempotencyKey": None})}

    assert len(ids) == 3
    assert await graph.count("idempotency") == 0


@MUTATIONS
async def test_keys_that_cannot_be(graph: Graph, mutation: str) -> None:
    """An empty key, one over 255 characters and one with NUL are BAD_USER_INPUT; 255 characters are taken."""
    query, input_, _ = await given(graph, mutation)
    before = await graph.contents()
    for key in ("", "k" * 256):
        error = await graph.error(query, {"input": {**input_, "idempotencyKey": key}})
        assert error["extensions"] == {"code": "BAD_USER_INPUT", "argument": "input.idempotencyKey"}
    error = await graph.error(query, {"input": {**input_, "idempotencyKey": "k\x00"}})
    assert (error["path"], error["extensions"]["code"]) == ([mutation], "BAD_USER_INPUT")
    assert await graph.contents() == before

    assert (await graph.data(query, {"input": {**input_, "idempotencyKey": "é" * 255}}))["userErrors"] == []


async def test_a_retry_shows_the_present(graph: Graph) -> None:
    """A late retry answers with the cursor of its own change and the entity as it is by now; of a deleted note, none."""
    query, input_, _ = await given(graph, "addNote")
    first = await graph.data(query, {"input": input_})
    await graph.data("mutation ($id: ID!) { deleteNote(id: $id) { deletedId } }", {"id": first["note"]["id"]})
    again = await graph.data(query, {"input": input_})

    assert (again["note"], again["streamCursor"], again["userErrors"]) == (None, first["streamCursor"], [])
    assert again["profile"]["streamCursor"] != first["streamCursor"]
