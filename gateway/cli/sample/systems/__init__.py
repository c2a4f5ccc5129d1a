"""The demo's systems elsewhere: what a shop has beside its gateway, as real servers on this machine.

`customers` says what they know of the demo's people; `crm`, `support` and `analytics` answer over HTTP, `shop` is a schema in Postgres with a role
that may only read; `behaviour` makes them slow, flapping or broken, by nature and by hand; `control` is where the hand reaches them, and
`simulation` starts and ends all of it. Nothing of the gateway is imported but errors: these are the others. Called by `demo` and `sources`.
"""

__all__: list[str] = []
