# SPDX-License-Identifier: Apache-2.0
"""What clients do to a gRPC server below the calls: half a message, one without end, more than there is memory for."""

import contextlib
import os
import shutil
import struct

import numpy as np
import pytest
from grpc_client import INFER, connected, typed_request
from server import ANSWER_LIMIT, MODELS, Server

DATA, HEADERS, RESET, SETTINGS, AWAY, WINDOW = 0, 1, 3, 4, 7, 8
END_STREAM, ACK, END_HEADERS = 1, 1, 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Connection:
    """As much of HTTP/2 as it takes to send what no library would."""

    def __init__(self, server):
        self.socket = server.connect_grpc()
        self.socket.sendall(PREFACE + self.frame(SETTINGS, 0, 0))
        self.read = b""
        # What may be sent: on the whole, on each stream, and on a new one.
        self.windows, self.first = {0: 65_535}, 65_535
        self.kept = []

    def close(self):
        self.socket.close()

    @staticmethod
    def frame(kind, flags, stream, payload=b""):
        return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload

    def call(self, stream, path=INFER):
        """Opens a stream as a gRPC call."""
        block = b""
        for name, value in ((":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "strait"),
                            ("content-type", "application/grpc"), ("te", "trailers")):
            # A literal that is not indexed, neither name nor value compressed.
            block += bytes([0, len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
        self.socket.sendall(self.frame(HEADERS, END_HEADERS, stream, block))
        self.windows[stream] = self.first

    def data(self, stream, payload, end=False):
        for start in range(0, max(1, len(payload)), 16_384):
            part = payload[start:start + 16_384]
            last = end and start + 16_384 >= len(payload)
            while min(self.windows[0], self.windows[stream]) < len(part):
                frame = self.receive()
                if frame is None or frame[0] == HEADERS:
                    self.kept += [frame] if frame else []
                    return  # refused, or hung up on
            self.windows[0] -= len(part)
            self.windows[stream] -= len(part)
            self.socket.sendall(self.frame(DATA, END_STREAM if last else 0, stream, part))

    def next(self, kinds, stream=None):
        """The next frame of one of the kinds: (kind, flags, payload); None at the end of the connection."""
        while True:
            frame = self.kept.pop(0) if self.kept else self.receive()
            if frame is None or frame[0] in kinds and stream in (None, frame[3]):
                return frame and frame[:3]

    def receive(self):
        """One frame, heeded if it is about windows: (kind, flags, payload, stream)."""
        head = self.take(9)
        if head is None:
            return None
        length, kind, flags, stream = int.from_bytes(head[:3]), head[3], head[4], int.from_bytes(head[5:])
        payload = self.take(length)
        if kind == WINDOW:
            self.windows[stream] = self.windows.get(stream, self.first) + int.from_bytes(payload)
        if kind == SETTINGS and not flags & ACK:
            for place in range(0, length, 6):
                if int.from_bytes(payload[place:place + 2]) == 4:
                    first = int.from_bytes(payload[place + 2:place + 6])
                    for number in self.windows.keys() - {0}:
                        self.windows[number] += first - self.first
                    self.first = first
            self.socket.sendall(self.frame(SETTINGS, ACK, 0))
        return kind, flags, payload, stream

    def take(self, count):
        while len(self.read) < count:
            part = self.socket.recv(65_536)
            if not part:
                return None
            self.read += part
        taken, self.read = self.read[:count], self.read[count:]
        return taken


@contextlib.contextmanager
def own_server(folder, *arguments):
    shutil.copytree(MODELS / "identity_fp32", folder / "identity_fp32", copy_function=os.link)
    running = Server(folder, *arguments)
    try:
        yield running.start()
        assert running.stop() == 0, running.read_log()
    finally:
        running.kill()


@contextlib.contextmanager
def speaking(server):
    with contextlib.closing(Connection(server)) as connection:
        yield connection


def good(columns=4):
    data = typed_request("identity_fp32", {"INPUT0": np.zeros((1, columns), np.float32)}).SerializeToString()
    return b"\0" + struct.pack(">I", len(data)) + data


def is_served(server):
    with connected(server) as stub:
        return bool(stub.ModelInfer(typed_request("identity_fp32", {"INPUT0": np.zeros((1, 4), np.float32)}),
                                    timeout=ANSWER_LIMIT).outputs)


def test_the_hand_made_call_is_answered(server):
    with speaking(server) as connection:
        connection.call(1)
        connection.data(1, good(), end=True)
        assert connection.next({DATA}, 1) is not None
        kind, flags, _ = connection.next({HEADERS}, 1)
        assert (kind, flags & END_STREAM) == (HEADERS, END_STREAM)


@pytest.mark.parametrize("cut", [0, 1, 4, 5, 6, 40])
def test_a_message_that_stops_coming_ends_its_call(tmp_path, cut):
    with own_server(tmp_path, "--idle-timeout-secs", "1") as server, speaking(server) as connection:
        connection.call(1)
        if cut:
            connection.data(1, good()[:cut])
        kind, flags, payload = connection.next({HEADERS}, 1)
        assert flags & END_STREAM, payload
        assert is_served(server)


def test_a_length_beyond_the_limit_ends_its_call_at_once_and_no_other(server):
    with speaking(server) as connection:
        connection.call(1)
        connection.data(1, b"\0" + struct.pack(">I", 0xFFFF_FFFF) + b"1234")
        _, flags, _ = connection.next({HEADERS}, 1)
        assert flags & END_STREAM
        connection.call(3)
        connection.data(3, good(), end=True)
        assert connection.next({DATA}, 3) is not None


def test_messages_that_never_end_fill_no_more_than_the_memory_for_tensors(tmp_path):
    """Sixty-four calls, each with two megabytes of a message of sixty, where there is memory for sixty-four."""
    with own_server(tmp_path, "--tensor-memory", "64", "--max-body", "64") as server:
        assert is_served(server)
        before = server.resident()
        with contextlib.ExitStack() as stack:
            connections = [stack.enter_context(speaking(server)) for _ in range(64)]
            for connection in connections:
                connection.socket.settimeout(ANSWER_LIMIT)
                connection.call(1)
                connection.data(1, b"\0" + struct.pack(">I", 60 << 20) + bytes(2 << 20))
            # At least half of them cannot be held, and are told so.
            refused = 0
            for connection in connections[::-1]:
                if refused >= 32:
                    break
                connection.socket.settimeout(2)
                with contextlib.suppress(TimeoutError):
                    frame = connection.next({HEADERS}, 1)
                    assert frame is not None and frame[1] & END_STREAM
                    refused += 1
            assert refused >= 32
            assert server.resident() - before < 200 << 20
        assert is_served(server)


def test_streams_that_are_reset_at_once_cost_nothing(server):
    before = server.resident()
    for _ in range(20):
        with speaking(server) as connection:
            for stream in range(1, 200, 2):
                connection.call(stream)
                connection.data(stream, good()[:20])
                with contextlib.suppress(OSError):
                    connection.socket.sendall(connection.frame(RESET, 0, stream, struct.pack(">I", 8)))
    assert is_served(server)
    assert server.resident() - before < 64 << 20


def test_a_reset_that_comes_byte_by_byte_ends_its_call_and_no_other(server):
    with speaking(server) as connection:
        for stream in (1, 5, 9):
            connection.call(stream)
            connection.data(stream, good()[:20])
            reset = connection.frame(RESET, 0, stream, struct.pack(">I", 8))
            for place in range(len(reset)):
                connection.socket.sendall(reset[place:place + 1])
            connection.call(stream + 2)
            whole = connection.frame(DATA, END_STREAM, stream + 2, good())
            for place in range(0, len(whole), 7):
                connection.socket.sendall(whole[place:place + 7])
            assert connection.next({DATA}, stream + 2) is not None


def test_who_does_nothing_but_reset_is_hung_up_on(server):
    with speaking(server) as connection:
        connection.socket.settimeout(ANSWER_LIMIT)
        with contextlib.suppress(ConnectionError):
            for stream in range(1, 40_000, 2):
                connection.call(stream)
                connection.socket.sendall(connection.frame(RESET, 0, stream, struct.pack(">I", 8)))
            while connection.receive():
                pass
    assert is_served(server)


@pytest.mark.parametrize("noise", [b"GET / HTTP/1.1\r\nHost: strait\r\n\r\n", bytes(100), os.urandom(1000),
                                   PREFACE + bytes(50), PREFACE + b"\xff" * 200])
def test_what_is_not_http2_is_hung_up_on(server, noise):
    with server.connect_grpc() as connection:
        connection.settimeout(ANSWER_LIMIT)
        with contextlib.suppress(ConnectionError):
            connection.sendall(noise)
            while connection.recv(65_536):
                pass
    assert is_served(server)
