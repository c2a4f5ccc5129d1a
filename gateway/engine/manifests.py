"""Manifests of trusted documents: files in the three formats that client tools write.

Owns reading them and what is wrong with them as files: Apollo's persisted query manifest, Relay's map of ids to texts, and plain `.graphql` files
whose id is their hash. Must not judge a document beyond that it has one operation: `engine.documents` does, against the schema. Files are read once,
at the start. Called by `app` and `cli.documents`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from graphql import GraphQLError, OperationDefinitionNode, parse

from gateway.engine.request import LONGEST_DOCUMENT_ID
from gateway.engine.trusted import PREFIX, Mode, StoredDocument, TrustedDocuments, digest_of
from gateway.errors import ConfigurationError
from gateway.settings import Settings

__all__ = ["read_manifests", "trusted_documents"]

_APOLLO: Final = "apollo-persisted-query-manifest"
_PLAIN: Final = frozenset({".graphql", ".gql"})
_SHOWN: Final = 80
"""Characters of an id in a message."""
_NAMED: Final = 2
"""Problems in one message, which has 500 characters."""


class _Unreadable(Exception):  # told as a problem of its file
    pass


def trusted_documents(settings: Settings) -> TrustedDocuments:
    """Those of the files that the settings name, for the clients that they name.

    Raises:
        ConfigurationError: a file is not as it should be; the message names it and the id.
    """
    documents, problems = read_manifests(settings.documents)
    if problems:
        told = "\n".join(problems[:_NAMED])
        raise ConfigurationError(f"GATEWAY_DOCUMENTS: {len(problems)} wrong (profile-gateway documents check shows all):\n{told}")
    return TrustedDocuments(documents, {kind: Mode(mode) for kind, mode in settings.documents_modes.items()})


def read_manifests(paths: Iterable[Path]) -> tuple[Sequence[StoredDocument], Sequence[str]]:
    """The documents of these files (or directories of `.graphql` files), and what is wrong: one sentence each, with file and id.

    A document that several of them have under the same id is there once.
    """
    found: dict[str, StoredDocument] = {}
    problems: list[str] = []
    for path in paths:
        try:
            given = list(_entries(path))
        except _Unreadable as error:
            problems.append(str(error))
            continue
        for file, name, text, said in given:
            where = f"{file}: {name[:_SHOWN]}"
            wrong = _wrong_id(name, text)
            known = found.get(name)
            if wrong is None and known is not None and known.text != text:
                wrong = f"the same id has another text in {known.file}"
            if wrong is None and known is None:
                operation, wrong = _operation(text, said)
                if wrong is None:
                    found[name] = StoredDocument(name, text, str(file), operation)
            if wrong is not None:
                problems.append(f"{where}: {wrong}.")
    hashes = {digest_of(one.text): one for one in found.values()}
    for name, one in found.items():
        meant = hashes.get(name)
        if meant is not None and meant.text != one.text:  # whoever sends that hash would be given the one or the other
            problems.append(f"{one.file}: {name[:_SHOWN]}: the id is the hash of another document, {meant.id[:_SHOWN]} in {meant.file}.")
    return list(found.values()), problems


_Entry = tuple[Path, str, str, tuple[str, str] | None]
"""File, id, text, and what the manifest says of the operation: its type and its name."""


def _entries(path: Path) -> Iterator[_Entry]:
    if path.is_dir():
        files = sorted(one for one in path.rglob("*") if one.suffix in _PLAIN and one.is_file())
        if not files:
            raise _Unreadable(f"{path}: there is no .graphql file in this directory.")
        for file in files:
            yield _plain(file)
        return
    if path.suffix in _PLAIN:
        yield _plain(path)
        return
    given = _json(path)
    if not isinstance(given, dict):
        raise _Unreadable(f"{path}: this is no manifest, but a JSON {type(given).__name__}.")
    if "format" in given or "operations" in given:
        yield from _apollo(path, given)
        return
    for name, text in given.items():
        if not isinstance(text, str):
            raise _Unreadable(f"{path}: {name[:_SHOWN]}: a map of ids to documents has texts for values.")
        yield path, name, text, None


def _apollo(path: Path, given: dict[str, Any]) -> Iterator[_Entry]:
    operations = given.get("operations")
    if given.get("format") != _APOLLO or given.get("version") != 1 or not isinstance(operations, list):
        raise _Unreadable(f'{path}: the manifest is not of format "{_APOLLO}", version 1, with a list of operations.')
    for number, one in enumerate(operations):
        values = [one.get(key) for key in ("id", "body", "type", "name")] if isinstance(one, dict) else [None]
        if not all(isinstance(value, str) for value in values):
            raise _Unreadable(f"{path}: operations[{number}]: id, name, type and body are texts.")
        name, body, kind, called = values
        yield path, str(name), str(body), (str(kind), str(called))


def _plain(path: Path) -> _Entry:
    text = _read(path)
    return path, digest_of(text), text, None


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode()  # as it is, its line ends too: the id is the hash of the bytes
    except OSError as error:
        raise _Unreadable(f"{path}: the file cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise _Unreadable(f"{path}: the file is not UTF-8.") from error


def _json(path: Path) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in pairs:
            if found.setdefault(name, value) != value:
                raise _Unreadable(f"{path}: {name[:_SHOWN]}: stands there twice, with different values.")
        return found

    try:
        return json.loads(_read(path), object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise _Unreadable(f"{path}: the file is neither JSON nor .graphql ({error}).") from error


def _wrong_id(name: str, text: str) -> str | None:
    if not 0 < len(name) <= LONGEST_DOCUMENT_ID:
        return f"an id has 1 to {LONGEST_DOCUMENT_ID} characters"
    if name.startswith(PREFIX) and name != PREFIX + digest_of(text):
        return f"the id is not {PREFIX} and the hash of the text"
    return None


def _operation(text: str, said: tuple[str, str] | None) -> tuple[str | None, str | None]:
    """The name of the only operation, and what is wrong."""
    try:
        document = parse(text)
    except (GraphQLError, RecursionError) as error:
        where = "".join(f" (line {one.line}, column {one.column})" for one in (getattr(error, "locations", None) or ())[:1])
        return None, f"{str(getattr(error, 'message', error)).rstrip('.')}{where}"
    operations = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    if len(operations) != 1:
        return None, f"a trusted document has one operation, this one has {len(operations) or 'none'}"
    operation = operations[0]
    name = operation.name.value if operation.name is not None else None
    if said is not None and said != (operation.operation.value, name or said[1]):
        return None, f"the manifest says {' '.join(said)}, the document is {operation.operation.value} {name or '(without a name)'}"
    return name, None
