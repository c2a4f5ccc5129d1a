"""A desk of twenty contacts takes as many statements as a desk of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from .conftest import Graph
from .contact_view_scene import SHOWN, Calls
from .test_batching import statements

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

DESK = f"{{ viewer {{ streamCursor contacts {{ {SHOWN} }} }} }}"
LIST = f"{{ contacts(first: 50) {{ nodes {{ {SHOWN} }} }} }}"
OF_PROFILES = "query ($by: [ProfileRef!]!) { profiles(by: $by) { contacts { nodes { id state candidates { score } } } } }"
BEHIND = {"revocations_since"}
"""What a running gateway asks by itself now and then."""
ENTRY = ["associations_by_contact", "candidates_by_contact", "live_contacts_by_id"]


@pytest.fixture(name="calls")
def _calls(graph: Graph) -> Calls:
    return Calls(graph)


async def busy(calls: Calls, *numbers: int) -> list[str]:
    """Contacts with candidates, associations, parents and corrected histories; their profiles."""
    profiles = []
    bot = await calls.rings(agentId="ann", channel="CHAT")
    for n in numbers:
        phone = f"+4420794600{n:02}"
        right = await calls.caller(f"P{n}", phone)
        await calls.caller(f"Q{n}", phone)
        contact = await calls.rings(address=phone, parentId=bot["id"])
        await calls.associated(contact["id"], await calls.caller(f"R{n}"))
        await calls.associated(contact["id"], right)
        profiles.append(right)
    await calls.moves(bot["id"], "CLOSED")
    return profiles


async def test_cap_021_a_desk_of_one_and_of_twenty(calls: Calls, graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    """The desk takes the same statements for one contact and for twenty: its position, the contacts, and one per relationship."""
    seen: list[list[str]] = []
    for more in ([1], range(2, 21)):
        await busy(calls, *more)
        with statements(monkeypatch) as names:
            shown = (await graph.data(DESK))["contacts"]
        seen.append(sorted(name for name in names if name not in {"profiles_by_id", *BEHIND}))
        assert names.count("profiles_by_id") <= 3
        for contact in shown:
            assert (len(contact["candidates"]), len(contact["associationHistory"]), contact["parent"] is None) == (2, 2, False)
            assert contact["profile"]["id"] == contact["association"]["profile"]["id"]

    assert len(shown) == 20
    assert seen[0] == seen[1] == sorted([*ENTRY, "begin_stream", "contacts_by_agent"])


async def test_cap_136_a_list_of_twenty(calls: Calls, graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    """So does the supervisor's list, and the contacts of twenty profiles."""
    profiles = await busy(calls, *range(20))

    async def names(query: str, by: Sequence[str]) -> list[str]:
        variables: dict[str, Any] = {"by": [{"id": one} for one in by]} if by else {}
        with statements(monkeypatch) as seen:
            await graph.data(query, variables, graph.supervisor)
        return sorted(name for name in seen if name not in {"profiles_by_id", *BEHIND})

    assert await names(LIST, ()) == sorted([*ENTRY, "contacts_page"])
    assert (
        await names(OF_PROFILES, profiles)
        == await names(OF_PROFILES, profiles[:1])
        == ["candidates_by_contact", "live_contacts_by_profile"]
    )


async def test_a_grant_is_one_statement(calls: Calls, graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    """For an agent who may not read profiles, the grants of all its contacts are asked together."""
    await busy(calls, *range(5))
    who = graph.narrowed(graph.agent, "contact:associate")
    with statements(monkeypatch) as seen:
        shown = (await graph.data("{ viewer { contacts { candidates { profile { id } } } } }", principal=who))["contacts"]

    assert [len(contact["candidates"]) for contact in shown] == [2] * 5
    assert sorted(set(seen) - BEHIND) == [
        "begin_stream",
        "candidates_by_contact",
        "contacts_by_agent",
        "granted_profiles",
        "profiles_by_id",
    ]
