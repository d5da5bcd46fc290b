#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What being watched costs: `make bench-watching` (twelve minutes, on a quiet machine; --minutes 1 to try it).

A server on four virtual devices at 1.3 times what they can serve. First, in turns, with nobody, 2 and 100 viewers of its event
stream: the share of a core that the server's threads take, what a viewer is sent, and how many requests come in time.
Then two browsers have the page open for --minutes: the server's share of a core, what each page holds in memory after
a collection, and the server's own memory. Needs `make build` and, for the second part, Chromium; else only the standard library.
"""

import argparse
import contextlib
import os
import pathlib
import selectors
import statistics
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "Tests/Browser"), str(ROOT / "Tests/Conformance")]

from browser import Browser, find  # noqa: E402
from scenes import Traffic  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")
LOAD = 1.3


class Viewers:
    """Connections that read the event stream and throw it away, on a thread of their own."""

    def __init__(self, server, count):
        self.selector, self.sockets, self.bytes, self.stopped = selectors.DefaultSelector(), [], 0, False
        for _ in range(count):
            one = server.connect()
            one.sendall(b"GET /v2/strait/events HTTP/1.1\r\nHost: x\r\n\r\n")
            one.setblocking(False)
            self.selector.register(one, selectors.EVENT_READ)
            self.sockets.append(one)
        self.thread = threading.Thread(target=self.read)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopped = True
        self.thread.join()
        for one in self.sockets:
            one.close()

    def read(self):
        while not self.stopped:
            for key, _ in self.selector.select(0.1) if self.sockets else [time.sleep(0.1)] and []:
                with contextlib.suppress(BlockingIOError):
                    self.bytes += len(key.fileobj.recv(1 << 20))


def used(server):
    """Seconds of a processor that the server has taken."""
    fields = pathlib.Path(f"/proc/{server.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def totals(server):
    """[answered in time, asked] of all models so far."""
    stats = server.get("/v2/models/stats").json["model_stats"]
    return [sum(model["inference_stats"]["success"]["count"] for model in stats),
            sum(model["inference_stats"][end]["count"] for model in stats for end in ("success", "fail"))]


def measure(server, count, seconds):
    """A turn with so many viewers: share of a core, KB a second for each viewer, requests a second, share answered."""
    with Viewers(server, count) as viewers:
        time.sleep(2)
        start, cpu, received, before = time.monotonic(), used(server), viewers.bytes, totals(server)
        time.sleep(seconds)
        span, after = time.monotonic() - start, totals(server)
        asked = after[1] - before[1]
        return {"cpu": (used(server) - cpu) / span, "sent": (viewers.bytes - received) / span / max(1, count) / 1e3,
                "asked": asked / span, "answered": (after[0] - before[0]) / max(1, asked)}


def compare(server, options):
    print("| viewers | server, % of a core (each turn) | KB/s for each viewer | requests/s | answered, % |\n|---|---|---|---|---|")
    rows = {count: [] for count in options.viewers}
    for _ in range(options.turns):
        for count in options.viewers:
            rows[count].append(measure(server, count, options.seconds))
    for count, turns in rows.items():
        mean = lambda key: statistics.mean(turn[key] for turn in turns)
        each = ", ".join(f"{100 * turn['cpu']:.1f}" for turn in turns)
        print(f"| {count} | **{100 * mean('cpu'):.1f}** ({each}) | {mean('sent'):.0f} | {mean('asked'):.0f} "
              f"| {100 * mean('answered'):.1f} |", flush=True)


def keep_open(server, options):
    with contextlib.ExitStack() as stack:
        pages = [stack.enter_context(Browser()).page(f"http://127.0.0.1:{server.port}/") for _ in range(2)]
        for page in pages:
            page.until("strait.panels[0].run.frames.length > 0")
        print("\n| minute | server, % of a core | server, MiB | pages, MB of JavaScript | frames, batches kept |\n|---|---|---|---|---|")
        start = time.monotonic()
        for minute in range(options.minutes + 1):
            cpu, since = used(server), time.monotonic()
            time.sleep(max(0.0, start + 60 * minute - since) if minute else 5)
            share = (used(server) - cpu) / (time.monotonic() - since)
            heaps = " and ".join(f"{page.heap() / 1e6:.1f}" for page in pages)
            kept = pages[0].value("[strait.panels[0].run.frames.length, strait.panels[0].run.batches.length]")
            print(f"| {minute} | {100 * share:.1f} | {server.resident() >> 20} | {heaps} | {kept[0]}, {kept[1]} |", flush=True)
        for page in pages:
            problems = page.problems()
            assert not problems, problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speed", type=float, default=0.2, help="of the devices' time: 0.2 is some 1500 requests a second")
    parser.add_argument("--viewers", type=lambda text: [int(part) for part in text.split(",")], default=[0, 2, 100],
                        help="numbers of viewers to compare (default 0,2,100)")
    parser.add_argument("--turns", type=int, default=3, help="how often each is measured, in turns (default 3)")
    parser.add_argument("--seconds", type=float, default=10, help="seconds of a turn (default 10)")
    parser.add_argument("--minutes", type=int, default=10, help="how long two browsers stay open; 0 for not at all (default 10)")
    options = parser.parse_args()
    traffic = Traffic(loads=(LOAD,))
    whole = 60 * options.minutes + options.turns * len(options.viewers) * (options.seconds + 3) + 120
    with traffic.served(devices=[f"virtual:l4,count=4,speed={options.speed}"]) as server:
        with traffic.driven(server, LOAD, seconds=int(whole), speed=options.speed):
            time.sleep(5)
            compare(server, options)
            if options.minutes and find():
                keep_open(server, options)
            elif options.minutes:
                print("no Chromium here, so no page was kept open: apt-get install chromium")


if __name__ == "__main__":
    main()
