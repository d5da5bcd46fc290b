# SPDX-License-Identifier: Apache-2.0
"""SIGTERM: what was accepted is answered, nothing new is, and the process ends well."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import time

import pytest
from reference import PATIENT
from server import ANSWER_LIMIT, MODELS, POLL, Answer, Server, read_answer

REQUESTS = 6
MANY = 24  # three seconds' work and more, which no test waits for
ROWS = 8  # of 20 ms each, so the queue is worth a second on one lane


@pytest.fixture
def small_repository(tmp_path):
    """Two models only, so that this server of its own starts at once."""
    for model in ("slow", "identity_fp32"):
        shutil.copytree(MODELS / model, tmp_path / model, copy_function=os.link)
    return tmp_path


@pytest.fixture
def own_server(small_repository):
    running = Server(small_repository)
    try:
        yield running.start()
    finally:
        running.kill()


def slow_request():
    body = json.dumps({"parameters": {"timeout": PATIENT}, "inputs": [
        {"name": "x", "datatype": "FP32", "shape": [ROWS, 256], "data": [0.5] * (ROWS * 256)}]}).encode()
    head = f"POST /v2/models/slow/infer HTTP/1.1\r\nHost: strait\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def test_sigterm_answers_what_was_accepted_and_exits_with_zero(own_server):
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(own_server.connect()) for _ in range(REQUESTS)]
        for connection in connections:
            connection.sendall(slow_request())
        # One lane, and all were sent before the first of them was worked on to its end: the others wait inside.
        first = read_answer(connections[0])
        assert first is not None and first.status == 200, first and first.body
        own_server.process.send_signal(signal.SIGTERM)
        for connection in connections[1:]:
            answer = read_answer(connection)
            assert answer is not None, f"an accepted request was dropped; the log:\n{own_server.read_log()}"
            assert answer.status == 200, answer.body
    assert own_server.wait() == 0, own_server.read_log()


def test_a_draining_server_is_not_ready(own_server):
    with contextlib.ExitStack() as stack:
        kept = http.client.HTTPConnection("127.0.0.1", own_server.port, timeout=ANSWER_LIMIT)
        stack.callback(kept.close)
        kept.request("GET", "/v2/health/ready")
        assert kept.getresponse().read() is not None
        connections = [stack.enter_context(own_server.connect()) for _ in range(REQUESTS)]
        for connection in connections:
            connection.sendall(slow_request())
        assert read_answer(connections[0]).status == 200
        own_server.process.send_signal(signal.SIGTERM)
        # The signal arrives when it arrives. From then on the connection that is open says 503, or is closed.
        status = 200
        while status == 200:
            try:
                kept.request("GET", "/v2/health/ready")
                answer = kept.getresponse()
                status = Answer(answer.status, {}, answer.read()).status
            except (OSError, http.client.HTTPException):
                status = None
        assert status in (503, None)
        for connection in connections[1:]:
            assert read_answer(connection).status == 200
    assert own_server.wait() == 0


def test_an_idle_server_stops_at_once(own_server):
    assert own_server.stop() == 0


def test_a_client_that_leaves_in_the_middle_costs_nothing(own_server):
    data = slow_request()
    for cut in (10, 60, len(data) // 2, len(data) - 1, len(data)):
        with own_server.connect() as connection:
            connection.sendall(data[:cut])
    answer = own_server.exchange(slow_request())
    assert answer is not None and answer.status == 200
    assert own_server.stop() == 0


@pytest.mark.parametrize("second, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_second_signal_ends_a_server_that_drains_at_once(own_server, second, code):
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(own_server.connect()) for _ in range(MANY)]
        for connection in connections:
            connection.sendall(slow_request())
        assert read_answer(connections[0]).status == 200
        own_server.process.send_signal(signal.SIGINT)
        while "again to stop at once" not in own_server.read_log():
            assert own_server.process.poll() is None, own_server.read_log()
            time.sleep(POLL)
        # A signal that comes at once is the first one, passed on: only a later one counts.
        while own_server.process.poll() is None:
            own_server.process.send_signal(second)
            time.sleep(POLL)
        assert own_server.process.returncode == code, own_server.read_log()
        assert f"{second.name} again: stopped at once" in own_server.read_log()
        # All of them would have taken longer.
        assert read_answer(connections[-1]) is None


def test_a_signal_that_comes_twice_at_once_is_one(own_server):
    with own_server.connect() as connection, own_server.connect() as other:
        connection.sendall(slow_request())
        other.sendall(slow_request())
        assert read_answer(connection).status == 200
        own_server.process.send_signal(signal.SIGINT)
        own_server.process.send_signal(signal.SIGTERM)
        assert read_answer(other).status == 200
    assert own_server.wait() == 0
