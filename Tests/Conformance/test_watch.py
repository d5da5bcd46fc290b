# SPDX-License-Identifier: Apache-2.0
"""`strait watch` over the wire: whole runs, however slowly they are read and however the connection ends."""

import socket
import subprocess
import time

import pytest
from server import ANSWER_LIMIT, STRAIT, read_answer

GET = "GET /dashboard/runs/0 HTTP/1.1\r\nHost: strait\r\nConnection: {}\r\n\r\n"


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    """The port of a program that shows a run of some megabytes."""
    run = tmp_path_factory.mktemp("watch") / "run.jsonl"
    subprocess.run([STRAIT, "simulate", "centre", "--policies", "strait", "--seeds", "1", "--seconds", "120", "--record",
                    run, "--quiet"], check=True, stdout=subprocess.DEVNULL)
    process = subprocess.Popen([STRAIT, "watch", run, "--port", "0"], stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True)
    line = process.stdout.readline()
    assert " at http://" in line, line
    yield int(line.split(" at ")[1].strip().rstrip("/").rsplit(":", 1)[1])
    process.terminate()
    process.wait(ANSWER_LIMIT)


def connect(port):
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(ANSWER_LIMIT)
    connection.connect(("127.0.0.1", port))
    return connection


@pytest.mark.parametrize("way", ["close", "keep-alive"])
def test_a_run_comes_whole(port, way):
    with connect(port) as connection:
        connection.sendall(GET.format(way).encode())
        time.sleep(0.2)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        answer = read_answer(connection)
        assert answer is not None and answer.status == 200
        assert len(answer.body) == int(answer.headers["Content-Length"]) > 4 << 20
        assert answer.body.endswith(b"event: end\ndata: {}\n\n")
