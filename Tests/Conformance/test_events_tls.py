# SPDX-License-Identifier: Apache-2.0
"""The dashboard and what feeds it over TLS, by HTTP/1.1 and HTTP/2: frames arrive, and viewers that read slowly, read
nothing or vanish take nothing from the others."""

import contextlib
import http.client
import json
import re
import socket
import struct
import subprocess
import threading

import pytest
from server import ANSWER_LIMIT
from test_security import CONFIG
from tls import (END_HEADERS, END_STREAM, HEADERS, PREFACE, RESET, SETTINGS, TLSServer, authority, eventually,  # noqa: F401
                 frame, frames, installed, request)

pytestmark = installed

EVENTS = "/v2/strait/events"
FIRST_WINDOW = 4  # a setting
STALLED = 40  # viewers that read nothing
PATIENCE = 1  # seconds, of the impatient server
# What the server may hold more for all of those: the frames that their sockets and windows take, not each frame for each.
MEMORY_BOUND = 64 << 20


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    made = tmp_path_factory.mktemp("events")
    for model in ("red", "blue"):
        (made / model).mkdir()
        (made / model / "config.pbtxt").write_text(CONFIG)
    return made


@contextlib.contextmanager
def serving(models, authority, *arguments):
    made = TLSServer(models, authority, authority.sign(f"events{len(arguments)}"), "--device", "virtual:fixed,ms=2", *arguments)
    try:
        yield made.start()
        assert made.stop() == 0, made.read_log()
    finally:
        made.kill()


@pytest.fixture(scope="module")
def watched(models, authority):
    with serving(models, authority) as made:
        yield made


@contextlib.contextmanager
def traffic(server):
    """Requests until the block ends; gives a list of the statuses that came."""
    statuses, is_over = [], threading.Event()
    body = json.dumps({"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [0.5] * 4}]}).encode()

    def ask():
        connection = http.client.HTTPSConnection("127.0.0.1", server.port, timeout=ANSWER_LIMIT, context=server.context())
        with contextlib.closing(connection):
            while not is_over.is_set():
                connection.request("POST", "/v2/models/red/infer", body)
                answer = connection.getresponse()
                answer.read()
                statuses.append(answer.status)

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield statuses
    finally:
        is_over.set()
        for thread in threads:
            thread.join(ANSWER_LIMIT)


@contextlib.contextmanager
def viewer(server, option):
    """curl, watching; gives its standard output."""
    command = ["curl", "--silent", "--no-buffer", option, "--cacert", server.authority.certificate, "--include",
               "--max-time", ANSWER_LIMIT, server.https + EVENTS]
    running = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)
    try:
        yield running.stdout
    finally:
        running.kill()
        running.wait()


def messages(lines):
    """(event, JSON) of each message that comes."""
    event = "message"
    for line in lines:
        if line.startswith("event: "):
            event = line[7:].strip()
        elif line.startswith("data: "):
            yield event, json.loads(line[6:])
            event = "message"


def connections(server):
    """How many connections the server says that clients of HTTP have."""
    text = server.curl(f"https://127.0.0.1:{server.metrics_port}/metrics").stdout.decode()
    return int(float(re.search(r'^strait_connections\{protocol="http"\} (\S+)$', text, re.M)[1]))


def batches_seen(lines, least=5):
    """Reads frames until so many batches were told of; their numbers."""
    numbers, batches = [], 0
    for event, told in messages(lines):
        if event == "message":
            numbers.append(told["n"])
            batches += len(told.get("batch", []))
            if batches >= least:
                return numbers
    return []


# -- frames arrive ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("option, version", [("--http1.1", "HTTP/1.1 200"), ("--http2", "HTTP/2 200")])
def test_frames_arrive(watched, option, version):
    with viewer(watched, option) as lines, traffic(watched):
        assert lines.readline().startswith(version)
        head = dict(line.strip().lower().split(": ", 1) for line in iter(lines.readline, "\n") if ": " in line)
        assert head["content-type"] == "text/event-stream" and head["cache-control"] == "no-store"
        event, told = next(messages(lines))
        assert event == "head" and told["models"] and told["source"] == "live"
        numbers = batches_seen(lines)
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), "no frame is missed"


