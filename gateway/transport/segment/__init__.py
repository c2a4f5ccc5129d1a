"""Segment's wire format: from the bytes of a request body to checked events.

`wire` cuts a body into items, `event` turns one item into a `commands.tracking.Event`, with `person` for what is said of somebody and
`activity` for what happened; `values` reads single values. All of it is pure: no socket, no database, no clock but the moment it is handed.
Called by `transport.tracking`.
"""

__all__: list[str] = []
