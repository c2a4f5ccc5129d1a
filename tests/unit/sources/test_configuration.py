"""The file of sources: what is right becomes definitions, what is wrong is told with file, line, table and key, all of it at once."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from gateway.configuration import Configurations
from gateway.errors import ConfigurationError
from gateway.model.configuration import Configuration
from gateway.model.source import DataParty, SourceKind, SourceState
from gateway.sources.adapters.memory import MemoryRemote
from gateway.sources.configuration import SourcesFile, load_definitions, load_sources
from gateway.sources.definition import GuardPolicy, Secret

__all__: list[str] = []

SIGNING_KEY = "whsec_" + base64.b64encode(b"0123456789abcdefghijklmn").decode()
MINIMAL = '[sources.crm]\nadapter = "memory"\nkinds = ["TRAITS"]\nkeyed_by = "account_id"\n'
SENSITIVE = '[attributes.define.ssn]\nname = "SSN"\nidentifier = true\nsensitivity = "SENSITIVE"\n'


def written(tmp_path: Path, text: str) -> Path:
    """A file with this text."""
    path = tmp_path / "sources.toml"
    path.write_text(text)
    return path


def problems(tmp_path: Path, text: str, configurations: Configurations | None = None) -> list[str]:
    """What is wrong with the file, each without the directory it is in."""
    file = SourcesFile(written(tmp_path, text), configurations)
    return [one.removeprefix(f"{tmp_path}/") for one in file.problems]


def test_every_key_of_a_source_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole table, the adapter's own, and the webhook become one definition."""
    monkeypatch.setenv("CRM_SIGNING", SIGNING_KEY)
    path = written(
        tmp_path,
        """
[sources.crm]
name = "Our CRM"
adapter = "memory"
kinds = ["IDENTITY", "TRAITS"]
keyed_by = "email"
party = "THIRD"
priority = 70
workspaces = ["acme"]
unknown = "create"
poll = 30
deadline = 1.5
concurrency = 4
queue = 8
retries = 0
failures = 3
pause = 1
longest_pause = 9
fresh = 5
stale = 300
kept = 50

[sources.crm.webhook]
secrets = [{ env = "CRM_SIGNING" }]
per_second = 10
unknown = "create"
mapping = { key = "person.id" }

[sources.crm.memory]
latency = 0.5
people.A-1 = { traits = { plan = "gold" } }
""",
    )
    ((definition, remote),) = [(one.definition, one.remote) for one in load_sources(path)]

    shown = definition.source
    assert (shown.key, shown.display_name, shown.party, shown.priority) == ("crm", "Our CRM", DataParty.THIRD, 70)
    assert (shown.kinds, shown.state, shown.writable) == ((SourceKind.TRAITS, SourceKind.IDENTITY), SourceState.OK, False)
    assert (definition.keyed_by, definition.workspaces, definition.unknown, definition.poll) == ("email", frozenset({"acme"}), "create", 30)
    assert definition.policy == GuardPolicy(1.5, 4, 8, 0, 3, 1, 9, 5, 300, 50)
    assert definition.webhook is not None
    assert definition.webhook.secrets == (Secret(env="CRM_SIGNING"),)
    assert (definition.webhook.per_second, definition.webhook.unknown, definition.webhook.mapping) == (10, "create", {"key": "person.id"})
    assert definition.options.latency == 0.5
    assert isinstance(remote, MemoryRemote)


def test_what_is_left_out_has_a_default(tmp_path: Path) -> None:
    """Adapter, kinds and key are enough; the name is made of the key."""
    (definition,) = load_definitions(written(tmp_path, MINIMAL.replace("crm", "web-shop")))

    assert (definition.source.display_name, definition.source.priority, definition.source.party) == ("Web shop", 60, DataParty.FIRST)
    assert (definition.policy, definition.workspaces, definition.webhook, definition.poll) == (GuardPolicy(), None, None, None)


def test_without_a_file_there_are_no_sources() -> None:
    """Nothing is federated."""
    assert load_sources(None) == load_definitions(None) == ()


def test_a_source_that_can_be_written_says_so(tmp_path: Path) -> None:
    """What the adapter can write, of the kinds that it is used for, makes the source writable."""
    text = MINIMAL + "[sources.crm.memory]\nwritable = true\n" + MINIMAL.replace("crm", "orders").replace("TRAITS", "ACTIVITY")
    text += "[sources.orders.memory]\nwritable = true\n"

    assert [one.definition.source.writable for one in load_sources(written(tmp_path, text))] == [True, False]


