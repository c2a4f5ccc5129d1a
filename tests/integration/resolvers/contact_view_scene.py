"""A contact centre in small: a routing system, its calls and chats, and what an agent's desk shows of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from gateway.auth.principal import Principal
from gateway.model.change import desk_stream
from gateway.model.ids import parse_id

from .conftest import Graph

__all__ = ["ASSOCIATE", "OPEN", "SHOWN", "UNLINK", "UPDATE", "Calls"]

ERRORS = "streamCursor userErrors { code message path }"
SHOWN = """id version state match channel customChannel address direction agent { id displayName kind } queue offeredAt acceptedAt
  attributes handoffContext parent { id }
  candidates { score matchedOn { key displayValue } profile { id displayName } }
  association { automatic verifiedKeys supersededAt at by { id kind } profile { id } }
  associationHistory { automatic verifiedKeys supersededAt by { id kind } profile { id } }
  profile { id displayName } viewerCan { associate createProfile }"""
OPEN = f"mutation ($input: OpenContactInput!) {{ openContact(input: $input) {{ contact {{ {SHOWN} }} {ERRORS} }} }}"
UPDATE = f"mutation ($input: UpdateContactInput!) {{ updateContact(input: $input) {{ contact {{ {SHOWN} }} {ERRORS} }} }}"
ASSOCIATE = f"""mutation ($contact: ID!, $profile: ID!, $keys: [String!]) {{
  associateContact(contactId: $contact, profileId: $profile, verifiedKeys: $keys) {{ contact {{ {SHOWN} }} {ERRORS} }} }}"""
UNLINK = f"""mutation ($contact: ID!, $reason: String) {{
  unlinkContact(contactId: $contact, reason: $reason) {{ contact {{ {SHOWN} }} {ERRORS} }} }}"""

_numbers = count(1)


@dataclass(frozen=True)
class Calls:
    """What happens on the phones; everything is done by the routing system unless somebody else is named."""

    graph: Graph

    @property
    def router(self) -> Principal:
        """The key of a routing system: it opens and closes contacts for every agent, and reads no profiles."""
        return replace(self.graph.partner, subject="acd", scopes=frozenset({"contact:write"}))

    async def opened(self, principal: Principal | None = None, **given: Any) -> dict[str, Any]:
        """The payload of openContact; a voice call for the agent `ann` unless said otherwise."""
        whole = {"externalId": f"call-{next(_numbers)}", "channel": "VOICE", "agentId": "ann", **given}
        payload: dict[str, Any] = await self.graph.data(OPEN, {"input": whole}, principal or self.router)
        return payload

    async def rings(self, principal: Principal | None = None, **given: Any) -> dict[str, Any]:
        """A new contact, as its agent sees it."""
        payload = await self.opened(principal, **given)
        assert payload["userErrors"] == [], payload
        return await self.seen(payload["contact"]["id"])

    async def seen(self, contact: str, principal: Principal | None = None) -> Any:
        """The contact as somebody (a supervisor unless named) sees it."""
        return await self.graph.data(
            f"query ($id: ID!) {{ contact(id: $id) {{ {SHOWN} }} }}", {"id": contact}, principal or self.graph.supervisor
        )

    async def updated(self, contact: str, principal: Principal | None = None, **given: Any) -> dict[str, Any]:
        """The payload of updateContact."""
        payload: dict[str, Any] = await self.graph.data(UPDATE, {"input": {"id": contact, **given}}, principal or self.router)
        return payload

    async def moves(self, contact: str, *states: str, **given: Any) -> None:
        """Let the contact go through these states; `given` with the last."""
        for index, state in enumerate(states):
            payload = await self.updated(contact, state=state, **(given if index == len(states) - 1 else {}))
            assert payload["userErrors"] == [], payload

    async def associated(
        self, contact: str, profile: str, keys: list[str] | None = None, principal: Principal | None = None
    ) -> dict[str, Any]:
        """The payload of associateContact, asked by the agent."""
        payload: dict[str, Any] = await self.graph.data(ASSOCIATE, {"contact": contact, "profile": profile, "keys": keys}, principal)
        return payload

    async def unlinked(self, contact: str, reason: str | None = None, principal: Principal | None = None) -> dict[str, Any]:
        """The payload of unlinkContact, asked by the agent."""
        payload: dict[str, Any] = await self.graph.data(UNLINK, {"contact": contact, "reason": reason}, principal)
        return payload

    async def caller(self, first: str = "Ana", phone: str | None = None, **more: Any) -> str:
        """The id of a customer with this phone."""
        points = [] if phone is None else [{"channel": "VOICE", "value": phone}]
        return await self.graph.profile(first, contactPoints=[*points, *more.pop("contactPoints", [])], **more)

    async def desk(self, subject: str = "ann") -> list[tuple[int, str]]:
        """(seq, contact) of each entry of an agent's desk."""
        stream = desk_stream(self.graph.agent.workspace_id, subject).stream_id
        rows = await self.graph.runtime.database.fetch(
            "SELECT seq, kind, entity_id FROM change_log WHERE stream_id = $1 ORDER BY seq", stream
        )
        assert {row["kind"] for row in rows} <= {6}
        return [(row["seq"], f"con_{row['entity_id'].hex}") for row in rows]

    async def audit(self, profile: str) -> list[tuple[str, str, str | None]]:
        """(action, actor, reason) of each entry of a profile's audit, without its creation."""
        rows = await self.graph.runtime.database.fetch(
            "SELECT action, actor_id, reason FROM change WHERE profile_id = $1 AND action <> 'CREATED' ORDER BY id",
            parse_id(profile, "prf")[0],
        )
        return [(row["action"], row["actor_id"], row["reason"]) for row in rows]

    async def changed(self, profile: str) -> int:
        """How often the contacts of a profile were logged as changed."""
        return sum(fields == ["contacts"] for _, fields, _ in await self.graph.log(profile))
