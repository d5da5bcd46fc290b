# SPDX-License-Identifier: Apache-2.0
"""Clients that mean harm, below what any library sends: each costs itself its connection, and nobody else anything.

The rows of docs/security.md about connections name these tests."""

import contextlib
import gzip
import os
import shutil
import socket
import struct
import time

import numpy as np
import pytest
from grpc_client import INFER, connected, typed_request
from onnx import TensorProto, helper
from requests_made import infer
from server import ANSWER_LIMIT, read_answer
from test_grpc_gate import DATA, END_HEADERS, HEADERS, RESET, SETTINGS, WINDOW, good, is_served, speaking
from watched import serving

PRIORITY, PING, AWAY, CONTINUATION = 2, 6, 7, 9
FLOW_CONTROL, FRAME_SIZE, REFUSED, COMPRESSION, TOO_MUCH = 3, 6, 7, 9, 11
LARGE = 1 << 18  # numbers in a large answer: a megabyte, which no socket's buffers hold
MEMORY = 16  # MiB for tensors
ROOM = 200 << 20  # what an attack may make the server grow by, with allocators and all
HUGE = 1 << 21  # numbers in an answer that the kernel's buffers do not hold: eight megabytes
BUDGET = 64  # MiB for tensors, where so much is asked for
PATIENCE = 2  # seconds without progress that these servers allow


@pytest.fixture(scope="module")
def server(repository):
    """One that all these attacks meet: what one of them had left behind, the next would find."""
    with serving(repository) as running:
        yield running
        running.end()


def setting(name, value):
    return struct.pack(">HI", name, value)


def header(name, value):
    """A literal that is not remembered, neither name nor value compressed."""
    def text(data):
        prefix = bytes([len(data)]) if len(data) < 127 else bytes([127]) + number(len(data) - 127)
        return prefix + data
    return b"\0" + text(name.encode()) + text(value.encode())


def number(rest):
    """What follows a full prefix in HPACK."""
    data = b""
    while rest >= 128:
        data += bytes([rest & 127 | 128])
        rest >>= 7
    return data + bytes([rest])


CALL = b"".join(header(name, value) for name, value in (
    (":method", "POST"), (":scheme", "http"), (":path", INFER), ("content-type", "application/grpc"),
    ("te", "trailers")))


def end_of(connection):
    """The code with which the server says why it hangs up; None if it does not say. It must hang up."""
    connection.socket.settimeout(ANSWER_LIMIT)
    code = None
    with contextlib.suppress(ConnectionError):
        while frame := connection.receive():
            if frame[0] == AWAY:
                code = int.from_bytes(frame[2][4:8])
    return code


# -- HTTP/2 as gRPC speaks it -----------------------------------------------------------------------------------------


def flood(connection, data, times):
    """Sends until the server has had enough."""
    with contextlib.suppress(ConnectionError, TimeoutError):
        connection.socket.settimeout(ANSWER_LIMIT)
        for _ in range(times):
            connection.socket.sendall(data)


# What is sent, forty times, and how the server may say that it hangs up: it may be gone before that is read.
FLOODS = {
    "settings by the thousand": (lambda c: c.frame(SETTINGS, 0, 0, setting(4, 1 << 20) * 2000), TOO_MUCH),
    "settings frames": (lambda c: c.frame(SETTINGS, 0, 0, setting(4, 1 << 20)) * 500, TOO_MUCH),
    "pings": (lambda c: c.frame(PING, 0, 0, bytes(8)) * 500, TOO_MUCH),
    "frames of no known kind": (lambda c: c.frame(77, 0, 0) * 500, TOO_MUCH),
    "priorities": (lambda c: c.frame(PRIORITY, 0, 1, bytes(5)) * 500, TOO_MUCH),
    "windows beyond all numbers": (lambda c: c.frame(WINDOW, 0, 0, struct.pack(">I", 2**31 - 1)) * 2, FLOW_CONTROL),
    "a frame of sixteen megabytes": (lambda _: b"\xff\xff\xff" + bytes([DATA, 0, 0, 0, 0, 1, 0]), FRAME_SIZE),
}