def test_the_page_is_the_same_over_both(watched):
    names = {""}
    seen = {}
    while names - seen.keys():
        name = (names - seen.keys()).pop()
        one, two = (watched.curl(option, f"{watched.https}/{name}", "--write-out", "%{http_version} %{http_code}").stdout
                    for option in ("--http1.1", "--http2"))
        assert one.endswith(b"1.1 200") and two.endswith(b"2 200"), name
        seen[name] = one.removesuffix(b"1.1 200")
        assert seen[name] == two.removesuffix(b"2 200") and seen[name], name
        text = seen[name].decode()
        names |= set(re.findall(r"(dashboard/[\w.]+)", text)) if not name else set()
        names |= {f"dashboard/{found}" for found in re.findall(r"from '\./([\w.]+)'", text)}
    assert len(seen) > 3


def test_metrics_for_a_client_that_would_like_http_2(watched):
    got = watched.curl("--http2", f"https://127.0.0.1:{watched.metrics_port}/metrics", "--write-out", "%{http_version} %{http_code}")
    assert got.stdout.endswith(b"1.1 200") and b"strait_build_info" in got.stdout


# -- viewers that take nothing ----------------------------------------------------------------------------------------


def watch_by_http_2(server, window):
    """A viewer that says how many bytes it takes, and takes no more."""
    connection = server.connect_secure("h2")
    connection.sendall(PREFACE + frame(SETTINGS, payload=struct.pack(">HI", FIRST_WINDOW, window)))
    connection.sendall(frame(HEADERS, END_HEADERS | END_STREAM, 1, request("GET", EVENTS)))
    return connection


def watch_by_http_1(server):
    """A viewer with next to no room for what it does not read."""
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plain.settimeout(ANSWER_LIMIT)
    plain.connect(("127.0.0.1", server.port))
    connection = server.context("http/1.1").wrap_socket(plain, server_hostname="127.0.0.1")
    connection.sendall(f"GET {EVENTS} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return connection


def test_viewers_that_read_nothing_take_nothing_from_the_others(watched):
    with contextlib.ExitStack() as stack:
        before = watched.resident()
        for _ in range(STALLED):
            stack.enter_context(contextlib.closing(watch_by_http_2(watched, 0)))
            stack.enter_context(contextlib.closing(watch_by_http_1(watched)))
        with viewer(watched, "--http2") as lines, traffic(watched) as statuses:
            numbers = batches_seen(lines, least=2000)
        assert numbers and numbers == list(range(numbers[0], numbers[0] + len(numbers))), "who reads misses no frame"
        assert len(statuses) > 1000 and set(statuses) == {200}
        assert watched.resident() - before < MEMORY_BOUND


def test_viewers_that_vanish_leave_nothing(watched):
    before = connections(watched)
    for make in (lambda: watch_by_http_2(watched, 1 << 20), lambda: watch_by_http_1(watched)):
        gone = [make() for _ in range(10)]
        eventually(lambda: connections(watched) >= before + len(gone), "the viewers")
        for connection in gone:
            # A reset, as of a client whose process was killed in the middle of a message.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
        eventually(lambda: connections(watched) <= before, "their connections closed")


def test_a_viewer_that_takes_nothing_for_long_loses_its_place(models, authority):
    with serving(models, authority, "--idle-timeout-secs", str(PATIENCE)) as server:
        with contextlib.closing(watch_by_http_2(server, 0)) as stalled, traffic(server) as statuses:
            kinds = (kind for kind, _, stream, _ in frames(stalled) if stream == 1)
            assert RESET in kinds
        assert set(statuses) == {200}
        # Who reads stays, however long.
        with viewer(server, "--http2") as lines, traffic(server):
            assert batches_seen(lines, least=1500)
