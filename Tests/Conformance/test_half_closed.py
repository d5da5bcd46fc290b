# SPDX-License-Identifier: Apache-2.0
"""Clients that close their sending side behind their request still get its answer; those that are gone are not worked for."""

import contextlib
import json
import re
import socket
import time

import pytest
from server import ANSWER_LIMIT, POLL, Server
from test_metrics import fetch
from test_security import CONFIG

TAKES = 1000  # milliseconds of a batch
GET = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n"
LARGE = 4_000_000  # numbers: far more than sockets hold


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    folder = tmp_path_factory.mktemp("half-closed")
    (folder / "red").mkdir()
    (folder / "red" / "config.pbtxt").write_text(CONFIG)
    made = Server(folder, "--device", f"virtual:fixed,ms={TAKES}", "--default-deadline", "high=60000,low=60000")
    try:
        yield made.start()
        assert made.stop() == 0, made.read_log()
    finally:
        made.kill()


def post(model="red", body=None, version="1.1"):
    body = body or json.dumps(
        {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [0.5] * 4}]}).encode()
    return (f"POST /v2/models/{model}/infer HTTP/{version}\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body


def half_closed(server, data):
    """All that comes for bytes behind which the sending side is closed."""
    with server.connect() as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        got = b""
        with contextlib.suppress(ConnectionError):
            while part := connection.recv(1 << 16):
                got += part
        return got


def statuses(got):
    return re.findall(rb"HTTP/1\.1 (\d+) ", got)


def ended(server, outcome):
    """How many requests have ended so."""
    lines = fetch(server).body.decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines
               if line.startswith("strait_requests_total") and f'outcome="{outcome}"' in line)


def eventually(true):
    limit = time.monotonic() + ANSWER_LIMIT
    while not true():
        assert time.monotonic() < limit
        time.sleep(POLL)


def test_an_inference_is_answered(slow):
    before = ended(slow, "met")
    got = half_closed(slow, post())
    assert statuses(got)[-1] == b"200" and set(statuses(got)) <= {b"100", b"200"}
    assert json.loads(got.rpartition(b"\r\n\r\n")[2])["outputs"][0]["name"] == "y"
    assert ended(slow, "met") == before + 1


@pytest.mark.parametrize("path", ["/v2/health/ready", "/v2/models/red", "/v2/models/stats", "/nowhere"])
def test_other_requests_are_answered(slow, path):
    got = half_closed(slow, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert statuses(got) == [b"404" if path == "/nowhere" else b"200"]


def test_all_requests_that_were_sent_before_are_answered(slow):
    got = half_closed(slow, GET + post() + GET)
    assert [status for status in statuses(got) if status != b"100"] == [b"200"] * 3


def test_half_of_a_request_is_not_waited_for(slow):
    started = time.monotonic()
    for data in (post()[:-5], post()[:40], b"GET /v2/he", b""):
        assert b"200" not in statuses(half_closed(slow, data))
    assert time.monotonic() - started < ANSWER_LIMIT
    assert slow.get("/v2/health/live").status == 200


def test_a_large_answer_arrives_whole(server):
    size = LARGE * 4
    head = json.dumps({"inputs": [{"name": "INPUT0", "datatype": "FP32", "shape": [1, LARGE],
                                   "parameters": {"binary_data_size": size}}],
                       "parameters": {"binary_data_output": True}}).encode()
    body = head + bytes(range(256)) * (size // 256)
    data = (f"POST /v2/models/identity_fp32/infer HTTP/1.1\r\nHost: x\r\nInference-Header-Content-Length: {len(head)}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode() + body
    got = half_closed(server, data)
    assert statuses(got[:2000])[-1] == b"200" and got.endswith(bytes(range(256)) * (size // 256))


def test_who_is_gone_is_not_worked_for(slow):
    before = ended(slow, "cancelled")
    with slow.connect() as first:
        first.sendall(post())  # the lane is busy
        gone = [slow.connect() for _ in range(5)]
        for connection in gone:
            connection.sendall(post())
        eventually(lambda: re.search(r'strait_requests_open\{class="low"\} 6', fetch(slow).body.decode()))
        for connection in gone:
            connection.close()
        eventually(lambda: ended(slow, "cancelled") == before + 5)
        assert first.recv(12) == b"HTTP/1.1 200"


def test_over_http_1_0_it_counts_as_gone(slow):
    before = ended(slow, "cancelled")
    assert half_closed(slow, post(version="1.0")) == b""
    eventually(lambda: ended(slow, "cancelled") == before + 1)