def test_a_disabled_source_is_there_and_not_made(tmp_path: Path) -> None:
    """Its state says so, and its secrets need not be there; its table must be right all the same."""
    off = MINIMAL + 'enabled = false\n[sources.crm.webhook]\nsecrets = [{ env = "NOT_THERE" }]\n'
    ((definition, remote),) = [(one.definition, one.remote) for one in load_sources(written(tmp_path, off))]

    assert (definition.source.state, definition.is_disabled, remote) == (SourceState.DISABLED, True, None)
    assert problems(tmp_path, off + "secret = 1\n")[0].startswith(
        "sources.toml:8: [sources.crm.webhook] secret: is not known; did you mean"
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[sources.CRM]\n", "1: [sources.CRM] a source's key has up to 32 small letters, digits and dashes and begins with a letter."),
        ("[sources.native]\n", "1: [sources.native] native is the gateway's own source; choose another key."),
        ("[sources]\ncrm = 1\n", "2: [sources.crm] is a table: [sources.crm]."),
        ("sources = 1\n", "1: [sources] holds one table for each source: [sources.crm]."),
        ("[source.crm]\n", "1: [source] is not known; the file has tables [sources.<key>] and nothing else."),
        (MINIMAL + "nmae = 1\n", "5: [sources.crm] nmae: is not known; did you mean name? There are adapter, kinds, keyed_by, name, "),
        ('[sources.crm]\nadapter = "memory"\nkinds = []\n', "1: [sources.crm] keyed_by: is missing."),
        ('[sources.crm]\nkinds = []\nkeyed_by = "email"\n', "1: [sources.crm] adapter: is missing."),
        (MINIMAL + "priority = '9'\n", "5: [sources.crm] priority: expected `int`, got `str`."),
        (MINIMAL + "priority = 2000\n", "5: [sources.crm] priority: 2000 is not between 0 and 1000."),
        (MINIMAL + "party = 'first'\n", "5: [sources.crm] party: is one of FIRST, SECOND, THIRD, PUBLIC."),
        (MINIMAL + "unknown = 'make'\n", "5: [sources.crm] unknown: is one of ignore, create."),
        (MINIMAL + "unknown = 'create'\n", "5: [sources.crm] unknown: create needs IDENTITY among the kinds: people are found by it."),
        (MINIMAL + "deadline = 0\n", "5: [sources.crm] deadline: 0 is not between 0.05 and 60."),
        (MINIMAL + "deadline = nan\n", "5: [sources.crm] deadline: nan is not between 0.05 and 60."),
        (MINIMAL + "stale = inf\n", "5: [sources.crm] stale: inf is not between 0 and 2.592e+06."),
        (MINIMAL + "pause = 60\n", "1: [sources.crm] longest_pause: is not shorter than pause, 60 seconds."),
        (MINIMAL + "poll = 0.1\n", "5: [sources.crm] poll: 0.1 is not between 1 and 86400."),
        (
            MINIMAL + "workspaces = []\n",
            "5: [sources.crm] workspaces: names at least one workspace; leave it out for all of them",
        ),
        (MINIMAL + "workspaces = ['a b']\n", "5: [sources.crm] workspaces: 'a b' is no workspace's key."),
        (
            MINIMAL.replace('"TRAITS"', ""),
            "3: [sources.crm] kinds: names at least one of PROFILE, TRAITS, NOTES, ACTIVITY, IDENTITY, COMPANY.",
        ),
        (MINIMAL.replace("TRAITS", "TRAIT"), "3: [sources.crm] kinds.0: is one of PROFILE, TRAITS, NOTES, ACTIVITY, IDENTITY, COMPANY."),
        (
            MINIMAL.replace("account_id", "name"),
            "4: [sources.crm] keyed_by: is an identifier type such as account_id, or email, phone, profile_id.",
        ),
        (
            MINIMAL.replace("account_id", "AccountId"),
            "4: [sources.crm] keyed_by: is an identifier type such as account_id, or email, phone, ",
        ),
        (
            MINIMAL.replace("memory", "sap"),
            "2: [sources.crm] adapter: there is no adapter 'sap'; there are graphql, memory, rest, segment, sql. ",
        ),
        (MINIMAL + "[sources.crm.webhook]\n", "5: [sources.crm.webhook] secrets: is missing."),
        (
            MINIMAL + "[sources.crm.webhook]\nsecrets = []\n",
            '6: [sources.crm.webhook] secrets: needs at least one: secrets = [{ env = "NAME" }].',
        ),
        (
            MINIMAL + "webhook = { secrets = [{ env = 'G' }], per_second = 0 }\n",
            "5: [sources.crm.webhook] per_second: 0 is not between 0.1 and 10000.",
        ),
        (MINIMAL + "[sources.crm.memory]\nlatency = -1\n", "6: [sources.crm.memory] latency: is between 0 and 3600 seconds."),
        (
            MINIMAL + "[sources.crm.memory.people.A]\nfrist = 1\n",
            "6: [sources.crm.memory] people.A.frist: is not known; there are profile, traits,",
        ),
        (
            MINIMAL + "[sources.crm.memory.people.A]\nnotes = [{ id = 1 }]\n",
            "6: [sources.crm.memory] people.A.notes.0.id: expected `str`, got `int`.",
        ),
        (
            MINIMAL + "[sources.crm.memory]\nfile = 'gone.json'\n",
            "6: [sources.crm.memory] file: gone.json cannot be read (No such file or directory).",
        ),
        (MINIMAL + "[sources.crm.rest]\n", "5: [sources.crm] rest: is the table of another adapter than memory."),
    ],
)
def test_an_error_names_file_line_table_and_key(tmp_path: Path, text: str, told: str) -> None:
    """Whatever is wrong is told where it stands, with what to write."""
    assert problems(tmp_path, text)[0].removeprefix("sources.toml:")[: len(told)] == told


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    """Over all sources and tables, one line each, in the order of the file; the error is not cut."""
    sources = [MINIMAL.replace("crm", f"s{number}") + "deadline = 0\nretries = 9\n" for number in range(12)]
    with pytest.raises(ConfigurationError) as caught:
        load_sources(written(tmp_path, "".join(sources)))

    lines = caught.value.message.splitlines()
    assert len(lines) == 24
    assert all(line.startswith(f"{tmp_path}/sources.toml:") for line in lines)
    assert lines[-1].endswith("[sources.s11] retries: 9 is not between 0 and 5.")


