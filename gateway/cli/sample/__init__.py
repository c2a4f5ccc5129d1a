"""Made-up customers, for the demo and for load.

`vocabulary` has the words, `catalogue` the traits, `happenings` the timeline; `crowd` makes any number of people from a seed, `residents`
the few of the demo, and `tables` turns both into rows for COPY. Every phone number and e-mail address is reserved for fiction. Called by
`seed` and `demo`.
"""

__all__: list[str] = []