@pytest.mark.parametrize("name", FLOODS)
def test_floods_of_frames_end_their_connection(server, name):
    data, code = FLOODS[name]
    before = server.resident()
    with speaking(server) as connection:
        flood(connection, data(connection), 40)
        assert end_of(connection) in (code, None)
    assert is_served(server)
    assert server.resident() - before < ROOM


def test_headers_that_go_on_for_ever_end_their_connection(server):
    before = server.resident()
    with speaking(server) as connection:
        connection.socket.sendall(connection.frame(HEADERS, 0, 1, CALL))
        flood(connection, connection.frame(CONTINUATION, 0, 1, header("x-more", "m" * 8000)), 2000)
        assert end_of(connection) in (TOO_MUCH, None)
    with speaking(server) as connection:
        connection.socket.sendall(connection.frame(HEADERS, 0, 1, CALL))
        flood(connection, connection.frame(CONTINUATION, 0, 1) * 100, 400)
        assert end_of(connection) in (TOO_MUCH, None)
    assert is_served(server)
    assert server.resident() - before < ROOM


def test_a_block_of_references_that_stands_for_megabytes_ends_its_connection(server):
    """HPACK lets a byte stand for a header of four kilobytes: here, sixty thousand times."""
    before = server.resident()
    remembered = b"\x40" + bytes([1]) + b"x" + bytes([127]) + number(3900 - 127) + b"v" * 3900
    with speaking(server) as connection:
        connection.socket.sendall(connection.frame(HEADERS, END_HEADERS, 1, CALL + remembered))
        flood(connection, connection.frame(HEADERS, END_HEADERS, 3, CALL + b"\xbe" * 60_000), 1)
        assert end_of(connection) == COMPRESSION
    assert is_served(server)
    assert server.resident() - before < ROOM


def test_data_for_a_call_that_has_ended_is_dropped(server):
    before = server.resident()
    with speaking(server) as connection:
        connection.socket.settimeout(ANSWER_LIMIT)
        connection.call(1)
        connection.call(3)
        connection.socket.sendall(connection.frame(RESET, 0, 1, struct.pack(">I", 8)))
        flood(connection, connection.frame(DATA, 0, 1, bytes(16_384)), 2000)
        # That cost its sender only: the other call goes on.
        connection.data(3, good(), end=True)
        assert connection.next({DATA}, 3) is not None
    assert is_served(server)
    assert server.resident() - before < ROOM


def test_streams_beyond_what_was_allowed_are_refused_and_no_others(server):
    with speaking(server) as connection:
        connection.socket.settimeout(ANSWER_LIMIT)
        for stream in range(1, 2 * 1024 + 2, 2):
            connection.call(stream)
        frame = connection.next({RESET}, 2 * 1024 + 1)
        assert frame is not None and int.from_bytes(frame[2]) == REFUSED
        connection.data(1, good(), end=True)
        assert connection.next({DATA}, 1) is not None
    assert is_served(server)


def test_a_message_that_unpacks_to_a_thousand_times_its_size_is_refused(repository):
    bomb = gzip.compress(bytes(512 << 20), 9)
    with serving(repository, "--tensor-memory", "64", "--max-body", "8") as server:
        assert is_served(server)
        before = server.resident()
        with speaking(server) as connection:
            connection.socket.settimeout(ANSWER_LIMIT)
            for stream in range(1, 9, 2):
                connection.socket.sendall(
                    connection.frame(HEADERS, END_HEADERS, stream, CALL + header("grpc-encoding", "gzip")))
                connection.windows[stream] = connection.first
                connection.data(stream, b"\1" + struct.pack(">I", len(bomb)) + bomb, end=True)
                kind, flags, payload = connection.next({HEADERS}, stream)
                assert b"grpc-status\x018" in payload, payload
        answer = server.post("/v2/models/identity_fp32/infer", bomb, {"Content-Encoding": "gzip"})
        assert answer.status == 413 and answer.error
        assert is_served(server)
        assert server.resident() - before < ROOM
        server.end()


