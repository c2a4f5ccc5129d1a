"""Trusted documents: which text a request means, by mode and kind of client, and what is counted and told of it."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from gateway.auth.principal import Principal, Role
from gateway.engine.request import Request, persisted_hash
from gateway.engine.trusted import NO_DOCUMENTS, NOT_FOUND, NOT_SUPPORTED, PREFIX, Mode, StoredDocument, TrustedDocuments, digest_of
from gateway.errors import BadRequest, GatewayError, PersistedQueryNotFound, PersistedQueryNotSupported, PersistedQueryRequired
from gateway.observe import DOCUMENTS

__all__: list[str] = []

ME, NOTES, FREE = "query Me { me }", "query Notes { notes }\n", "{ free }"
MADE = (StoredDocument("me-1", ME, "a.json", "Me"), StoredDocument(digest_of(NOTES), NOTES, "a.json", "Notes"))
KINDS = [
    (Role.AGENT, "agent"),
    (Role.SUPERVISOR, "agent"),
    (Role.ADMIN, "agent"),
    (Role.PARTNER, "partner"),
    (Role.SERVICE, "service"),
]


def principal(role: Role) -> Principal:
    """Somebody of this role."""
    return Principal(UUID(int=1), "w", "ana", "Ana", role, frozenset(), None, None)


def hashed(text: str, query: str | None = None) -> Request:
    """As Apollo's clients ask."""
    return Request(query, extensions={"persistedQuery": {"version": 1, "sha256Hash": digest_of(text)}})


def trusted(mode: Mode, kind: str = "agent") -> TrustedDocuments:
    """The two documents, in this mode for a kind of client."""
    return TrustedDocuments(MADE, {kind: mode})


def counted() -> Counter[tuple[str, str]]:
    """What was counted so far, by kind of client and by what it sent."""
    (family,) = DOCUMENTS.collect()
    samples = [one for one in family.samples if one.name == "gateway_documents_total"]
    return Counter({(one.labels["client"], one.labels["document"]): int(one.value) for one in samples})


@pytest.mark.parametrize(("role", "kind"), KINDS)
@pytest.mark.parametrize("mode", Mode)
def test_every_way_to_name_a_document(mode: Mode, role: Role, kind: str) -> None:
    """Its id, its hash with and without prefix, Apollo's field, with a `query` that is empty or not there: the same text, unless it is off."""
    documents, asking = trusted(mode, kind), principal(role)
    named = [
        Request(None, document_id="me-1"),
        Request("", document_id=PREFIX + digest_of(ME)),
        Request(None, document_id=digest_of(ME)),
        hashed(ME),
        hashed(ME, " \n"),
    ]
    for request in named:
        if mode is not Mode.OFF:
            assert documents.resolve(request, asking).query == ME
        else:
            expected = PersistedQueryNotFound if request.document_id else PersistedQueryNotSupported
            with pytest.raises(expected) as refused:
                documents.resolve(request, asking)
            assert type(refused.value) is expected
    for request in (Request(ME), hashed(ME, ME)):
        assert documents.resolve(request, asking) == request


@pytest.mark.parametrize(("role", "kind"), KINDS)
@pytest.mark.parametrize("mode", Mode)
def test_free_text(mode: Mode, role: Role, kind: str) -> None:
    """A text that is no trusted document's is refused where one is required, and nowhere else; others of its kind do not matter."""
    others = dict.fromkeys(("agent", "partner", "service"), Mode.ALLOW if mode is Mode.REQUIRE else Mode.REQUIRE)
    documents, asking = TrustedDocuments(MADE, {**others, kind: mode}), principal(role)
    for request in (Request(FREE), hashed(FREE, FREE), Request(ME + " "), Request("{ __schema { types { name } } }")):
        if mode is Mode.REQUIRE:
            with pytest.raises(PersistedQueryRequired):
                documents.resolve(request, asking)
        else:
            assert documents.resolve(request, asking) is request


def test_everything_else_of_the_request_stays() -> None:
    """The text is put where it was missing, and nothing else is touched."""
    request = Request(None, {"x": 1}, "Me", {"cost": True}, "me-1")

    assert trusted(Mode.REQUIRE).resolve(request, principal(Role.AGENT)) == Request(ME, {"x": 1}, "Me", {"cost": True}, "me-1")


def test_the_messages_of_apollos_protocol() -> None:
    """A hash nobody knows is answered with the one message that makes clients send the text; where it is off, with the one that ends their asking."""
    for mode, message in ((Mode.ALLOW, NOT_FOUND), (Mode.REQUIRE, NOT_FOUND), (Mode.OFF, NOT_SUPPORTED)):
        with pytest.raises(GatewayError) as refused:
            trusted(mode).resolve(hashed(FREE), principal(Role.AGENT))
        assert refused.value.message == message


@pytest.mark.parametrize(
    "request_",
    [
        Request(ME, document_id="me-1"),
        Request(FREE, document_id="me-1"),
        hashed(FREE, ME),
        hashed(ME, FREE),
        Request(None, extensions=hashed(FREE).extensions, document_id="me-1"),
    ],
    ids=["id and its text", "id and another text", "another's hash", "hash of a trusted one", "id and another's hash"],
)
@pytest.mark.parametrize("mode", [Mode.ALLOW, Mode.WARN, Mode.REQUIRE])
def test_two_names_that_differ(mode: Mode, request_: Request) -> None:
    """A request that names two documents is none."""
    with pytest.raises(BadRequest):
        trusted(mode).resolve(request_, principal(Role.AGENT))


