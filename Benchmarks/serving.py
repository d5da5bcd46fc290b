#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What serving costs, against a named reference that runs beside it: `make bench`.

1. Identity over HTTP: requests per second at 4 and 16 connections, and the server's processor time per request.
2. Squeezenet (602,112 bytes in): answers per second through the server with one lane, against ONNX Runtime called in a
   loop by a process pinned to the lane's core. Rounds alternate, so that a slow moment of the machine hits both; the
   ratio of each pair is printed, and their median.
3. The same with a lane on each of two cores, against two such processes at the same time. Network and client have no core
   of their own then, so that the answers per second fall behind by what they take; what the server adds is its processor
   time per answer less that of a run in the loop.

In 1 and 2 the lane has the first core; network and client share the second. Needs `make setup build`; takes about three
minutes.
"""

import argparse
import json
import os
import pathlib
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
STRAIT = ROOT / ".build/release/strait"
MODELS = ROOT / ".strait/test-models"
LANE_CORE, CLIENT_CORE = sorted(os.sched_getaffinity(0))[:2] if len(os.sched_getaffinity(0)) > 1 else (0, 0)

RAW_LOOP = """
import os, sys, time
os.sched_setaffinity(0, {int(sys.argv[2])})
import numpy, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
options.add_session_config_entry("session.intra_op.allow_spinning", "0")
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
image = numpy.random.default_rng(1).random((1, 3, 224, 224), dtype=numpy.float32)
feed = {session.get_inputs()[0].name: image}
for _ in range(20): session.run(None, feed)
count, start, used = 0, time.monotonic(), time.process_time()
while time.monotonic() - start < float(sys.argv[3]):
    session.run(None, feed)
    count += 1
print(count / (time.monotonic() - start), (time.process_time() - used) / count)
"""


def raw(cores, seconds):
    """ONNX Runtime in a loop on each of the cores at the same time; (runs per second in all, processor seconds a run)."""
    loops = [subprocess.Popen([sys.executable, "-c", RAW_LOOP, MODELS / "squeezenet/1/model.onnx", str(core), str(seconds)],
                              stdout=subprocess.PIPE, text=True) for core in cores]
    found = [[float(number) for number in loop.communicate()[0].split()] for loop in loops]
    return sum(rate for rate, _ in found), statistics.mean(cost for _, cost in found)


class Server:
    """The release server on a free port with a lane on each of some cores, ended with the block."""

    def __init__(self, cores=(LANE_CORE,)):
        self.cores = cores

    def __enter__(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process = subprocess.Popen(
            [STRAIT, "serve", "--model-repository", MODELS, "--http-address", "127.0.0.1", "--http-port",
             str(self.port), "--no-grpc", "--metrics-port", "0", "--lanes", str(len(self.cores)), "--lane-cores",
             ",".join(map(str, self.cores)), "--no-learned"],
            stderr=subprocess.DEVNULL)
        for _ in range(300):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/v2/health/ready", timeout=1)
                return self
            except OSError:
                time.sleep(0.1)
        sys.exit("the server did not become ready within 30 s; try `make run`")

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)

    def processor_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def voluntary_switches(self):
        total = 0
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            for line in (task / "status").read_text().splitlines():
                if line.startswith("voluntary_ctxt_switches"):
                    total += int(line.split()[1])
        return total

    def load(self, model, outstanding, seconds, client=("--cores", str(CLIENT_CORE))):
        """Drives the server; (answers per second, server's processor seconds and thread switches per answer)."""
        before, switches = self.processor_seconds(), self.voluntary_switches()
        output = subprocess.run(
            [STRAIT, "load", "--url", f"http://127.0.0.1:{self.port}", "--model", model, "--concurrency",
             str(outstanding), "--duration", f"{seconds}s", "--warmup", "0s", *client, "--quiet", "--json", "-"],
            check=True, capture_output=True, text=True).stdout
        rows = json.loads(output[output.index("["):output.rindex("]") + 1])
        answers = sum(row["in_time"] + row["late"] for row in rows)
        return (answers / rows[0]["offered_seconds"], (self.processor_seconds() - before) / answers,
                (self.voluntary_switches() - switches) / answers)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5, help="length of a round (default 5)")
    parser.add_argument("--rounds", type=int, default=6, help="pairs of rounds (default 6)")
    options = parser.parse_args()

    print(f"identity over HTTP, lane on core {LANE_CORE}, network and client on core {CLIENT_CORE}")
    with Server() as server:
        server.load("identity_fp32,shape=INPUT0:1x4", 4, 1)
        for outstanding in (4, 16):
            rate, cost, switches = server.load("identity_fp32,shape=INPUT0:1x4", outstanding, options.seconds)
            print(f"  {outstanding:2} connections: {rate:7.0f} requests/s, {cost * 1e3:.3f} ms of the server's processor"
                  f" time and {switches:.2f} thread switches per request")

    print("squeezenet, 602,112 bytes in: the server's answers per second against ONNX Runtime in a loop")
    ratios = []
    with Server() as server:
        server.load("squeezenet", 4, 2)
        for number in range(options.rounds):
            alone, _ = raw((LANE_CORE,), options.seconds)
            served, _, _ = server.load("squeezenet", 4, options.seconds)
            ratios.append(served / alone)
            print(f"  round {number + 1}: raw {alone:6.1f}/s, served {served:6.1f}/s, ratio {served / alone:.3f}", flush=True)
    print(f"  median ratio {statistics.median(ratios):.3f} (lowest {min(ratios):.3f}, highest {max(ratios):.3f})")

    if LANE_CORE == CLIENT_CORE:
        return
    cores = (LANE_CORE, CLIENT_CORE)
    print("the same with two lanes, against two loops at the same time")
    added = []
    with Server(cores) as server:
        server.load("squeezenet", 6, 2, client=())
        for number in range(options.rounds):
            rate, cost = raw(cores, options.seconds)
            served, total, _ = server.load("squeezenet", 6, options.seconds, client=())
            added.append(1e3 * (total - cost))
            print(f"  round {number + 1}: raw {rate:6.1f}/s at {1e3 * cost:.2f} ms of a core, served {served:6.1f}/s at "
                  f"{1e3 * total:.2f} ms; the server adds {added[-1]:+.2f} ms, and with the client an answer takes "
                  f"{1e3 * (len(cores) / served - len(cores) / rate):+.2f} ms of a core more", flush=True)
    print(f"  the server adds {statistics.median(added):+.2f} ms (lowest {min(added):+.2f}, highest {max(added):+.2f})")


if __name__ == "__main__":
    main()