def test_what_is_right_is_read_beside_what_is_wrong(tmp_path: Path) -> None:
    """One wrong source does not hide the others from whoever looks into the file."""
    file = SourcesFile(written(tmp_path, MINIMAL + MINIMAL.replace("crm", "orders") + "deadline = 0\n"))

    assert [one.definition.key for one in file.configured] == ["crm"]
    assert len(file.problems) == 1


def test_a_kind_that_the_adapter_has_not_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the configured system can provide is compared with what it is used for."""
    made = MemoryRemote.__init__

    def fewer(self: MemoryRemote, *arguments: object, **more: object) -> None:
        made(self, *arguments, **more)  # type: ignore[arg-type]
        self.capabilities = type(self.capabilities)(frozenset({SourceKind.PROFILE}))

    monkeypatch.setattr(MemoryRemote, "__init__", fewer)
    assert problems(tmp_path, MINIMAL) == [
        "sources.toml:3: [sources.crm] kinds: memory, as it is configured, provides PROFILE, but not TRAITS."
    ]


def test_a_sensitive_attribute_is_no_key(tmp_path: Path) -> None:
    """What is kept encrypted is sent to nobody: refused where any workspace that the source serves holds it SENSITIVE."""
    config = tmp_path / "gateway.toml"
    config.write_text(f"[workspaces.acme]\n{SENSITIVE.replace('[attributes', '[workspaces.acme.attributes')}")
    configurations = Configurations.load(config)
    by_ssn = MINIMAL.replace("account_id", "ssn")

    assert "ssn is a SENSITIVE attribute" in problems(tmp_path, by_ssn, configurations)[0]
    assert problems(tmp_path, by_ssn + 'workspaces = ["acme"]\n', configurations) != []
    assert problems(tmp_path, by_ssn + 'workspaces = ["demo"]\n', configurations) == []
    assert problems(tmp_path, MINIMAL, Configurations(Configuration())) == []


def test_missing_secrets_are_told_all_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the name of what is missing; and a signing key that is none is refused."""
    monkeypatch.setenv("SHORT", "whsec_" + base64.b64encode(b"short").decode())
    monkeypatch.setenv("LOOSE", "not base64 at all!")
    text = MINIMAL + "[sources.crm.webhook]\nsecrets = [{ env = 'GONE' }, { file = '/none/such' }, { env = 'SHORT' }, { env = 'LOOSE' }]\n"
    found = problems(tmp_path, text)

    assert [one.split("secrets.")[1] for one in found] == [
        "0: the secret GONE is empty; set it before the gateway starts.",
        "1: the secret's file /none/such cannot be read.",
        "2: the secret is no key to sign with: whsec_ and 24 bytes or more in base64.",
        "3: the secret is no key to sign with: whsec_ and 24 bytes or more in base64.",
    ]


def test_a_secret_in_the_file_is_refused_and_not_repeated(tmp_path: Path) -> None:
    """Where a secret is wanted a text is refused, with words and without the text."""
    for text in (
        MINIMAL + "[sources.crm.webhook]\nsecrets = ['hunter2-hunter2']\n",
        MINIMAL.replace("memory", "rest") + "[sources.crm.rest]\nbase_url = 'https://crm.example'\nauth = { bearer = 'hunter2-hunter2' }\n",
    ):
        (told,) = problems(tmp_path, text)
        assert 'a secret does not stand in the file: write { env = "NAME" } or { file = "path" }.' in told
        assert "hunter2" not in told


