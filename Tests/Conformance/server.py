# SPDX-License-Identifier: Apache-2.0
"""The server under test as a child process: started on a free port, watched, stopped; and raw HTTP to talk to it."""

import contextlib
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Another build, a debug one for instance, may be named in the environment.
STRAIT = pathlib.Path(os.environ.get("STRAIT_BINARY", ROOT / ".build/release/strait"))
MODELS = ROOT / ".strait/test-models"

START_LIMIT = 120  # seconds; loading takes two on an idle machine, and a shared one may be many times slower
STOP_LIMIT = 60
ANSWER_LIMIT = 30  # no single answer takes longer than this even on a machine that does other things
POLL = 0.05
LOG_SHOWN = 8000  # characters of the server's log in a failure message


class Answer:
    """Status, headers and body of one HTTP answer."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        """The message of a protocol error, or an empty string where the body holds none."""
        with contextlib.suppress(ValueError, TypeError, KeyError):
            message = self.json["error"]
            return message if isinstance(message, str) else ""
        return ""


class Server:
    """`strait serve` on a model repository; `prefix` is a command that starts it, one that sets limits for instance."""

    def __init__(self, repository=MODELS, *arguments, learned=False, prefix=()):
        # Every run starts from the same, and leaves nothing behind, unless a test is about just that.
        self.repository, self.arguments = repository, arguments if learned else (*arguments, "--no-learned")
        self.prefix, self.process, self.port, self.grpc_port, self.metrics_port = prefix, None, None, None, None
        self.log = tempfile.TemporaryFile("w+")

    def start(self):
        assert STRAIT.exists(), f"there is no {STRAIT}: run `make build` first (or `make test`, which does)"
        with socket.socket() as one, socket.socket() as other, socket.socket() as third:
            for probe in (one, other, third):
                probe.bind(("127.0.0.1", 0))
            self.port, self.grpc_port = one.getsockname()[1], other.getsockname()[1]
            self.metrics_port = third.getsockname()[1]
        # One lane leaves the other core to the clients, unless a test says what models run on.
        lanes = () if "--device" in self.arguments else ("--lanes", "1")
        command = [*self.prefix, STRAIT, "serve", "--model-repository", self.repository, "--http-address", "127.0.0.1",
                   "--http-port", str(self.port), "--grpc-address", "127.0.0.1", "--grpc-port", str(self.grpc_port),
                   *([] if "--no-metrics" in self.arguments else ["--metrics-port", str(self.metrics_port)]),
                   *lanes, *self.arguments]
        self.process = subprocess.Popen(list(map(str, command)), stdout=self.log, stderr=subprocess.STDOUT, cwd=ROOT)
        limit = time.monotonic() + START_LIMIT
        while not self.ready():
            code = self.process.poll()
            assert code is None, f"the server exited with {code} before it was ready; its log:\n{self.read_log()}"
            assert time.monotonic() < limit, f"not ready after {START_LIMIT} s; the server's log:\n{self.read_log()}"
            time.sleep(POLL)
        return self

    def ready(self):
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.get("/v2/health/ready").status == 200
        return False

    def stop(self):
        """Sends SIGTERM and returns the exit code. Kills, and fails, if the server does not go."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self):
        try:
            return self.process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"still there {STOP_LIMIT} s after SIGTERM; its log:\n{self.read_log()}") from None

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def read_log(self):
        self.log.seek(0)
        return self.log.read()[-LOG_SHOWN:]

    def resident(self):
        """Bytes of memory the server holds."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024

    @property
    def url(self):
        return f"127.0.0.1:{self.port}"

    @property
    def grpc_url(self):
        return f"127.0.0.1:{self.grpc_port}"

    # -- raw HTTP ----------------------------------------------------------------------------------------------------

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), ANSWER_LIMIT)

    def connect_grpc(self):
        return socket.create_connection(("127.0.0.1", self.grpc_port), ANSWER_LIMIT)

    def exchange(self, data):
        """Sends bytes on a connection of their own and reads one answer; None if the server closes without one."""
        with self.connect() as connection:
            # A server may answer and close before it has read all of a bad request.
            with contextlib.suppress(ConnectionError):
                connection.sendall(data)
            return read_answer(connection)

    def request(self, method, path, body=b"", headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_LIMIT)
        with contextlib.closing(connection):
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read())

    def get(self, path):
        return self.request("GET", path)

    def post(self, path, body, headers=None):
        """Posts bytes, or anything else as JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.request("POST", path, data, headers)

    def successes(self):
        """{model: requests answered well}, from the statistics extension."""
        return {entry["name"]: int(entry["inference_stats"]["success"]["count"])
                for entry in self.get("/v2/models/stats").json["model_stats"]}


def read_answer(connection):
    """One answer read from a socket; None if it closes with nothing, or resets."""
    answer = http.client.HTTPResponse(connection)
    try:
        answer.begin()
        body = answer.read()
    except (ConnectionError, http.client.BadStatusLine):
        return None
    return Answer(answer.status, dict(answer.getheaders()), body)
