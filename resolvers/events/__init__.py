"""From a feed's positions and entries to the events a client sees, one file per subscription."""

__all__: list[str] = []
