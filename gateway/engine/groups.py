"""Execute once, send to many: subscribers to whom an event looks the same share one execution of it and its bytes.

Owns the groups (document, operation, variables, viewer class), the executions of the last half second and who is served by one. Must not know a
stream or a socket, nor a type or field of the schema: an event says what it is by `alike`, and what of it depends on the person who asks shows when
it is executed (`engine.viewers`). There is no queue: each subscriber comes for its event, and the first one makes the answer. Why nobody is told
too little or too much: docs/decisions/0013-execute-once.md. Made by `engine.executor`.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Final, TypeAlias

import orjson
from graphql import ArgumentNode, DocumentNode, FieldNode, Node, VariableNode, get_operation_ast

from gateway.auth.principal import Principal
from gateway.engine.context import OperationContext
from gateway.engine.documents import Prepared
from gateway.engine.encoding import Encoded, encode
from gateway.engine.resume import Cursors
from gateway.engine.viewers import Veiled, class_of, person_of

__all__ = ["Answer", "Groups", "Member"]

_LIFE: Final = 0.5
"""Seconds an answer is given to those who come later."""
_MOST_BYTES: Final = 32 * 1024 * 1024
_MOST_SHAPES: Final = 1_000
_AFTER: Final = "after"
"""The argument that says where a stream begins, and nothing of what its events look like."""

Answer: TypeAlias = Encoded | dict[str, Any]
"""A dict: it has no `data`."""
Run: TypeAlias = Callable[[Prepared, OperationContext, object], Awaitable[dict[str, Any]]]


class _Group:
    """Those who get the same answers, but for what is personal. `key`: None when nobody else can ever belong to it."""

    __slots__ = ("cursors", "key", "members", "personal", "prepared")

    def __init__(self, key: Hashable | None, prepared: Prepared) -> None:
        self.key = key
        self.prepared = prepared
        self.cursors = Cursors(prepared)
        self.members = 0
        self.personal: set[type] = set()
        """Kinds of events whose answers were seen to depend on who asks."""


class _Made:
    """One execution. `event` is kept because its key may hold the identity of what it refers to. `begun`, `ended`: in order of all others'."""

    __slots__ = ("answer", "begun", "ended", "event", "until", "waiting")

    def __init__(self, event: object, begun: int) -> None:
        self.event = event
        self.begun = begun
        self.ended = 0
        self.until = 0.0
        self.answer: Encoded | None = None
        self.waiting: list[asyncio.Future[None]] | None = []
        """None: it is over; without an answer, it serves nobody."""

    def over(self) -> None:
        """Wake who waits for it."""
        waiting, self.waiting = self.waiting, None
        for one in waiting or ():
            if not one.done():
                one.set_result(None)


