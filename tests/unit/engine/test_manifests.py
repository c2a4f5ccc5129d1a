"""Manifests: the three formats, and a sentence with file and id for everything that is wrong with one."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from gateway.engine.manifests import read_manifests, trusted_documents
from gateway.engine.trusted import StoredDocument
from gateway.errors import ConfigurationError
from gateway.settings import Settings

__all__: list[str] = []

ME, WATCH = "query Me { viewer { scopes } }", "subscription Watch { x }"


def written(place: Path, name: str, content: Any) -> Path:
    """A file with this content: bytes and text as they are, all else as JSON."""
    path = place / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else (content if isinstance(content, str) else json.dumps(content)).encode())
    return path


def apollo(*operations: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A manifest of Apollo's."""
    return {"format": "apollo-persisted-query-manifest", "version": 1, "operations": list(operations), **more}


def operation(**given: Any) -> dict[str, Any]:
    """One operation of it."""
    return {"id": "a", "name": "Me", "type": "query", "body": ME, **given}


def problem(*paths: Path) -> str:
    """The only problem."""
    _, problems = read_manifests(paths)
    (only,) = problems
    return only


def test_apollo(tmp_path: Path) -> None:
    """Id and body of each operation; other members are Apollo's own."""
    path = written(
        tmp_path, "a.json", apollo(operation(clientName="desk"), operation(id="b", name="Watch", type="subscription", body=WATCH))
    )

    assert read_manifests([path]) == (
        [StoredDocument("a", ME, str(path), "Me"), StoredDocument("b", WATCH, str(path), "Watch")],
        [],
    )


def test_relay(tmp_path: Path) -> None:
    """A map of ids (MD5 too) to texts; an empty one is a manifest of nothing."""
    path = written(tmp_path, "relay.json", {"5d41402abc4b2a76b9719d911017c592": ME, "b": "{ anonymous }"})

    documents, problems = read_manifests([path, written(tmp_path, "empty.json", {})])
    assert problems == []
    assert [(one.id, one.text, one.operation) for one in documents] == [
        ("5d41402abc4b2a76b9719d911017c592", ME, "Me"),
        ("b", "{ anonymous }", None),
    ]


def test_plain_files(tmp_path: Path) -> None:
    """A directory's .graphql and .gql files, however deep, each under the hash of its bytes: line ends, comments and accents are part of it."""
    texts = {"a.graphql": ME, "deep/er/b.gql": f"# é\r\n{WATCH}\r\n"}
    for name, text in texts.items():
        written(tmp_path, name, text)
    written(tmp_path, "README.md", "not one")
    documents, problems = read_manifests([tmp_path])

    assert problems == []
    assert {one.file: one.id for one in documents} == {
        str(tmp_path / name): sha256((tmp_path / name).read_bytes()).hexdigest() for name in texts
    }
    assert read_manifests([tmp_path / "a.graphql"])[0] == [documents[0]]


def test_the_same_document_in_two_files(tmp_path: Path) -> None:
    """The same text under the same id is there once; under another id it has both."""
    first = written(tmp_path, "a.json", {"a": ME})
    second = written(tmp_path, "b.json", apollo(operation(), operation(id="b")))
    documents, problems = read_manifests([first, second, first])

    assert problems == []
    assert [(one.id, one.file) for one in documents] == [("a", str(first)), ("b", str(second))]


def test_the_same_id_with_another_text(tmp_path: Path) -> None:
    """In two files, in one of Apollo's, in one of Relay's: an error that says where."""
    first, second = written(tmp_path, "a.json", {"a": ME}), written(tmp_path, "b.json", {"a": WATCH})
    twice = written(tmp_path, "c.json", apollo(operation(), operation(body=ME + " ")))
    doubled = written(tmp_path, "d.json", '{"a": "{ x }", "a": "{ y }"}')

    assert problem(first, second) == f"{second}: a: the same id has another text in {first}."
    assert problem(twice) == f"{twice}: a: the same id has another text in {twice}."
    assert problem(doubled).startswith(f"{doubled}: a: stands there twice")


def test_an_id_that_is_another_documents_hash(tmp_path: Path) -> None:
    """An id that is the hash of another document is refused: whoever sends that hash would be given the one or the other."""
    digest = sha256(WATCH.encode()).hexdigest()
    path = written(tmp_path, "a.json", {digest: ME, "b": WATCH})

    assert problem(path) == f"{path}: {digest}: the id is the hash of another document, b in {path}."


