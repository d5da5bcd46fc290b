#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Two classes with deadlines, beside a real Triton on the same machine: `make bench-two-classes`.

A model of a fixed service time (8 ms), one request at a time, so 125 a second at best. High requests are due in 45 ms, low
ones in 135 ms, half and half, Poisson arrivals of 80, 110 and 150 a second. Who is answered in time?

Triton 2.51 runs the model in its Python backend, one instance, as a program that sleeps until 8 ms have passed, with the
kernel's timer slack turned off. Strait runs it on `--device virtual:fixed,ms=8`, one lane, whose thread sleeps too. On a busy
machine both wake late, which delays the answer and the next request: "model took" shows it for Triton, "told late" for Strait.

Triton serves it in four ways: `triton-fifo` with its default scheduler; `triton-priority` with two priority levels and the
queue policy REJECT, where a request's own timeout bounds its time in the queue; `triton-tuned` the same with those bounds
shortened by the service time, as one would who knows it, so that what is begun can still be in time; `triton-prefetch` with
two instances that its rate limiter lets run by turns, so that the next request lies ready when one ends (with levels a single
instance often idles, docs/triton.md), and bounds shortened by two service times.

`strait load` drives all of them, open loop: one seed is one list of arrivals and classes, the same for all. Every run has a
server of its own. The order of the servers changes from run to run. Needs `make build triton`; everything is left as
two_classes.json in the folder --output.
"""

import argparse
import json
import pathlib
import re
import shutil
import sys
import time

import side_by_side as side

MODEL = "fixed"
SYSTEMS = ("triton-fifo", "triton-priority", "triton-tuned", "triton-prefetch", "strait", "edf-priority", "fifo")
CLASSES = ("high", "low")
# What Strait says at its end of how late its virtual device was told of events.
PACING = re.compile(r" events, late by (p50 [\d.]+ \S+), (p99 [\d.]+ \S+), at most")

CONFIG = """name: "fixed"
{backend}max_batch_size: 1
input [ {{ name: "INPUT0" data_type: TYPE_FP32 dims: [ 4 ] }} ]
output [ {{ name: "OUTPUT0" data_type: TYPE_FP32 dims: [ 4 ] }} ]
instance_group [ {instances} ]
{more}"""
ONE_INSTANCE = "{ count: 1 kind: KIND_CPU }"
# Two processes, of which Triton's rate limiter lets one run at a time.
TWO_BY_TURNS = '{ count: 2 kind: KIND_CPU rate_limiter { resources [ { name: "device" count: 1 } ] } }'
BY_TURNS = ("--rate-limit", "execution_count", "--rate-limit-resource", "device:1")
BACKEND = 'backend: "python"\n'
# The default timeout must be longer than a request's for that to count; a second is longer than any.
UNBOUNDED_US = 1_000_000
PRIORITIES = """dynamic_batching {{
  priority_levels: 2
  default_priority_level: 2
  default_queue_policy {{ timeout_action: REJECT default_timeout_microseconds: {low} allow_timeout_override: true }}
  priority_queue_policy {{
    key: 1
    value {{ timeout_action: REJECT default_timeout_microseconds: {high} allow_timeout_override: true }}
  }}
}}
"""
PROGRAM = """import ctypes
import time

import triton_python_backend_utils as backend

SET_TIMER_SLACK = 29  # prctl's number for it: by default sleeps end up to 50 microseconds late

class TritonPythonModel:
    def initialize(self, arguments):
        ctypes.CDLL(None).prctl(SET_TIMER_SLACK, 1, 0, 0, 0)

    def execute(self, requests):
        answers = []
        for request in requests:
            end = time.monotonic_ns() + {nanoseconds}
            answers.append(backend.InferenceResponse([backend.Tensor(
                "OUTPUT0", backend.get_input_tensor_by_name(request, "INPUT0").as_numpy())]))
            time.sleep(max(0, end - time.monotonic_ns()) / 1e9)
        return answers
