# SPDX-License-Identifier: Apache-2.0
"""A connection that ends takes its last bytes to a client that is slow to read them."""

import contextlib
import json
import signal
import socket
import struct
import time

import numpy as np
import pytest
from server import ANSWER_LIMIT, Server, read_answer
from test_drain import small_repository  # noqa: F401
from test_grpc_frames import PING, block, opened, read_block, send
from test_grpc_gate import ACK, DATA, END_STREAM, HEADERS, SETTINGS, WINDOW, Connection
from tritonclient.grpc import service_pb2

# Replies of which a little is left when the sockets' buffers are full: how much those hold is the kernel's to say, so
# replies of many sizes are asked for, whose steps are less than what may be left.
STEP = 60_000
SIZES = range(STEP, 4_400_000, STEP)
# Longer than the server waits for a client that has been sent all.
PAUSE = 3


def request(size, close):
    """Asks a model for what it is given: `size` bytes of numbers."""
    numbers = np.arange(size // 4, dtype=np.float32).tobytes()
    body = json.dumps({"parameters": {"binary_data_output": True, "timeout": 60_000_000}, "inputs": [
        {"name": "INPUT0", "datatype": "FP32", "shape": [1, size // 4],
         "parameters": {"binary_data_size": len(numbers)}}]}).encode()
    head = (f"POST /v2/models/identity_fp32/infer HTTP/1.1\r\nHost: strait\r\nContent-Length: {len(body + numbers)}\r\n"
            f"Inference-Header-Content-Length: {len(body)}\r\n{'Connection: close' if close else 'X-Nothing: 1'}\r\n\r\n")
    return head.encode() + body + numbers, numbers


def ask(server, size, close, stack):
    """A connection with a small window that has asked for much and reads nothing of it."""
    connection = stack.enter_context(socket.socket())
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(ANSWER_LIMIT)
    connection.connect(("127.0.0.1", server.port))
    data, numbers = request(size, close)
    connection.sendall(data)
    return connection, numbers


def check(asked):
    for connection, numbers in asked:
        # From now on as fast as it can: a server that goes waits two seconds for all of them.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        answer = read_answer(connection)
        assert answer is not None and answer.status == 200 and answer.body.endswith(numbers), len(numbers)


@pytest.fixture
def own_server(small_repository):  # noqa: F811
    running = Server(small_repository)
    try:
        yield running.start()
    finally:
        running.kill()


def test_a_last_reply_is_not_cut(own_server):
    with contextlib.ExitStack() as stack:
        asked = [ask(own_server, size, True, stack) for size in SIZES]
        time.sleep(PAUSE)
        check(asked)
    assert own_server.stop() == 0


def test_a_server_that_goes_does_not_cut_what_it_has_answered(own_server):
    with contextlib.ExitStack() as stack:
        asked = [ask(own_server, size, False, stack) for size in SIZES]
        while own_server.successes()["identity_fp32"] < len(asked):
            time.sleep(0.01)
        own_server.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        check(asked)
    assert own_server.wait() == 0


# -- gRPC ------------------------------------------------------------------------------------------------------------

LARGEST_WINDOW = (1 << 31) - 1
# Longer than the server waits to hear that its client knows that it goes, and shorter than it waits for its last bytes.
DEAF = 0.8


def ask_grpc(server, size, stack):
    """As `ask`, with windows that let everything come."""
    connection = stack.enter_context(contextlib.closing(Connection(server)))
    send(connection, SETTINGS, 0, 0, struct.pack(">HI", 4, LARGEST_WINDOW))
    send(connection, WINDOW, 0, 0, struct.pack(">I", LARGEST_WINDOW - 65_535))
    numbers = np.arange(size // 4, dtype=np.float32).tobytes()
    asked = service_pb2.ModelInferRequest(model_name="identity_fp32", raw_input_contents=[numbers])
    asked.parameters["timeout"].int64_param = 60_000_000
    asked.inputs.add(name="INPUT0", datatype="FP32", shape=[1, size // 4])
    data = asked.SerializeToString()
    opened(connection, 1, block())
    connection.data(1, struct.pack(">BI", 0, len(data)) + data, end=True)
    return connection, numbers


def read_grpc(connection):
    """The message of a call, and its trailers; each part that is read makes room for more, which the server is told."""
    message = b""
    while (frame := connection.receive()) is not None:
        kind, flags, payload, _ = frame
        if payload is None:
            break  # cut within a frame
        if kind == PING and not flags & ACK:
            with contextlib.suppress(ConnectionError):
                send(connection, PING, ACK, 0, payload)
        if kind == DATA:
            message += payload
            with contextlib.suppress(ConnectionError):
                send(connection, WINDOW, 0, 0, struct.pack(">I", max(1, len(payload))))
        if kind == HEADERS and flags & END_STREAM:
            return message, read_block(payload)
    return message, None


def test_a_server_that_goes_does_not_cut_what_it_answers_over_grpc(own_server):
    with contextlib.ExitStack() as stack:
        asked = [ask_grpc(own_server, size, stack) for size in range(500_000, 6_500_000, 500_000)]
        while own_server.successes()["identity_fp32"] < len(asked):
            time.sleep(0.01)
        own_server.process.send_signal(signal.SIGTERM)
        time.sleep(DEAF)
        for connection, numbers in asked:
            message, trailers = read_grpc(connection)
            assert trailers is not None and trailers["grpc-status"] == "0", (len(numbers), len(message))
            assert message.endswith(numbers)
    assert own_server.wait() == 0