# -- answers that nobody takes ----------------------------------------------------------------------------------------


def test_answers_for_which_no_window_is_given_are_dropped_in_time(repository):
    """gRPC: a client that asks for more than there is memory for, and gives its calls no window at all."""
    limits = ("--tensor-memory", str(MEMORY), "--max-body", "4", "--idle-timeout-secs", str(PATIENCE))
    with serving(repository, *limits) as server, speaking(server) as connection:
        connection.socket.settimeout(ANSWER_LIMIT)
        connection.socket.sendall(connection.frame(SETTINGS, 0, 0, setting(4, 0)))
        data = typed_request("identity_fp32", {"INPUT0": np.zeros((1, LARGE), np.float32)}).SerializeToString()
        message = b"\0" + struct.pack(">I", len(data)) + data
        before = server.resident()
        for stream in range(1, 2 * MEMORY + 1, 2):
            connection.call(stream)
            connection.data(stream, message, end=True)
        # Every call ends: refused because there is no memory, or reset because its answer is not taken.
        ended = set()
        while len(ended) < MEMORY:
            frame = connection.kept.pop(0) if connection.kept else connection.receive()
            assert frame is not None, f"hung up on with {len(ended)} calls ended; the log:\n{server.read_log()}"
            if frame[0] == RESET or frame[0] == HEADERS and frame[1] & 1:
                ended.add(frame[3])
        assert server.resident() - before < ROOM
        # Their memory is there again: a request that needs much of it is served.
        with connected(server) as stub:
            large = typed_request("identity_fp32", {"INPUT0": np.zeros((1, LARGE), np.float32)})
            assert stub.ModelInfer(large, timeout=ANSWER_LIMIT).outputs
        server.end()


