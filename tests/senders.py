"""Systems that tell a gateway of their changes by signed webhooks.

Owns their file of sources, their secrets and the signing. A test module names the file as its own and takes in the fixture `secrets_in_place`,
besides those of `resolvers.conftest`.
"""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from typing import Any

import httpx2
import orjson
import pytest
from standardwebhooks.webhooks import Webhook

from tests.integration.resolvers.conftest import Http

__all__ = ["FOREIGN", "HOOKED", "NEW", "OLD", "Sender", "secrets_in_place"]

OLD, NEW, FOREIGN = (f"whsec_{b64encode(bytes([n]) * 32).decode()}" for n in (1, 2, 3))
HOOKED = """
[sources.crm]
adapter = "memory"
kinds = ["PROFILE", "TRAITS", "ACTIVITY"]
keyed_by = "crm"
fresh = 60
stale = 600
[sources.crm.webhook]
secrets = [{ env = "TEST_HOOK_OLD" }, { env = "TEST_HOOK_NEW" }]
per_second = 1000
[sources.crm.memory]

[sources.shop]
adapter = "memory"
kinds = ["TRAITS"]
keyed_by = "email"
[sources.shop.webhook]
secrets = [{ env = "TEST_HOOK_NEW" }]
per_second = 1
unknown = "create"
mapping = { key = "user.mail", at = "when", version = "rev", item = "order.id", changed = "'traits'", workspace = "shop" }
[sources.shop.memory]

[sources.quiet]
adapter = "memory"
kinds = ["TRAITS"]
keyed_by = "crm"
[sources.quiet.memory]

[sources.only]
adapter = "memory"
kinds = ["TRAITS"]
keyed_by = "profile_id"
workspaces = ["the-only-one"]
[sources.only.webhook]
secrets = [{ env = "TEST_HOOK_NEW" }]
[sources.only.memory]
"""

_ids = count(1)


@pytest.fixture(name="secrets_in_place", scope="module", autouse=True)
def secrets_in_place() -> Iterator[None]:
    """The secrets, where the file says they are."""
    os.environ |= {"TEST_HOOK_OLD": OLD, "TEST_HOOK_NEW": NEW}
    yield
    for name in ("TEST_HOOK_OLD", "TEST_HOOK_NEW"):
        del os.environ[name]


class Sender:
    """A system that tells of its changes."""

    def __init__(self, http: Http, key: str = "crm", secret: str = NEW) -> None:
        self.http = http
        self.path = f"/v1/sources/{key}/events?workspace={http.graph.agent.workspace_key}"
        self.secret = secret

    async def send(
        self, data: Any, *, id_: str | None = None, at: datetime | None = None, path: str | None = None, **headers: str
    ) -> httpx2.Response:
        """Sign and post a body (JSON unless it is bytes already); `headers` replace what was signed, "" leaves one out."""
        body = data if isinstance(data, bytes) else orjson.dumps(data)
        moment = at or datetime.now(UTC)
        name = id_ or f"msg_{next(_ids)}"
        signed = {
            "webhook-id": name,
            "webhook-timestamp": str(int(moment.timestamp())),
            "webhook-signature": Webhook(self.secret).sign(name, moment, body.decode("utf-8", "replace")),
        }
        signed |= {key.replace("_", "-"): value for key, value in headers.items()}
        return await self.http.client.post(path or self.path, content=body, headers={key: value for key, value in signed.items() if value})

    async def tell(self, key: str, **what: Any) -> dict[str, Any]:
        """What became of an event of our own shape, which was taken."""
        answer = await self.send({"type": "person.changed", "data": {"key": key, **what}})
        assert answer.status_code in {200, 202}, answer.text
        said: dict[str, Any] = answer.json()
        return said