"""


def write_repositories(options):
    """A repository for each way in which Triton is run, and one for Strait."""
    service = int(1000 * options.service_ms)
    high, low = (int(1000 * deadline) for deadline in (options.high_ms, options.low_ms))
    ways = {"triton-fifo": (ONE_INSTANCE, ""),
            "triton-priority": (ONE_INSTANCE, PRIORITIES.format(high=UNBOUNDED_US, low=UNBOUNDED_US)),
            "triton-tuned": (ONE_INSTANCE, PRIORITIES.format(high=high - service, low=low - service)),
            "triton-prefetch": (TWO_BY_TURNS, PRIORITIES.format(high=high - 2 * service, low=low - 2 * service))}
    shutil.rmtree(options.output / "models", ignore_errors=True)
    for name, (instances, more) in ways.items():
        side.write_model(options.output / "models" / name, MODEL,
                         CONFIG.format(backend=BACKEND, instances=instances, more=more),
                         PROGRAM.format(nanoseconds=1000 * service))
    side.write_model(options.output / "models/strait", MODEL, CONFIG.format(backend="", instances=ONE_INSTANCE, more=""))


def server(options, system):
    models = options.output / "models"
    if system.startswith("triton"):
        return side.triton(system, models / system, options.output, *(BY_TURNS if system == "triton-prefetch" else ()))
    return side.strait(system, models / "strait", options.output, "--policy", system, "--device",
                       f"virtual:fixed,ms={options.service_ms:g}")


def measure(options, system, rate, seed):
    """One run: {class: counts}, the model's own service time, and what processors did."""
    with server(options, system) as running:
        # The first requests wake the backend's process; they do not count.
        running.load("--model", MODEL, "--concurrency", 1, "--duration", "500ms", protocol=options.protocol)
        before = service(running)
        rows, used = running.load("--model", MODEL, "--rate", rate, "--high-share", 0.5, "--deadline-high-ms",
                                  f"{options.high_ms:g}", "--deadline-low-ms", f"{options.low_ms:g}", "--duration",
                                  f"{options.seconds}s", "--seed", seed, protocol=options.protocol, warm_up=options.warm_up)
        after = service(running)
    late = PACING.search(running.log.read_text(encoding="utf-8"))
    found = {"system": system, "rate": rate, "seed": seed, "service_ms": None, "pacing": late.groups() if late else None,
             "server_processors": used["server"] / used["span"], "others_processors": used["others"] / used["span"]}
    if after[0] > before[0]:
        found["service_ms"] = (after[1] - before[1]) / (after[0] - before[0]) / 1e6
    for name in CLASSES:
        row = next(row for row in rows if row["class"] == name and row["model"] == MODEL)
        found[name] = {key: row[key] for key in ("sent", "in_time", "late", "refused", "failed", "p50_ms", "p99_ms",
                                                 "client_lag_p99_ms")}
    return found


def service(running):
    """(executions, nanoseconds in the model) so far, by the server's own statistics."""
    statistics = running.statistics(MODEL)
    return statistics["execution_count"], statistics["inference_stats"]["compute_infer"]["ns"]


def share(row, name):
    return 100 * row[name]["in_time"] / max(1, row[name]["sent"])


def cell(values):
    mean, half = sum(values) / len(values), side.half_interval(values)
    return f"{mean:.1f}" + (f" ± {half:.1f}" if half is not None else "")


def table(rows, options):
    lines = ["| a second | server | high in time, % | low in time, % | high: late, refused % | low: late, refused % "
             "| model took, ms | of a core |", "|---|---|---|---|---|---|---|---|"]
    for rate in options.rates:
        for system in options.systems:
            own = [row for row in rows if (row["rate"], row["system"]) == (rate, system)]
            lost = [", ".join(f"{100 * sum(row[name][key] for row in own) / max(1, sum(row[name]['sent'] for row in own)):.1f}"
                              for key in ("late", "refused")) for name in CLASSES]
            times = [row["service_ms"] for row in own if row["service_ms"] is not None]
            late = f"; told late by {', '.join(own[-1]['pacing'])}" if own[-1]["pacing"] else ""
            lines.append(f"| {rate:g} | {system} | {cell([share(row, 'high') for row in own])} "
                         f"| {cell([share(row, 'low') for row in own])} | {lost[0]} | {lost[1]} "
                         f"| {side.spread(times) if times else '–'}{late} "
                         f"| {sum(row['server_processors'] for row in own) / len(own):.2f} |")
    return "\n".join(lines)


