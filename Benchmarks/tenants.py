#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a tenant that floods the server does to another one: `python3 Benchmarks/tenants.py`.

A model of a fixed service time (8 ms) on `--device virtual:fixed,ms=8`, one lane, so 125 requests a second at best. A calm
tenant sends 80 a second, half of them high and due in 45 ms, the others low and due in 135 ms. Beside it, or not, another one
sends 400 high requests a second:

  hopeless   due in 2 ms, which nobody could keep: each is refused on arrival; the tenant has no limit
  hopeless-limited   the same, of a tenant that may send 20 a second
  greedy     due in 45 ms, which one of them alone could keep; no limit: what limits are for
  greedy-limited   the same, of a tenant that may send 10 a second, 2 at a time

Both speak real HTTP (`strait load --token`) at the same time. One seed is one list of the calm tenant's arrivals, the same for
all ways; the order of the ways changes from seed to seed, and every run has a server of its own. What is told is by how many
percentage points the calm tenant's violations (late, refused or failed) move against the run of the same seed without a flood.
The generator and the server share this machine, so a busy one moves them, too. Needs `make build`; leaves tenants.json in the
folder --output.
"""

import argparse
import hashlib
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

import side_by_side as side

MODEL = "fixed"
CONFIG = """name: "fixed"
max_batch_size: 1
input [ { name: "INPUT0" data_type: TYPE_FP32 dims: [ 4 ] } ]
output [ { name: "OUTPUT0" data_type: TYPE_FP32 dims: [ 4 ] } ]
"""
# The way, the flood's deadline in milliseconds, and its tenant.
FLOODS = {"calm": None, "hopeless": (2, "unlimited"), "hopeless-limited": (2, "slow"), "greedy": (45, "unlimited"),
          "greedy-limited": (45, "narrow")}
TENANTS = {"calm": {}, "unlimited": {}, "slow": {"requests_per_second": 20, "burst": 20},
           "narrow": {"requests_per_second": 10, "burst": 2, "concurrency": 2}}
SERVICE_MS, HIGH_MS, LOW_MS = 8, 45, 135
CALM_RATE, FLOOD_RATE = 80, 400
CLASSES = ("high", "low")


def token(tenant):
    return f"{tenant}-token-for-this-measurement-only"


def write_tokens(path):
    entries = [{"name": name, "sha256": [hashlib.sha256(token(name).encode()).hexdigest()], "models": ["*"], "high": True} | rest
               for name, rest in TENANTS.items()]
    path.write_text(json.dumps({"strait_tokens": 1, "tenants": entries}), encoding="utf-8")


def load(server, tenant, options, seed, *arguments):
    """`strait load` of a tenant, begun."""
    command = [side.STRAIT, "load", "--url", f"http://127.0.0.1:{server.http}", "--token", token(tenant), "--model", MODEL,
               "--seed", seed, "--warmup", "1s", "--duration", f"{options.seconds}s", "--tail-wait", "2s", "--quiet", "--json",
               "-", *arguments]
    return subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def rows(process):
    text, problem = process.communicate()
    if process.returncode != 0:
        sys.exit(f"strait load failed: {problem.strip()}")
    return json.loads(text[text.index("["):text.rindex("]") + 1])


def violations(rows, name):
    """The share of a class's requests that were not answered in time, in percent."""
    row = next(row for row in rows if row["class"] == name)
    return 100 * (1 - row["in_time"] / row["sent"])


def measure(options, folder, way, seed):
    """One run: the calm tenant's violations in percent, by class, and what became of the flood."""
    with side.strait(f"{way}-{seed}", folder / "models", folder, "--device", f"virtual:fixed,ms={SERVICE_MS}", "--tokens",
                     folder / "tokens.json") as server:
        flood = None
        if FLOODS[way]:
            deadline, tenant = FLOODS[way]
            flood = load(server, tenant, options, seed + 50, "--rate", FLOOD_RATE, "--high-share", 1, "--deadline-high-ms",
                         deadline)
        calm = rows(load(server, "calm", options, seed, "--rate", options.rate, "--high-share", 0.5, "--deadline-high-ms", HIGH_MS,
                         "--deadline-low-ms", LOW_MS))
        flooded = side.total(rows(flood)) if flood else None
    own = [row for row in calm if row["class"] in CLASSES and row["model"] == MODEL]
    found = {"way": way, "seed": seed, "sent": sum(row["sent"] for row in own),
             "client_lag_p99_ms": max(row["client_lag_p99_ms"] for row in own)}
    found |= {name: violations(calm, name) for name in CLASSES}
    if flooded:
        found["flood"] = {key: flooded[key] for key in ("sent", "in_time", "late", "refused", "failed")}
    return found


def report(runs):
    calm = {run["seed"]: run for run in runs if run["way"] == "calm"}
    print(f"{'way':18} {'high: violations':>24} {'moved by':>16} {'low: violations':>24} {'moved by':>16}  flood in time")
    for way in FLOODS:
        own = [run for run in runs if run["way"] == way]
        if not own:
            continue
        words = f"{way:18}"
        for name in CLASSES:
            moved = [run[name] - calm[run["seed"]][name] for run in own]
            half = side.half_interval(moved) or 0
            words += f" {side.spread([run[name] for run in own]):>22} %"
            words += f" {statistics.mean(moved):+7.2f} ± {half:.2f} pp" if way != "calm" else f" {'':>16}"
        sent = sum(run["flood"]["sent"] for run in own if "flood" in run)
        served = sum(run["flood"]["in_time"] for run in own if "flood" in run)
        print(words + (f"  {served} of {sent}" if sent else ""))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seconds", type=int, default=20, help="the measured part of a run")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rate", type=float, default=CALM_RATE, help="what the calm tenant sends, requests a second")
    parser.add_argument("--ways", default=",".join(FLOODS), help="such as calm,hopeless")
    parser.add_argument("--output", type=pathlib.Path, help="where logs and tenants.json are left")
    options = parser.parse_args()
    ways = options.ways.split(",")
    if "calm" not in ways or not set(ways) <= set(FLOODS):
        parser.error(f"--ways takes calm and some of {', '.join(FLOODS)}")
    with tempfile.TemporaryDirectory(prefix="strait-tenants-") as made:
        folder = options.output or pathlib.Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        side.write_model(folder / "models", MODEL, CONFIG)
        write_tokens(folder / "tokens.json")
        runs = []
        for seed in range(options.seeds):
            # Each way has each place in the order.
            for place in range(len(ways)):
                runs.append(measure(options, folder, ways[(seed + place) % len(ways)], seed))
                print(json.dumps(runs[-1]), file=sys.stderr)
            (folder / "tenants.json").write_text(json.dumps({"machine": side.machine(), "runs": runs}, indent=1))
        report([run for run in runs if run["way"] in ways])


if __name__ == "__main__":
    main()
