# SPDX-License-Identifier: Apache-2.0
"""What is large is read and written beside the event loops: it holds up nobody else, and costs nothing once it is not wanted."""

import json
import pathlib
import random
import select
import socket
import struct
import time
import zlib

import numpy as np
import pytest
from server import ANSWER_LIMIT, POLL, Server, read_answer
from test_drain import small_repository  # noqa: F401
from test_grpc_frames import answer, block, literal, opened, read_block, send
from test_grpc_gate import END_STREAM, HEADERS, WINDOW, speaking
from tritonclient.grpc import service_pb2

ALIVE = b"GET /v2/health/live HTTP/1.1\r\nHost: strait\r\n\r\n"
TEXT = 24 << 20
SWOLLEN = 100 << 20
TYPED = 24 << 20
# Read on the event loop, such a body leaves one turn for others, or two.
TURNS = 10
# So often all that was sent has been taken, a part with each turn.
UNTIL_TAKEN = 400


@pytest.fixture
def own_server(small_repository):  # noqa: F811
    """One event loop for each transport."""
    running = Server(small_repository, "--http-threads", "1")
    try:
        yield running.start()
        assert running.stop() == 0, running.read_log()
    finally:
        running.kill()


def numbers(size):
    """About so many bytes of numbers in JSON, and how many they are."""
    some = [repr(random.Random(7).uniform(-1, 1))[:10] for _ in range(1000)]
    text = ",".join(some)
    times = size // len(text)
    return ",".join([text] * times), 1000 * times


