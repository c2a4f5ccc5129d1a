"""Trusted documents: which there are, which one a request names, and who must name one.

Owns the look-up by id, hash and text, and what each kind of client may send. Must not read files (`engine.manifests` does) and knows no schema
(`engine.documents` parses). An id is no secret: whoever has one may run its document under its own rights and no others, so look-ups need not
take the same time. What clients send is never stored. Called by `engine.documents`.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache
from hashlib import sha256
from types import MappingProxyType
from typing import Final

import structlog

from gateway.auth.principal import Principal, Role
from gateway.engine.request import Request, persisted_hash
from gateway.errors import BadRequest, PersistedQueryNotFound, PersistedQueryNotSupported, PersistedQueryRequired
from gateway.observe import DOCUMENTS

__all__ = ["NOT_FOUND", "NOT_SUPPORTED", "NO_DOCUMENTS", "PREFIX", "Mode", "StoredDocument", "TrustedDocuments", "digest_of"]

log = structlog.get_logger()

NOT_FOUND: Final = "PersistedQueryNotFound"
"""What Apollo's clients read to send the text after all."""
NOT_SUPPORTED: Final = "PersistedQueryNotSupported"
"""What they read to send texts from then on, and no hashes."""
PREFIX: Final = "sha256:"
"""Before the hash in a `documentId` that is one, as GraphQL over HTTP proposes."""

_TOLD: Final = 1_000
"""Free documents that are remembered as told."""
_NAME: Final = re.compile(r"[_A-Za-z][_0-9A-Za-z]{0,63}", re.ASCII)


class Mode(Enum):
    """What a kind of client may send."""

    OFF = "off"
    """Texts; ids are unknown."""
    ALLOW = "allow"
    """Both."""
    WARN = "warn"
    """Both; texts that are no trusted document's are logged and counted."""
    REQUIRE = "require"
    """Trusted documents alone."""


_KINDS: Final = MappingProxyType(
    {
        Role.AGENT: "agent",
        Role.SUPERVISOR: "agent",
        Role.ADMIN: "agent",
        Role.PARTNER: "partner",
        Role.SERVICE: "service",
    }
)


def digest_of(text: str) -> str:
    """The SHA-256 of a document, as it is sent, in hexadecimal."""
    return sha256(text.encode(errors="surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """One trusted document: the id that its maker gave it, and where it stands. `operation`: the name of its only operation."""

    id: str
    text: str
    file: str
    operation: str | None = None


class TrustedDocuments:
    """The documents of one process. They do not change while it runs."""

    def __init__(self, documents: Iterable[StoredDocument] = (), modes: Mapping[str, Mode] = MappingProxyType({})) -> None:
        """`documents`: with ids that differ, or mean the same text; `modes`: of `agent`, `partner` and `service`, `allow` when not given."""
        self.documents = tuple(documents)
        self._modes = {kind: modes.get(kind, Mode.ALLOW) if self.documents else Mode.OFF for kind in _KINDS.values()}
        self._digests = {one.text: digest_of(one.text) for one in self.documents}
        self._texts = {one.id: one.text for one in self.documents}
        for text, digest in self._digests.items():
            self._texts.setdefault(digest, text)
            self._texts[PREFIX + digest] = text
        self._told: OrderedDict[tuple[str, int], None] = OrderedDict()

    def resolve(self, request: Request, principal: Principal | None) -> Request:
        """The request with the text that is meant. Without a principal nobody is asked for an id.

        Raises:
            BadRequest: it names a document in two ways that differ, or in none that can be read.
            PersistedQueryNotFound, PersistedQueryNotSupported: nobody knows the document that it names.
            PersistedQueryRequired: it is a text, and this client must send trusted ones.
        """
        if not self.documents and request.document_id is None and request.extensions is None:
            return request
        kind = None if principal is None else _KINDS[principal.role]
        mode = Mode.ALLOW if kind is None else self._modes[kind]
        if request.document_id is not None or request.extensions is not None:
            request = self._named(request, kind, mode)
        if self.documents and kind is not None and request.query:
            self._admit(request, request.query, kind, mode)
        return request

    def _named(self, request: Request, kind: str | None, mode: Mode) -> Request:
        """With the text of the document that it names, if it names one."""
        digest = persisted_hash(request.extensions)
        name = request.document_id
        if name is None and digest is None:
            return request
        text = request.query if request.query and not request.query.isspace() else None
        if name is not None:
            if text is not None:
                raise BadRequest("Send documentId or query, not both.")
            text = self._text(name, mode)
            if text is None:
                self._count(kind, "unknown")
                raise PersistedQueryNotFound
        elif text is None:
            assert digest is not None
            text = self._text(digest, mode)
            if text is None:
                self._count(kind, "unknown")
                raise PersistedQueryNotSupported(NOT_SUPPORTED) if mode is Mode.OFF else PersistedQueryNotFound(NOT_FOUND)
            return replace(request, query=text)
        if digest is not None and digest != (self._digests.get(text) or digest_of(text)) and self._texts.get(digest) != text:
            raise BadRequest("extensions.persistedQuery.sha256Hash is not the hash of the document.")
        return request if name is None else replace(request, query=text)

    def _text(self, name: str, mode: Mode) -> str | None:
        return None if mode is Mode.OFF else self._texts.get(name)

    def _admit(self, request: Request, text: str, kind: str, mode: Mode) -> None:
        """Count it, and refuse it where it must be trusted. A text that is a trusted document's is that document."""
        if text in self._digests:
            self._count(kind, "trusted")
        elif mode is Mode.REQUIRE:
            self._count(kind, "refused")
            raise PersistedQueryRequired
        elif mode is Mode.WARN:
            self._count(kind, "warned")
            self._tell(request, text, kind)
        else:
            self._count(kind, "free")

    def _tell(self, request: Request, text: str, kind: str) -> None:
        """Once of a document: what `require` would refuse, by its hash, and the name of its operation where that is one."""
        key = kind, hash(text)
        if key in self._told:
            self._told.move_to_end(key)
            return
        self._told[key] = None
        if len(self._told) > _TOLD:
            self._told.popitem(last=False)
        name = request.operation_name
        operation = name if name is not None and _NAME.fullmatch(name) else None
        log.warning("document.not_trusted", client=kind, document=digest_of(text), operation=operation)

    @staticmethod
    def _count(kind: str | None, document: str) -> None:
        if kind is not None:
            _counted(kind, document).inc()


_counted = cache(DOCUMENTS.labels)
"""By kind of client, and by what it sent."""

NO_DOCUMENTS: Final = TrustedDocuments()
"""None; ids are unknown."""
