# SPDX-License-Identifier: Apache-2.0
"""What became of a request: numbers that answers and refusals return, what is told of them, and the terminal's view."""

import contextlib
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from fcntl import ioctl

import grpc
import numpy as np
import pytest
import tritonclient.grpc
from grpc_client import connected, typed_request
from reference import INPUTS
from server import ANSWER_LIMIT, ROOT, STRAIT, Server

LIMIT = 60  # seconds for one command
HOPELESS = 1  # microseconds
LANES = 2
MODEL = """
max_batch_size: 4
input [ { name: "x" data_type: TYPE_FP32 dims: [ 3 ] } ]
output [ { name: "y" data_type: TYPE_FP32 dims: [ 2 ] } ]
"""


def strait(*arguments, **options):
    return subprocess.run([str(STRAIT), *map(str, arguments)], cwd=ROOT, capture_output=True, text=True,
                          timeout=LIMIT, check=False, **options)


def body(rows=1, **members):
    return {"inputs": [{"name": "x", "datatype": "FP32", "shape": [rows, 3], "data": [0.5] * (3 * rows)}], **members}


def number(answer):
    return int(answer.headers["Strait-Request"])


@pytest.fixture(scope="module")
def virtual(tmp_path_factory):
    """A server whose model takes 20 ms exactly, and that remembers 50 requests."""
    repository = tmp_path_factory.mktemp("models")
    (repository / "scan").mkdir()
    (repository / "scan/config.pbtxt").write_text(MODEL)
    running = Server(repository, "--device", f"virtual:fixed,ms=20,lanes={LANES}", "--decisions", 50)
    try:
        yield running.start()
        assert running.stop() == 0, running.read_log()
    finally:
        running.kill()


@pytest.fixture
def refused(virtual):
    """The number of a high request that was just refused."""
    for _ in range(4):
        assert virtual.post("/v2/models/scan/infer", body()).status == 200
    answer = virtual.post("/v2/models/scan/infer", body(
        id="ct-0042", parameters={"priority": 1, "timeout": HOPELESS}))
    assert answer.status == 504, answer.body
    return answer


def story(server, query):
    answer = server.get(f"/v2/strait/decisions?{query}")
    assert answer.status == 200, answer.body
    found = answer.json["decisions"]
    assert len(found) == 1, found
    return found[0]


# -- the endpoint -----------------------------------------------------------------------------------------------------


def test_an_answer_can_be_asked_about_by_its_number(virtual):
    answer = virtual.post("/v2/models/scan/infer", body(id="mr-7", parameters={"priority": 1, "timeout": 10_000_000}))
    assert answer.status == 200
    told = story(virtual, f"request={number(answer)}")
    assert (told["id"], told["class"], told["model"], told["outcome"]) == ("mr-7", "high", "scan", "met")
    assert told["deadline_ms"] == pytest.approx(10_000)
    assert 20 <= told["batch"]["kernels_ms"] < told["ended_ms"] < 10_000
    assert told["staged_ms"] < told["predicted_ms"] <= told["bound95_ms"] <= told["bound99_ms"]
    assert re.search(r"answered in time at \+\d+\.\d ms", told["words"][1]), told["words"]
    numbers = [number(virtual.post("/v2/models/scan/infer", body())) for _ in range(3)]
    assert numbers == sorted(set(numbers)) and numbers[0] > number(answer)


def test_a_refusal_names_its_number_twice_and_is_explained(virtual, refused):
    assert refused.error.endswith(f"(request {number(refused)})")
    told = story(virtual, f"request={number(refused)}")
    assert (told["outcome"], told["reason"], told["id"]) == ("shed", "hopeless-on-arrival", "ct-0042")
    assert re.match(r"refused on arrival at \d\d:\d\d:\d\d\.\d{3}: .* it takes 20\.\d ms itself; 85 % of that counts: it would "
                    r"have been answered at \+1\d\.\d ms, 1\d\.\d ms after its deadline$", told["words"][1]), told["words"]
    assert story(virtual, "id=ct-0042&last=1")["request"] == number(refused)


