"""The schema's input types, and how each becomes what a command takes."""

__all__: list[str] = []
