#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What serving costs, beside a real Triton on the same machine: `make bench-triton`.

An identity model (FP32, returned as it came) of 16 and of 602,112 bytes, over HTTP and gRPC, with 1, 4 and 16 requests
outstanding, each on a connection of its own. Triton 2.51 runs it in its Python backend with two instances, Strait with
ONNX Runtime and its defaults. `strait load` drives both, binary tensors, closed loop. Both servers stand all the time;
rounds alternate, and which goes first changes, so that a slow moment of the machine hits both. A ratio is Strait's number
by Triton's of the same round; tables show medians over rounds, with the lowest and the highest.

Server time is that of all processes of a server, from /proc. Memory is resident, with pages that several processes of a
server share counted once, at the end of all rounds of a size. If the bare gRPC echo of Benchmarks is built (--echo), it
runs beside them. Needs `make setup build triton`; everything is left as against_triton.json in the folder --output.
"""

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import statistics
import sys
import time

import side_by_side as side

MODEL = "identity_fp32"
SIZES = {16: "1x4", 602_112: "1x150528"}  # bytes of the tensor, and its shape; the second is an image of 224 × 224
CONNECTIONS = (1, 4, 16)

TRITON_CONFIG = f"""name: "{MODEL}"
backend: "python"
max_batch_size: 0
input [ {{ name: "INPUT0" data_type: TYPE_FP32 dims: [ -1, -1 ] }} ]
output [ {{ name: "OUTPUT0" data_type: TYPE_FP32 dims: [ -1, -1 ] }} ]
instance_group [ {{ count: 2 kind: KIND_CPU }} ]
"""
TRITON_PROGRAM = """import triton_python_backend_utils as backend

class TritonPythonModel:
    def execute(self, requests):
        return [backend.InferenceResponse([backend.Tensor(
            "OUTPUT0", backend.get_input_tensor_by_name(request, "INPUT0").as_numpy())]) for request in requests]
