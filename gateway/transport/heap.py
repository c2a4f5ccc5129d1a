"""The garbage collector while requests are served: what lives as long as the process is not looked at again and again.

Owns the collector's settings. Called by `app` when everything is open, before the first request.
"""

from __future__ import annotations

import gc
from collections.abc import Callable

import structlog

__all__ = ["collect_less"]

log = structlog.get_logger()

_THRESHOLDS = (10_000, 20, 20)
"""Of the garbage collector while requests are served: one of the youngest takes a millisecond, then."""


def collect_less() -> Callable[[], None]:
    """What was made so far lives as long as the process: the collector need not go through it again. What undoes that.

    Modules, schema and routes are some 120 000 objects, and going through them takes 30 to 60 ms, during which nobody is answered; a collector that
    begins every 700 new objects comes to that every few thousand requests. What requests leave behind in cycles is little, and can wait.
    """
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
    log.info("heap.frozen", objects=gc.get_freeze_count())

    def undo() -> None:
        gc.set_threshold(*before)
        gc.unfreeze()

    return undo