def test_secrets_are_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A definition holds where a secret is kept, so that printing it shows none."""
    monkeypatch.setenv("CRM_SIGNING", SIGNING_KEY)
    (one,) = load_sources(written(tmp_path, MINIMAL + "[sources.crm.webhook]\nsecrets = [{ env = 'CRM_SIGNING' }]\n"))

    assert SIGNING_KEY not in repr(one)


def test_a_mapping_of_a_webhook_is_compiled(tmp_path: Path) -> None:
    """An expression that is none, and a name that nothing is read into, are refused."""
    text = MINIMAL + "[sources.crm.webhook]\nsecrets = [{ env = 'PATH' }]\nmapping = { key = 'a.[', who = 'b' }\n"
    found = problems(tmp_path, text)

    assert any("[sources.crm.webhook] mapping.key: 'a.[' is not a JMESPath expression" in one for one in found)
    assert any("[sources.crm.webhook] mapping.who: is not known; there are id, type, key, " in one for one in found)


@pytest.mark.parametrize("content", [b"[sources.crm", b"\xff\xfe", b"a = 1\na = 2\n"])
def test_a_file_that_is_no_toml_is_refused(tmp_path: Path, content: bytes) -> None:
    """With its name, and the place where a reader of TOML knows it."""
    path = tmp_path / "sources.toml"
    path.write_bytes(content)

    with pytest.raises(ConfigurationError, match=r"sources\.toml: "):
        load_sources(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """The setting is named."""
    with pytest.raises(ConfigurationError, match=r"GATEWAY_SOURCES: .*/none\.toml cannot be read \(No such file"):
        load_sources(tmp_path / "none.toml")


def test_an_adapter_that_breaks_over_its_table_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An adapter of somebody else may raise anything: the kind of error is told, and not its words, which may show a secret."""

    def broken(self: MemoryRemote, *arguments: object, **more: object) -> None:
        raise KeyError("hunter2")

    monkeypatch.setattr(MemoryRemote, "__init__", broken)
    (told,) = problems(tmp_path, MINIMAL + "[sources.crm.memory]\n")

    assert (
        told == "sources.toml:5: [sources.crm.memory] the adapter memory failed over this table (KeyError); that is a bug of the adapter."
    )


REST = (
    MINIMAL.replace("memory", "rest")
    + "[sources.crm.rest]\nbase_url = '{}'\n[sources.crm.rest.traits]\npath = '{}'\nrecord = {{ plan = 'plan' }}\n"
)


@pytest.mark.parametrize(
    ("base", "path"),
    [
        ("http://crm.example\r\nX-Injected: 1", "/people/{key}"),
        ("http://user:hunter2@crm.example", "/people/{key}"),
        ("http://crm.example@169.254.169.254", "/people/{key}"),
        ("http://crm.example/a/../../b", "/people/{key}"),
        ("http://crm.example/#x", "/people/{key}"),
        ("file:///etc/passwd", "/people/{key}"),
        ("http://crm.example", "/people/{key}\r\nX-Injected: 1"),
        ("http://crm.example", "//169.254.169.254/{key}"),
        ("http://crm.example", "/../admin/{key}"),
        ("http://crm.example", "http://169.254.169.254/{key}"),
        ("http://crm.example", "/people/{key}#x"),
    ],
)
def test_fault_132_an_address_that_leads_elsewhere_is_refused_when_it_is_read(tmp_path: Path, base: str, path: str) -> None:
    """A base URL or a path with line breaks, credentials, a fragment, dots or another host is refused at start, with its place and not its text."""
    text = REST.format(base.replace("\r\n", "\\r\\n").replace("'", ""), path.replace("\r\n", "\\r\\n")).replace("'", '"')
    found = problems(tmp_path, text)

    assert found, "nothing was refused"
    assert all("[sources.crm.rest]" in one for one in found)
    assert "hunter2" not in "".join(found)


@pytest.mark.parametrize(
    ("name", "value"), [("X-A\\r\\nX-B", "1"), ("X-A", "1\\r\\nX-B: 2"), ("Host", "169.254.169.254"), ("Content-Length", "0")]
)
def test_fault_132_a_header_that_breaks_its_line_is_refused_when_it_is_read(tmp_path: Path, name: str, value: str) -> None:
    """Headers of a source neither end a line nor frame the message."""
    text = REST.format("http://crm.example", "/people/{key}").replace("'", '"')
    found = problems(tmp_path, text + f'[sources.crm.rest.headers]\n"{name}" = "{value}"\n')

    assert found
    assert all("[sources.crm.rest]" in one for one in found)


def test_a_rest_source_without_faults_is_read(tmp_path: Path) -> None:
    """The same table with nothing wrong in it is taken."""
    assert problems(tmp_path, REST.format("https://crm.example/api", "/people/{key}")) == []
