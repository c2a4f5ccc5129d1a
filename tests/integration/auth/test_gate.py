"""The gate on a real Postgres: every way in, and that there is no other."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from gateway.auth.policy import ROLE_SCOPES
from gateway.auth.principal import Role
from gateway.errors import Unauthenticated


async def test_token(demo: Any) -> None:
    """A token's bearer is a principal of the token's workspace, with the role's scopes and the token's end."""
    token = demo.development.signer().sign("demo", "ana", Role.SUPERVISOR, name="Ana Lima", lifetime=timedelta(minutes=10))
    principal = await demo.gate.authenticate(f"Bearer {token}")

    assert (principal.workspace_id, principal.workspace_key) == (demo.workspace_id, "demo")
    assert (principal.subject, principal.display_name, principal.role) == ("ana", "Ana Lima", Role.SUPERVISOR)
    assert (principal.scopes, principal.source) == (ROLE_SCOPES[Role.SUPERVISOR], None)
    assert timedelta(minutes=9) < principal.expires_at - demo.clock.now <= timedelta(minutes=10)


async def test_nameless(demo: Any) -> None:
    """Who has no name is shown by the subject."""
    token = demo.development.signer().sign("demo", "ana", Role.AGENT)

    assert (await demo.gate.authenticate(f"Bearer {token}")).display_name == "ana"


@pytest.mark.parametrize(
    ("scopes", "expected"),
    [
        (["note:read"], {"note:read"}),
        (["note:read", "admin", "ingest:write", "openid"], {"note:read"}),
        ([], set()),
        (["admin"], set()),
    ],
)
async def test_scopes_narrow(demo: Any, scopes: list[str], expected: set[str]) -> None:
    """A token's scopes are those of the role that it names; no token widens its role."""
    token = demo.development.signer().sign("demo", "ana", Role.AGENT, scopes=scopes)

    assert (await demo.gate.authenticate(f"Bearer {token}")).scopes == expected


@pytest.mark.parametrize("word", ["Bearer", "bearer", "BEARER", "Bearer  "])
async def test_scheme(demo: Any, word: str) -> None:
    """The scheme's case and the number of spaces after it do not matter (RFC 9110, 11.1)."""
    token = demo.development.signer().sign("demo", "ana", Role.AGENT)

    assert (await demo.gate.authenticate(f"{word} {token}")).subject == "ana"


async def test_partner_key(demo: Any) -> None:
    """A partner key opens the graph as a bearer credential."""
    text = await demo.keyring.create("demo", "partner")

    assert (await demo.gate.authenticate(f"Bearer {text}")).role is Role.PARTNER


async def test_write_key(demo: Any) -> None:
    """A write key opens the tracking API."""
    text = await demo.keyring.create("demo", "write", source="web-shop")

    assert (await demo.gate.authenticate_write(text)).source == "web-shop"


async def test_each_door_has_its_own_keys(demo: Any) -> None:
    """A write key does not open the graph, a partner key or a token not the tracking API."""
    write = await demo.keyring.create("demo", "write")
    partner = await demo.keyring.create("demo", "partner")
    token = demo.development.signer().sign("demo", "ana", Role.ADMIN)

    with pytest.raises(Unauthenticated):
        await demo.gate.authenticate(f"Bearer {write}")
    for text in (partner, token, f"Bearer {write}"):
        with pytest.raises(Unauthenticated):
            await demo.gate.authenticate_write(text)


async def test_unknown_workspace(demo: Any) -> None:
    """A valid token for a workspace that is not here is worth nothing."""
    token = demo.development.signer().sign("elsewhere", "ana", Role.AGENT)
    with pytest.raises(Unauthenticated, match="workspace"):
        await demo.gate.authenticate(f"Bearer {token}")


async def test_malformed_headers(demo: Any) -> None:
    """Anything but one bearer credential is refused: other schemes, two headers joined, lists, spaces, a megabyte."""
    token = demo.development.signer().sign("demo", "ana", Role.AGENT)
    headers = [
        *(None, "", "Bearer", "Bearer ", token, f"Basic {token}", f"Token {token}", f"Bearer{token}", f"Bearer\t{token}"),
        *(f"Bearer {token}, Bearer {token}", f"Bearer {token},{token}", f"Bearer {token} ", f" Bearer {token}", f"Bearer {token}\n"),
        *(f'Bearer "{token}"', f"Bearer {token}\x00", "Bearer é", "Bearer \ud800", f"Bearer {'x' * 1_000_000}", "x" * 1_000_000),
        *("Bearer pgw_", "Bearer pgw_partner_", "Bearer pgw_write_x", "Bearer null", "Bearer undefined"),
    ]
    for header in headers:
        with pytest.raises(Unauthenticated):
            await demo.gate.authenticate(header)


@pytest.mark.parametrize(
    "user",
    [None, "", " ", "pgw_write_", "pgw_write_\x00", "é", "\ud800", "x" * 1_000_000, "testWriteKey"],
    ids=lambda user: repr(user)[:20],
)
async def test_malformed_write_keys(demo: Any, user: str | None) -> None:
    """Any user name that is no write key, as other tracking APIs have them, is refused."""
    with pytest.raises(Unauthenticated):
        await demo.gate.authenticate_write(user)