def differences(rows, options):
    """Strait's points above each other's, of the same arrivals."""
    lines = ["| a second | strait against | high, points | low, points |", "|---|---|---|---|"]
    for rate in options.rates:
        ours = {row["seed"]: row for row in rows if (row["rate"], row["system"]) == (rate, "strait")}
        for system in options.systems:
            own = [row for row in rows if (row["rate"], row["system"]) == (rate, system) and row["seed"] in ours]
            if system == "strait" or not own:
                continue
            cells = [cell([share(ours[row["seed"]], name) - share(row, name) for row in own]) for name in CLASSES]
            lines.append(f"| {rate:g} | {system} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines)


def main():
    numbers = lambda text: [float(part) for part in text.split(",")]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", type=numbers, default=[80, 110, 150], help="requests a second (default 80,110,150)")
    parser.add_argument("--seeds", type=int, help="how many lists of arrivals (default 5)")
    parser.add_argument("--seconds", type=int, help="measured seconds of a run (default 20)")
    parser.add_argument("--systems", type=lambda text: text.split(","), default=list(SYSTEMS),
                        help=f"default {','.join(SYSTEMS)}")
    parser.add_argument("--service-ms", type=float, default=8, help="the model's time (default 8)")
    parser.add_argument("--high-ms", type=float, default=45, help="deadline of high requests (default 45)")
    parser.add_argument("--low-ms", type=float, default=135, help="deadline of low requests (default 135)")
    parser.add_argument("--protocol", choices=("http", "grpc"), default="http", help="default http")
    parser.add_argument("--quick", action="store_true", help="one list of arrivals, five seconds: to try it")
    parser.add_argument("--output", type=pathlib.Path, default=side.ROOT / ".build/two-classes",
                        help="where the numbers and the servers' logs go (default .build/two-classes)")
    options = parser.parse_args()
    options.seeds = options.seeds or (1 if options.quick else 5)
    options.seconds = options.seconds or (5 if options.quick else 20)
    options.warm_up = 1 if options.quick else 2
    if unknown := set(options.systems) - set(SYSTEMS):
        parser.error(f"--systems knows {', '.join(SYSTEMS)}, not {', '.join(sorted(unknown))}")
    side.check_prerequisites()
    options.output = options.output.resolve()
    options.output.mkdir(parents=True, exist_ok=True)
    write_repositories(options)

    about, rows, started, runs = side.machine(), [], time.monotonic(), 0
    for seed in range(1, options.seeds + 1):
        for rate in options.rates:
            first = runs % len(options.systems)
            for system in options.systems[first:] + options.systems[:first]:
                row = measure(options, system, rate, seed)
                rows.append(row)
                print(f"  seed {seed}, {rate:g} a second, {system}: {share(row, 'high'):.1f} / {share(row, 'low'):.1f} %",
                      file=sys.stderr, flush=True)
            runs += 1

    print(f"\n{table(rows, options)}\n\n{differences(rows, options)}")
    others = [row["others_processors"] for row in rows]
    print(f"\nMeans over {options.seeds} list(s) of arrivals, {options.seconds} s each, ± the half of the 95 % interval. "
          f"{about['processor']}, {about['cores']} cores; other programs took {side.spread(others)} processors during runs; load "
          f"average at the start {about['load_average_at_start']:.1f}. {(time.monotonic() - started) / 60:.1f} minutes.")
    result = options.output / "two_classes.json"
    settings = {key: getattr(options, key) for key in ("seeds", "seconds", "service_ms", "high_ms", "low_ms", "protocol")}
    result.write_text(json.dumps({"machine": about, **settings, "rows": rows}, indent=1) + "\n", encoding="utf-8")
    print(f"As JSON: {result}")


if __name__ == "__main__":
    main()
