"""The key ring on a real Postgres: row 85 of the security catalogue."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from gateway.auth import keys
from gateway.auth.keys import KeyKind, KeyRing, parse, secret_hash
from gateway.auth.policy import ROLE_SCOPES
from gateway.auth.principal import Role
from gateway.errors import BadUserInput, ConfigurationError, Unauthenticated

OTHER_SECRET = b"another secret of the server, 48 bytes in length"


async def refused(keyring: KeyRing, text: str) -> str:
    """How the key was refused."""
    with pytest.raises(Unauthenticated) as caught:
        await keyring.verify(text)
    return repr((caught.value.message, caught.value.extensions, caught.value.http_status))


async def test_write_key(demo: Any) -> None:
    """A write key is a service of its workspace that may ingest, as its source, until it expires."""
    text = await demo.keyring.create("demo", "write", source="web-shop", lifetime=timedelta(days=30))
    principal = await demo.keyring.verify(text)

    assert (principal.workspace_id, principal.workspace_key) == (demo.workspace_id, "demo")
    assert (principal.role, principal.scopes, principal.source) == (Role.SERVICE, {"ingest:write"}, "web-shop")
    assert principal.expires_at == demo.clock.now + timedelta(days=30)
    assert principal.actor.id == "web-shop"


async def test_partner_key(demo: Any) -> None:
    """A partner key has the scopes of its role, or those it was given."""
    usual = await demo.keyring.verify(await demo.keyring.create("demo", KeyKind.PARTNER))
    given = await demo.keyring.verify(await demo.keyring.create("demo", KeyKind.PARTNER, scopes=["note:read", "subscribe"]))

    assert (usual.role, usual.scopes, usual.source) == (Role.PARTNER, ROLE_SCOPES[Role.PARTNER], None)
    assert given.scopes == {"note:read", "subscribe"}
    assert usual.subject != given.subject


async def test_only_the_hash_is_stored(demo: Any) -> None:
    """No row of the database holds a key's secret."""
    text = await demo.keyring.create("demo", "write")
    parsed = parse(text)
    row = await demo.database.fetchval("SELECT k::text || encode(k.secret_hash, 'escape') FROM api_key k")

    assert parsed is not None
    assert parsed.id in row
    assert parsed.secret not in row


async def test_refusals_are_alike(demo: Any) -> None:
    """A malformed, unknown, wrong, revoked or expired key gets the same answer, so that nothing is learnt from it."""
    good = [await demo.keyring.create("demo", "write") for _ in range(3)]
    short = await demo.keyring.create("demo", "write", lifetime=timedelta(seconds=30))
    unknown, _ = keys.create(KeyKind.WRITE, "demo", demo.development.secret, now=demo.clock.now)
    parsed, other = parse(good[0]), parse(good[1])
    assert parsed is not None
    assert other is not None
    body = f"pgw_write_{parsed.id}_{other.secret}"
    wrong_secret = f"{body}_{keys._check(body)}"
    body = f"pgw_partner_{parsed.id}_{parsed.secret}"
    wrong_kind = f"{body}_{keys._check(body)}"
    await demo.database.execute("UPDATE api_key SET revoked_at = now() WHERE id = $1", other.id)
    demo.clock.advance(seconds=30)

    answers = {await refused(demo.keyring, text) for text in ("", "x" * 1_000_000, unknown, wrong_secret, wrong_kind, good[1], short)}

    assert answers == {repr(("The key is not valid.", {}, 401))}
    assert (await demo.keyring.verify(good[2])).role is Role.SERVICE


