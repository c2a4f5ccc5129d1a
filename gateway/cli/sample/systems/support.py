"""The simulated support desk: tickets by the requester's e-mail address in the shape that Zendesk's search has, and their comments.

Owns its HTTP interface: `GET /api/v2/search.json?query=type:ticket requester:…`, one person at a time, newest first, in pages.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from gateway.cli.sample.systems.customers import Customer, Ticket

__all__ = ["support"]

_REQUESTER: Final = re.compile(r"\brequester:(\S+)")
_PAGE: Final = 100


def support(customers: Iterable[Customer], token: str) -> Starlette:
    """The application; `token`: what is shown as HTTP's bearer."""
    tickets = {customer.resident.email: customer.tickets for customer in customers}

    async def search(request: Request) -> JSONResponse:
        if request.headers.get("authorization") != f"Bearer {token}":
            return JSONResponse({"error": "Couldn't authenticate you"}, 401)
        asked = _REQUESTER.search(request.query_params.get("query", ""))
        found = sorted(tickets.get(asked[1].lower(), ()) if asked else (), key=_created, reverse=True)
        page = int(request.query_params.get("page", "1"))
        shown = found[(page - 1) * _PAGE : page * _PAGE]
        following = str(request.url.include_query_params(page=page + 1)) if len(found) > page * _PAGE else None
        return JSONResponse({"results": [_shown(ticket) for ticket in shown], "count": len(found), "next_page": following})

    async def me(_: Request) -> JSONResponse:
        return JSONResponse({"user": {"id": 1, "name": "Gateway"}})

    return Starlette(routes=[Route("/api/v2/search.json", search), Route("/api/v2/users/me.json", me)])


def _created(ticket: Ticket) -> Any:
    return ticket.created_at


def _shown(ticket: Ticket) -> dict[str, Any]:
    return {
        "result_type": "ticket",
        "id": ticket.id,
        "subject": ticket.subject,
        "description": ticket.comment,
        "status": ticket.status,
        "via": {"channel": ticket.channel},
        "assignee": {"id": ticket.author[0], "name": ticket.author[1]},
        "created_at": ticket.created_at.isoformat(),
        "updated_at": ticket.updated_at.isoformat(),
    }