class Groups:
    """All subscribers of a process."""

    def __init__(self, run: Run) -> None:
        """`run`: executes an operation for one event in a context."""
        self.run = run
        self._groups: dict[Hashable, _Group] = {}
        self._made: OrderedDict[Hashable, _Made] = OrderedDict()
        self._bytes = 0
        self._count = 0
        self._sweeper: asyncio.TimerHandle | None = None
        self._free: OrderedDict[tuple[str, str | None], frozenset[str]] = OrderedDict()

    def __len__(self) -> int:
        """Executions that are under way or kept."""
        return len(self._made)

    def join(self, prepared: Prepared, context: OperationContext) -> Member:
        """A new subscriber; `leave` when it ends."""
        return Member(self, prepared, context)

    def now(self) -> int:
        """A moment behind all moments before. The clocks of loops stand still for a millisecond."""
        self._count += 1
        return self._count

    # Groups

    def enter(self, shape: Hashable | None, prepared: Prepared, principal: Principal) -> _Group:
        """The group of subscribers of this shape and of the principal's class, with one more member."""
        key = None if shape is None else (class_of(principal), shape)
        group = None if key is None else self._groups.get(key)
        if group is None:
            group = _Group(key, prepared)
            if key is not None:
                self._groups[key] = group
        group.members += 1
        return group

    def exit(self, group: _Group) -> None:
        """One member less."""
        group.members -= 1
        if not group.members and group.key is not None:
            del self._groups[group.key]

    def shape(self, prepared: Prepared) -> Hashable | None:
        """What decides how events are shown, apart from the viewer; None: it cannot be told."""
        request, document = prepared.request, prepared.document
        if document is None:
            return None
        text: Hashable = request.query if request.query is not None else id(document)  # the group keeps the document
        given = request.variables or {}
        if given:
            free = self._free_variables(document, request.query, request.operation_name)
            given = {name: value for name, value in given.items() if name not in free}
        try:
            return text, request.operation_name, orjson.dumps(given, option=orjson.OPT_SORT_KEYS)
        except TypeError:  # a number that JSON of ours has no place for
            return None

    def _free_variables(self, document: DocumentNode, text: str | None, name: str | None) -> frozenset[str]:
        """Variables that say where the stream begins, and are used for nothing else."""
        if text is None:
            return _free_variables(document, name)
        key = text, name
        found = self._free.get(key)
        if found is None:
            found = self._free[key] = _free_variables(document, name)
            if len(self._free) > _MOST_SHAPES:
                self._free.popitem(last=False)
        return found

    # Executions

    def made(self, key: Hashable) -> _Made | None:
        """The newest execution under this key."""
        return self._made.get(key)

    def begin(self, key: Hashable, event: object) -> _Made:
        """An execution that begins now, in place of the one that was kept."""
        self.forget(key)
        made = self._made[key] = _Made(event, self.now())
        return made

    def keep(self, key: Hashable, made: _Made) -> None:
        """It is over and has an answer: give it to those who come for a while, unless a newer one began."""
        if self._made.get(key) is not made or made.answer is None:
            return
        loop = asyncio.get_running_loop()
        self._made.move_to_end(key)
        made.until = loop.time() + _LIFE
        self._bytes += len(made.answer.body)
        while self._bytes > _MOST_BYTES and (oldest := next(iter(self._made))) != key:
            self.forget(oldest)
        if self._sweeper is None:
            self._sweeper = loop.call_later(_LIFE, self._sweep)

    def moved(self, key: Hashable, own: Hashable, made: _Made, answer: Encoded) -> None:
        """It is over and turned out to be one person's: who waits for it makes another one, and the same person's others are served."""
        if self._made.get(key) is made:
            del self._made[key]
            self.forget(own)
            kept = self._made[own] = _Made(made.event, made.begun)
            kept.ended, kept.answer, kept.waiting = made.ended, answer, None
            self.keep(own, kept)

    def forget(self, key: Hashable, made: _Made | None = None) -> None:
        """It serves nobody who comes from now on; `made`: only if it is this one."""
        known = self._made.get(key)
        if known is None or (made is not None and known is not made):
            return
        del self._made[key]
        if known.until and known.answer is not None:
            self._bytes -= len(known.answer.body)

    def _sweep(self) -> None:
        """Forget what is old; once more as long as anything is kept."""
        loop = asyncio.get_running_loop()
        self._sweeper = None
        now = loop.time()
        for key in [key for key, made in self._made.items() if made.until and made.until <= now]:
            self.forget(key)
        due = next((made.until for made in self._made.values() if made.until), None)
        if due is not None:
            self._sweeper = loop.call_at(due, self._sweep)


