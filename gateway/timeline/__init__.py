"""The timeline: many sources' items as one list in one order, page by page.

Owns the merge of pages, the cursor that spans all sources, and the way from a page request to a window of the list. Must not ask a source
(`loaders` do). Called by resolvers.
"""

__all__: list[str] = []