def json_request(size, missing=1):
    """A request with numbers, of which some are missing at the end: it is read to the end, and refused."""
    text, count = numbers(size)
    body = (f'{{"inputs":[{{"name":"INPUT0","datatype":"FP32","shape":[1,{count + missing}],"data":[{text}]}}]}}').encode()
    return (f"POST /v2/models/identity_fp32/infer HTTP/1.1\r\nHost: strait\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode() + body


def ask_alive(neighbour):
    neighbour.sendall(ALIVE)
    assert read_answer(neighbour).status == 200


def turns_until_readable(connection, take_turn):
    turns = 0
    while not select.select([connection], [], [], 0)[0]:
        take_turn()
        turns += 1
    return turns


def test_others_are_served_while_a_large_body_is_read(own_server):
    with own_server.connect() as neighbour, own_server.connect() as connection:
        request = json_request(TEXT)
        connection.sendall(request[:-1])
        for _ in range(UNTIL_TAKEN):
            ask_alive(neighbour)
        connection.sendall(request[-1:])
        turns = turns_until_readable(connection, lambda: ask_alive(neighbour))
        answer = read_answer(connection)
        assert answer.status == 400 and "only" in answer.error, answer.body
    assert turns >= TURNS


def helper_ticks(server):
    """Processor time of the helper threads, in the system's ticks."""
    ticks = 0
    for task in pathlib.Path(f"/proc/{server.process.pid}/task").iterdir():
        fields = (task / "stat").read_text().rsplit(")", 1)
        if fields[0].endswith("(helper"):
            ticks += int(fields[1].split()[11]) + int(fields[1].split()[12])
    return ticks


def test_a_large_answer_is_written_beside_the_event_loop(own_server):
    values = np.random.default_rng(7).random(4 << 20, np.float32)
    head = json.dumps({"inputs": [{"name": "INPUT0", "datatype": "FP32", "shape": [1, len(values)],
                                   "parameters": {"binary_data_size": values.nbytes}}]}).encode()
    answer = own_server.request("POST", "/v2/models/identity_fp32/infer", head + values.tobytes(),
                                {"Inference-Header-Content-Length": str(len(head))})
    assert answer.status == 200, answer.body[:1000]
    read = np.array(answer.json["outputs"][0]["data"], np.float32)
    assert (read == values).all()
    # Four million numbers, of some 40 ns each: ten ticks and more.
    assert helper_ticks(own_server) > 2


def test_what_follows_a_large_body_waits_for_its_answer(own_server):
    with own_server.connect() as connection, connection.makefile("rb") as answers:
        connection.sendall(json_request(1 << 20) + ALIVE + json_request(1 << 20, missing=0) + ALIVE)
        statuses = []
        for _ in range(4):
            line, length = answers.readline(), 0
            while (header := answers.readline()) != b"\r\n":
                if header.lower().startswith(b"content-length:"):
                    length = int(header.split(b":")[1])
            answers.read(length)
            statuses.append(int(line.split()[1]))
        assert statuses == [400, 200, 200, 200]


def test_a_client_that_closes_its_side_behind_a_large_body_is_answered(own_server):
    with own_server.connect() as connection:
        connection.sendall(json_request(1 << 20, missing=0))
        connection.shutdown(1)
        with connection.makefile("rb") as answers:
            lines = answers.read().split(b"\r\n")
    assert b"HTTP/1.1 200 OK" in lines


def tensor_bytes(server):
    return server.get("/v2/strait/state").json["tensor_memory"]["bytes"]


# -- gRPC ------------------------------------------------------------------------------------------------------------


def message(data, is_compressed=False):
    return struct.pack(">BI", is_compressed, len(data)) + data


def swelling():
    """A message of 100 KB that swells to 100 MB."""
    request = service_pb2.ModelInferRequest(model_name="identity_fp32")
    request.inputs.add(name="INPUT0", datatype="FP32", shape=[1, 5])
    start = request.SerializeToString()
    # The tensor's field, its length as a varint, and zeros.
    length, digits = SWOLLEN, []
    while length:
        digits.append(length & 127 | (128 if length > 127 else 0))
        length >>= 7
    packer = zlib.compressobj(6)
    return message(packer.compress(start + bytes([7 << 3 | 2, *digits]) + bytes(SWOLLEN)) + packer.flush(), True)


def typed():
    """A message with whole numbers, each of which is read, and which are one too few."""
    request = service_pb2.ModelInferRequest(model_name="identity_fp32")
    tensor = request.inputs.add(name="INPUT0", datatype="INT32", shape=[1, TYPED + 1])
    tensor.contents.int_contents.extend([1] * 1000)
    one = tensor.contents.SerializeToString()
    assert one[-1000:] == b"\1" * 1000

    def field(number, content):
        length, digits = len(content), []
        while length:
            digits.append(length & 127 | (128 if length > 127 else 0))
            length >>= 7
        return bytes([number << 3 | 2, *digits]) + content

    tensor.ClearField("contents")
    whole = tensor.SerializeToString() + field(5, field(2, b"\1" * TYPED))
    start = service_pb2.ModelInferRequest(model_name="identity_fp32").SerializeToString()
    return message(start + field(5, whole))


class Neighbour:
    """A connection that asks one small thing after the other: more than pings, of which a server takes only so many."""

    def __init__(self, connection):
        self.connection, self.stream = connection, 1
        # Room for any number of answers.
        send(connection, WINDOW, 0, 0, struct.pack(">I", 1 << 30))
        # Headers and message go in pieces, which wait for nothing.
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self):
        opened(self.connection, self.stream, block(path="/inference.GRPCInferenceService/ServerLive"))
        self.connection.data(self.stream, message(b""), end=True)
        assert answer(self.connection, self.stream)[2]["grpc-status"] == "0"
        self.stream += 2


@pytest.mark.parametrize("make", [swelling, typed])
def test_others_are_served_while_a_large_message_is_read(own_server, make):
    with speaking(own_server) as other, speaking(own_server) as connection:
        neighbour = Neighbour(other)
        opened(connection, 1, block() + literal("grpc-encoding", "deflate"))
        data = make()
        connection.data(1, data[:-1])
        for _ in range(UNTIL_TAKEN):
            neighbour.ask()
        assert not connection.kept
        connection.data(1, data[-1:], end=True)
        # Windows are widened for what was read; the answer is what comes behind.
        turns, trailers = 0, None
        while trailers is None:
            if not connection.read:
                turns += turns_until_readable(connection.socket, neighbour.ask)
            kind, flags, payload, stream = connection.receive()
            if kind == HEADERS and flags & END_STREAM:
                trailers = read_block(payload)
        assert trailers["grpc-status"] == "3", trailers
    assert turns >= TURNS


def test_a_client_that_leaves_while_its_message_is_read_costs_nothing(own_server):
    for _ in range(8):
        with speaking(own_server) as connection:
            opened(connection, 1, block() + literal("grpc-encoding", "deflate"))
            connection.data(1, swelling(), end=True)
        with own_server.connect() as connection:
            connection.sendall(json_request(4 << 20))
    limit = time.monotonic() + ANSWER_LIMIT
    while tensor_bytes(own_server):
        assert time.monotonic() < limit, "memory for tensors is held by clients that left"
        time.sleep(POLL)