def test_what_is_forgotten_is_a_404_that_says_how_far_back_it_goes(virtual, refused):
    first = number(virtual.post("/v2/models/scan/infer", body()))
    for _ in range(55):
        virtual.post("/v2/models/scan/infer", body(parameters={"priority": 2, "timeout": HOPELESS}))
    gone = virtual.get(f"/v2/strait/decisions?request={first}")
    assert gone.status == 404
    assert re.search(r"request \d+ is not known: the last 50 requests are known, back to number \d+, which arrived at "
                     r"\d{4}-\d\d-\d\d ", gone.error), gone.error
    # High violations stay.
    assert story(virtual, f"request={number(refused)}")["outcome"] == "shed"
    assert "has not come yet" in virtual.get("/v2/strait/decisions?request=999999999").error
    assert virtual.get("/v2/strait/decisions?id=nobody").status == 404
    assert virtual.get("/v2/strait/decisions?model=nobody").json["decisions"] == []


@pytest.mark.parametrize("query, words", [
    ("request=x", "request is 'x'"), ("class=urgent", "high and low"), ("outcome=good", "there are met, late"),
    ("last=0", "1 to 100"), ("since=soon", "seconds"), ("colour=red", "no parameter 'colour'"), ("id=%zz", "percent"),
])
def test_slips_are_told(virtual, query, words):
    answer = virtual.get(f"/v2/strait/decisions?{query}")
    assert answer.status == 400 and words in answer.error, answer.body


def test_filters_combine(virtual, refused):
    for priority in (1, 2, 2):
        assert virtual.post("/v2/models/scan/infer", body(parameters={"priority": priority})).status == 200
    found = virtual.get("/v2/strait/decisions?class=low&outcome=met&last=2").json["decisions"]
    assert [entry["class"] for entry in found] == ["low", "low"]
    assert found[0]["request"] > found[1]["request"]
    assert story(virtual, "class=high&outcome=violation&last=1")["request"] == number(refused)
    assert virtual.get("/v2/strait/decisions?since=0").json["decisions"] == []


def test_the_state_tells_what_the_server_does(virtual):
    for _ in range(3):
        virtual.post("/v2/models/scan/infer", body(parameters={"priority": 1, "timeout": 10_000_000}))
    state = virtual.get("/v2/strait/state?window=3").json
    assert state["server"]["policy"] == "strait" and state["server"]["ready"]
    assert 0 < state["window_s"] <= 4
    high = state["classes"][0]
    assert high["class"] == "high" and high["met"] >= 1 and high["totals"]["met"] >= 3 and high["waiting"] == 0
    assert state["models"][0]["model"] == "scan" and state["models"][0]["p50_ms"] > 20
    assert [len(device["lanes"]) for device in state["devices"]] == [LANES] and state["devices"][0]["serving"]
    assert state["remembered"]["capacity"] == 50
    assert virtual.get("/v2/strait/state?window=99").status == 400


def test_a_server_that_remembers_nothing_says_so(tmp_path):
    (tmp_path / "scan").mkdir()
    (tmp_path / "scan/config.pbtxt").write_text(MODEL)
    running = Server(tmp_path, "--device", "virtual:fixed,ms=2", "--decisions", 0)
    try:
        running.start()
        answer = running.post("/v2/models/scan/infer", body())
        asked = running.get(f"/v2/strait/decisions?request={number(answer)}")
        assert asked.status == 501 and "--decisions 0" in asked.error
        assert running.get("/v2/strait/state").json["models"][0]["met"] == 1
        assert running.stop() == 0
    finally:
        running.kill()


# -- gRPC -------------------------------------------------------------------------------------------------------------


