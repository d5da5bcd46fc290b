#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What being observed costs: requests per second with it on against off, `make bench-observing`.

Two servers serve an identity model over HTTP (or gRPC): one as it is by default, which counts, remembers its last decisions
and is scraped each second, and one that does none of that (--no-metrics --decisions 0). They are asked by turns, and who is
first changes from pair to pair, so that a slow moment of the machine hits both. Of each pair the ratio is printed, and in the
end their mean with its 95 % interval, which should be at least 0.95.

What else is on is given as flags of that server, `--on="--record=x.jsonl"`. What else is off likewise: `--off=` leaves
decisions on in both, and so compares metrics alone. The lane has the first core; network and client share the second. Needs
`make setup build` and a quiet machine; takes four minutes.
"""

import argparse
import contextlib
import os
import pathlib
import shlex
import statistics
import tempfile
import threading
import urllib.request

from side_by_side import ROOT, free_ports, half_interval, strait, total

MODELS = ROOT / ".strait/test-models"
MODEL = "identity_fp32,shape=INPUT0:1x4"
TARGET = 0.95
CORES = sorted(os.sched_getaffinity(0))
LANE_CORE, CLIENT_CORE = CORES[:2] if len(CORES) > 1 else (CORES[0], CORES[0])


class Scraper:
    """Reads a page of metrics now and then, as Prometheus would."""

    def __init__(self, port, seconds):
        self.url, self.seconds, self.bytes, self.count = f"http://127.0.0.1:{port}/metrics", seconds, 0, 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        while not self.ended.wait(self.seconds):
            with urllib.request.urlopen(self.url, timeout=10) as answer:
                self.bytes = len(answer.read())
            self.count += 1

    def __enter__(self):
        if self.seconds > 0:
            self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        if self.seconds > 0:
            self.thread.join()


def measure(server, options, connections):
    """(answers per second, microseconds of the server's processor for each)."""
    rows, use = server.load("--model", MODEL, "--concurrency", connections, "--duration", f"{options.seconds}s",
                            "--high-share", 0, "--cores", CLIENT_CORE, protocol=options.protocol)
    row = total(rows)
    answers = row["in_time"] + row["late"]
    return answers / row["offered_seconds"], use["server"] / answers * 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5, help="length of a round (default 5)")
    parser.add_argument("--pairs", type=int, default=10, help="pairs of rounds for each (default 10)")
    parser.add_argument("--connections", default="4,16", help="connections, a list (default 4,16)")
    parser.add_argument("--protocol", choices=["http", "grpc"], default="http", help="what is spoken (default http)")
    parser.add_argument("--scrape-seconds", type=float, default=1, help="between two scrapes; 0 for none (default 1)")
    parser.add_argument("--on", default="", help="more flags for the server that is observed")
    parser.add_argument("--off", default="--decisions 0", help="more flags for the other (default --decisions 0)")
    options = parser.parse_args()

    lanes = ["--lanes", "1", "--lane-cores", LANE_CORE]
    metrics_port = free_ports(1)[0]
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        on = stack.enter_context(strait("observed", MODELS, folder, *lanes, "--metrics-port", metrics_port,
                                        *shlex.split(options.on)))
        off = stack.enter_context(strait("unobserved", MODELS, folder, *lanes, "--no-metrics",
                                         *shlex.split(options.off)))
        print(f"identity over {options.protocol}, lane on core {LANE_CORE}, network and client on core {CLIENT_CORE}; "
              f"on: metrics, a scrape each {options.scrape_seconds:g} s, {options.on or 'what is usual'}; "
              f"off: --no-metrics {options.off}")
        for server in (on, off):
            measure(server, options, 4)
        for connections in map(int, options.connections.split(",")):
            ratios, costs = [], []
            for pair in range(options.pairs):
                found = {}
                for server in (on, off) if pair % 2 == 0 else (off, on):
                    with Scraper(metrics_port, options.scrape_seconds if server is on else 0) as scraper:
                        found[server] = measure(server, options, connections)
                    if server is on:
                        scraped = scraper
                (rate_on, cost_on), (rate_off, cost_off) = found[on], found[off]
                ratios.append(rate_on / rate_off)
                costs.append(cost_on / cost_off)
                print(f"  {connections:2} connections, pair {pair + 1:2}: on {rate_on:7.0f}/s {cost_on:5.1f} µs, "
                      f"off {rate_off:7.0f}/s {cost_off:5.1f} µs, ratio {ratios[-1]:.3f}", flush=True)
            half = half_interval(ratios)
            mean = statistics.mean(ratios)
            print(f"  {connections:2} connections: {mean:.3f}" + (f" ± {half:.3f}" if half else "")
                  + f" of the requests per second, {statistics.mean(costs):.3f} of the processor time each; "
                  + f"{scraped.count} scrapes of {scraped.bytes} bytes a round; target {TARGET}: "
                  + ("met" if mean >= TARGET else "NOT met"), flush=True)


if __name__ == "__main__":
    main()
