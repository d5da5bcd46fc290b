# SPDX-License-Identifier: Apache-2.0
"""What the comparisons with Triton share: both servers, the load generator, and what the machine did meanwhile.

Imported by against_triton.py and two_classes.py; standard library only.
"""

import json
import math
import os
import pathlib
import platform
import resource
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
STRAIT = pathlib.Path(os.environ.get("STRAIT_BINARY", ROOT / ".build/release/strait"))
TRITON = ROOT / ".strait/triton/server"
TICK = os.sysconf("SC_CLK_TCK")
READY_LIMIT = 60  # seconds; a server is ready in one or two
# Student's t at 97.5 %, by degrees of freedom from 1.
STUDENT = [12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14]


def check_prerequisites():
    if not STRAIT.exists():
        sys.exit(f"{STRAIT} is missing; run `make build` first")
    if not (TRITON / "bin/tritonserver").exists():
        sys.exit(".strait/triton is missing; run `make triton` first (59 MB from the Python package registry)")


# -- the machine -----------------------------------------------------------------------------------------------------


def machine_busy():
    """Seconds that all processors have worked since the machine started."""
    fields = [int(word) for word in pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    return (sum(fields[:8]) - fields[3] - fields[4]) / TICK


def machine():
    """What this machine is, for the report."""
    names = [line.split(":", 1)[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
             if line.startswith("model name")]
    return {"processor": names[0] if names else platform.machine(), "cores": len(os.sched_getaffinity(0)),
            "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
            "kernel": platform.release(), "load_average_at_start": os.getloadavg()[0],
            "date": time.strftime("%Y-%m-%d %H:%M", time.gmtime())}


def tree(pid):
    """A process and all that it started, as far as they live."""
    found = [pid]
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            for child in task.read_text().split():
                found += tree(int(child))
        except OSError:
            pass
    return found


# -- servers ---------------------------------------------------------------------------------------------------------


class Server:
    """A server of the Open Inference Protocol on two free ports of this machine, ended with the block."""

    def __init__(self, name, command, log, environment=None, has_http=True):
        self.name, self.log, self.has_http = name, pathlib.Path(log), has_http
        self.http, self.grpc = free_ports(2)
        self.command = [str(word).replace("HTTP_PORT", str(self.http)).replace("GRPC_PORT", str(self.grpc))
                        for word in command]
        self.environment = environment

    def __enter__(self):
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, env=self.environment)
        for _ in range(READY_LIMIT * 20):
            if self.process.poll() is not None:
                break
            try:
                if self.has_http:
                    urllib.request.urlopen(f"http://127.0.0.1:{self.http}/v2/health/ready", timeout=1)
                else:
                    socket.create_connection(("127.0.0.1", self.grpc), timeout=1).close()
                return self
            except OSError:
                time.sleep(0.05)
        self.__exit__()
        sys.exit(f"{self.name} did not become ready; its log is {self.log}")

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(40)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def processor_seconds(self):
        """What all its processes have taken."""
        total = 0
        for pid in tree(self.process.pid):
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        return total / TICK

    def memory(self):
        """Resident MB of all its processes: "resident_mb" counts pages that several of them have of a file or of shared
        memory once (the most that one of them has of each mapping, so if anything too few), "sum_mb" as often as they
        are mapped."""
        own = everything = 0
        shared = {}
        for pid in tree(self.process.pid):
            for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
                words = line.split()
                if not words[0].endswith(":"):  # a mapping: addresses, rights, offset, device, inode, path
                    mapping = tuple(words[2:5])
                elif words[0] == "Rss:":
                    resident = int(words[1])
                    everything += resident
                elif words[0] == "Anonymous:":
                    own += int(words[1])
                    shared[mapping] = max(shared.get(mapping, 0), resident - int(words[1]))
        return {"resident_mb": (own + sum(shared.values())) * 1024 / 1e6, "sum_mb": everything * 1024 / 1e6}

    def statistics(self, model):
        """The server's own totals of one model."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/v2/models/{model}/stats", timeout=10) as answer:
            return json.load(answer)["model_stats"][0]

    def load(self, *arguments, protocol="http", warm_up=0):
        """Drives it with `strait load`; (rows, what processors did meanwhile).

        The second has seconds of processors: "server", "client" and "others", and "span" of the clock. They include
        the generator's warm-up, if any.
        """
        port = self.http if protocol == "http" else self.grpc
        command = [STRAIT, "load", "--url", f"{protocol}://127.0.0.1:{port}", "--protocol", protocol, "--warmup",
                   f"{warm_up}s", "--connections", "256", "--quiet", "--json", "-", *arguments]
        own, everybody, children = self.processor_seconds(), machine_busy(), children_seconds()
        start = time.monotonic()
        answer = subprocess.run(list(map(str, command)), check=False, capture_output=True, text=True)
        span = time.monotonic() - start
        if answer.returncode != 0:
            sys.exit(f"strait load against {self.name} failed: {answer.stderr.strip()}")
        server, client = self.processor_seconds() - own, children_seconds() - children
        # Ticks of different counters do not end together.
        others = max(0.0, machine_busy() - everybody - server - client)
        text = answer.stdout
        rows = json.loads(text[text.index("["):text.rindex("]") + 1])
        return rows, {"server": server, "client": client, "others": others, "span": span}


def children_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def free_ports(count):
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def triton(name, repository, folder, *arguments):
    """Triton over a repository, with its log in a folder."""
    # The backend's Python is the one of the first python3 on PATH.
    environment = dict(os.environ, PATH=f"{TRITON.parent / 'venv/bin'}:{os.environ['PATH']}", PYTHONDONTWRITEBYTECODE="1")
    return Server(name, [TRITON / "bin/tritonserver", "--model-repository", repository, "--backend-directory",
                         TRITON.resolve() / "backends", "--http-address", "127.0.0.1", "--http-port", "HTTP_PORT",
                         "--grpc-address", "127.0.0.1", "--grpc-port", "GRPC_PORT", "--allow-metrics", "false",
                         "--disable-auto-complete-config", *arguments], folder / f"{name}.log", environment)


def strait(name, repository, folder, *arguments):
    """Strait over a repository, with its log in a folder."""
    environment = dict(os.environ)
    environment.setdefault("STRAIT_ONNXRUNTIME", str(ROOT / ".strait/onnxruntime/libonnxruntime.so"))
    return Server(name, [STRAIT, "serve", "--model-repository", repository, "--http-address", "127.0.0.1", "--http-port",
                         "HTTP_PORT", "--grpc-address", "127.0.0.1", "--grpc-port", "GRPC_PORT", "--no-learned",
                         *arguments], folder / f"{name}.log", environment)


def echo(name, program, folder):
    """A bare gRPC echo: a program that takes its port as its argument."""
    return Server(name, [program, "GRPC_PORT"], folder / f"{name}.log", has_http=False)


def write_model(folder, name, config, program=None):
    """Puts a model into a repository: its config.pbtxt, and for Triton's Python backend its program."""
    version = folder / name / "1"
    version.mkdir(parents=True, exist_ok=True)
    (folder / name / "config.pbtxt").write_text(config, encoding="utf-8")
    if program:
        (version / "model.py").write_text(program, encoding="utf-8")


# -- numbers ---------------------------------------------------------------------------------------------------------


def total(rows):
    """The row of all classes and models; a single class of a single model has no other row."""
    if len(rows) == 1:
        return rows[0]
    return next(row for row in rows if row["class"] == "both" and row["model"] == "all")


def spread(values, form="{:.2f}"):
    """The median with the lowest and the highest, in words."""
    low, middle, high = (form.format(value) for value in (min(values), statistics.median(values), max(values)))
    return middle if low == high else f"{middle} ({low}–{high})"


def half_interval(values):
    """Half the width of the 95 % interval of the mean, by Student's t; None for a single value."""
    if len(values) < 2:
        return None
    quantile = STUDENT[min(len(values) - 1, len(STUDENT)) - 1]
    return quantile * statistics.stdev(values) / math.sqrt(len(values))