class Member:
    """One subscriber: what it is told never goes backwards, whoever made it."""

    __slots__ = ("_context", "_group", "_groups", "_prepared", "_principal", "_shape", "_since")

    def __init__(self, groups: Groups, prepared: Prepared, context: OperationContext) -> None:
        self._groups = groups
        self._prepared = prepared
        self._context = context
        self._since = groups.now()
        """When the last answer it was given was over, or when it came: only what began later is news to it."""
        self._shape = groups.shape(prepared)
        self._principal = context.principal
        self._group = groups.enter(self._shape, prepared, self._principal)

    def leave(self) -> None:
        """It ends."""
        self._groups.exit(self._group)

    async def answer(self, event: object) -> Answer:
        """The response to an event, as the rights of this moment show it."""
        groups = self._groups
        while True:
            principal = self._context.principal
            if principal is not self._principal:
                self._move(principal)
            group = self._group
            alike = _alike(event) if group.members > 1 else None
            if alike is None:
                return await self._alone(event)
            key = group, person_of(principal) if type(event) in group.personal else None, alike
            made = groups.made(key)
            if made is None or made.begun < self._since:
                answer = await self._first(key, event, principal)
            else:
                answer = await self._given(made)
            # Whose rights changed meanwhile gets what they are now allowed; an answer that is not there is made again.
            if answer is not None and self._context.principal is principal:
                return answer

    def _move(self, principal: Principal) -> None:
        """The credentials were exchanged: into the group of the new ones."""
        if class_of(principal) != class_of(self._principal):
            self._groups.exit(self._group)
            self._group = self._groups.enter(self._shape, self._prepared, principal)
        self._principal = principal

    async def _alone(self, event: object) -> Answer:
        """For this one only."""
        response = await self._groups.run(self._prepared, self._context.fork_for(self._prepared.wanted), event)
        self._since = self._groups.now()
        return self._encoded(response)

    async def _first(self, key: tuple[_Group, Hashable, Hashable], event: object, principal: Principal) -> Answer | None:
        """Make the answer, for all who come for it. When its maker is cancelled they make their own."""
        groups, group, prepared = self._groups, self._group, self._group.prepared
        made = groups.begin(key, event)
        veiled = Veiled(principal)
        try:
            response = await groups.run(prepared, OperationContext(veiled, self._context.services, None, prepared.wanted), event)
            answer = self._encoded(response)
        except BaseException:
            groups.forget(key, made)
            made.over()
            raise
        self._since = made.ended = groups.now()
        if not isinstance(answer, Encoded) or "errors" in response:
            groups.forget(key, made)  # the next one may fare better
        elif veiled.is_personal and (own := (group, person_of(principal), key[2])) != key:
            group.personal.add(type(event))
            groups.moved(key, own, made, answer)
        else:
            made.answer = answer
            groups.keep(key, made)
        made.over()
        return answer

    async def _given(self, made: _Made) -> Encoded | None:
        """The answer of an execution that another one began; None: there is none for us."""
        if made.waiting is not None:
            waiter = asyncio.get_running_loop().create_future()
            made.waiting.append(waiter)
            await waiter
        if made.answer is not None:
            self._since = made.ended
        return made.answer

    def _encoded(self, response: dict[str, Any]) -> Answer:
        return Encoded(encode(response), self._group.cursors.of(response)) if "data" in response else response


def _alike(event: object) -> Hashable | None:
    """What the event says: equal for events that say the same, as long as they are kept. None: it is told to one only."""
    alike: Callable[[], Hashable | None] | None = getattr(event, "alike", None)
    return None if alike is None else alike()


def _free_variables(document: DocumentNode, name: str | None) -> frozenset[str]:
    operation = get_operation_ast(document, name)
    if operation is None:
        return frozenset()
    begins: list[ArgumentNode] = []
    for field in operation.selection_set.selections:
        if isinstance(field, FieldNode):
            begins += [one for one in field.arguments or () if one.name.value == _AFTER and isinstance(one.value, VariableNode)]
    uses = Counter[str]()
    waiting: list[Node] = list(document.definitions)
    for node in waiting:  # grows while it is read
        if isinstance(node, VariableNode):
            uses[node.name.value] += 1
        for key in node.keys:
            value = getattr(node, key, None)
            waiting += [one for one in (value if isinstance(value, list | tuple) else (value,)) if isinstance(one, Node)]
    bound = Counter(one.value.name.value for one in begins if isinstance(one.value, VariableNode))
    return frozenset(name for name, count in bound.items() if uses[name] == count + 1)  # and its definition
