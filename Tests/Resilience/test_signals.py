# SPDX-License-Identifier: Apache-2.0
"""SIGTERM and SIGKILL at random moments under load: nothing accepted is lost to the first, nothing kept to the second."""

import asyncio
import json
import os
import random
import signal
import time

import pytest
from ledger import TABLE, Ledger, server_counts
from traffic import Crowd
from watched import SECONDS, WatchedServer, serving, small_repository

SEED = 17
# Ten servers more for each minute.
ROUNDS = 3 + int(SECONDS / 6)
RATE = 300  # three times what the model can do
LONGEST = 0.8  # seconds of load before the signal
KILLS_WHILE_SAVING = 4 + int(SECONDS / 6)


async def load_until_gone(server, ledger, moment, which, seed, prefix):
    """Load, a signal in the midst of it, and load until the process has gone."""
    crowd, chance = Crowd(server.port, ledger, prefix), random.Random(seed)

    def alive():
        return server.process.poll() is None

    async with asyncio.TaskGroup() as group:
        start = time.monotonic()
        is_told = False
        while alive():
            if not is_told and time.monotonic() - start > moment:
                server.process.send_signal(which)
                is_told = True
            high = chance.random() < 0.1
            model = "slow" if chance.random() < 0.7 else "identity_fp32"
            group.create_task(crowd.ask(model, high=high, tolerant=True, timeout=1_500_000))
            await asyncio.sleep(chance.expovariate(RATE))
    crowd.close()


def test_sigterm_at_random_moments(repository):
    chance, whole, peak, longest, refused = random.Random(SEED), Ledger(), 0, 0.0, 0
    for number in range(ROUNDS):
        ledger = Ledger()
        with serving(repository) as server:
            moment = chance.random() * LONGEST
            start = time.monotonic()
            asyncio.run(load_until_gone(server, ledger, moment, signal.SIGTERM, number, f"t{number}n"))
            longest = max(longest, time.monotonic() - start - moment)
            assert server.wait() == 0, server.read_log()
            counted = server_counts(server.read_log())
        ledger.check()
        for name, ours in (("high", ledger.high), ("low", ledger.low)):
            theirs = counted[name]
            # What reached the scheduler was answered, and the answer reached the client: the numbers are the same.
            assert theirs["cancelled"] == 0, counted
            assert theirs["in time"] + theirs["late"] == ours.in_time + ours.late, (name, theirs, str(ours))
            assert theirs["refused"] == ours.refused, (name, theirs, str(ours))
        add(whole, ledger)
    # Requests on a connection that closed under them were never accepted; they are the abandoned ones here.
    unaccepted = whole.total("abandoned")
    with serving(repository) as server:
        recovered, peak = server.recover(), server.peak()
    TABLE.add(f"SIGTERM, {ROUNDS} times", whole, peak, recovered,
              f"gone within {longest:.1f} s; {whole.total('draining')} told 503, {unaccepted} came too late")


def test_sigkill_at_random_moments(tmp_path):
    """Killed under load, each time with what it learned beside it, and started again on the same folder and file."""
    chance, whole, peak, longest = random.Random(SEED + 1), Ledger(), 0, 0.0
    repository = small_repository(tmp_path / "models")
    for number in range(ROUNDS):
        ledger = Ledger()
        server = WatchedServer(repository, learned=True)
        start = time.monotonic()
        try:
            server.start()
            longest = max(longest, server.recover() and time.monotonic() - start)
            check_start(server)
            asyncio.run(load_until_gone(server, ledger, chance.random() * LONGEST, signal.SIGKILL, number, f"k{number}n"))
            assert server.wait() == -signal.SIGKILL
        finally:
            server.kill()
        ledger.check()
        add(whole, ledger)
    with serving(repository, learned=True) as server:
        recovered, peak = server.recover(), server.peak()
        check_start(server)
        server.end()
    TABLE.add(f"SIGKILL, {ROUNDS} times", whole, peak, recovered,
              f"ready again within {longest:.1f} s; {whole.total('abandoned')} died with the server")


def test_a_kill_while_what_was_learned_is_written_leaves_the_old_file_or_the_new(tmp_path):
    chance, ledger, caught = random.Random(SEED + 2), Ledger(), 0
    repository = small_repository(tmp_path / "models")
    path = tmp_path / "models.learned.json"
    for number in range(KILLS_WHILE_SAVING):
        with serving(repository, learned=True) as server:
            check_start(server)
            for _ in range(3):
                server.recover()  # something to learn, so that there is something to save
            before = path.read_bytes() if path.exists() else None
            watch = Watch(tmp_path)
            server.process.send_signal(signal.SIGTERM)
            watch.wait_for_temporary(lambda: server.process.poll() is not None)
            # A write takes some hundred microseconds, the wait for the disk some milliseconds.
            time.sleep(chance.choice((0, 0, 0.0002, 0.001, 0.004)))
            server.process.kill()
            caught += server.process.wait() == -signal.SIGKILL
            if path.exists():
                json.loads(path.read_bytes())
            else:
                assert before is None, "the old file is gone"
    left = [name for name in os.listdir(tmp_path) if name.endswith(".tmp")]
    for name in left:
        os.utime(tmp_path / name, (0, 0))  # so old that its writer is surely gone
    with serving(repository, learned=True) as server:
        recovered, peak = server.recover(), server.peak()
        check_start(server)
        server.end()
    assert [name for name in os.listdir(tmp_path) if name.endswith(".tmp")] == []
    TABLE.add("SIGKILL in a save", ledger, peak, recovered,
              f"{caught} of {KILLS_WHILE_SAVING} caught before the end, {len(left)} temporary files left")
    if not caught:
        pytest.skip("no kill came in time; nothing was tried")


class Watch:
    """Looks at a folder without a pause, for a file that is there for some milliseconds only."""

    def __init__(self, folder):
        self.folder, self.known = folder, set(os.listdir(folder))

    def wait_for_temporary(self, is_over):
        looks = 0
        while True:
            looks += 1
            if any(name.endswith(".tmp") for name in set(os.listdir(self.folder)) - self.known):
                return
            if looks % 256 == 0 and is_over():
                return


def check_start(server):
    """A start after a kill is as any other: nothing broken was found."""
    log = server.read_log()
    assert "not used" not in log and "warning" not in log, log


def add(whole, ledger):
    for high in (False, True):
        ours, more = whole.of(high), ledger.of(high)
        for name in vars(more):
            setattr(ours, name, getattr(ours, name) + getattr(more, name))
    whole.twice += ledger.twice
