#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What serving over gRPC costs, beside a bare grpc-swift-2 echo and our own HTTP: `make bench-grpc`.

The identity model with one row of four floats, and with 602,112 bytes, at 1, 4 and 16 connections of one call each.
Rounds alternate, so that a slow moment of the machine hits all; medians are printed: answers a second, p50 and p99 in
milliseconds, the server's processor time per answer in microseconds, its resident memory in megabytes.

The lane has the first core; network and client share the second. Needs `make setup build`.
"""

import argparse
import json
import os
import pathlib
import signal
import socket
import statistics
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
STRAIT = ROOT / ".build/release/strait"
MODELS = ROOT / ".strait/test-models"
MODEL = "identity_fp32"
CORES = sorted(os.sched_getaffinity(0))
LANE_CORE, CLIENT_CORE = CORES[0], CORES[min(1, len(CORES) - 1)]
SHAPES = {"16 B": "1x4", "602112 B": "1x150528"}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A server as a child process, with what it has used of its processor."""

    def __init__(self, command, port):
        self.process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(1200):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                assert self.process.poll() is None, f"{command[0]} ended before it listened"
                time.sleep(0.05)
        raise SystemExit(f"{command[0]} does not listen")

    def cpu(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1000

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def measure(server, protocol, port, shape, connections, seconds):
    """One round: {what: number}."""
    before = server.cpu()
    command = [STRAIT, "load", "--protocol", protocol, "--url", f"127.0.0.1:{port}", "--model",
               f"{MODEL},shape=INPUT0:{shape}", "--concurrency", str(connections), "--duration", f"{seconds}s",
               "--warmup", "500ms", "--high-share", "0", "--cores", str(CLIENT_CORE), "--quiet", "--json", "-"]
    told = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=True)
    used = server.cpu() - before
    low = next(row for row in json.loads(told.stdout) if row["class"] == "low" and row["model"] == MODEL)
    answered = low["in_time"] + low["late"]
    # The warm-up is half a second that is not in the count.
    return {"rps": answered / seconds, "p50": low["p50_ms"], "p99": low["p99_ms"],
            "cpu": used / (answered * (seconds + 0.5) / seconds) * 1e6, "rss": server.resident()}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--echo", type=pathlib.Path, help="the program GRPCEcho; without it there is no such row")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3)
    options = parser.parse_args()
    http, grpc, echo = free_port(), free_port(), free_port()
    servers = {"strait": Server([STRAIT, "serve", "--model-repository", MODELS, "--http-address", "127.0.0.1",
                                 "--http-port", http, "--grpc-address", "127.0.0.1", "--grpc-port", grpc, "--lanes",
                                 "1", "--metrics-port", "0", "--lane-cores", LANE_CORE, "--no-learned"], grpc)}
    kinds = [("strait gRPC", "strait", "grpc", grpc), ("strait HTTP", "strait", "http", http)]
    if options.echo:
        servers["echo"] = Server([options.echo, echo], echo)
        kinds.append(("bare echo", "echo", "grpc", echo))
    try:
        print(f"{'tensor':>10} {'conns':>5} {'':>12} {'rps':>8} {'p50 ms':>8} {'p99 ms':>8} {'cpu µs':>8} {'RSS MB':>7}")
        for name, shape in SHAPES.items():
            for connections in (1, 4, 16):
                rounds = {kind[0]: [] for kind in kinds}
                for _ in range(options.rounds):
                    for title, server, protocol, port in kinds:
                        rounds[title].append(
                            measure(servers[server], protocol, port, shape, connections, options.seconds))
                for title, measured in rounds.items():
                    middle = {key: statistics.median(one[key] for one in measured) for key in measured[0]}
                    print(f"{name:>10} {connections:>5} {title:>12} {middle['rps']:>8.0f} {middle['p50']:>8.2f} "
                          f"{middle['p99']:>8.2f} {middle['cpu']:>8.0f} {middle['rss']:>7.0f}", flush=True)
    finally:
        for server in servers.values():
            server.stop()


if __name__ == "__main__":
    main()
