"""Root query fields by noun; `resolvers.query` joins them."""

__all__: list[str] = []
