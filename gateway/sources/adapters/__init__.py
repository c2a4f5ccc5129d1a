"""The systems the gateway can be pointed at, one module each, every one exporting `ADAPTER`.

An adapter speaks one protocol (HTTP, GraphQL, SQL, …) and turns answers into the records of `gateway.sources.remote`. It must not know the gateway's
ids, workspaces or GraphQL, and keeps nothing between calls. Found by name through `gateway.sources.catalogue`, and imported only when configured.
"""

__all__: list[str] = []