def test_grpc_returns_numbers_as_metadata(server):
    with connected(server) as stub:
        request = typed_request("identity_fp32", INPUTS["identity_fp32"](np.random.default_rng(1), 1))
        request.id = "over-grpc"
        call = stub.ModelInfer.with_call(request, timeout=ANSWER_LIMIT)[1]
        answered = int(dict(call.trailing_metadata())["strait-request"])
        assert story(server, f"request={answered}")["id"] == "over-grpc"
        slow = typed_request("slow", INPUTS["slow"](np.random.default_rng(2), 1))
        for _ in range(5):
            stub.ModelInfer(slow, timeout=ANSWER_LIMIT)
        slow = typed_request("slow", INPUTS["slow"](np.random.default_rng(2), 1), timeout=HOPELESS)
        with pytest.raises(grpc.RpcError) as failure:
            stub.ModelInfer(slow, timeout=ANSWER_LIMIT)
        refused = int(dict(failure.value.trailing_metadata())["strait-request"])
        assert failure.value.details().endswith(f"(request {refused})")
        assert story(server, f"request={refused}")["outcome"] == "shed"


def test_a_stream_returns_numbers_as_parameters(server):
    answers = []
    with tritonclient.grpc.InferenceServerClient(server.grpc_url) as client:
        client.start_stream(lambda result, error: answers.append((result, error)))
        values = INPUTS["identity_fp32"](np.random.default_rng(1), 1)
        inputs = []
        for name, value in values.items():
            tensor = tritonclient.grpc.InferInput(name, list(value.shape), "FP32")
            tensor.set_data_from_numpy(value)
            inputs.append(tensor)
        client.async_stream_infer("identity_fp32", inputs, request_id="streamed")
        client.stop_stream()
    [(result, error)] = answers
    assert error is None
    told = story(server, f"request={result.get_response().parameters['strait_request'].int64_param}")
    assert told["id"] == "streamed" and told["outcome"] == "met"


# -- the commands -----------------------------------------------------------------------------------------------------


def test_strait_why_prints_the_words(virtual, refused):
    url = f"http://{virtual.url}"
    by_number = strait("why", number(refused), "--server", url)
    assert by_number.returncode == 0, by_number.stderr
    lines = by_number.stdout.splitlines()
    assert lines[0].startswith(f'request {number(refused)} (id "ct-0042"): high, model scan, 1 row, arrived ')
    assert lines[1].startswith("  refused on arrival at ")
    for arguments in (["ct-0042"], ["--last-violation"], ["--model", "scan", "--class", "high", "--outcome", "shed"]):
        found = strait("why", *arguments, "--server", url)
        assert found.stdout.splitlines()[1:2] == lines[1:2], found.stdout + found.stderr
    as_json = strait("why", "--last-violation", "--json", "--server", url)
    assert json.loads(as_json.stdout)["decisions"][0]["request"] == number(refused)


def test_a_clients_number_is_found_where_the_server_has_no_such(virtual):
    virtual.post("/v2/models/scan/infer", body(id="4000000000"))
    found = strait("why", "4000000000", "--server", f"http://{virtual.url}")
    assert '(id "4000000000")' in found.stdout, found.stdout + found.stderr


@pytest.mark.parametrize("arguments, words", [
    (["999999999"], "has not come yet"), (["nobody"], "is not known"), (["--outcome", "good"], "outcome is 'good'"),
    (["--last-violation", "--class", "low"], "leave the others out"), (["--since", "soon"], "is not a duration"),
    (["1", "--token", "two words"], "token"),
])
def test_what_why_cannot_tell_it_says(virtual, arguments, words):
    done = strait("why", *arguments, "--server", f"http://{virtual.url}")
    assert done.returncode != 0 and words in done.stderr, done.stdout + done.stderr


