# SPDX-License-Identifier: Apache-2.0
"""A model that fails inside a run: its own bad requests get the error, and nobody else notices."""

import asyncio
import random

from ledger import TABLE, Ledger, server_counts
from traffic import Crowd
from watched import SECONDS, serving

DURATION = max(2, SECONDS)
RATE = 200
BAD_SHARE = 0.3
OUTSTANDING = 32  # so few that even a machine that others use answers all before their deadline
TOGETHER = 24  # requests of one model that wait while another runs, and so share batches


def test_failures_among_other_models(repository):
    """Bad requests of one model beside good ones of two others, all at once."""
    ledger, statuses = Ledger(), {True: [], False: []}
    with serving(repository) as server:
        async def mix():
            crowd, chance, room = Crowd(server.port, ledger), random.Random(5), asyncio.Semaphore(OUTSTANDING)

            async def one(bad, model, high):
                async with room:
                    statuses[bad].append(await crowd.ask(model, high=high, bad=bad))

            async with asyncio.TaskGroup() as group:
                for _ in range(int(RATE * DURATION)):
                    bad = chance.random() < BAD_SHARE
                    model = "fails_sometimes" if bad else chance.choice(("slow", "identity_fp32", "identity_fp32"))
                    group.create_task(one(bad, model, chance.random() < 0.3))
                    await asyncio.sleep(1 / RATE)
            crowd.close()

        asyncio.run(mix())
        recovered = server.recover()
        peak = server.peak()
        log = server.end()
    ledger.check(log)
    assert set(statuses[True]) == {500}, set(statuses[True])
    assert set(statuses[False]) == {200}, set(statuses[False])
    counted = server_counts(log)
    assert sum(counts["failed"] for counts in counted.values()) == len(statuses[True]), counted
    TABLE.add("failing model", ledger, peak, recovered, f"{len(statuses[True])} runs failed")


def test_a_bad_request_does_not_spoil_the_batch_it_is_in(repository):
    """Good and bad requests of one model, of one shape, that wait together and are batched."""
    ledger, statuses = Ledger(), {True: [], False: []}
    # The policy that batches whatever waits together.
    with serving(repository, "--policy", "triton") as server:
        async def mix():
            crowd = Crowd(server.port, ledger)
            for _ in range(max(3, int(SECONDS))):
                # The lane is busy while the others come in.
                busy = [asyncio.create_task(crowd.ask("slow", high=True, rows=8)) for _ in range(2)]
                await asyncio.sleep(0.02)
                bad = [place % 6 == 0 for place in range(TOGETHER)]
                answers = await asyncio.gather(*(crowd.ask("fails_sometimes", bad=one) for one in bad))
                for one, status in zip(bad, answers):
                    statuses[one].append(status)
                await asyncio.gather(*busy)
            crowd.close()

        asyncio.run(mix())
        recovered = server.recover()
        peak = server.peak()
        log = server.end()
    ledger.check(log)
    spoiled = sum(status != 200 for status in statuses[False])
    TABLE.add("bad requests in a batch", ledger, peak, recovered, f"{spoiled} good ones spoiled")
    assert set(statuses[True]) == {500}, set(statuses[True])
    assert spoiled == 0, f"{spoiled} of {len(statuses[False])} good requests failed with their neighbours"
