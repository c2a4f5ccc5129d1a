"""What commands of this process are bound to.

Owns nothing. Made by `facade`; handed to the command class of each noun.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.commands.unit import Writer
from gateway.configuration import Configurations
from gateway.model.source import Source
from gateway.sources.federated import FederatedSource
from gateway.vault import Vault

__all__ = ["Dependencies"]


@dataclass(frozen=True, slots=True)
class Dependencies:
    """`native`: the source that agents' writes belong to; `region`: for phone numbers in national format (None: only E.164 is understood).

    `systems`: the sources that live elsewhere.
    """

    writer: Writer
    native: Source
    region: str | None
    configurations: Configurations
    vault: Vault
    systems: Sequence[FederatedSource] = ()
