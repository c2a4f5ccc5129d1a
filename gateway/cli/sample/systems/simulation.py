"""The demo's four systems elsewhere, started and ended together, and the file by which the gateway knows them.

Owns one thread with an event loop for the HTTP servers and the control, their ports, their tokens, and `sources.toml` in the data directory,
written from `sources.toml` beside this file. Must not know how the gateway asks. Called by `demo`.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_urlsafe
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp

from gateway.cli.sample.systems.analytics import analytics
from gateway.cli.sample.systems.behaviour import STEADY, Behaviour, Moody, System
from gateway.cli.sample.systems.control import FILE, announce, control
from gateway.cli.sample.systems.crm import crm
from gateway.cli.sample.systems.customers import customers
from gateway.cli.sample.systems.shop import Shop
from gateway.cli.sample.systems.support import support
from gateway.errors import ConfigurationError

__all__ = ["NATURES", "Simulation"]

NATURES: Final[Mapping[str, tuple[str, Behaviour]]] = {
    "crm": ("CRM", STEADY),
    "orders": ("Orders", STEADY),
    "support": ("Support desk", Behaviour(latency=(0.3, 0.8))),
    "analytics": ("Web analytics", Behaviour(flapping=(60.0, 15.0))),
}
"""Key → name and how it is when nobody interferes."""
_TEMPLATE: Final = Path(__file__).with_name("sources.toml")
_SECRETS: Final = ("token", "shop")
"""What `sources.toml` names as files of secrets: the bearer token of all of them, and the DSN of the shop's reader."""
_START: Final = 30.0


class Simulation:
    """The systems of one demo. `dsn`: the Postgres that the shop is made in; its user may create roles and schemas."""

    def __init__(self, data_dir: Path, dsn: str) -> None:
        self.systems = {key: System(key, name, nature) for key, (name, nature) in NATURES.items()}
        self.shop = Shop(dsn)
        self._data_dir = data_dir
        self._loop = asyncio.new_event_loop()
        self._servers: list[uvicorn.Server] = []
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="simulated-systems", daemon=True)

    def start(self) -> Path:
        """Start all of them; the file with the sources.

        Raises:
            ConfigurationError: the shop cannot be made in this database.
        """
        self._data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._thread.start()
        if not self._ready.wait(_START) or self._failure is not None:
            raise ConfigurationError(
                f"The simulated systems do not start ({self._failure or 'too slow'}): the database's user must be allowed to create "
                "roles and schemas. Without them: profile-gateway demo --no-sources."
            ) from self._failure
        return self._data_dir / "sources.toml"

    def stop(self) -> None:
        """End all of them, and take away where they were."""
        for server in self._servers:
            server.should_exit = server.force_exit = True
        if self._thread.ident is not None:
            self._thread.join(_START)
        for left in (self._data_dir / FILE, *(self._data_dir / "systems" / name for name in _SECRETS)):
            left.unlink(missing_ok=True)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            try:
                runner.run(self._serve())
            except Exception as error:  # noqa: BLE001  # told by start
                self._failure = error
            finally:
                self._ready.set()

    async def _serve(self) -> None:
        everybody = customers(datetime.now(UTC).replace(microsecond=0))
        token, by_hand = token_urlsafe(24), token_urlsafe(24)
        reader = await self.shop.open(everybody)
        apps: dict[str, ASGIApp] = {
            "crm": Moody(crm(everybody, token), self.systems["crm"]),
            "support": Moody(support(everybody, token), self.systems["support"]),
            "analytics": Moody(analytics(everybody, token), self.systems["analytics"]),
            "control": control(self.systems, by_hand, self._changed),
        }
        urls, running = {}, []
        for key, app in apps.items():
            listener = socket.create_server(("127.0.0.1", 0))
            urls[key] = "http://127.0.0.1:{1}".format(*listener.getsockname())
            quiet: dict[str, Any] = {"log_config": None, "log_level": None, "access_log": False, "lifespan": "off"}
            server = uvicorn.Server(uvicorn.Config(app, interface="asgi3", server_header=False, **quiet))
            self._servers.append(server)
            running.append(asyncio.create_task(server.serve([listener]), name=f"simulated-{key}"))
        self._write(urls, dict(zip(_SECRETS, (token, reader), strict=True)))
        announce(self._data_dir, urls["control"], by_hand)
        self._ready.set()  # the ports listen; who comes before a server waits for it
        await asyncio.gather(*running)

    async def _changed(self, system: System) -> None:
        if system.key == "orders":
            await self.shop.behave(system.present)

    def _write(self, urls: Mapping[str, str], secrets: Mapping[str, str]) -> None:
        """The file, and beside it one file for each secret, of this user alone."""
        place = self._data_dir / "systems"
        place.mkdir(mode=0o700, exist_ok=True)
        text = _TEMPLATE.read_text(encoding="utf-8")
        for name, secret in secrets.items():
            path = place / name
            path.unlink(missing_ok=True)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secret)
            text = text.replace(f"/run/secrets/{name}", str(path.absolute()))
        for key, url in urls.items():
            text = text.replace(f"http://{key}.example", url)
        (self._data_dir / "sources.toml").write_text(text, encoding="utf-8")
