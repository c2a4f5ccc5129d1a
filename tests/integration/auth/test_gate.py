"""The gate on a real Postgres: every way in, and that there is no other."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from joserfc.jwk import KeySet

from gateway.auth.development import AUDIENCE, ISSUER
from gateway.auth.gate import Gate
from gateway.auth.policy import ROLE_SCOPES
from gateway.auth.principal import Role
from gateway.auth.tokens import TokenVerifier
from gateway.errors import Unauthenticated


async def test_token(demo: Any) -> None:
    """A token's bearer is a principal of the token's workspace, with the role's scopes and the token's end."""
    token = demo.development.signer().sign("demo", "ana", Role.SUPERVISOR, name="Ana Lima", lifetime=timedelta(minutes=10))
    principal = await demo.gate.authenticate(f"Bearer {token}")

    assert (principal.workspace_id, principal.workspace_key) == (demo.workspace_id, "demo")
    assert (principal.subject, principal.display_name, principal.role) == ("ana", "Ana Lima", Role.SUPERVISOR)
    assert (principal.scopes, principal.source) == (ROLE_SCOPES[Role.SUPERVISOR], None)
    assert timedelta(minutes=9) < principal.expires_at - demo.clock.now <= timedelta(minutes=10, seconds=1)  # tokens count whole seconds


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


def remembering(demo: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[Gate, list[str], Any]:
    """A gate whose clock stands still until it is moved, and the tokens whose signatures it looked at."""
    public = demo.development.verifier()
    verifier = TokenVerifier("ES256", KeySet([*public._named.values(), *public._unnamed]), ISSUER, AUDIENCE, clock=demo.clock.seconds)
    checked: list[str] = []
    verify = verifier.verify

    def noted(token: str) -> Any:
        checked.append(token)
        return verify(token)

    monkeypatch.setattr(verifier, "verify", noted)
    return Gate(verifier, demo.keyring, demo.workspaces), checked, demo.development.signer()


async def test_a_good_token_is_looked_at_once(demo: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same token is somebody without its signature being checked again; another one, or one that was changed, is checked."""
    gate, checked, signer = remembering(demo, monkeypatch)
    token, other = (signer.sign("demo", "ana", Role.AGENT, name=name) for name in ("Ana", "Other"))
    first = await gate.authenticate(f"Bearer {token}")
    assert await gate.authenticate(f"Bearer {token}") is first
    assert checked == [token]
    assert (await gate.authenticate(f"Bearer {other}")).display_name == "Other"
    forged = token[:-2] + ("AA" if token[-2:] != "AA" else "BA")
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            await gate.authenticate(f"Bearer {forged}")
    assert checked == [token, other, forged, forged]


async def test_a_remembered_token_ends_on_the_dot(demo: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """30 seconds after its end, to the second, it is refused, however lately it was good."""
    gate, _, signer = remembering(demo, monkeypatch)
    demo.clock.now = demo.clock.now.replace(microsecond=0)
    token = signer.sign("demo", "ana", Role.AGENT, lifetime=timedelta(seconds=40))
    ends = (await gate.authenticate(f"Bearer {token}")).expires_at + timedelta(seconds=30)
    demo.clock.now = ends - timedelta(milliseconds=1)
    assert (await gate.authenticate(f"Bearer {token}")).subject == "ana"
    demo.clock.now = ends
    for _ in range(2):
        with pytest.raises(Unauthenticated, match="expired"):
            await gate.authenticate(f"Bearer {token}")


async def test_a_remembered_token_of_a_workspace_that_became_another(demo: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The workspace is asked for each time: a key that names another one now makes the bearer one of that."""
    gate, _, signer = remembering(demo, monkeypatch)
    token = signer.sign("demo", "ana", Role.AGENT)
    assert (await gate.authenticate(f"Bearer {token}")).workspace_id == demo.workspace_id
    another = uuid4()
    demo.workspaces._known.put("demo", another)
    assert (await gate.authenticate(f"Bearer {token}")).workspace_id == another