def test_replies_that_are_not_read_stay_counted_and_are_given_up_in_time(repository):
    """HTTP: clients that ask for many times as much as there is memory for, and do not read."""
    # Long enough that all have asked before the first is given up, on a busy machine too.
    limits = ("--tensor-memory", str(BUDGET), "--max-body", "16", "--idle-timeout-secs", str(10 * PATIENCE))
    with serving(repository, *limits) as server, contextlib.ExitStack() as stack:
        clients, answered = [], 0
        for place in range(BUDGET // 2):
            client = stack.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.settimeout(ANSWER_LIMIT)
            client.connect(("127.0.0.1", server.port))
            client.sendall(infer("identity_fp32", f"unread{place}", columns=HUGE))
            status = client.recv(12)
            assert status in (b"HTTP/1.1 200", b"HTTP/1.1 429"), status
            answered += status.endswith(b"200")
            clients.append(client)
        # As many as there is memory for, in which one that is being made has three places.
        assert 0 < answered <= BUDGET // (HUGE >> 18), f"{answered} replies of {HUGE >> 18} MB are held"
        # Others are served again, while the clients still do not read.
        assert server.settle(lambda: server.exchange(infer("identity_fp32", "after", columns=HUGE)).status == 200,
                             seconds=ANSWER_LIMIT)
        # What the kernel holds is there; the rest was given up.
        taken = [len(to_the_end(client)) for client in clients]
        assert max(taken) < 4 * HUGE, taken
        server.end()


def test_scrapes_that_are_not_read_wait_for_one_another(repository):
    """Asked for by the thousand on one connection; a page of metrics has some ten kilobytes and more."""
    with serving(repository) as server:
        port, before = server.metrics_port, server.resident()
        with contextlib.ExitStack() as stack:
            for _ in range(8):
                client = stack.enter_context(socket.create_connection(("127.0.0.1", port), ANSWER_LIMIT))
                client.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    for _ in range(100):
                        client.send(b"GET /metrics HTTP/1.1\r\nHost: strait\r\n\r\n" * 1000)
            end = time.monotonic() + PATIENCE
            most = 0
            while time.monotonic() < end:
                most = max(most, server.resident() - before)
                time.sleep(0.05)
        assert most < ROOM, f"{most >> 20} MB"
        with socket.create_connection(("127.0.0.1", port), ANSWER_LIMIT) as client:
            client.sendall(b"GET /metrics HTTP/1.1\r\nHost: strait\r\n\r\n")
            assert read_answer(client).status == 200
        server.end()


def to_the_end(client):
    data = b""
    with contextlib.suppress(ConnectionError):
        while part := client.recv(1 << 20):
            data += part
    return data


# -- HTTP/1.1 ---------------------------------------------------------------------------------------------------------


def test_a_request_inside_another_is_not_answered(server):
    """What a proxy and this server could understand differently: both lengths, an odd coding, a folded header."""
    inner = b"GET /v2/health/live HTTP/1.1\r\nHost: strait\r\n\r\n"
    start = b"POST /v2/repository/index HTTP/1.1\r\nHost: strait\r\n"
    for name, head in (("both lengths", b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n" % (len(inner) + 5)),
                       ("an odd coding", b"Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n"),
                       ("two lengths", b"Content-Length: 0\r\nContent-Length: %d\r\n" % len(inner))):
        with server.connect() as connection:
            connection.sendall(start + head + b"\r\n0\r\n\r\n" + inner)
            connection.settimeout(ANSWER_LIMIT)
            data = b""
            with contextlib.suppress(ConnectionError, TimeoutError):
                while part := connection.recv(65_536):
                    data += part
            assert data.count(b"HTTP/1.1 ") <= 1 and b"HTTP/1.1 200" not in data, (name, data)
    assert is_served(server)


@pytest.mark.parametrize("name", ["x%0d%0aSet-Cookie:%20a=b", "x%0aX-Injected:%20yes", "%22%7D%2C%3Cscript%3E"])
def test_a_name_adds_no_header_and_no_script_to_its_answer(server, name):
    for path in (f"/v2/models/{name}/ready", f"/v2/models/{name}", f"/v2/{name}"):
        with server.connect() as connection:
            connection.sendall(b"GET %b HTTP/1.1\r\nHost: strait\r\n\r\n" % path.encode())
            answer = read_answer(connection)
        assert answer.status == 404 and answer.error
        assert not {"set-cookie", "x-injected"} & {key.lower() for key in answer.headers}
        assert answer.headers["Content-Type"] == "application/json"


# -- models -----------------------------------------------------------------------------------------------------------


def adding(location):
    """A model that adds to its input what it keeps in another file."""
    weights = TensorProto(name="W", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", "0"), ("length", "16")):
        entry = weights.external_data.add()
        entry.key, entry.value = key, value
    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 4]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Add", ["x", "W"], ["y"])], "adds", tensors[:1], tensors[1:], [weights])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8).SerializeToString()


def test_a_model_reads_no_weights_outside_its_folder(repository, tmp_path):
    """ONNX Runtime's own check, on which we depend: a model that was downloaded may name any file."""
    secret = tmp_path / "secret.bin"
    secret.write_bytes(np.arange(4, dtype=np.float32).tobytes())
    models = {"inside": "beside.bin", "above": "../../../secret.bin", "absolute": str(secret), "linked": "link.bin"}
    for name, location in models.items():
        folder = tmp_path / "repository" / name / "1"
        folder.mkdir(parents=True)
        (folder / "model.onnx").write_bytes(adding(location))
        shutil.copy(secret, folder / "beside.bin")
        os.symlink(secret, folder / "link.bin")
    with serving(tmp_path / "repository") as server:
        states = {entry["name"]: entry["state"] for entry in server.post("/v2/repository/index", {}).json}
        server.end()
    assert states == {"inside": "READY", "above": "UNAVAILABLE", "absolute": "UNAVAILABLE", "linked": "UNAVAILABLE"}
