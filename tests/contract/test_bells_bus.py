"""The bus over a bell that misbehaves: it hangs, fails, is mute or short-lived; whichever kind it is, so over the one of memory."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from broadcaster import BroadcastBackend

from gateway.live.bus import Bus
from gateway.observe import BELL_REBUILDS, BELL_RINGS_LOST
from tests.bells import Memory, Processes, stream, until


async def test_a_listener_that_fails_does_not_end_the_bell() -> None:
    """A bug in what listens is logged, and the next ring is heard."""
    heard: list[object] = []

    def on_ring(keys: object) -> None:
        heard.append(keys)
        if len(heard) < 3:
            raise RuntimeError("a bug")

    rebuilds = BELL_REBUILDS._value.get()
    bus = Bus()
    await bus.start(on_ring)
    for count in (2, 3):
        bus.ring([stream()])
        await until(lambda count=count: len(heard) == count)  # type: ignore[misc]
    await bus.stop()

    assert BELL_REBUILDS._value.get() == rebuilds


async def test_one_message_that_hangs_does_not_hold_up_those_behind_it() -> None:
    """When a message cannot be sent in time, the rest of that moment's is dropped and counted, and the next ring is tried at once."""
    wire, hanging, lost = Memory(), True, BELL_RINGS_LOST._value.get()

    def bell() -> BroadcastBackend:
        backend = wire.bell()
        send = backend.publish

        async def publish(channel: str, message: str) -> None:
            if hanging and not message.startswith("*"):
                await asyncio.Event().wait()
            await send(channel, message)

        backend.publish = publish  # type: ignore[method-assign]
        return backend

    async with Processes.on(wire) as processes:
        ear = await processes.start(bell, patience=0.1)
        began = asyncio.get_running_loop().time()
        ear.bus.ring(stream() for _ in range(5000))  # fifty messages
        await until(lambda: BELL_RINGS_LOST._value.get() > lost)
        hanging = False
        rung = stream()
        ear.bus.ring([rung])
        await ear.hears(rung)

    assert asyncio.get_running_loop().time() - began < 1
    assert BELL_RINGS_LOST._value.get() - lost == 50


async def test_a_bell_that_hears_only_others_is_rebuilt() -> None:
    """A process whose own rings do not get out knows it by its own heartbeat, however much it hears from others."""
    wire = Memory()

    def mute() -> BroadcastBackend:
        bell = wire.bell()

        async def nothing(channel: str, message: str) -> None: ...

        bell.publish = nothing  # type: ignore[method-assign]
        return bell

    async with Processes.on(wire) as processes:
        other = await processes.start(heartbeat=0.02)
        ear = await processes.start(mute, wait=0.1, heartbeat=0.05, silence=0.3)
        await until(lambda: ear.heard.count(None) >= 2)

        assert other.bus.healthy
        assert not ear.bus.healthy


async def test_a_driver_that_never_ends_is_left_behind() -> None:
    """A driver that hangs in connecting, sending and leaving, and does not even mind being cancelled, holds up neither the bus nor its end."""
    wire = Memory()
    free, made = asyncio.Event(), 0

    async def hang(*_: object) -> None:
        while not free.is_set():
            with suppress(asyncio.CancelledError):
                await free.wait()

    def bell() -> BroadcastBackend:
        nonlocal made
        made += 1
        backend = wire.bell()
        if made == 1:
            backend.connect = hang  # type: ignore[method-assign]
        if made == 2:
            leave = backend.disconnect

            async def hang_and_leave() -> None:
                await hang()
                await leave()

            backend.publish, backend.disconnect = hang, hang_and_leave  # type: ignore[method-assign]
        return backend

    async with Processes.on(wire) as processes:
        ear = await processes.start(bell, wait=0, heartbeat=0.05, silence=0.2, patience=0.05, connect=0.05)
        await until(lambda: made == 3)
        free.set()  # the sending that hung is over now: the next one is tried
        await ear.is_healthy()


async def test_after_a_long_life_the_first_attempt_comes_soon() -> None:
    """Waits between attempts grow while nothing succeeds, and begin anew when a connection that had lived for a while is lost."""
    wire = Memory()
    made: list[float] = []
    loop = asyncio.get_running_loop()

    def bell() -> BroadcastBackend:
        made.append(loop.time())
        if len(made) < 4:
            raise ConnectionError
        return wire.bell()

    async with Processes.on(wire) as processes:
        ear = await processes.start(bell, wait=0, connect=0.1, retry=0.4)
        await ear.is_healthy()
        await asyncio.sleep(0.6)  # it lives
        lost = loop.time()
        await wire.throw_out()
        await until(lambda: len(made) == 5)

    assert made[3] - made[0] > 0.5
    assert made[4] - lost < 0.3


async def test_a_bell_without_rings_stays() -> None:
    """Heartbeats alone keep it: nothing is rebuilt while nobody rings."""
    async with Processes.on(Memory()) as processes:
        ear = await processes.start(heartbeat=0.05, silence=0.25)
        await asyncio.sleep(0.6)  # what is tested is that nothing happens

        assert ear.heard == [None]
        assert ear.bus.healthy
