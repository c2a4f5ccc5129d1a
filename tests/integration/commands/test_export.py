"""What the file of an export holds."""

from __future__ import annotations

from collections import Counter
from typing import Any
from uuid import UUID

import orjson
import pytest

from gateway.commands import export
from gateway.commands.export import export_token, read_export_token
from gateway.errors import CursorInvalid
from gateway.model.ids import make_id, uuid7
from gateway.model.privacy import PrivacyAction
from gateway.model.sealed import Sealer

from .conftest import SECRET, START, Office

__all__: list[str] = []


async def exported(office: Office, profile: UUID) -> list[dict[str, Any]]:
    """The lines of a new export."""
    row = await office.done(profile, PrivacyAction.EXPORT)
    assert row["state"] == "DONE"
    parts = await office.database.fetch("SELECT data FROM privacy_file WHERE job_id = $1 ORDER BY part", row["id"])
    return [orjson.loads(line) for part in parts for line in part["data"].splitlines()]


async def test_everything_is_in_it(office: Office) -> None:
    """One line per thing, with clients' ids and clear values; nobody else's; and the audit has the counts."""
    ana = await office.person(email="ana@example.com", phone="+14155550100", key="ana")
    bob = await office.person("Bob", email="bob@example.com")
    for body in ("One.", "Two."):
        await office.note(ana, body)
    await office.note(bob, "Another's.")
    await office.happened(ana, {"total": 1}, {"total": 2})
    await office.commands.add_to_company(office.admin, ana, None, "Acme", make_main=True)
    lines = await exported(office, ana)
    kinds = Counter(line["record"] for line in lines)

    assert {kind: kinds[kind] for kind in ("profile", "contactPoint", "identifier", "note", "membership", "activity")} == {
        "profile": 1,
        "contactPoint": 2,
        "identifier": 1,
        "note": 2,
        "membership": 1,
        "activity": 2,
    }
    assert kinds["change"] > 0
    shown = {line["record"]: line for line in lines}
    assert (shown["profile"]["id"], shown["profile"]["firstName"]) == (make_id("prf", ana), "Ana")
    assert {line["raw"] for line in lines if line["record"] == "contactPoint"} == {"ana@example.com", "+14155550100"}
    assert shown["activity"]["id"].startswith(f"act_{ana.hex}.native.")
    assert shown["activity"]["occurredAt"] == "2026-01-01T12:01:00Z"
    assert shown["membership"]["name"] == "Acme"
    assert b"bob" not in orjson.dumps(lines).lower()
    (entry,) = await office.database.fetch("SELECT * FROM change WHERE action = 'EXPORTED'")
    assert {"field": "note", "before": None, "after": 2, "as": None} in entry["fields"]


async def test_sensitive_values_are_opened(office: Office) -> None:
    """Sealed identifiers and traits are in clear; one whose secret is gone is null, and nothing sealed is in the file."""
    ana = await office.person()
    identifier, lost = uuid7(), uuid7()
    for one, sealed in (
        (identifier, office.vault.seal(office.workspace, f"identifier:{identifier.hex}", "078-05-1120")),
        (lost, b"\x01" + b"?" * 40),
    ):
        await office.database.execute(
            "INSERT INTO identifier (workspace_id, profile_id, id, type, raw, normalized, source, sealed) "
            "VALUES ($1, $2, $3, 'ssn', '', $4, 'x', $5)",
            *(office.workspace, ana, one, one.hex, sealed),
        )
    await office.database.execute(
        "INSERT INTO trait (workspace_id, profile_id, key, source, value, kind, observed_at, sealed) "
        "VALUES ($1, $2, 'diagnosis', 'x', 'null', 'PROFILE', now(), $3)",
        *(office.workspace, ana, office.vault.seal(office.workspace, "trait:diagnosis", '{"code": 7}')),
    )
    lines = await exported(office, ana)

    assert {line["id"]: line["raw"] for line in lines if line["record"] == "identifier"} == {
        make_id("idn", ana, identifier): "078-05-1120",
        make_id("idn", ana, lost): None,
    }
    assert [line["value"] for line in lines if line["record"] == "trait"] == [{"code": 7}]
    assert not any("sealed" in line for line in lines)


async def test_long_histories(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Activities are read page by page, none twice and none left out, and no part is larger than a part may be."""
    monkeypatch.setattr(export, "_PAGE", 7)
    monkeypatch.setattr(export, "PART_BYTES", 1000)
    ana, old = await office.person(), await office.person()
    await office.database.execute("UPDATE profile SET status = 'MERGED', merged_into = $2 WHERE id = $1", old, ana)
    for profile in (ana, old):
        await office.happened(profile, *({"number": number} for number in range(30)), at=START)
    await office.happened(ana, {"number": -1}, at=START)  # the very same moment as another
    lines = await exported(office, ana)
    found = [line["id"] for line in lines if line["record"] == "activity"]

    assert len(found) == len(set(found)) == 61
    sizes = [row[0] for row in await office.database.fetch("SELECT octet_length(data) FROM privacy_file")]
    assert len(sizes) > 10
    assert max(sizes) <= 1000


def test_tokens() -> None:
    """A token opens to its workspace, job and end; none that was changed, cut, or made for something else does."""
    sealer, workspace, job = Sealer([SECRET]), uuid7(), uuid7()
    token = export_token(sealer, workspace, job, START)

    assert read_export_token(sealer, token) == (workspace, job, START + export.LIFETIME)
    assert token != export_token(sealer, workspace, uuid7(), START)
    for wrong in ("", "x", token[:-1], token + "A", "B" + token[1:], sealer.seal(b"timeline", b"x" * 40), sealer.seal(b"export", b"x")):
        with pytest.raises(CursorInvalid):
            read_export_token(sealer, wrong)
    with pytest.raises(CursorInvalid):
        read_export_token(Sealer([b"o" * 32]), token)
