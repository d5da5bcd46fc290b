# SPDX-License-Identifier: Apache-2.0
"""What tests and pictures look at: a server on virtual devices, driven by `strait load`."""

import contextlib
import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Tests/Conformance"))

from server import STRAIT, Server  # noqa: E402

SCENARIO = "devices-4"  # six models on four devices
SPEED = 0.1  # of the devices' time: a tenth of their requests, 745 a second at load 1.3, which two cores serve easily


def run(*command):
    answer = subprocess.run(list(map(str, command)), check=False, capture_output=True, text=True)
    assert answer.returncode == 0, f"{command}: {answer.stderr}"
    return answer.stdout


class Traffic:
    """The models of a scenario as a repository of their own, and its requests at a load."""

    def __init__(self, scenario=SCENARIO, loads=(0.5, 1.3)):
        self.folder = tempfile.TemporaryDirectory(prefix="strait-scene-")
        self.repository = pathlib.Path(self.folder.name) / "models"
        text = run(STRAIT, "simulate", scenario, "--write-repository", self.repository, "--loads",
                   ",".join(map(str, loads)))
        self.loads = {load["load"]: load for load in map(json.loads, text.splitlines())}

    def command(self, server, load, seconds, speed=SPEED, seed=7):
        """`strait load` with the requests of a load; `speed` is that of the devices."""
        load = self.loads[load]
        command = [STRAIT, "load", "--url", f"http://127.0.0.1:{server.port}", "--rate",
                   f"{load['requests_per_second'] * speed:.3f}", "--high-share", load["high_share"], "--duration",
                   f"{seconds}s", "--warmup", "0s", "--tail-wait", "5s", "--connections", "256", "--seed", seed, "--quiet"]
        for model in load["models"]:
            command += ["--model", f"{model['name']},weight={model['share']:.6f},high-ms={model['high_ms'] / speed:.4f},"
                                   f"low-ms={model['low_ms'] / speed:.4f}"]
        return list(map(str, command))

    @contextlib.contextmanager
    def driven(self, server, load, seconds=600, speed=SPEED, seed=7):
        """Requests come while the block runs."""
        process = subprocess.Popen(self.command(server, load, seconds, speed, seed), stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)

    @contextlib.contextmanager
    def served(self, *arguments, devices=(f"virtual:l4,count=4,speed={SPEED}",), log=None):
        """A server of these models on virtual devices; `log` is given its log in the end."""
        arguments = [*arguments, *(word for device in devices for word in ("--device", device))]
        server = Server(self.repository, *arguments)
        try:
            yield server.start()
            code = server.stop()
            assert code == 0, server.read_log()
        except BaseException:
            # The test's words say what was missed, these perhaps why.
            print(server.read_log(), file=sys.stderr)
            raise
        finally:
            server.kill()


@contextlib.contextmanager
def watched(*recordings, port=0, arguments=()):
    """`strait watch` of recordings; gives its address."""
    process = subprocess.Popen([str(STRAIT), "watch", *map(str, recordings), "--port", str(port), *arguments],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        line = process.stdout.readline()
        assert " at http://" in line, line
        yield line.split(" at ")[1].strip()
    finally:
        process.terminate()
        process.wait(30)
