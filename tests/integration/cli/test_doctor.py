"""`doctor`, as an operator uses it: what works and what does not, told for people and for machines, with an exit code."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from gateway.auth.workspaces import Workspaces
from gateway.cli import app
from gateway.model.ids import make_id, uuid7
from gateway.storage.database import Database
from tests.upstreams import WELL, Fault, Upstream, UpstreamRequest, answering

from .conftest import Command

__all__: list[str] = []

TOKEN = "token-that-nobody-may-see"
PEOPLE = {"ACC-1": {"id": "ACC-1", "plan": "gold", "seats": 3}}


def people(request: UpstreamRequest) -> Any:
    """A CRM that knows one person, and checks its bearer."""
    assert request.headers.get("authorization") == f"Bearer {TOKEN}"
    return {"people": [PEOPLE[key] for key in request.query.get("ids", "").split(",") if key in PEOPLE]}


@pytest.fixture(name="crm", scope="module")
def _crm() -> Iterator[Upstream]:
    with Upstream(answering(people)) as upstream:
        yield upstream


@pytest.fixture(name="file")
def _file(tmp_path: Path, crm: Upstream, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with a CRM over HTTP, one in memory that provides everything, and one that is switched off."""
    crm.fault = WELL
    monkeypatch.setenv("CRM_TOKEN", TOKEN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    path = tmp_path / "sources.toml"
    monkeypatch.setenv("GATEWAY_SOURCES", str(path))
    path.write_text(f"""
[sources.crm]
adapter = "rest"
kinds = ["TRAITS"]
keyed_by = "account_id"
deadline = 0.3
[sources.crm.rest]
base_url = "{crm.url}"
allow_private = true
auth = {{ bearer = {{ env = "CRM_TOKEN" }} }}
[sources.crm.rest.traits]
path = "/people"
keys_param = "ids"
rows = "people"
key = "id"
record = {{ plan = "plan", seats = "seats" }}

[sources.desk]
adapter = "memory"
kinds = ["PROFILE", "NOTES", "ACTIVITY", "COMPANY", "IDENTITY"]
keyed_by = "email"
[sources.desk.memory.people."ana@example.com"]
profile = {{ first_name = "Ana" }}
notes = [{{ id = "1", body = "Hi", created_at = 2026-01-01T00:00:00Z }}]
items = [{{ id = "1", type = "Ticket", occurred_at = 2026-01-01T00:00:00Z }}, {{ id = "2", type = "Ticket", occurred_at = 2026-01-01T00:00:00Z }}]
find = {{ email = ["ana@example.com"] }}

[sources.old]
adapter = "memory"
enabled = false
kinds = ["TRAITS"]
keyed_by = "account_id"
""")
    return path


def doctor(*arguments: str) -> Result:
    """Run it here."""
    return CliRunner().invoke(app, ["doctor", *arguments])


def document(*arguments: str) -> tuple[int, dict[str, Any], dict[str, Any]]:
    """The exit code, the whole document, and its sources by key."""
    done = doctor("--json", *arguments)
    found = json.loads(done.stdout)
    return done.exit_code, found, {one["key"]: one for one in found["sources"]}


def test_what_is_well_is_told(file: Path) -> None:
    """Each source with state, latency and what its check said; the switched-off one is not asked; the exit code is 0."""
    status, found, sources = document()

    assert (status, found["ok"]) == (0, True)
    assert {one["name"]: one["ok"] for one in found["checks"]} == {
        "settings": True,
        "configuration": True,
        "sources": True,
        "database": True,
        "bus": None,
    }
    assert {key: (one["adapter"], one["state"]) for key, one in sources.items()} == {
        "crm": ("rest", "OK"),
        "desk": ("memory", "OK"),
        "old": ("memory", "DISABLED"),
    }
    assert sources["crm"]["latencyMs"] > 0
    assert "200" in sources["crm"]["said"]
    assert not Path(".gateway").exists()


def test_each_kind_is_asked_about_a_person(file: Path) -> None:
    """With --key every declared kind is asked and its answer counted; who does not know the person says so, and that is no fault."""
    _, _, by_account = document("--key", "ACC-1")
    status, _, by_mail = document("--key", "ana@example.com")

    assert [(one["kind"], one["said"], one["count"]) for one in by_account["crm"]["answers"]] == [("TRAITS", "2 traits", 2)]
    assert {one["kind"]: one["said"] for one in by_mail["desk"]["answers"]} == {
        "PROFILE": "1 field",
        "NOTES": "1 note",
        "ACTIVITY": "2 items",
        "COMPANY": "0 companies",
        "IDENTITY": "1 person",
    }
    assert [one["said"] for one in by_mail["crm"]["answers"]] == ["does not know the person"]
    assert status == 0


def test_the_table_is_for_people(file: Path) -> None:
    """One row for each source, and how to ask about a person."""
    done = doctor()

    assert done.exit_code == 0
    assert "Source  Adapter  State" in done.stdout
    assert "crm     rest     OK" in done.stdout
    assert "old     memory   DISABLED" in done.stdout
    assert "--key KEY" in done.stdout
    assert "Asking crm …" in done.stderr


@pytest.mark.parametrize(
    ("fault", "state", "told"),
    [
        (Fault(hang=True), "TIMEOUT", "did not answer within its deadline of 0.3 s. Look at the system, or raise deadline."),
        (Fault(failing=1.0), "ERROR", "Look at its address, its credentials, and whether it is up."),
        (Fault(failing=1.0, status=401), "ERROR", "Look at its address, its credentials, and whether it is up."),
    ],
    ids=["hangs", "fails", "refuses"],
)
def test_what_is_wrong_is_told_with_what_to_do(file: Path, crm: Upstream, fault: Fault, state: str, told: str) -> None:
    """A source that hangs, fails or refuses our credentials is in that state, with advice and without the secret; the others are asked."""
    crm.fault = fault
    status, found, sources = document()
    crm.fault = WELL

    assert (status, found["ok"], sources["crm"]["state"], sources["desk"]["state"]) == (1, False, state, "OK")
    assert told in sources["crm"]["problems"][0]
    assert TOKEN not in json.dumps(found)


def test_a_kind_that_fails_is_wrong_although_the_check_is_well(file: Path, crm: Upstream) -> None:
    """What the check does not notice, the question about a person does."""
    crm.fault = Fault(failing=1.0, only="/people")
    status, _, sources = document("--key", "ACC-1", "--source", "crm")
    crm.fault = WELL

    assert status == 1
    assert sources["crm"]["state"] == "ERROR"
    assert sources["crm"]["problems"][0].startswith("TRAITS: ")
    assert list(sources) == ["crm"]


def test_problems_of_the_file_stand_beside_what_works(file: Path) -> None:
    """A wrong source is told with its place; the right ones are asked all the same."""
    file.write_text(
        file.read_text().replace('adapter = "memory"\nkinds = ["PROFILE"', 'adapter = "memory"\nretries = 9\nkinds = ["PROFILE"')
    )
    status, found, sources = document()
    table = doctor()

    assert status == table.exit_code == 1
    assert [one["said"] for one in found["checks"] if one["ok"] is False] == [
        f"{file}:20: [sources.desk] retries: 9 is not between 0 and 5."
    ]
    assert set(sources) == {"crm", "old"}
    assert "[sources.desk] retries: 9 is not between 0 and 5." in table.stdout


def test_a_system_that_must_not_be_used_like_this_is_told(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an adapter refuses when it opens stands with the place in the file; an adapter that breaks is told by the kind of error."""
    from gateway.errors import ConfigurationError
    from gateway.sources.adapters.memory import MemoryRemote

    async def refuses(self: MemoryRemote) -> None:
        raise ConfigurationError("the role may write; make one that reads")

    monkeypatch.setattr(MemoryRemote, "open", refuses)
    _, _, sources = document()
    assert sources["desk"]["problems"] == [f"{file}:22: [sources.desk.memory] the role may write; make one that reads."]

    async def breaks(self: MemoryRemote) -> None:
        raise RuntimeError("no such host")

    monkeypatch.setattr(MemoryRemote, "open", breaks)
    status, _, sources = document()
    assert (status, sources["desk"]["state"]) == (1, "ERROR")
    assert "(RuntimeError: no such host)" in sources["desk"]["problems"][0]


def test_words_of_a_failure_do_not_show_a_secret(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator reads what the failure's cause said, without the secrets that the source is configured with."""
    from gateway.errors import SourceUnavailable
    from gateway.sources.adapters.rest import RestSource

    async def told(self: RestSource) -> str:
        raise SourceUnavailable("crm") from ValueError(f"HTTP 403 for Bearer {TOKEN}")

    monkeypatch.setattr(RestSource, "check", told)
    _, found, sources = document()

    assert "(ValueError: HTTP 403 for Bearer ***)" in sources["crm"]["problems"][0]
    assert TOKEN not in json.dumps(found)


async def test_a_profile_is_asked_by_its_own_keys(file: Path, database: Database, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --profile each source is asked by the keys that the profile has; a source whose key it lacks says so. The bus is heard."""
    profile = uuid7()
    workspace = await Workspaces(database).ensure("demo", "Demo")
    async with database.transaction() as connection:
        await connection.execute("INSERT INTO profile (workspace_id, id, first_name) VALUES ($1, $2, 'Ana')", workspace, profile)
        await connection.execute(
            "INSERT INTO identifier (workspace_id, profile_id, id, type, raw, normalized, source) "
            "VALUES ($1, $2, $3, 'account_id', 'ACC-1', 'ACC-1', 'native')",
            workspace,
            profile,
            uuid7(),
        )
    monkeypatch.setenv("GATEWAY_DATABASE_URL", dsn)
    with file.open("a") as more:
        more.write('[sources.acme]\nadapter = "memory"\nkinds = ["TRAITS"]\nkeyed_by = "account_id"\nworkspaces = ["acme"]\n')
    status, found, sources = await asyncio.to_thread(document, "--profile", make_id("prf", profile))

    assert status == 1  # settings for production are missing, and everything else is there
    assert {one["name"]: one["ok"] for one in found["checks"]} == {
        "settings": False,
        "configuration": True,
        "sources": True,
        "database": True,
        "bus": True,
    }
    assert [one["said"] for one in sources["crm"]["answers"]] == ["2 traits"]
    assert sources["desk"]["warnings"] == ["The profile has no email, by which this source knows people."]
    assert sources["acme"]["warnings"] == ["It does not serve the workspace demo."]
    other = await asyncio.to_thread(doctor, "--profile", make_id("prf", profile), "--workspace", "none")
    assert "There is no workspace none" in other.stderr


def test_a_database_that_is_not_there_is_told(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database is wrong, the bus behind it is not looked at, and the sources are asked."""
    monkeypatch.setenv("GATEWAY_DATABASE_URL", "postgresql://gateway:hunter2@127.0.0.1:1/gateway")
    status, found, sources = document()

    checks = {one["name"]: one for one in found["checks"]}
    assert (status, checks["database"]["ok"], checks["bus"]["ok"], sources["crm"]["state"]) == (1, False, None, "OK")
    assert "hunter2" not in json.dumps(found)


def test_a_bus_that_is_not_there_is_told(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bus that nobody answers on is wrong, with what it means."""
    monkeypatch.setenv("GATEWAY_BUS", "nats://127.0.0.1:1")
    _, found, _ = document()

    bus = next(one for one in found["checks"] if one["name"] == "bus")
    assert (bus["ok"], bus["said"]) == (False, "nats: our own ring did not come back")
    assert "polled" in bus["advice"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--key", "A", "--profile", "prf_1"), "by --key or by --profile"),
        (("--profile", "prf_1"), "--profile is not the id of a Profile"),
        (("--source", "gone"), "no source gone; it has crm, desk, old"),
        (("--profile", "prf_" + "0" * 32), "--profile needs the database"),
    ],
)
def test_a_mistake_in_the_call_is_told(file: Path, arguments: tuple[str, ...], told: str) -> None:
    """In a sentence, with the exit code of a mistake."""
    done = doctor(*arguments)

    assert done.exit_code == 2
    assert told in done.stderr


def test_without_sources_there_is_nothing_to_ask(command: Command) -> None:
    """In a new place, as a process: nothing is wrong, nothing is made, and no table is shown."""
    done: subprocess.CompletedProcess[str] = command("doctor")

    assert done.returncode == 0, done.stderr
    assert "none (GATEWAY_SOURCES is not set)" in done.stdout
    assert "Adapter" not in done.stdout
