#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How many events a second `strait core` takes through a pipe: `make bench-core-pipe`.

A run with one copying device of four lanes at 1.3 times what it can do is recorded in lock-step, and the recorded lines
are then sent through a pipe as fast as they are taken. The lines of a policy are its own, since events follow from its
actions. The reference is `edf-priority`; rounds alternate.
"""

import argparse
import heapq
import json
import pathlib
import random
import statistics
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
STRAIT = ROOT / ".build/release/strait"
ROUNDS = 5


def configuration(policy, models):
    points = [{"rows": rows, "kernel_ms": 1 + 0.4 * rows, "compute": 0.4 + 0.015 * rows, "bandwidth": 0.3,
               "cache": 0.2} for rows in (1, 2, 4, 8, 16, 32)]
    return {"configure": {
        "policy": policy,
        "devices": [{"name": "gpu", "lanes": 4, "copying": {"overhead_ms": 0.01, "bytes_per_second": 2.4e10}}],
        "models": [{"name": f"m{model}", "maximum_batch": 32,
                    "profile": {"bytes_in_per_row": 600_000, "curves": [{"points": points}]}}
                   for model in range(models)]}}


def record(policy, models, requests):
    """The lines of a run, made in lock-step."""
    core = subprocess.Popen([STRAIT, "core"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    lines, events, order, timer = [], [], 0, None

    def plan(at_ms, event):
        nonlocal order
        order += 1
        heapq.heappush(events, (at_ms, order, {**event, "at_ms": at_ms}))

    def send(line):
        nonlocal timer
        text = json.dumps(line)
        lines.append(text)
        core.stdin.write(text + "\n")
        core.stdin.flush()
        while "done" not in (reply := json.loads(core.stdout.readline())):
            if "error" in reply:
                raise SystemExit(reply["error"])
            if reply["action"] == "stage":
                copied, kernels = 0.05 * reply["rows"], 1 + 0.4 * reply["rows"]
                batch, at = reply["batch"], line["at_ms"]
                plan(at + copied, {"event": "copied_in", "batch": batch})
                plan(at + copied + kernels, {"event": "kernels_done", "batch": batch})
                plan(at + copied + kernels + 0.02, {"event": "finished", "batch": batch, "copy_in_ms": copied,
                                                    "kernels_ms": kernels, "copy_out_ms": 0.02})
            elif reply["action"] == "timer":
                timer = reply["at_ms"]
                plan(timer, {"event": "timer"})

    send(configuration(policy, models))
    chance, now = random.Random(1), 0.0
    for number in range(requests):
        now += chance.expovariate(1.3 * 4 / 1.4)
        kind = "high" if chance.random() < 0.3 else "low"
        plan(now, {"event": "arrival", "request": number, "model": f"m{chance.randrange(models)}", "class": kind,
                   "deadline_at_ms": now + (10 if kind == "high" else 15)})
    while events:
        at_ms, _, event = heapq.heappop(events)
        if event["event"] != "timer" or at_ms == timer:
            send(event)
    core.stdin.close()
    core.wait()
    return ("\n".join(lines) + "\n").encode(), len(lines)


def rate(lines, count):
    start = time.monotonic()
    subprocess.run([STRAIT, "core"], input=lines, stdout=subprocess.DEVNULL, check=True)
    return count / (time.monotonic() - start)


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--requests", type=int, default=40_000)
options = parser.parse_args()
print(f"{'models':>6}  {'policy':14}{'events':>8}{'events/s':>10}{'ratio':>7}")
for models in (6, 64):
    runs = {policy: record(policy, models, options.requests) for policy in ("edf-priority", "strait")}
    rates = {policy: [] for policy in runs}
    for _ in range(ROUNDS):
        for policy, run in runs.items():
            rates[policy].append(rate(*run))
    reference = statistics.median(rates["edf-priority"])
    for policy, run in runs.items():
        median = statistics.median(rates[policy])
        print(f"{models:6}  {policy:14}{run[1]:8}{median:10.0f}{median / reference:7.2f}")
