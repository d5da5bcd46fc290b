# SPDX-License-Identifier: Apache-2.0
"""Many clients in one thread: asyncio protocols that know which answer is whose, and which nobody asked for."""

import asyncio
import contextlib
import random
import time

from requests_made import infer

ANSWER_LIMIT = 60  # seconds; an answer that has not come by then is lost
HOST = "127.0.0.1"


class Line(asyncio.Protocol):
    """One connection: a request at a time."""

    def __init__(self, ledger):
        self.ledger, self.transport, self.waiter = ledger, None, None
        self.buffer = bytearray()
        self.is_open = True

    def connection_made(self, transport):
        self.transport = transport

    def connection_lost(self, _):
        self.is_open = False
        if self.waiter and not self.waiter.done():
            self.waiter.set_result(None)

    def data_received(self, data):
        if self.waiter is None or self.waiter.done():
            # Nothing was asked, or it was answered already.
            self.ledger.twice += 1
            return
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self.buffer[:end]).lower()
        at = head.find(b"\r\ncontent-length:")
        length = int(head[at + 17:].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self.buffer) < end + 4 + length:
            return
        body = bytes(self.buffer[end + 4:end + 4 + length])
        if len(self.buffer) > end + 4 + length:
            self.ledger.twice += 1
        self.buffer.clear()
        if b"\r\nconnection: close" in head:
            self.is_open = False
        self.waiter.set_result((int(head[9:12]), body))

    def send(self, data):
        """Sends a request; what it returns becomes (status, body), or None where the line is cut first."""
        self.waiter = asyncio.get_running_loop().create_future()
        self.transport.write(data)
        return self.waiter

    def cut(self):
        """Ends the connection at once, as a client that crashed."""
        self.is_open = False
        self.transport.abort()


class Load:
    """What can be done with whoever can `ask`."""

    async def capacity(self, seconds, outstanding, **options):
        """Requests a second that are answered while so many are always outstanding."""
        end = time.monotonic() + seconds
        done = 0

        async def client():
            nonlocal done
            while time.monotonic() < end:
                # Not `done += await …`: that would read `done` before the wait, and forget what others did meanwhile.
                status = await self.ask(**options)
                done += status == 200

        start = time.monotonic()
        await asyncio.gather(*(client() for _ in range(outstanding)))
        return done / (time.monotonic() - start)

    async def open_loop(self, rate, seconds, draw, seed=1):
        """Requests at the instants of a seeded Poisson process, whether or not answers come.

        `draw(random)` gives what to ask. All requests are waited for.
        """
        chance = random.Random(seed)
        async with asyncio.TaskGroup() as group:
            start = due = time.monotonic()
            while due < start + seconds:
                due += chance.expovariate(rate)
                if (wait := due - time.monotonic()) > 0:
                    await asyncio.sleep(wait)
                group.create_task(self.ask(**draw(chance)))


class Crowd(Load):
    """Clients that share a pool of connections to one server."""

    def __init__(self, port, ledger, prefix="r"):
        self.port, self.ledger, self.idle, self.number, self.prefix = port, ledger, [], 0, prefix

    def name(self):
        self.number += 1
        return f"{self.prefix}{self.number}"

    async def line(self):
        while self.idle:
            line = self.idle.pop()
            if line.is_open:
                return line
        _, line = await asyncio.get_running_loop().create_connection(lambda: Line(self.ledger), HOST, self.port)
        return line

    async def ask(self, model, *, high=False, tolerant=False, **options):
        """One request from its sending to its end; its status, None if it was lost.

        A `tolerant` client is one of a server that is going away: what had no answer is not held against it.
        """
        name = self.name()
        try:
            line = await self.line()
        except OSError:
            return None
        counts, start = self.ledger.of(high), time.monotonic()
        counts.asked += 1
        try:
            answer = await asyncio.wait_for(line.send(infer(model, name, high=high, **options)), ANSWER_LIMIT)
        except TimeoutError:
            answer = None
        if answer is None:
            if tolerant:
                counts.abandoned += 1
            else:
                counts.lost += 1
            line.cut()
            return None
        status, body = answer
        self.ledger.note(high, status, body, time.monotonic() - start, name)
        if line.is_open:
            self.idle.append(line)
        else:
            line.transport.close()
        return status

    def close(self):
        for line in self.idle:
            with contextlib.suppress(OSError):
                line.transport.close()