def test_an_id_and_its_own_hash() -> None:
    """A hash beside the id is looked at, and may be the document's id where that is no hash of it."""
    odd = TrustedDocuments([StoredDocument("0" * 64, ME, "relay.json")])
    for extensions in (hashed(ME).extensions, {"persistedQuery": {"version": 1, "sha256Hash": "0" * 64}}):
        assert odd.resolve(Request(None, extensions=extensions, document_id="0" * 64), None).query == ME
        assert odd.resolve(Request(ME, extensions=extensions), None).query == ME


@pytest.mark.parametrize(
    "given",
    [
        5,
        "x",
        [],
        {},
        {"version": 1},
        {"sha256Hash": "0" * 64},
        {"version": "1", "sha256Hash": "0" * 64},
        {"version": True, "sha256Hash": "0" * 64},
        {"version": 1.0, "sha256Hash": "0" * 64},
        {"version": 2, "sha256Hash": "0" * 64},
        {"version": 1, "sha256Hash": "0" * 63},
        {"version": 1, "sha256Hash": "0" * 65},
        {"version": 1, "sha256Hash": "0" * 63 + "g"},
        {"version": 1, "sha256Hash": "A" * 64},
        {"version": 1, "sha256Hash": "0" * 64 + "\n"},
        {"version": 1, "sha256Hash": "٠" * 64},
        {"version": 1, "sha256Hash": 5},
        {"version": 1, "sha256Hash": None},
    ],
    ids=repr,
)
def test_an_extension_that_is_none(given: Any) -> None:
    """What Apollo's field may hold is exact, also where nothing is stored."""
    for documents in (NO_DOCUMENTS, trusted(Mode.ALLOW)):
        with pytest.raises(BadRequest, match="sha256Hash"):
            documents.resolve(Request(ME, extensions={"persistedQuery": given}), None)


def test_an_extension_that_is_one() -> None:
    """Whatever else clients put there (`miss` of urql) is theirs; without the field, or with null, there is no hash."""
    assert persisted_hash({"persistedQuery": {"version": 1, "sha256Hash": "0f" * 32, "miss": True}}) == "0f" * 32
    assert persisted_hash(None) is persisted_hash({}) is persisted_hash({"persistedQuery": None, "cost": True}) is None


def test_nothing_is_learnt() -> None:
    """A text that came with its hash is not known by it afterwards."""
    documents = trusted(Mode.ALLOW)
    documents.resolve(hashed(FREE, FREE), principal(Role.AGENT))
    with pytest.raises(PersistedQueryNotFound):
        documents.resolve(hashed(FREE), principal(Role.AGENT))


def test_an_id_comes_before_another_documents_hash() -> None:
    """An id is what its maker says it is, also when it looks like the hash of something else."""
    documents = TrustedDocuments([StoredDocument("a", ME, "a.json"), StoredDocument(digest_of(ME), NOTES, "b.json")])

    assert documents.resolve(Request(None, document_id=digest_of(ME)), None).query == NOTES
    assert documents.resolve(Request(None, document_id=PREFIX + digest_of(ME)), None).query == ME


def test_without_documents_ids_are_unknown() -> None:
    """A gateway that has none is off, whatever it was told; requests without ids are not touched, and not counted."""
    none = TrustedDocuments((), {"agent": Mode.REQUIRE})
    request = Request(FREE)

    assert none.resolve(request, principal(Role.AGENT)) is request
    with pytest.raises(PersistedQueryNotSupported):
        none.resolve(hashed(ME), principal(Role.AGENT))


def test_what_is_counted() -> None:
    """One for each operation, by kind of client and by what it sent."""
    before = counted()
    modes = TrustedDocuments(MADE, {"agent": Mode.WARN, "service": Mode.REQUIRE})
    for role in (Role.AGENT, Role.ADMIN, Role.PARTNER, Role.SERVICE):
        for request in (Request(None, document_id="me-1"), Request(ME), Request(FREE), Request(None, document_id="x"), Request(None)):
            with suppress(PersistedQueryNotFound, PersistedQueryRequired):
                modes.resolve(request, principal(role))
    modes.resolve(Request(FREE), None)

    assert counted() - before == {
        ("agent", "trusted"): 4,
        ("agent", "warned"): 2,
        ("agent", "unknown"): 2,
        ("partner", "trusted"): 2,
        ("partner", "free"): 1,
        ("partner", "unknown"): 1,
        ("service", "trusted"): 2,
        ("service", "refused"): 1,
        ("service", "unknown"): 1,
    }


def test_what_is_told() -> None:
    """`warn` tells once of each document and kind of client, by its hash; the name of the operation only if it is one."""
    modes = TrustedDocuments(MADE, {"agent": Mode.WARN, "partner": Mode.WARN})
    with capture_logs() as lines:
        for name in ("Free", "Free", "x\ny", None):
            modes.resolve(Request(FREE, operation_name=name), principal(Role.AGENT))
        modes.resolve(Request("{ more }", operation_name="x\ny"), principal(Role.AGENT))
        modes.resolve(Request(FREE), principal(Role.PARTNER))
        modes.resolve(Request(ME), principal(Role.PARTNER))

    assert [(line["client"], line["document"], line["operation"]) for line in lines] == [
        ("agent", digest_of(FREE), "Free"),
        ("agent", digest_of("{ more }"), None),
        ("partner", digest_of(FREE), None),
    ]


def test_what_was_told_is_forgotten() -> None:
    """Who sends thousands of texts does not make the gateway remember them all."""
    modes = trusted(Mode.WARN)
    with capture_logs() as lines:
        for number in range(2_000):
            modes.resolve(Request(f"{{ a{number} }}"), principal(Role.AGENT))

    assert (len(lines), len(modes._told)) == (2_000, 1_000)
