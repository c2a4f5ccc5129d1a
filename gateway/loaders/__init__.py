"""The read side: keys in, one call of each source, one answer per key out."""

__all__: list[str] = []
