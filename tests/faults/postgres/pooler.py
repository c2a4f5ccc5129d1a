"""A pooler that gives each transaction another connection, in as few lines as the wire protocol allows.

Owns a port; speaks to clients as PgBouncer does in transaction mode: logs everybody in, and hands the statements of a transaction to whichever
connection to the server is free. Used by the tests of what the gateway does when it meets one.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

__all__ = ["pooler"]

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def pooler(target: int, *, size: int, lifo: bool = True, refuses: bytes = b"") -> AsyncIterator[int]:
    """Its port, in front of a server's. `size`: its connections to the server; `lifo`: the one used last is given out first; `refuses`: a setting
    that it does not let pass.
    """
    free: deque[Stream] = deque()
    turn = asyncio.Semaphore(0)
    open_ones: set[asyncio.StreamWriter] = set()
    served: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_ones.add(writer)
        served.add(asyncio.current_task())
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            (length,) = struct.unpack("!I", await reader.readexactly(4))
            hello = await reader.readexactly(length - 4)
            if refuses and refuses in hello:
                text = b"SERROR\0C08P01\0Munsupported startup parameter: " + refuses + b"\0\0"
                writer.write(b"E" + struct.pack("!I", 4 + len(text)) + text)
                writer.close()
                return
            greeting = b""
            while len(free) + busy < size or not greeting:
                server = await asyncio.open_connection("127.0.0.1", target)
                open_ones.add(server[1])
                server[1].write(struct.pack("!I", length) + hello)
                greeting = b""
                while not greeting.endswith(b"Z\0\0\0\x05I"):
                    greeting += await _message(server[0])
                if len(free) + busy < size:
                    free.append(server)
                    turn.release()
                else:
                    server[1].close()
            writer.write(greeting)
            asked = _reading(reader)
            while (message := await asked)[:1] != b"X":
                asked = await _transaction(message, reader, writer)
        writer.close()

    busy = 0

    async def _transaction(message: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> asyncio.Task[bytes]:
        """From the first message of a transaction to its end; what then comes from the client."""
        nonlocal busy
        await turn.acquire()
        server = free.pop() if lifo else free.popleft()
        busy += 1
        asked = _reading(reader)
        answered = _reading(server[0])
        try:
            server[1].write(message)
            open_ends = int(message[:1] in b"SQ")
            while True:
                await asyncio.wait({asked, answered}, return_when=asyncio.FIRST_COMPLETED)
                if answered.done():
                    answer = answered.result()
                    writer.write(answer)
                    if answer[:1] == b"Z":
                        open_ends -= 1
                        if not open_ends and answer[-1:] == b"I":
                            return asked
                    answered = _reading(server[0])
                else:
                    message = asked.result()
                    server[1].write(message)
                    open_ends += message[:1] in b"SQ"
                    asked = _reading(reader)
        finally:
            answered.cancel()
            busy -= 1
            free.append(server)
            turn.release()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        for writer in open_ones:
            writer.transport.abort()
        await asyncio.wait([task for task in served if task is not None])
        await asyncio.gather(*(writer.wait_closed() for writer in open_ones), return_exceptions=True)


async def _message(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(5)
    return head + await reader.readexactly(struct.unpack("!I", head[1:])[0] - 4)


def _reading(reader: asyncio.StreamReader) -> asyncio.Task[bytes]:
    """The next message, in the making; how it ends concerns only who waits for it."""
    task = asyncio.create_task(_message(reader))
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    return task
