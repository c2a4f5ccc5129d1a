"""Where the operator switched contacts off, every mutation of them is refused plainly."""

from __future__ import annotations

import pytest

from .conftest import Graph, codes
from .contact_view_scene import Calls

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONFIG = 'features = ["merge"]'
CREATE = "mutation ($input: CreateProfileInput!) { createProfile(input: $input) { profile { id } userErrors { code message path } } }"


async def test_cap_001_contacts_can_be_switched_off(graph: Graph) -> None:
    """Opening, changing, associating and unlinking are FORBIDDEN with the reason, and so is creating for a contact; nothing is written."""
    calls = Calls(graph)
    ana = await calls.caller("Ana")
    contact = "con_" + "1" * 32
    before = await graph.contents()
    refused = [
        await calls.opened(),
        await calls.updated(contact, state="CONNECTED"),
        await calls.associated(contact, ana),
        await calls.unlinked(contact),
        await graph.data(CREATE, {"input": {"firstName": "New", "associateWithContactId": contact}}),
    ]

    assert [codes(answer) for answer in refused] == [[("FORBIDDEN", "")]] * 5
    assert all("switched off" in answer["userErrors"][0]["message"] for answer in refused)
    assert await graph.contents() == before
    assert await calls.seen(contact) is None
