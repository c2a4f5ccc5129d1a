"""One operation, from document to response. Knows any schema; knows no table, no wire format."""

__all__: list[str] = []
