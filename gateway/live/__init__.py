"""Live delivery: from a committed change to an agent's screen."""

__all__: list[str] = []
