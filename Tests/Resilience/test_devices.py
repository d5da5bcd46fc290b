# SPDX-License-Identifier: Apache-2.0
"""One of two devices is lost, hangs or fails under load: its work goes to the other, and it comes back."""

import asyncio
import os
import re

import pytest
from ledger import TABLE, Ledger, server_counts
from traffic import Crowd
from watched import SECONDS, serving

AFTER = 60  # batches until the fault begins
FAULT_MS = {"lost": 2000, "hang": 5000, "fail": 2000}  # a hang is one after 2 s at the earliest
RATE = 100  # a second of some 8 ms each: more than one device can take when its core is shared, fewer than two
HIGH_SHARE = 0.2
LOST_ANSWERS = {"lost": 0, "hang": 0, "fail": 3 * 8}  # with the fault itself: three batches, until the device is suspected


def cores():
    """One for each device; the same one where there is no other."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[-1]


@pytest.mark.parametrize("fault", FAULT_MS)
def test_a_device_goes_and_comes_back(repository, fault):
    ledger, (first, second) = Ledger(), cores()
    devices = ("--device", f"cpu:cores={first},lanes=1", "--device",
               f"cpu:cores={second},lanes=1,fault={fault},fault-after={AFTER},fault-ms={FAULT_MS[fault]}")
    with serving(repository, *devices) as server:
        async def load():
            crowd = Crowd(server.port, ledger)
            seconds = max(SECONDS, FAULT_MS[fault] / 1000 + 4)
            await crowd.open_loop(RATE, seconds, lambda chance: {"model": "slow", "high": chance.random() < HIGH_SHARE})
            crowd.close()

        asyncio.run(load())
        server.settle(lambda: "serves again" in server.read_log())
        recovered = server.recover()
        peak = server.peak()
        log = server.end()
    ledger.check(log)
    counted = server_counts(log)
    # The last request is that of `recover`, which is low.
    assert sum(counts["arrived"] for counts in counted.values()) >= ledger.total("asked"), counted
    out = re.findall(r"cpu .* is out of service: (.*); (\d+) batch", log)
    back = [int(time) for time in re.findall(r"cpu .* serves again after (\d+) ms", log)]
    assert out and back, f"the device did not go, or did not come back:\n{log}"
    assert ledger.total("failed") <= LOST_ANSWERS[fault], f"{ledger}\n{log}"
    assert ledger.total("draining") == 0, f"{ledger}\n{log}"
    moved = sum(int(batches) for _, batches in out)
    TABLE.add(f"device: {fault}", ledger, peak, recovered,
              f"out for {', '.join(map(str, back))} ms of {FAULT_MS[fault]} ms; {moved} batch(es) moved, "
              f"{ledger.total('failed')} failed")
    print(f"\n{fault}: out of service for {back} ms, the fault lasted {FAULT_MS[fault]} ms; {moved} batch(es) moved to the "
          f"other device; {ledger}")
