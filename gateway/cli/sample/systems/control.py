"""Where faults are injected into the running demo's systems by hand: a small HTTP interface on loopback, and who finds it.

Owns the file `systems.json` in the data directory (address and token, readable by this user alone) and both sides of the interface. Called by
`simulation`, which answers, and by the command `sources fault`, which asks.
"""

from __future__ import annotations

import hmac
import json
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from gateway.cli.sample.systems.behaviour import Behaviour, System
from gateway.errors import ConfigurationError

__all__ = ["FILE", "Remote", "announce", "control"]

FILE: Final = "systems.json"
_PATIENCE: Final = 5.0


def control(systems: Mapping[str, System], token: str, changed: Callable[[System], Awaitable[None]]) -> Starlette:
    """The application: `GET /systems`, `PUT /systems/{key}` with a behaviour, `DELETE /systems/{key}` for the system's nature."""

    def refusal(request: Request) -> JSONResponse | None:
        if not hmac.compare_digest(request.headers.get("authorization", ""), f"Bearer {token}"):
            return JSONResponse({"error": "unauthorized"}, 401)
        key = request.path_params.get("key")
        if key is not None and key not in systems:
            return JSONResponse({"error": f"no system {key}", "known": sorted(systems)}, 404)
        return None

    async def listed(request: Request) -> JSONResponse:
        return refusal(request) or JSONResponse([_shown(system) for system in systems.values()])

    async def faulted(request: Request) -> JSONResponse:
        if (refused := refusal(request)) is not None:
            return refused
        system = systems[request.path_params["key"]]
        if request.method == "DELETE":
            system.fault = None
        else:
            given = await request.json()
            system.fault = Behaviour(latency=(given["latency"],) * 2, errors=given["errors"], hang=given["hang"], off=given["off"])
        await changed(system)
        return JSONResponse(_shown(system))

    return Starlette(routes=[Route("/systems", listed), Route("/systems/{key}", faulted, methods=["PUT", "DELETE"])])


def announce(data_dir: Path, url: str, token: str) -> None:
    """Say where the control is, to this user alone."""
    fresh = data_dir / f"{FILE}.new"
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump({"url": url, "token": token, "pid": os.getpid()}, file)
    fresh.replace(data_dir / FILE)


class Remote:
    """The asking side."""

    def __init__(self, data_dir: Path) -> None:
        """Finds the running demo.

        Raises:
            ConfigurationError: none runs on this directory.
        """
        self._data_dir = data_dir
        try:
            known = json.loads((data_dir / FILE).read_bytes())
            self._url, self._token = str(known["url"]), str(known["token"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise self._nobody() from error

    def systems(self) -> list[dict[str, Any]]:
        """The systems and how they behave: key, name, behaviour (a sentence), faulty (whether by hand)."""
        answer = self._ask("GET", "")
        assert isinstance(answer, list)
        return answer

    def put(self, key: str, fault: Behaviour) -> dict[str, Any]:
        """Inject a fault into a system; how it behaves now.

        Raises:
            ConfigurationError: there is no such system, or no demo.
        """
        body = {**asdict(fault), "latency": fault.latency[1]}
        answer: dict[str, Any] = self._ask("PUT", f"/{key}", body)
        return answer

    def clear(self, key: str) -> dict[str, Any]:
        """Take the fault away. Raises as `put`."""
        answer: dict[str, Any] = self._ask("DELETE", f"/{key}")
        return answer

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        try:
            with httpx2.Client(base_url=self._url, trust_env=False, timeout=_PATIENCE) as client:
                answer = client.request(method, f"/systems{path}", json=body, headers={"authorization": f"Bearer {self._token}"})
                decoded = answer.json()
        except (httpx2.HTTPError, ValueError) as error:
            raise self._nobody() from error
        if answer.status_code == httpx2.codes.NOT_FOUND and isinstance(decoded, dict) and "known" in decoded:
            raise ConfigurationError(f"The demo has no system {path[1:]}; it has {', '.join(decoded['known'])}.")
        if answer.status_code != httpx2.codes.OK:
            raise self._nobody()
        return decoded

    def _nobody(self) -> ConfigurationError:
        return ConfigurationError(
            f"No demo with simulated systems runs on {self._data_dir}: start profile-gateway demo, or name its --data-dir."
        )


def _shown(system: System) -> dict[str, Any]:
    return {"key": system.key, "name": system.name, "behaviour": system.present.words(), "faulty": system.fault is not None}
