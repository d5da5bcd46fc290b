# SPDX-License-Identifier: Apache-2.0
"""A body that swells a thousandfold holds up nobody else on its event loop."""

import json
import select
import zlib

import pytest
from server import Server, read_answer
from test_drain import small_repository  # noqa: F401

SWOLLEN = 120 << 20
PING = b"GET /v2/health/live HTTP/1.1\r\nHost: strait\r\n\r\n"
# Were each part of the body inflated at once, there would be a dozen turns for others: as many as the server reads parts.
TURNS = 40


@pytest.fixture
def own_server(small_repository):  # noqa: F811
    running = Server(small_repository, "--http-threads", "1", "--no-grpc")
    try:
        yield running.start()
    finally:
        running.kill()


def swelling(rows):
    """A request of so many rows that brings numbers for another number of them: to be taken in whole, and refused."""
    head = json.dumps({"inputs": [{"name": "INPUT0", "datatype": "FP32", "shape": [rows, 5],
                                   "parameters": {"binary_data_size": SWOLLEN}}]}).encode()
    packer = zlib.compressobj(6)
    body = packer.compress(head) + packer.compress(bytes(SWOLLEN)) + packer.flush()
    return (f"POST /v2/models/identity_fp32/infer HTTP/1.1\r\nHost: strait\r\nContent-Length: {len(body)}\r\n"
            f"Inference-Header-Content-Length: {len(head)}\r\nContent-Encoding: deflate\r\n\r\n").encode() + body


def status(answers):
    """The status of the next of several answers on one connection."""
    line, length = answers.readline(), 0
    while (header := answers.readline()) != b"\r\n":
        if header.lower().startswith(b"content-length:"):
            length = int(header.split(b":")[1])
    answers.read(length)
    return int(line.split()[1])


def test_others_have_their_turn_while_a_body_swells(own_server):
    with own_server.connect() as neighbour, own_server.connect() as connection:
        connection.sendall(swelling(1))
        turns = 0
        while not select.select([connection], [], [], 0)[0]:
            neighbour.sendall(PING)
            assert read_answer(neighbour).status == 200
            turns += 1
        answer = read_answer(connection)
        assert answer.status == 400 and "shape" in answer.error, answer.body
    assert turns >= TURNS


def test_what_follows_a_body_that_swells_waits_for_its_answer(own_server):
    with own_server.connect() as connection, connection.makefile("rb") as answers:
        connection.sendall(swelling(1) + PING + swelling(2) + PING)
        assert [status(answers) for _ in range(4)] == [400, 200, 400, 200]


def test_a_client_that_leaves_while_its_body_swells_costs_nothing(own_server):
    for _ in range(8):
        with own_server.connect() as connection:
            connection.sendall(swelling(1))
    assert own_server.get("/v2/health/live").status == 200
    assert own_server.stop() == 0