WRONG: list[tuple[str, Any, str]] = [
    ("a.json", b"\xff\xfe{}", "not UTF-8"),
    ("a.graphql", b"\xff", "not UTF-8"),
    ("a.json", "{", "neither JSON nor .graphql"),
    ("a.json", "[" * 100_000, "neither JSON nor .graphql"),
    ("a.txt", ME, "neither JSON nor .graphql"),
    ("a.json", [], "JSON list"),
    ("a.json", "null", "JSON NoneType"),
    ("a.json", {"a": 5}, "a: a map of ids to documents has texts for values"),
    ("a.json", {"format": "x", "version": 1, "operations": []}, "apollo-persisted-query-manifest"),
    ("a.json", {"version": 1, "operations": []}, "apollo-persisted-query-manifest"),
    ("a.json", apollo(version=2), "version 1"),
    ("a.json", apollo(operations={}), "list of operations"),
    ("a.json", apollo(operation(), {"id": "b"}), "operations[1]: id, name, type and body are texts"),
    ("a.json", apollo(5), "operations[0]"),  # type: ignore[arg-type]
    ("a.json", apollo(operation(type="mutation")), "a: the manifest says mutation Me, the document is query Me."),
    ("a.json", apollo(operation(name="You")), "a: the manifest says query You, the document is query Me."),
    ("a.json", {"a": "{"}, "a: Syntax Error: Expected Name, found <EOF> (line 1, column 2)."),
    ("a.json", {"a": ""}, "a: Syntax Error: Unexpected <EOF>"),
    ("a.json", {"a": "{ a " * 50_000}, "a: "),
    ("a.json", {"a": "fragment F on Query { a }"}, "a: a trusted document has one operation, this one has none."),
    ("a.json", {"a": "query A { a } query B { b }"}, "a: a trusted document has one operation, this one has 2."),
    ("a.json", {"": ME}, ": an id has 1 to 256 characters."),
    ("a.json", {"x" * 257: ME}, f"{'x' * 80}: an id has 1 to 256 characters."),
    ("a.json", {"sha256:" + "0" * 64: ME}, "the id is not sha256: and the hash of the text."),
]


@pytest.mark.parametrize(("name", "content", "said"), WRONG, ids=[f"{name} {said[:40]}" for name, _, said in WRONG])
def test_what_is_wrong(tmp_path: Path, name: str, content: Any, said: str) -> None:
    """The file, the id where there is one, and what to look for."""
    path = written(tmp_path, name, content)
    told = problem(path)

    assert told.startswith(f"{path}: ")
    assert said in told


def test_an_id_of_256_characters_with_a_hash(tmp_path: Path) -> None:
    """The longest id is one, and so is the hash with its prefix."""
    digest = "sha256:" + sha256(ME.encode()).hexdigest()
    documents, problems = read_manifests([written(tmp_path, "a.json", {"x" * 256: ME, digest: ME})])

    assert (problems, [one.id for one in documents]) == ([], ["x" * 256, digest])


def test_files_that_are_not_there(tmp_path: Path) -> None:
    """A file that is missing, a directory without documents, a directory that is called like a file."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "odd.graphql").mkdir()

    assert "cannot be read (No such file or directory)" in problem(tmp_path / "no.json")
    assert "there is no .graphql file" in problem(tmp_path / "empty")
    assert "there is no .graphql file" in problem(tmp_path / "odd.graphql")


def test_all_problems_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    """One bad document hides no other."""
    path = written(tmp_path, "a.json", {"a": "{", "b": ME, "c": "}"})
    documents, problems = read_manifests([tmp_path / "no.json", path])

    assert [one.id for one in documents] == ["b"]
    assert len(problems) == 3


def test_a_start_stops_at_them(tmp_path: Path) -> None:
    """The message names files and ids, two at most, how many there are, and how to see all of them."""
    path = written(tmp_path, "a.json", {"a": "{", "b": "{", "c": "{", "d": "{", "e": ME})
    with pytest.raises(ConfigurationError) as refused:
        trusted_documents(Settings(documents=(path,)))
    said = refused.value.message

    assert "GATEWAY_DOCUMENTS" in said
    assert "4 wrong (profile-gateway documents check shows all)" in said
    assert f"{path}: a: " in said
    assert f"{path}: c: " not in said
