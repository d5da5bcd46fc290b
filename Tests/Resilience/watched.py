# SPDX-License-Identifier: Apache-2.0
"""A server whose memory, descriptors and recovery are watched, and the repository that it serves."""

import contextlib
import http.client
import os
import pathlib
import re
import shutil
import time

from requests_made import infer
from server import MODELS, Server, read_answer

# Three models: one that takes real time, one that takes none, one that fails on some inputs.
NAMES = ("slow", "identity_fp32", "fails_sometimes")
# How much longer than a few seconds each fault is kept up; `make resilience` sets it.
SECONDS = float(os.environ.get("STRAIT_RESILIENCE_SECONDS", "0"))
RECOVERY_LIMIT = 30  # seconds until a server must answer again after a fault has ended


def small_repository(folder):
    for model in NAMES:
        shutil.copytree(MODELS / model, folder / model)
    return folder


class WatchedServer(Server):
    """`strait serve` on the small repository, with its state in `/proc` at hand."""

    def peak(self):
        """The most bytes of memory that it held so far."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def recover(self):
        """Seconds until it answers a new client well; fails if it does not."""
        start = time.monotonic()
        answer = None
        while time.monotonic() < start + RECOVERY_LIMIT:
            assert self.process.poll() is None, f"the server died; its log:\n{self.read_log()}"
            with contextlib.suppress(OSError, http.client.HTTPException):
                answer = self.exchange(infer("slow", "recovery"))
                if answer is not None and answer.status == 200:
                    return time.monotonic() - start
            time.sleep(0.02)
        raise AssertionError(f"not served again: {answer and answer.body}; the log:\n{self.read_log()}")

    def settle(self, condition, seconds=RECOVERY_LIMIT):
        """Waits until `condition` of the server is true; returns whether it came true."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
        return True

    def counted(self):
        """Requests that its statistics know: (answered well, answered otherwise)."""
        entries = [entry["inference_stats"] for entry in self.get("/v2/models/stats").json["model_stats"]]
        return tuple(sum(int(entry[kind]["count"]) for entry in entries) for kind in ("success", "fail"))

    def end(self):
        """Ends it with SIGTERM, which must go well; its log."""
        code = self.stop()
        log = self.read_log()
        assert code == 0, f"exited with {code}; its log:\n{log}"
        return log


@contextlib.contextmanager
def serving(repository, *arguments, **options):
    running = WatchedServer(repository, *arguments, **options)
    try:
        yield running.start()
    finally:
        running.kill()


class Neighbour:
    """A well-behaved client on a connection of its own, which must never notice the others."""

    def __init__(self, server, ledger):
        self.ledger, self.connection, self.turn = ledger, server.connect(), 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def ask(self, times=1):
        for _ in range(times):
            self.turn += 1
            name = f"neighbour{self.turn}"
            high = self.turn % 2 == 0
            self.ledger.of(high).asked += 1
            start = time.monotonic()
            self.connection.sendall(infer("identity_fp32", name, high=high))
            answer = read_answer(self.connection)
            if answer is None:
                self.ledger.of(high).lost += 1
                raise AssertionError("a neighbour's connection was closed")
            self.ledger.note(high, answer.status, answer.body, time.monotonic() - start, name)
            assert answer.status == 200, answer.body