def test_no_server_is_one_line(tmp_path):
    for command in (["why", "1"], ["top", "--once"], ["top"]):
        done = strait(*command, "--server", "http://127.0.0.1:9")
        assert done.returncode == 1 and "Is the server running there?" in done.stderr, done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_the_token_is_sent(tmp_path):
    """A server that only listens sees what the command asks with."""
    import http.server
    import threading

    seen = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append((self.path, self.headers.get("Authorization")))
            self.send_response(401)
            self.send_header("Content-Length", "31")
            self.end_headers()
            self.wfile.write(b'{"error":"a token is wanted  "}')

        def log_message(self, *arguments):
            pass

    listener = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{listener.server_port}/prefix"
    done = strait("why", "a b", "--server", url, "--token", "abc")
    assert done.returncode == 1 and "a token is wanted" in done.stderr
    strait("top", "--once", "--server", url, env={**os.environ, "STRAIT_TOKEN": "xyz"})
    listener.shutdown()
    assert seen == [("/prefix/v2/strait/decisions?id=a%20b&last=1", "Bearer abc"),
                    ("/prefix/v2/strait/state?window=5", "Bearer xyz")]


def test_top_prints_one_page(virtual):
    done = strait("top", "--once", "--server", f"http://{virtual.url}", "--width", 80)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout and max(map(len, done.stdout.splitlines())) <= 80
    for words in ("policy strait", "in time", "virtual", "scan", "predictions within their 95 % bound"):
        assert words in done.stdout, done.stdout
    state = json.loads(strait("top", "--once", "--json", "--server", f"http://{virtual.url}").stdout)
    assert state["models"][0]["model"] == "scan"


def test_top_pages_end_with_their_reader(virtual):
    running = subprocess.Popen([str(STRAIT), "top", "--server", f"http://{virtual.url}"], stdout=subprocess.PIPE, text=True)
    try:
        assert "strait" in running.stdout.readline()
        running.stdout.close()
        running.wait(LIMIT)
    finally:
        running.kill()
        running.wait()


class Terminal:
    """`strait top` on a terminal of its own."""

    def __init__(self, server, columns=100, lines=30):
        self.master, self.slave = pty.openpty()
        self.before = termios.tcgetattr(self.slave)
        self.resize(columns, lines)
        self.process = subprocess.Popen(
            [str(STRAIT), "top", "--server", f"http://{server.url}"], stdin=self.slave, stdout=self.slave,
            stderr=self.slave, start_new_session=True)
        self.shown = ""

    def resize(self, columns, lines):
        ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def until(self, words):
        end = time.monotonic() + LIMIT
        while words not in self.shown:
            assert time.monotonic() < end, f"{words!r} was never shown: {self.shown[-3000:]!r}"
            if select.select([self.master], [], [], 0.5)[0]:
                self.shown += os.read(self.master, 65536).decode()

    def type(self, keys):
        os.write(self.master, keys)

    def ended(self):
        """Its exit code, once the terminal is as it was."""
        code = self.process.wait(LIMIT)
        while select.select([self.master], [], [], 0.2)[0]:
            self.shown += os.read(self.master, 65536).decode()
        assert self.shown.endswith("\x1b[?25h\x1b[?1049l"), repr(self.shown[-200:])
        assert termios.tcgetattr(self.slave) == self.before
        return code

    def close(self):
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def terminal(virtual):
    made = Terminal(virtual)
    yield made
    made.close()


@pytest.mark.parametrize("end", ["q", "Ctrl-C", "SIGTERM", "SIGINT"])
def test_top_gives_the_terminal_back(terminal, end):
    terminal.until("q quits")
    if end.startswith("SIG"):
        terminal.process.send_signal(getattr(signal, end))
    else:
        terminal.type(b"q" if end == "q" else b"\x03")
    assert terminal.ended() == 0


def test_top_is_drawn_again_and_fits_another_window(terminal):
    terminal.until("q quits")
    terminal.resize(60, 12)
    terminal.shown = ""
    terminal.type(b" ")
    terminal.until("q quits")
    last = terminal.shown.split("\x1b[H")[-1]
    lines = [re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]", "", line) for line in last.replace("\r", "").split("\n")]
    assert len(lines) <= 12 and max(map(len, lines)) <= 60, lines
    terminal.type(b"q")
    assert terminal.ended() == 0
