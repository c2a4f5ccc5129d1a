"""docs/sources.md, done as it says by somebody who has nothing yet; and its page of keys, held to what the gateway takes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import httpx2
import msgspec
import pytest

from tests.running import Gateway
from tests.servers import free_port

__all__: list[str] = []

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGE = (DOCS / "sources.md").read_text()

ADAPTERS = "gateway.sources.adapters"
REST, GRAPHQL = f"{ADAPTERS}.rest_options", f"{ADAPTERS}.graphql_options"
TABLES = {
    "`[sources.<key>]`": ("gateway.sources.configuration", "_Source", None),
    "`[sources.<key>.webhook]`": ("gateway.sources.configuration", "_Webhook", None),
    "`[sources.<key>.rest]`": (REST, "Options", None),
    "`auth`: `bearer`, `basic`, `header`, `oauth2`": (REST, "Auth", None),
    "`auth.basic`": (REST, "Basic", None),
    "`auth.header`": (REST, "Header", None),
    "`auth.oauth2`": (REST, "OAuth2", None),
    "Every question of `rest`": (REST, "Endpoint", None),
    "`rest.profile`": (REST, "Profiles", "Endpoint"),
    "`rest.traits`": (REST, "TraitEndpoint", "Endpoint"),
    "`rest.notes`": (REST, "Notes", "Endpoint"),
    "`rest.items`": (REST, "Items", "Endpoint"),
    "`rest.item`": (REST, "Item", "Endpoint"),
    "`rest.companies`": (REST, "CompanyEndpoint", "Endpoint"),
    "`rest.find.<what>`": (REST, "Find", "Endpoint"),
    "`page`": (REST, "Paging", None),
    "`window`": (REST, "Window", None),
    "`selection`": (REST, "Selection", None),
    "Every write of `rest`": (REST, "Write", None),
    "`rest.write_trait`": (REST, "WriteTrait", "Write"),
    "`rest.add_note`": (REST, "NewNote", "Write"),
    "`[sources.<key>.graphql]`": (GRAPHQL, "Options", None),
    "Every question of `graphql`": (GRAPHQL, "Question", None),
    "`graphql.profile`": (GRAPHQL, "Profiles", "Question"),
    "`graphql.traits`": (GRAPHQL, "Traits", "Question"),
    "Lists of `graphql`": (GRAPHQL, "Lists", "Question"),
    "`graphql.notes`": (GRAPHQL, "Notes", "Lists"),
    "`graphql.items`": (GRAPHQL, "Items", "Lists"),
    "`graphql.item`": (GRAPHQL, "Item", "Question"),
    "`graphql.find.<what>`": (GRAPHQL, "Find", "Question"),
    "Every mutation of `graphql`": (GRAPHQL, "Mutation", None),
    "`graphql.write_trait`": (GRAPHQL, "WriteTrait", "Mutation"),
    "`graphql.add_note`": (GRAPHQL, "NewNote", "Mutation"),
    "`[sources.<key>.sql]`": (f"{ADAPTERS}.sql_options", "SqlOptions", None),
    "`[sources.<key>.segment]`": (f"{ADAPTERS}.segment", "SegmentOptions", None),
    "`[sources.<key>.memory]`": (f"{ADAPTERS}.memory", "Options", None),
    "`memory.people.<their key>`": (f"{ADAPTERS}.memory", "Person", None),
    "A field of a `record`, as a table": ("gateway.sources.mapping", "Reading", None),
    "A trait of a `record`, as a table": ("gateway.sources.mapping", "TraitReading", "Reading"),
}
"""Heading → module, Struct, and the Struct whose keys another heading has."""


def sections() -> dict[str, str]:
    """Heading → text of the page of keys."""
    parts = re.split(r"^## (.+)$", (DOCS / "sources-reference.md").read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def fields(module: str, name: str) -> list[msgspec.structs.FieldInfo]:
    """The fields of a Struct."""
    found = getattr(import_module(module), name)
    return list(msgspec.structs.fields(found))


@pytest.mark.parametrize("heading", TABLES)
def test_the_page_of_keys_has_every_key(heading: str) -> None:
    """Each table of the page names the keys that the gateway takes there, in their order, and says which are required."""
    module, name, base = TABLES[heading]
    inherited = {field.name for field in fields(module, base)} if base else set()
    expected = {field.name: field.required for field in fields(module, name) if field.name not in inherited}

    rows = re.findall(r"^\| `(\w+)` \| (\S+).* \| .+ \|$", sections()[heading], re.MULTILINE)

    assert {key: default == "required" for key, default in rows} == expected


def test_the_page_of_keys_has_nothing_else() -> None:
    """Every section of the page is held to a Struct."""
    assert set(sections()) == set(TABLES)


@pytest.mark.slow
@pytest.mark.timeout(90)
def test_the_ten_minutes(command: Path, tmp_path: Path) -> None:
    """The CRM, the file, the check and the question of docs/sources.md, as they stand there, put somebody on the screen whom only the CRM knows."""
    blocks = [(kind, text) for kind, text in BLOCK.findall(PAGE)]
    (crm,) = [text for kind, text in blocks if kind == "python"]
    toml = "\n".join(text for kind, text in blocks if kind == "toml")
    check, _, question = [text for kind, text in blocks if kind == "sh"]
    port = free_port()
    (tmp_path / "crm.py").write_text(crm.replace("9000", str(port)))
    (tmp_path / "sources.toml").write_text(toml.replace("9000", str(port)))
    bin_ = f"{command.parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**{name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}, "PATH": bin_}
    shell = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True, "timeout": 40}
    elsewhere = subprocess.Popen([sys.executable, "crm.py"], cwd=tmp_path, stderr=subprocess.DEVNULL)
    settings = {"CRM_TOKEN": "secret", "GATEWAY_SOURCES": str(tmp_path / "sources.toml")}
    gateway = Gateway(command, tmp_path / ".gateway", environment=settings)
    try:
        _answers(port)
        doctor = subprocess.run(["sh", "-c", check], check=False, **shell)  # type: ignore[call-overload]
        gateway.start()
        asked = question.replace("http://127.0.0.1:8080", gateway.url)
        shown = subprocess.run(["sh", "-c", asked], check=False, **shell)  # type: ignore[call-overload]
        (found,) = msgspec.json.decode(shown.stdout)["data"].values()
        elsewhere.terminate()
        elsewhere.wait()
        alone = _by_id(gateway, found["id"])
    finally:
        elsewhere.kill()
        elsewhere.wait()
        if gateway.process is not None:
            gateway.stop()

    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    assert "crm" in doctor.stdout
    assert found["displayName"] == "Ana Souza"
    assert found["traits"]["nodes"] == [{"key": "plan", "value": "gold", "provenance": {"source": {"key": "crm"}}}]
    assert {one["source"]["key"]: one["state"] for one in found["sources"]} == {"native": "OK", "crm": "OK"}
    assert alone["data"]["profile"]["traits"]["nodes"] == []
    assert {"source": {"key": "crm"}, "state": "ERROR"} in alone["data"]["profile"]["sources"]
    assert {error["extensions"]["source"] for error in alone["errors"]} == {"crm"}


def _answers(port: int) -> None:
    last = time.monotonic() + 10
    while True:
        try:
            httpx2.get(f"http://127.0.0.1:{port}/people", timeout=5)
        except httpx2.ConnectError:
            assert time.monotonic() < last, "the CRM of the page does not come up"
            time.sleep(0.05)
        else:
            return


def _by_id(gateway: Gateway, profile: str) -> dict[str, object]:
    document = "query($id: ID!) { profile(by: {id: $id}) { displayName traits { nodes { key } } sources { source { key } state } } }"
    headers = {"Authorization": f"Bearer {gateway.token()}"}
    body = {"query": document, "variables": {"id": profile}}
    answer: dict[str, object] = httpx2.post(f"{gateway.url}/graphql", json=body, headers=headers, timeout=10).json()
    return answer
