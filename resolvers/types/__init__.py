"""The schema's types: descriptions of `gateway.model` values, one file per noun. The values themselves are never converted."""

__all__: list[str] = []
