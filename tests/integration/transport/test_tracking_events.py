"""Bad events among good ones: each is rejected alone, with a reason, and everything else arrives."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import orjson
import pytest

from gateway.observe import INGEST_ITEMS

if TYPE_CHECKING:
    from .conftest import Ingest

TRACK = {"type": "track", "messageId": "m", "userId": "u", "event": "x"}


BAD = {
    "NUL in a value": rb'{"type":"track","messageId":"b","userId":"u","event":"x","properties":{"a":"\u0000"}}',
    "NUL in a key": rb'{"type":"identify","messageId":"b","userId":"u","traits":{"a\u0000":1}}',
    "NUL in the id": rb'{"type":"track","messageId":"b\u0000","userId":"u","event":"x"}',
    "NUL in the user": rb'{"type":"track","messageId":"b","userId":"u\u0000","event":"x"}',
    "half a surrogate pair": rb'{"type":"track","messageId":"b","userId":"u","event":"\ud83d"}',
    "NaN": b'{"type":"track","messageId":"b","userId":"u","event":"x","properties":{"a":NaN}}',
    "overflowing number": b'{"type":"track","messageId":"b","userId":"u","event":"x","properties":{"a":1e999}}',
    "number beyond 64 bits": b'{"type":"track","messageId":"b","userId":"u","event":"x","properties":{"a":99999999999999999999}}',
    "endless number": b'{"type":"identify","messageId":"b","userId":"u","traits":{"a":' + b"9" * 6000 + b"}}",
    "deep": b'{"type":"identify","messageId":"b","userId":"u","traits":{"a":' + b"[" * 17 + b"]" * 17 + b"}}",
    "bottomless": b'{"type":"track","messageId":"b","userId":"u","event":"x","properties":' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"}",
    "201 traits": json.dumps({"type": "identify", "messageId": "b", "userId": "u", "traits": {f"t{n}": 1 for n in range(201)}}).encode(),
    "not UTF-8": b'{"type":"track","messageId":"b","userId":"\xff","event":"x"}',
    "no JSON": b"{oops}",
    "a list": b"[]",
    "a text": b'"track"',
    "null": b"null",
    "no message id": b'{"type":"track","userId":"u","event":"x"}',
    "no type": b'{"messageId":"b","userId":"u","event":"x"}',
    "unknown type": b'{"type":"erase","messageId":"b","userId":"u","event":"x"}',
    "no user": b'{"type":"track","messageId":"b","event":"x"}',
    "placeholder user": b'{"type":"track","messageId":"b","userId":"null","event":"x"}',
    "no event": b'{"type":"track","messageId":"b","userId":"u"}',
    "no group": b'{"type":"group","messageId":"b","userId":"u"}',
    "no previous id": b'{"type":"alias","messageId":"b","userId":"u"}',
    "no moment": b'{"type":"track","messageId":"b","userId":"u","event":"x","timestamp":"soon"}',
    "year 10000": b'{"type":"track","messageId":"b","userId":"u","event":"x","timestamp":"10000-01-01T00:00:00Z"}',
    "the far future": b'{"type":"track","messageId":"b","userId":"u","event":"x","timestamp":"9999-12-31T23:59:59Z"}',
    "before 1970": b'{"type":"track","messageId":"b","userId":"u","event":"x","timestamp":"1969-12-31T23:59:59Z"}',
    "properties are a list": b'{"type":"track","messageId":"b","userId":"u","event":"x","properties":[]}',
    "traits are a text": b'{"type":"identify","messageId":"b","userId":"u","traits":"x"}',
}


class TestBadEvents:
    """One bad event among good ones."""

    @pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
    async def test_only_the_bad_one_is_lost(self, ingest: Ingest, bad: bytes) -> None:
        """The bad event is rejected with its place, its id as far as it can be read, a code and a reason; the others arrive."""
        good = [orjson.dumps({**TRACK, "messageId": f"g{n}", "userId": "good"}) for n in range(2)]
        response = await ingest.post(b'{"batch":[' + good[0] + b"," + bad + b"," + good[1] + b"]}")
        answer = response.json()

        assert response.status_code == 200
        assert (answer["success"], answer["accepted"], answer["duplicates"]) == (False, 2, 0)
        (rejected,) = answer["rejected"]
        assert set(rejected) == {"index", "messageId", "code", "message"}
        assert rejected["index"] == 1
        assert rejected["messageId"] in {"b", None, "b\x00"}
        assert rejected["code"] in {"INVALID", "REQUIRED"}
        assert rejected["message"]
        assert len(await ingest.timeline(await ingest.owner("user_id", "good"))) == 2
        assert await ingest.count("profile") == 1

    async def test_all_bad(self, ingest: Ingest) -> None:
        """A batch of bad events only is answered with 200 as well: sending it again would not help."""
        answer = await ingest.send({}, {"type": "track"})

        assert (answer["success"], answer["accepted"], [item["index"] for item in answer["rejected"]]) == (False, 0, [0, 1])

    async def test_a_bad_single_call(self, ingest: Ingest) -> None:
        """A single call is answered like a batch of one."""
        response = await ingest.post({"messageId": "m", "userId": "u"}, call="track")

        assert response.status_code == 200
        (rejected,) = response.json()["rejected"]
        assert (rejected["index"], rejected["messageId"], rejected["code"]) == (0, "m", "REQUIRED")

    async def test_odd_values_that_are_fine(self, ingest: Ingest) -> None:
        """Text of any script, emoji, direction marks, backslashes, large numbers and long ids are kept as they are."""
        text = "\u202e\u200b\u2028 e\u0301 \U0001f469\u200d\U0001f467 \\u0000 \t\n\x7f"
        odd = {"text": text, "n": 2**63, "tiny": 5e-324, "__proto__": 1, "": None, "deep": {"a": [{"b": [[]]}]}}
        answer = await ingest.send({**TRACK, "messageId": "ü" * 255, "userId": "界" * 256, "properties": odd})
        (item,) = await ingest.timeline(await ingest.owner("user_id", "界" * 256))

        assert answer["success"] is True
        assert item.properties == odd  # type: ignore[union-attr]

    async def test_warnings(self, ingest: Ingest) -> None:
        """What was left out of a good event is told with its place and its id."""
        bad = ingest.message("identify", userId="0", anonymousId="a", traits={"email": "nobody"})
        answer = await ingest.send(ingest.message("track", userId="u", event="x"), bad)

        assert (answer["success"], answer["accepted"]) == (True, 2)
        assert [(item["index"], item["messageId"]) for item in answer["warnings"]] == [(1, bad["messageId"])] * 2
        assert await ingest.traits(await ingest.owner("anonymous_id", "a")) == {"email": "nobody"}

    async def test_what_only_the_database_refuses(self, ingest: Ingest) -> None:
        """A value that passes every check and that Postgres still refuses costs only its own event."""
        await ingest.database.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'untranslatable_character'; END $$"
        )
        await ingest.database.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON activity FOR EACH ROW WHEN (new.type = 'poison') EXECUTE FUNCTION refuse()"
        )
        events = [ingest.message("track", userId="u", event="poison" if n == 3 else "x") for n in range(6)]
        answer = await ingest.send(*events)

        assert (answer["accepted"], answer["duplicates"]) == (5, 0)
        assert [(item["index"], item["code"]) for item in answer["rejected"]] == [(3, "INVALID")]
        assert len(await ingest.timeline(await ingest.owner("user_id", "u"))) == 5

    async def test_items_are_counted(self, ingest: Ingest) -> None:
        """The metric of ingest counts what was accepted, repeated and rejected."""
        names = ("accepted", "duplicate", "rejected")
        before = [INGEST_ITEMS.labels(name)._value.get() for name in names]
        await ingest.send(TRACK, TRACK, {})

        assert [INGEST_ITEMS.labels(name)._value.get() - value for name, value in zip(names, before, strict=True)] == [1, 1, 1]