async def test_unknown_keys_cost_the_same(demo: Any, queries: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown id, a wrong secret and a good key all take one query and one hash per server secret."""
    keyring = KeyRing(demo.database, [OTHER_SECRET, demo.development.secret])
    good = await demo.keyring.create("demo", "write")
    unknown, _ = keys.create(KeyKind.WRITE, "demo", OTHER_SECRET, now=demo.clock.now)
    parsed = parse(good)
    assert parsed is not None
    body = f"pgw_write_{parsed.id}_{'0' * 43}"
    hashes: list[str] = []

    def noted(secret: str, pepper: bytes) -> bytes:
        hashes.append(secret)
        return secret_hash(secret, pepper)

    monkeypatch.setattr(keys, "secret_hash", noted)
    for text in (unknown, f"{body}_{keys._check(body)}", good):
        queries.clear()
        hashes.clear()
        if text == good:
            await keyring.verify(text)
        else:
            await refused(keyring, text)
        assert (len(queries), len(hashes)) == (1, 2)


async def test_server_secrets_rotate(demo: Any) -> None:
    """A key made under the old server secret goes on while that secret is among those that verify, and ends with it."""
    text = await demo.keyring.create("demo", "write")

    assert (await KeyRing(demo.database, [OTHER_SECRET, demo.development.secret]).verify(text)).workspace_key == "demo"
    await refused(KeyRing(demo.database, [OTHER_SECRET]), text)
    with pytest.raises(ConfigurationError, match="GATEWAY_SECRET_KEYS"):
        KeyRing(demo.database, [])


async def test_good_keys_are_remembered(demo: Any, queries: list[str]) -> None:
    """A thousand requests with one key within its five seconds take one query; expiry counts all the same."""
    text = await demo.keyring.create("demo", "write", lifetime=timedelta(seconds=60))
    queries.clear()
    for _ in range(1000):
        await demo.keyring.verify(text)
    assert len(queries) == 1

    demo.clock.advance(seconds=60)
    await refused(demo.keyring, text)
    assert len(queries) == 2


async def test_revocation_takes_effect(demo: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A revoked key may go on for the five seconds it is remembered, and no longer."""
    seconds = [100.0]
    monkeypatch.setattr(demo.keyring._recent, "_clock", lambda: seconds[0])
    text = await demo.keyring.create("demo", "write")
    await demo.keyring.verify(text)
    await demo.database.execute("UPDATE api_key SET revoked_at = now()")

    seconds[0] += 4.9
    await demo.keyring.verify(text)
    seconds[0] += 0.1
    await refused(demo.keyring, text)


async def test_refusals_are_not_remembered(demo: Any) -> None:
    """A key that was refused is looked up again, so a key made by another process works at once."""
    text, row = keys.create(KeyKind.WRITE, "demo", demo.development.secret, now=demo.clock.now)
    await refused(demo.keyring, text)
    await demo.database.execute(
        "INSERT INTO api_key (id, workspace_id, kind, secret_hash, source, scopes, expires_at) VALUES ($1, $2, 'write', $3, $4, $5, $6)",
        row.id,
        demo.workspace_id,
        row.secret_hash,
        row.source,
        list(row.scopes),
        row.expires_at,
    )

    assert (await demo.keyring.verify(text)).source == "tracking"
    assert len(demo.keyring._recent) == 1


async def test_stored_scopes_do_not_widen(demo: Any) -> None:
    """A scope that is not for the kind of key gives nothing, even when it stands in the row."""
    text = await demo.keyring.create("demo", "partner")
    await demo.database.execute("UPDATE api_key SET scopes = '{profile:read,admin,ingest:write}'")

    assert (await demo.keyring.verify(text)).scopes == {"profile:read"}


@pytest.mark.parametrize(
    ("workspace", "kind", "argument"),
    [
        ("nowhere", "write", "workspace"),
        ("", "write", "workspace"),
        ("demo", "root", "kind"),
        ("demo", "WRITE", "kind"),
        ("de\x00mo", "write", None),
    ],
)
async def test_creation_is_checked(demo: Any, workspace: str, kind: str, argument: str | None) -> None:
    """A key of an unknown workspace or kind is not made, and the error names the argument."""
    with pytest.raises(BadUserInput) as caught:
        await demo.keyring.create(workspace, kind)

    assert caught.value.extensions.get("argument") == argument
    assert await demo.database.fetchval("SELECT count(*) FROM api_key") == 0


async def test_workspaces_are_apart(demo: Any) -> None:
    """A key opens the workspace it was made for and no other."""
    other = await demo.workspaces.ensure("other", "Other")
    text = await demo.keyring.create("other", "write")

    assert (await demo.keyring.verify(text)).workspace_id == other != demo.workspace_id
