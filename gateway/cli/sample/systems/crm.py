"""The simulated CRM: accounts in bulk by their numbers, found by e-mail address, and a title that can be changed there.

Owns its HTTP interface. Whoever asks shows a bearer token; a change repeated under the same `Idempotency-Key` is one change.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from gateway.cli.sample.systems.customers import Customer

__all__ = ["crm"]


def crm(customers: Iterable[Customer], token: str) -> Starlette:
    """The application: `GET /accounts?ids=…` (100 at most) or `?emails=…`, `PATCH /accounts/{id}`, `GET /health`."""
    accounts = {customer.resident.account_id: customer for customer in customers}
    done: set[str] = set()

    def refused(request: Request) -> JSONResponse | None:
        if request.headers.get("authorization") == f"Bearer {token}":
            return None
        return JSONResponse({"error": "unauthorized"}, 401)

    async def listed(request: Request) -> JSONResponse:
        if (refusal := refused(request)) is not None:
            return refusal
        ids = _words(request.query_params.get("ids"))
        emails = {email.lower() for email in _words(request.query_params.get("emails"))}
        found = [accounts[one] for one in ids if one in accounts]
        found += [customer for customer in accounts.values() if customer.resident.email in emails]
        return JSONResponse({"accounts": [_shown(customer) for customer in found[:100]]})

    async def changed(request: Request) -> JSONResponse:
        if (refusal := refused(request)) is not None:
            return refusal
        customer = accounts.get(request.path_params["id"])
        if customer is None:
            return JSONResponse({"error": "not found"}, 404)
        values = await request.json()
        title = values.get("title") if isinstance(values, dict) else None
        if not isinstance(title, str) or not title:
            return JSONResponse({"error": "only a title can be changed"}, 422)
        key = request.headers.get("idempotency-key", "")
        if not key or key not in done:
            done.add(key)
            account = replace(customer.account, title=title, updated_at=datetime.now(UTC))
            accounts[customer.resident.account_id] = replace(customer, account=account)
        return JSONResponse(_shown(accounts[customer.resident.account_id]))

    async def health(_: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    return Starlette(
        routes=[
            Route("/accounts", listed),
            Route("/accounts/{id}", changed, methods=["PATCH"]),
            Route("/health", health),
        ]
    )


def _words(given: str | None) -> list[str]:
    return [word for word in (given or "").split(",") if word]


def _shown(customer: Customer) -> dict[str, Any]:
    resident, account = customer.resident, customer.account
    shown: dict[str, Any] = {
        "id": resident.account_id,
        "email": resident.email,
        "person": {"first": resident.first, "last": resident.last, "language": resident.locale},
        "title": account.title,
        "plan": account.plan,
        "tier": account.tier,
        "manager": account.manager,
        "renews_on": account.renews_on.isoformat(),
        "updated_at": account.updated_at.isoformat(),
        "companies": [],
    }
    if account.company is not None:
        identity, name, domain = account.company
        shown["companies"] = [{"account": resident.account_id, "id": identity, "name": name, "domain": domain, "main": True}]
    return shown
