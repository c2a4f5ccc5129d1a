"""Calls to a gateway over HTTP, for what the demo plays: a website, a routing system, an agent.

Owns one JSON request at a time with a deadline; a gateway that does not answer is told as None, since the next call finds out. Must not know
what is said. Called by `ticker` and `rehearsal`.
"""

from __future__ import annotations

import http.client
import json
from base64 import b64encode
from typing import Any, Final
from urllib.parse import urlsplit

__all__ = ["Caller", "basic", "bearer"]

_TIMEOUT: Final = 10.0


def basic(write_key: str) -> str:
    """The credentials of a write key."""
    return "Basic " + b64encode(f"{write_key}:".encode()).decode()


def bearer(token: str) -> str:
    """The credentials of a token."""
    return f"Bearer {token}"


class Caller:
    """Posts to one gateway."""

    def __init__(self, base_url: str) -> None:
        self._address = urlsplit(base_url)

    def post(self, path: str, authorization: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """The JSON answer, or None when there was none."""
        connection = http.client.HTTPConnection(self._address.hostname or "", self._address.port, timeout=_TIMEOUT)
        headers = {"authorization": authorization, "content-type": "application/json"}
        try:
            connection.request("POST", path, json.dumps(body), headers)
            answer = json.loads(connection.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError):
            return None
        finally:
            connection.close()
        return answer if isinstance(answer, dict) else None

    def ask(self, token: str, document: str, **variables: Any) -> dict[str, Any]:
        """The value of an operation's only root field; empty when it failed."""
        answer = self.post("/graphql", bearer(token), {"query": document, "variables": variables}) or {}
        data = answer.get("data")
        found = next(iter(data.values()), None) if isinstance(data, dict) else None
        return found if isinstance(found, dict) else {}
