"""The operator's file: the documented example is valid, workspaces override single keys, and an error says where it is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.configuration import Configurations
from gateway.errors import ConfigurationError
from gateway.model.activity import TimelineKind
from gateway.model.attribute import Sensitivity
from gateway.model.configuration import Configuration, Feature
from gateway.model.profile import Channel

__all__: list[str] = []

DOCUMENT = Path(__file__).parents[2] / "docs" / "configuration.md"


def load(tmp_path: Path, text: str) -> Configurations:
    """The configurations of a file with this text."""
    path = tmp_path / "gateway.toml"
    path.write_text(text)
    return Configurations.load(path)


def example() -> str:
    """The file in the documentation."""
    (found,) = re.findall(r"```toml\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    return str(found)


def test_the_documented_file_is_valid(tmp_path: Path) -> None:
    """Every table and key of docs/configuration.md is understood as it is explained there."""
    found = load(tmp_path, example())
    ssn = found.default.by_key["ssn"]

    assert (ssn.is_identifier, ssn.is_search_key, ssn.sensitivity) == (True, True, Sensitivity.SENSITIVE)
    assert found.default.sensitive == {"ssn"}
    assert found.default.by_key["credit_limit"].managed_by is not None
    assert found.default.autopopulate.keys[Channel.CHAT] == ("email", "phone", "attribute:account_id")
    assert found.default.retention.months(TimelineKind.WEB) == 6
    assert found.default.retention.months(TimelineKind.NOTE) is None
    assert found.default.by_key["loyalty_tier"].name_in("de-AT") == "Treuestufe"


def test_a_workspace_overrides_single_keys(tmp_path: Path) -> None:
    """`[workspaces.demo.retention]` changes the default there, keeps the rest of the table, and leaves other workspaces alone."""
    found = load(tmp_path, example())

    assert found.of("demo").retention.months(TimelineKind.EXTERNAL) == 36
    assert found.of("demo").retention.months(TimelineKind.WEB) == 6
    assert found.of("other").retention.months(TimelineKind.EXTERNAL) == 24


def test_without_a_file_the_defaults_hold() -> None:
    """No file: every feature is on, and every workspace has the same configuration."""
    found = Configurations.load(None)

    assert found.of("anything") is found.default
    assert found.default.features == frozenset(Feature)
    assert found.default.retention.months(TimelineKind.EXTERNAL) == 24


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('features = ["x"]', "features[0]: Invalid enum value 'x'"),
        ("[retentio]\na = 1", "unknown field `retentio`"),
        ('[retention]\ndefault = "2y"', "retention.default: a period is written P24M"),
        ('[retention]\ncalls = "P2Y"', "retention.calls: there are default, change"),
        ('[identity]\nrules = ["q"]', "identity.rules: q is none; there are alias"),
        ('[attributes.define.tier]\nname = "Tier"\ntype = "SELECT"', "attributes.define.tier: options belong to SELECT"),
        ('[attributes.define.phone]\nname = "P"\nidentifier = true', "attributes.define.phone: phone is not an identifier type"),
        (
            '[attributes.define.AccountNo]\nname = "A"\nidentifier = true',
            "attributes.define.AccountNo: as an identifier it is written account_no",
        ),
        ('[autopopulate.keys]\nCHAT = ["nickname"]', "autopopulate.keys.CHAT: nickname is no search key"),
        ('[interaction.recorded_since]\nsummery = "2026-01-01T00:00:00Z"', "interaction.recorded_since.summery: it is none of"),
        ('[interaction.recorded_since]\nsummary = "soon"', "interaction.recorded_since.summary: a moment is written like"),
        ('[deny]\npatterns = ["("]', "deny.patterns.0: not a regular expression"),
        ('[workspaces.demo.retention]\ndefault = "never"', "workspaces.demo.retention.default: a period"),
        ("workspaces = 3", "workspaces holds one table per workspace"),
        ("a = ", "Invalid value"),
    ],
)
def test_an_error_says_where(tmp_path: Path, text: str, says: str) -> None:
    """A wrong value stops the start, and the message names the file, the place and what is allowed."""
    with pytest.raises(ConfigurationError) as error:
        load(tmp_path, text)

    assert says in error.value.message
    assert "gateway.toml" in error.value.message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A file that is not there is an error of the setting."""
    with pytest.raises(ConfigurationError, match=r"GATEWAY_CONFIG: .*nowhere\.toml cannot be read"):
        Configurations.load(tmp_path / "nowhere.toml")


def test_a_key_nobody_defined_is_still_described() -> None:
    """The registry is open: an unknown key has a readable name and is editable, but not shown unless asked for."""
    definition = Configuration().definition("favouriteColour")

    assert (definition.name, definition.is_editable, definition.is_visible_by_default) == ("Favourite colour", True, False)
