"""Settings: documented field by field, validated, silent about secrets."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway.settings import Settings

README = Path(__file__).parents[2] / "README.md"


def test_the_readme_lists_every_setting_as_it_is() -> None:
    """The README's table is the settings: names, defaults, meanings."""
    expected = []
    for name, field in Settings.model_fields.items():
        default = "" if field.default in (None, ()) else f"`{field.default}`"
        expected.append(f"| `GATEWAY_{name.upper()}` | {default} | {field.description} |")
    found = [line for line in README.read_text().splitlines() if re.match(r"\| `GATEWAY_", line)]

    assert found == expected


def test_secrets_are_read_from_one_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several secrets are separated by commas; the first signs."""
    monkeypatch.setenv("GATEWAY_SECRET_KEYS", f"{'a' * 32}, {'b' * 40}")

    assert [secret.get_secret_value()[0] for secret in Settings().secret_keys] == ["a", "b"]


def test_a_short_secret_is_refused_without_being_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what to do and does not hold the value."""
    monkeypatch.setenv("GATEWAY_SECRET_KEYS", "hunter2-hunter2")
    with pytest.raises(ValidationError) as caught:
        Settings()

    assert "32 bytes" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_representation_shows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Printing the settings is safe."""
    monkeypatch.setenv("GATEWAY_DATABASE_URL", "postgresql://gateway:hunter2@db/gateway")

    assert "hunter2" not in repr(Settings())


@pytest.mark.parametrize(
    ("name", "value"), [("PORT", "70000"), ("BUS", "carrier-pigeon"), ("POLL_INTERVAL", "0"), ("DEFAULT_REGION", "Germany")]
)
def test_a_value_out_of_bounds_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """A gateway does not start with a setting it cannot mean."""
    monkeypatch.setenv(f"GATEWAY_{name}", value)
    with pytest.raises(ValidationError):
        Settings()


def test_a_secret_may_lie_in_a_file(tmp_path: Path) -> None:
    """Orchestrators mount secrets as files."""
    (tmp_path / "gateway_database_url").write_text("postgresql://db/gateway")
    url = Settings(_secrets_dir=tmp_path).database_url

    assert url is not None
    assert url.get_secret_value() == "postgresql://db/gateway"


@pytest.mark.parametrize(
    ("value", "modes"),
    [
        (None, ("allow", "allow", "allow")),
        ("require", ("require", "require", "require")),
        ("off", ("off", "off", "off")),
        ("partner=require", ("allow", "require", "allow")),
        ("agent=warn, partner = require,service=off", ("warn", "require", "off")),
    ],
)
def test_the_mode_of_trusted_documents(monkeypatch: pytest.MonkeyPatch, value: str | None, modes: tuple[str, str, str]) -> None:
    """One for all clients, or by kind; who is not named may send both."""
    monkeypatch.setenv("GATEWAY_DOCUMENTS", "a.json, documents")
    if value is not None:
        monkeypatch.setenv("GATEWAY_DOCUMENTS_MODE", value)
    settings = Settings()

    assert settings.documents == (Path("a.json"), Path("documents"))
    assert dict(settings.documents_modes) == dict(zip(("agent", "partner", "service"), modes, strict=True))


@pytest.mark.parametrize(
    "value", ["REQUIRE", "yes", "agent", "agent=", "=off", "agents=off", "agent=on", "agent=off,agent=warn", "off,agent=warn"]
)
def test_a_mode_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """The message says what can be written."""
    monkeypatch.setenv("GATEWAY_DOCUMENTS", "a.json")
    monkeypatch.setenv("GATEWAY_DOCUMENTS_MODE", value)
    with pytest.raises(ValidationError, match="off, allow, warn, require"):
        Settings()


@pytest.mark.parametrize("value", ["require", "agent=require"])
def test_documents_are_not_required_where_there_are_none(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """That would refuse everything."""
    monkeypatch.setenv("GATEWAY_DOCUMENTS_MODE", value)
    with pytest.raises(ValidationError, match="GATEWAY_DOCUMENTS"):
        Settings()
