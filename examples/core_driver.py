#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A small simulator around `strait core`: Poisson arrivals in two classes, one device, one fixed service time.

    python3 examples/core_driver.py                             # edf-priority, 1.2 × what the device can do
    python3 examples/core_driver.py --policy fifo --load 0.9    # the policies and the load are yours

Written from docs/core-protocol.md alone; the standard library is enough.
"""

import argparse
import heapq
import json
import random
import subprocess

parser = argparse.ArgumentParser()
parser.add_argument("--strait", default=".build/release/strait", help="the command")
parser.add_argument("--policy", default="edf-priority")
parser.add_argument("--load", type=float, default=1.2, help="arrivals as a share of what the device can do")
parser.add_argument("--requests", type=int, default=5000)
parser.add_argument("--seed", type=int, default=1)
options = parser.parse_args()

SERVICE_MS = 8.0                           # the D of M/D/1
DEADLINE_MS = {"high": 40, "low": 200}     # after the arrival
HIGH_SHARE = 0.3

core = subprocess.Popen([options.strait, "core"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
events, order = [], 0                      # a heap of (when, tie, event)
timer = None                               # the instant asked for last
tally = {name: {"arrived": 0, "met": 0, "late": 0, "shed": 0} for name in DEADLINE_MS}


def plan(at_ms, event):
    global order
    order += 1
    heapq.heappush(events, (at_ms, order, {**event, "at_ms": at_ms}))


def send(line):
    """Sends one line, and carries out what comes back until the step is done."""
    global timer
    core.stdin.write(json.dumps(line) + "\n")
    core.stdin.flush()
    while "done" not in (reply := json.loads(core.stdout.readline())):
        if "error" in reply:
            raise SystemExit(f"line {reply['line']}: {reply['error']}")
        if reply["action"] == "stage":
            plan(line["at_ms"] + SERVICE_MS * reply["rows"], {"event": "finished", "batch": reply["batch"]})
        elif reply["action"] == "answer":
            tally[reply["request"].split("-")[0]][reply["outcome"]] += 1
        elif reply["action"] == "timer":   # replaces the one before
            timer = reply["at_ms"]
            plan(timer, {"event": "timer"})


send({"configure": {
    "policy": options.policy, "devices": [{"name": "gpu", "lanes": 1}],
    "models": [{"name": "net", "maximum_batch": 1,
                "profile": {"curves": [{"points": [{"rows": 1, "kernel_ms": SERVICE_MS}]}]}}]}})
chance, now = random.Random(options.seed), 0.0
for number in range(options.requests):
    now += chance.expovariate(options.load / SERVICE_MS)
    kind = "high" if chance.random() < HIGH_SHARE else "low"
    tally[kind]["arrived"] += 1
    plan(now, {"event": "arrival", "request": f"{kind}-{number}", "model": "net", "class": kind,
               "deadline_at_ms": now + DEADLINE_MS[kind]})
while events:
    at_ms, _, event = heapq.heappop(events)
    if event["event"] != "timer" or at_ms == timer:
        send(event)
for kind, count in tally.items():
    print(f"{kind:4}  {count}  violations {100 * (count['late'] + count['shed']) / count['arrived']:.1f} %")
