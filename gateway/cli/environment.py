"""Names that look like settings and are none: a misspelt variable must not be passed over in silence.

Owns which names beginning with GATEWAY_ may stand in the environment without being ours. Must not read a value into a message. Called by
`cli.runtime` before anything is opened.

Everything unknown is refused, because what it was meant to set (an origin, a limit, a secret) keeps its default otherwise. Let through is what nobody
wrote by hand: CGI's one variable and the links that Kubernetes and Docker put into every container for a service called `gateway` or `gateway-…`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Final

from gateway.errors import ConfigurationError
from gateway.settings import Settings

__all__ = ["PREFIX", "refuse_unknown"]

PREFIX: Final = "GATEWAY_"
_BESIDE_SETTINGS: Final = frozenset({"SECRETS_DIR"})
"""Where to look for secrets: read before the settings are."""
_INJECTED: Final = re.compile(
    r"INTERFACE|(\w+_)?SERVICE_(HOST|PORT)(_\w+)?|(\w+_)?PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?|(\w+_)?ENV_\w+"
)
_LINK: Final = re.compile(r"(tcp|udp|sctp)://")


def refuse_unknown(environment: Mapping[str, str], files: Iterable[str] = ()) -> None:
    """Nothing when every name with our prefix is a setting. `files`: names in the directory of secrets.

    Raises:
        ConfigurationError: one is not; names it, and what it may have been meant to be, and never its value.
    """
    known = {name.upper() for name in Settings.model_fields} | _BESIDE_SETTINGS
    for given in sorted(environment):
        name = given.upper().removeprefix(PREFIX)
        if name == given.upper() or name in known or _INJECTED.fullmatch(name) or _LINK.match(environment[given]):
            continue
        raise ConfigurationError(_refusal(f"{given} is not a setting", name, known, f"{PREFIX}{{}}", "unset it"))
    for given in sorted(files):
        name = given.upper().removeprefix(PREFIX)
        if name == given.upper() or name in known:
            continue
        words = f"The file {given} in {PREFIX}SECRETS_DIR is not a setting"
        raise ConfigurationError(_refusal(words, name, known, f"{PREFIX.lower()}{{}}", "remove it"))
    if _LINK.match(environment.get("GATEWAY_PORT", "")):
        raise ConfigurationError(
            "GATEWAY_PORT was set by Kubernetes for a service called gateway: set enableServiceLinks: false for the pod, or rename the service."
        )


def _refusal(words: str, name: str, known: Iterable[str], form: str, otherwise: str) -> str:
    near = get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    if not near:
        return f"{words}: {otherwise}."
    meant = near[0] if form.startswith(PREFIX) else near[0].lower()
    return f"{words}: was {form.format(meant)} meant? If not, {otherwise}."
