# SPDX-License-Identifier: Apache-2.0
"""Ten times what the models can do: each request is answered once, the high class in time, and memory stays flat."""

import asyncio
import threading
import time

from ledger import TABLE, Ledger, percentile, server_counts
from traffic import Crowd
from watched import SECONDS, serving

DURATION = max(5, SECONDS)
CAPACITY_SECONDS = 1
OUTSTANDING = 24  # three full batches
TIMES = 10
# The high class alone asks for under a third of what the models can do, so that it can be served even if another
# process takes half the machine meanwhile.
HIGH_SHARE = 0.03
HIGH_TIMEOUT, LOW_TIMEOUT = 1_000_000, 2_000_000  # microseconds
# Below this, before or after, others have nearly all of the machine, and no deadline can be judged.
ENOUGH = 20  # requests a second, of some 90 on an idle machine
QUICK = 0.010  # a refusal should take no longer
# Histories and pools fill up at first; a request that leaked its kilobyte would show as more.
GROWTH_LIMIT = 24 << 20


def draw(chance):
    high = chance.random() < HIGH_SHARE
    return {"model": "slow", "high": high, "timeout": HIGH_TIMEOUT if high else LOW_TIMEOUT}


class MemorySamples:
    """Memory from second to second, taken on a thread of its own."""

    def __init__(self, server):
        self.server, self.samples, self.done = server, [], threading.Event()
        self.thread = threading.Thread(target=self.take)

    def take(self):
        while not self.done.wait(0.2):
            self.samples.append((time.monotonic(), self.server.resident()))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()

    def growth(self):
        """From the end of the first half, when all is warm, to the most thereafter."""
        middle = (self.samples[0][0] + self.samples[-1][0]) / 2
        later = [memory for at, memory in self.samples if at >= middle]
        return max(later) - later[0]


def test_ten_times_the_capacity(repository):
    ledger, measured = Ledger(), Ledger()
    with serving(repository) as server:
        async def overload():
            probe = Crowd(server.port, measured, "c")
            capacity = await probe.capacity(CAPACITY_SECONDS, OUTSTANDING, model="slow")
            crowd = Crowd(server.port, ledger)
            with MemorySamples(server) as memory:
                await crowd.open_loop(TIMES * capacity, DURATION, draw)
            crowd.close()
            after = await probe.capacity(CAPACITY_SECONDS, OUTSTANDING, model="slow")
            probe.close()
            return capacity, after, memory.growth()

        capacity, after, growth = asyncio.run(overload())
        recovered = server.recover()
        peak = server.peak()
        log = server.end()
    ledger.check(log)
    measured.check(log)
    counted = server_counts(log)
    for name, ours, before in (("high", ledger.high, 0), ("low", ledger.low, measured.low.asked + 1)):
        assert counted[name]["arrived"] == ours.asked + before, (name, counted, str(ledger))
        assert counted[name]["cancelled"] == 0 and counted[name]["failed"] == 0, counted
    slow = sum(seconds > QUICK for seconds in ledger.refusal_seconds)
    note = (f"capacity {capacity:.0f}/s, then {after:.0f}/s; {len(ledger.refusal_seconds)} refused on arrival, {slow} of them later than 10 ms, "
            f"99 % within {1e3 * percentile(ledger.refusal_seconds, 0.99):.1f} ms; {ledger.dropped} dropped after "
            f"waiting; grew {growth >> 20} MB")
    TABLE.add("overload × 10", ledger, peak, recovered, note)
    assert ledger.low.refused > 0, "that was no overload"
    assert growth < GROWTH_LIMIT, f"{growth >> 20} MB more in the second half"
    if min(capacity, after) >= ENOUGH:
        assert ledger.high.in_time > ledger.high.asked / 2, str(ledger)
        assert ledger.high.in_time / ledger.high.asked > ledger.low.in_time / ledger.low.asked, str(ledger)
