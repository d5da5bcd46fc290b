# SPDX-License-Identifier: Apache-2.0
"""Clients that go away at random moments: the server counts each, gives all memory back and serves on."""

import asyncio
import random
import time

from ledger import TABLE, Ledger, server_counts
from requests_made import infer
from traffic import Crowd
from watched import SECONDS, serving

SEED = 11
DURATION = max(3, SECONDS)
RATE = 150  # requests a second, of which most go away
LEAVING = 0.8
# All the memory for tensors there is. A request of 400 kB, collected in slabs that double, needs three quarters of it, so
# it is served only when what those who left had taken, some kilobytes each, has come back.
MEMORY = 1  # MiB
WHOLE_COLUMNS = 100_000
ROWS = 2
PATIENCE = 0.1  # seconds within which a client leaves; one request takes some 8 ms, one behind others much longer


async def leave(crowd, chance, counts):
    """Sends all of a request or a part of it, and goes away, with or without waiting."""
    high = chance.random() < 0.3
    model = chance.choice(("slow", "slow", "identity_fp32"))
    data = infer(model, crowd.name(), high=high, rows=ROWS)
    line = await crowd.line()
    whole = chance.random() < 0.7
    line.send(data if whole else data[:chance.randrange(len(data))])
    if whole:
        counts["sent"] += 1
        crowd.ledger.of(high).asked += 1
        crowd.ledger.of(high).abandoned += 1
    if chance.random() < 0.8:
        await asyncio.sleep(chance.random() * PATIENCE)
    if line.waiter.done():
        counts["answered before"] += 1
    if chance.random() < 0.5:
        line.cut()
    else:
        line.is_open = False
        line.transport.close()


async def storm(crowd, counts):
    chance = random.Random(SEED)
    async with asyncio.TaskGroup() as group:
        start = due = time.monotonic()
        while due < start + DURATION:
            due += chance.expovariate(RATE)
            if (wait := due - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            if chance.random() < LEAVING:
                group.create_task(leave(crowd, random.Random(chance.random()), counts))
            else:
                group.create_task(crowd.ask("identity_fp32", high=chance.random() < 0.5))
    crowd.close()


def test_clients_that_leave_at_random_moments(repository):
    ledger, counts = Ledger(), {"sent": 0, "answered before": 0}
    with serving(repository, "--tensor-memory", str(MEMORY), "--max-body", str(MEMORY)) as server:
        asyncio.run(storm(Crowd(server.port, ledger), counts))
        stayed = ledger.total("asked") - ledger.total("abandoned")
        left = time.monotonic()

        def is_served_whole():
            answer = server.exchange(infer("identity_fp32", "whole", high=True, columns=WHOLE_COLUMNS))
            return answer is not None and answer.status == 200

        assert server.settle(is_served_whole), "memory of requests that are gone is still taken"
        recovered = time.monotonic() - left
        server.recover()
        ended = sum(server.counted())
        peak = server.peak()
        log = server.end()
    ledger.check(log)
    counted = server_counts(log)

    def total(what):
        return sum(of[what] for of in counted.values())

    # What the server saw is known to its end: none is forgotten, and none counted twice.
    assert ended == total("arrived"), (ended, counted)
    # A reset may overtake the request before it; one that was answered or stayed was certainly there.
    assert stayed + counts["answered before"] + 1 <= total("arrived"), (counted, counts)
    assert total("failed") == 0, counted
    assert total("cancelled") > 0, "nobody left while a request waited"
    assert total("in time") + total("late") >= stayed, counted
    TABLE.add("disconnects", ledger, peak, recovered,
              f"{counts['sent']} whole requests left behind, {total('cancelled')} cancelled in the server")