"""

# (what, bytes, protocol, connections, key of a ratio, at least or at most, bound), from issue 7.
TARGETS = [("HTTP requests/s, 4 connections", 16, "http", 4, "rate", ">=", 2.0),
           ("HTTP requests/s, 16 connections", 16, "http", 16, "rate", ">=", 2.0),
           ("HTTP requests/s, 1 connection", 16, "http", 1, "rate", ">=", 1.2),
           ("HTTP server time per request, 1 connection", 16, "http", 1, "server_ms", "<=", 0.5),
           ("HTTP server time per request, 4 connections", 16, "http", 4, "server_ms", "<=", 0.5),
           ("HTTP server time per request, 16 connections", 16, "http", 16, "server_ms", "<=", 0.5),
           ("gRPC requests/s, 4 connections", 16, "grpc", 4, "rate", ">=", 1.3),
           ("gRPC requests/s, 16 connections", 16, "grpc", 16, "rate", ">=", 1.3)]
MEMORY_BOUND = 0.25  # of Triton's
ECHO_BOUND = 0.9  # of a bare echo's requests a second, at 4 and 16 connections
COPY_BOUND = 1.0  # GB/s in and out over HTTP, 602,112 bytes


def measure(options, server, size, protocol, connections, seconds):
    pinned = () if options.client_core is None else ("--cores", options.client_core)
    rows, used = server.load(*pinned, "--model", f"{MODEL},shape=INPUT0:{SIZES[size]}", "--concurrency", connections,
                             "--duration", f"{int(1000 * seconds)}ms", "--high-share", 0, protocol=protocol)
    row = side.total(rows)
    answers = row["in_time"] + row["late"]
    if answers < 0.999 * row["sent"]:
        sys.exit(f"{server.name} answered {answers} of {row['sent']} requests; its log is {server.log}")
    return {"server": server.name, "bytes": size, "protocol": protocol, "connections": connections,
            "rate": answers / row["offered_seconds"], "p50_ms": row["p50_ms"], "p99_ms": row["p99_ms"],
            "server_ms": 1e3 * used["server"] / answers, "client_ms": 1e3 * used["client"] / answers,
            "others_processors": used["others"] / used["span"], "load_average": os.getloadavg()[0]}


def run(options, servers, memory):
    """All rounds, as rows; fills `memory` with what each server held after each size."""
    found = []
    for size in SIZES:
        cases = [(protocol, connections) for protocol in ("http", "grpc") for connections in CONNECTIONS]
        for server in servers:
            for protocol, connections in cases:
                if server.has_http or protocol == "grpc":
                    measure(options, server, size, protocol, connections, options.warm_up)
        for number in range(options.rounds):
            for protocol, connections in cases:
                order = [server for server in servers if server.has_http or protocol == "grpc"]
                for server in order if number % 2 == 0 else order[::-1]:
                    found.append({"round": number + 1, **measure(options, server, size, protocol, connections,
                                                                 options.seconds)})
            print(f"  {size} bytes, round {number + 1} of {options.rounds} done", file=sys.stderr, flush=True)
        for server in servers:
            memory.setdefault(server.name, {})[size] = server.memory()
    return found


def values(rows, server, size, protocol, connections, key):
    """One number of each round, in order."""
    return [row[key] for row in rows if (row["server"], row["bytes"], row["protocol"], row["connections"])
            == (server, size, protocol, connections)]


def ratios(rows, over, size, protocol, connections, key):
    """Strait's number by another server's, round by round."""
    return [own / other for own, other in zip(values(rows, "strait", size, protocol, connections, key),
                                              values(rows, over, size, protocol, connections, key))]


def table(rows, size, names):
    lines = ["| over | connections | server | requests/s | p50 ms | p99 ms | server time a request, ms | client's |",
             "|---|---|---|---|---|---|---|---|"]
    for protocol in ("http", "grpc"):
        for connections in CONNECTIONS:
            place = (size, protocol, connections)
            for name in names:
                if not values(rows, name, *place, "rate"):
                    continue
                cells = [side.spread(values(rows, name, *place, key), form) for key, form in
                         (("rate", "{:.0f}"), ("p50_ms", "{:.2f}"), ("p99_ms", "{:.2f}"), ("server_ms", "{:.3f}"),
                          ("client_ms", "{:.3f}"))]
                lines.append(f"| {protocol} | {connections} | {name} | {' | '.join(cells)} |")
            cells = [side.spread(ratios(rows, "triton", *place, key)) for key in ("rate", "p50_ms", "p99_ms", "server_ms")]
            lines.append(f"| {protocol} | {connections} | **strait / triton** | **{'** | **'.join(cells)}** | |")
    return "\n".join(lines)


def judge(rows, memory, with_echo):
    """[(target, what was found, met)]."""
    found = []
    for what, size, protocol, connections, key, sign, bound in TARGETS:
        ratio = statistics.median(ratios(rows, "triton", size, protocol, connections, key))
        found.append((f"{what}: {sign} {bound} × Triton", f"{ratio:.2f} ×",
                      ratio >= bound if sign == ">=" else ratio <= bound))
    for connections in (4, 16) if with_echo else ():
        ratio = statistics.median(ratios(rows, "echo", 16, "grpc", connections, "rate"))
        found.append((f"gRPC requests/s, {connections} connections: >= {ECHO_BOUND} × a bare echo", f"{ratio:.2f} ×",
                      ratio >= ECHO_BOUND))
    small = min(SIZES)
    ratio = memory["strait"][small]["resident_mb"] / memory["triton"][small]["resident_mb"]
    found.append((f"resident memory: <= {MEMORY_BOUND} × Triton", f"{ratio:.2f} ×", ratio <= MEMORY_BOUND))
    large = max(SIZES)
    best = max(statistics.median(values(rows, "strait", large, "http", connections, "rate")) for connections in CONNECTIONS)
    speed = 2 * large * best / 1e9
    found.append((f"{large:,} bytes over HTTP, in + out: >= {COPY_BOUND} GB/s", f"{speed:.2f} GB/s", speed >= COPY_BOUND))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, help="rounds of each case (default 7)")
    parser.add_argument("--seconds", type=float, help="length of a round (default 3)")
    parser.add_argument("--quick", action="store_true", help="two rounds of a second: to try it")
    parser.add_argument("--lanes", type=int, help="Strait's lanes (default its own: one fewer than cores)")
    parser.add_argument("--client-core", type=int, help="the core of the load generator (default any)")
    parser.add_argument("--echo", type=pathlib.Path, default=side.ROOT / ".build/release/GRPCEcho",
                        help="a bare gRPC echo to run beside them, if it is there (default .build/release/GRPCEcho)")
    parser.add_argument("--output", type=pathlib.Path, default=side.ROOT / ".build/against-triton",
                        help="where the numbers and the servers' logs go (default .build/against-triton)")
    options = parser.parse_args()
    options.rounds = options.rounds or (2 if options.quick else 7)
    options.seconds = options.seconds or (1 if options.quick else 3)
    options.warm_up = 0.3 if options.quick else 1
    side.check_prerequisites()
    options.output = options.output.resolve()
    shutil.rmtree(options.output / "triton-models", ignore_errors=True)
    side.write_model(options.output / "triton-models", MODEL, TRITON_CONFIG, TRITON_PROGRAM)
    (options.output / "strait-models").mkdir(exist_ok=True)
    link = options.output / "strait-models" / MODEL
    link.unlink(missing_ok=True)
    link.symlink_to(side.ROOT / ".strait/test-models" / MODEL)

    about, memory, started = side.machine(), {}, time.monotonic()
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(side.triton("triton", options.output / "triton-models", options.output)),
                   stack.enter_context(side.strait("strait", options.output / "strait-models", options.output,
                                                   *(("--lanes", options.lanes) if options.lanes else ())))]
        if options.echo.exists():
            servers.append(stack.enter_context(side.echo("echo", options.echo.resolve(), options.output)))
        names = [server.name for server in servers]
        rows = run(options, servers, memory)

    for size in SIZES:
        print(f"\n{size:,} bytes\n\n{table(rows, size, names)}")
    print("\n| server | resident MB after 16 bytes | after 602,112 | sums of processes, the same |\n|---|---|---|---|")
    for name in names:
        held = [memory[name][size] for size in SIZES]
        print(f"| {name} | " + " | ".join(f"{part['resident_mb']:.0f}" for part in held)
              + " | " + ", ".join(f"{part['sum_mb']:.0f}" for part in held) + " |")
    verdicts = judge(rows, memory, "echo" in names)
    print("\n| target | found | |\n|---|---|---|")
    for target, value, met in verdicts:
        print(f"| {target} | {value} | {'met' if met else '**missed**'} |")
    others = [row["others_processors"] for row in rows]
    print(f"\n{about['processor']}, {about['cores']} cores. Other programs took {side.spread(others)} processors during rounds; "
          f"load average at the start {about['load_average_at_start']:.1f}. {options.rounds} rounds of {options.seconds:g} s, "
          f"{(time.monotonic() - started) / 60:.1f} minutes.")
    result = options.output / "against_triton.json"
    result.write_text(json.dumps({
        "machine": about, "rounds": options.rounds, "seconds": options.seconds, "lanes": options.lanes,
        "client_core": options.client_core, "rows": rows,
        "memory": memory, "targets": [{"target": target, "found": value, "met": bool(met)} for target, value, met in verdicts],
    }, indent=1) + "\n", encoding="utf-8")
    print(f"As JSON: {result}")


if __name__ == "__main__":
    main()
