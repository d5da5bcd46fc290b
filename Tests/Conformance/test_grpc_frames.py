# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 below the calls of gRPC: what its libraries may send but seldom do, and what nobody may send."""

import contextlib
import random
import struct

import numpy as np
import pytest
from grpc_client import INFER, raw_call
from test_grpc_gate import (DATA, END_HEADERS, END_STREAM, HEADERS, PREFACE, RESET, SETTINGS, WINDOW, AWAY, Connection,
                            good, is_served, own_server, speaking)
from server import ANSWER_LIMIT
from tritonclient.grpc import service_pb2

PRIORITY, PING, CONTINUATION = 2, 6, 9
PADDED, PRIORITISED = 8, 32
COMMON = ((":method", "POST"), (":scheme", "http"), (":authority", "strait"), ("te", "trailers"))
FLOW_CONTROL, FRAME_SIZE, VIOLATION = 3, 6, 1


def literal(name, value, kind=0):
    """A header in full: not indexed, or (kind 0x40) remembered by both sides."""
    return bytes([kind, len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def block(path=INFER, content_type="application/grpc", kind=0, **others):
    fields = COMMON + ((":path", path), ("content-type", content_type))
    fields += tuple((name.replace("_", "-"), value) for name, value in others.items())
    return b"".join(literal(name, value, kind) for name, value in fields)


def read_block(payload):
    """The headers of an answer, all of which the server sends in full but for its status 200."""
    headers, place = {}, 0
    if payload[:1] == b"\x88":
        headers[":status"], place = "200", 1

    def text():
        nonlocal place
        length = payload[place] & 127
        place += 1
        if length == 127:
            shift = 0
            while True:
                length += (payload[place] & 127) << shift
                shift += 7
                place += 1
                if payload[place - 1] < 128:
                    break
        place += length
        return payload[place - length:place].decode()

    while place < len(payload):
        assert payload[place] == 0
        place += 1
        name = text()
        headers[name] = text()
    return headers


def send(connection, kind, flags, stream, payload=b""):
    connection.socket.sendall(connection.frame(kind, flags, stream, payload))


def opened(connection, stream, header_block, end=False):
    connection.windows[stream] = connection.first
    send(connection, HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, header_block)


def answer(connection, stream):
    """All that comes of a call: headers, message bytes, trailers."""
    headers, message = {}, b""
    while True:
        frame = connection.next({DATA, HEADERS, AWAY}, stream)
        assert frame is not None, "the connection ended"
        kind, flags, payload = frame
        if kind == DATA:
            message += payload
            continue
        read = read_block(payload)
        if flags & END_STREAM:
            return headers, message, read
        headers = read


def assert_answered(connection, stream, columns=4):
    headers, message, trailers = answer(connection, stream)
    assert headers == {":status": "200", "content-type": "application/grpc"}
    assert trailers["grpc-status"] == "0", trailers
    assert message[0] == 0 and int.from_bytes(message[1:5]) == len(message) - 5
    response = service_pb2.ModelInferResponse.FromString(message[5:])
    assert len(response.raw_output_contents[0]) == 4 * columns


# -- what may be sent ----------------------------------------------------------------------------------------------


def test_headers_in_pieces_are_read(server):
    with speaking(server) as connection:
        whole = block()
        connection.windows[1] = connection.first
        send(connection, HEADERS, 0, 1, whole[:1])
        for place in range(1, len(whole), 7):
            part = whole[place:place + 7]
            send(connection, CONTINUATION, END_HEADERS if place + 7 >= len(whole) else 0, 1, part)
        connection.data(1, good(), end=True)
        assert_answered(connection, 1)


def test_padding_and_priority_mean_nothing(server):
    with speaking(server) as connection:
        connection.windows[1] = connection.first
        payload = bytes([3]) + bytes(5) + block() + bytes(3)
        send(connection, HEADERS, END_HEADERS | PADDED | PRIORITISED, 1, payload)
        send(connection, PRIORITY, 0, 1, bytes(5))
        send(connection, 200, 7, 1, b"unknown")
        data = good()
        for place in range(len(data)):
            send(connection, DATA, PADDED, 1, bytes([4]) + data[place:place + 1] + bytes(4))
        send(connection, DATA, PADDED | END_STREAM, 1, bytes([200]) + bytes(200))
        assert_answered(connection, 1)


def test_a_ping_is_answered_with_its_own_bytes(server):
    with speaking(server) as connection:
        send(connection, PING, 0, 0, b"12345678")
        assert connection.next({PING}) == (PING, 1, b"12345678")


def test_a_call_may_end_without_more_data_or_with_trailers(server):
    with speaking(server) as connection:
        opened(connection, 1, block())
        connection.data(1, good())
        send(connection, DATA, END_STREAM, 1)
        assert_answered(connection, 1)
        opened(connection, 3, block(path="/inference.GRPCInferenceService/ModelStreamInfer"))
        send(connection, HEADERS, END_HEADERS | END_STREAM, 3, literal("x", "y"))
        assert answer(connection, 3)[2]["grpc-status"] == "0"


@pytest.mark.parametrize("first, frame", [(1, 16_384), (10, 16_384), (70_000, 16_384), (70_000, 20_000)])
def test_an_answer_keeps_to_the_client_s_windows_and_frames(server, first, frame):
    columns = 25_000 if first > 10 else 30
    with speaking(server) as connection:
        send(connection, SETTINGS, 0, 0, struct.pack(">HIHI", 4, first, 5, frame))
        opened(connection, 1, block())
        connection.data(1, good(columns), end=True)
        allowed, total, message = first, 65_535, b""
        while True:
            kind, flags, payload = connection.next({DATA, HEADERS}, 1)
            if kind == HEADERS and flags & END_STREAM:
                break
            if kind == DATA:
                message += payload
                assert len(payload) <= min(frame, 65_535)
                assert len(message) <= min(allowed, total)
                # Some more, to the stream, to the connection.
                if len(message) in (allowed, total) or len(message) > 60_000:
                    allowed, total = allowed + 4000, total + 4000
                    send(connection, WINDOW, 0, 1, struct.pack(">I", 4000))
                    send(connection, WINDOW, 0, 0, struct.pack(">I", 4000))
        response = service_pb2.ModelInferResponse.FromString(message[5:])
        assert response.raw_output_contents[0] == bytes(4 * columns)


def test_the_same_bytes_of_headers_mean_what_is_remembered_now(server):
    """References to remembered headers: the same bytes name another method once something else is remembered."""
    live, nothing = "/inference.GRPCInferenceService/ServerLive", "/inference.GRPCInferenceService/Nothing"
    rest = b"".join(literal(name, value, 0x40) for name, value in COMMON) + literal(
        "content-type", "application/grpc", 0x40)
    with speaking(server) as connection:
        opened(connection, 1, rest + literal(":path", live, 0x40), end=False)
        connection.data(1, bytes(5), end=True)
        assert answer(connection, 1)[2]["grpc-status"] == "0"
        # The last remembered is number 62; six are.
        again = bytes(0x80 | 62 + place for place in (1, 2, 3, 4, 5, 0))
        for stream in (3, 5):
            opened(connection, stream, again)
            connection.data(stream, bytes(5), end=True)
            assert answer(connection, stream)[2]["grpc-status"] == "0"
        # Two more are remembered on top, a name that matters to nobody and a path: all others are two further down.
        opened(connection, 7, b"".join(literal(name, value) for name, value in COMMON) + literal(
            "content-type", "application/grpc") + literal("x-a", "b", 0x40) + literal(":path", nothing, 0x40))
        connection.data(7, bytes(5), end=True)
        assert answer(connection, 7)[2]["grpc-status"] == "12"
        shifted = bytes(0x80 | 62 + place for place in (3, 4, 5, 6, 7, 0))
        for stream in (9, 11):
            opened(connection, stream, shifted)
            connection.data(stream, bytes(5), end=True)
            assert answer(connection, stream)[2]["grpc-status"] == "12", stream
        opened(connection, 13, b"".join(literal(name, value) for name, value in COMMON) + literal(
            "content-type", "application/grpc") + literal(":path", live, 0x40))
        connection.data(13, bytes(5), end=True)
        assert answer(connection, 13)[2]["grpc-status"] == "0"
        # The very bytes that were refused: everything is one further down, so that they name the good path now (twice).
        opened(connection, 15, shifted)
        connection.data(15, bytes(5), end=True)
        assert answer(connection, 15)[2]["grpc-status"] == "0"


# -- what is told ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("changes, status", [({"content_type": "text/html"}, "415"),
                                             ({"content_type": "application/grpc-web"}, "415")])
def test_what_is_no_call_of_grpc_is_told_so_in_http(server, changes, status):
    with speaking(server) as connection:
        opened(connection, 1, block(**changes))
        kind, flags, payload = connection.next({HEADERS}, 1)
        assert read_block(payload) == {":status": status} and flags & END_STREAM


def test_compression_that_is_not_known_or_not_announced_is_told(server):
    with speaking(server) as connection:
        opened(connection, 1, block(grpc_encoding="zstd"))
        told = answer(connection, 1)[2]
        assert told["grpc-status"] == "12" and "gzip" in told["grpc-accept-encoding"]
        opened(connection, 3, block())
        connection.data(3, b"\1" + good()[1:], end=True)
        assert answer(connection, 3)[2]["grpc-status"] == "13"


def test_a_call_that_ends_too_early_is_told(server):
    with speaking(server) as connection:
        for stream, sent in ((1, b""), (3, good()[:3]), (5, good()[:-1])):
            opened(connection, stream, block())
            send(connection, DATA, END_STREAM, stream, sent)
            assert answer(connection, stream)[2]["grpc-status"] == "3"


def test_a_message_in_any_letters_arrives(server):
    name = "größe 100 % \u6a21\u578b"
    with raw_call(server) as call:
        request = service_pb2.ModelInferRequest(model_name=name)
        request.inputs.add(name="x", datatype="FP32", shape=[1]).contents.fp32_contents.append(1)
        _, told = call(request.SerializeToString())
    assert name in told


# -- what may not be sent --------------------------------------------------------------------------------------------

HUGE_WINDOW = struct.pack(">I", (1 << 31) - 1)


@pytest.mark.parametrize("frames, code", [
    ([(WINDOW, 0, 0, bytes(4))], VIOLATION),
    ([(WINDOW, 0, 0, HUGE_WINDOW)], FLOW_CONTROL),
    ([(WINDOW, 0, 0, b"123")], FRAME_SIZE),
    ([(HEADERS, END_HEADERS, 2, block())], VIOLATION),
    ([(HEADERS, END_HEADERS, 0, block())], VIOLATION),
    ([(HEADERS, 0, 1, block()), (PING, 0, 0, bytes(8))], VIOLATION),
    ([(HEADERS, END_HEADERS | PADDED, 1, b"\xff" + block()[:100])], VIOLATION),
    ([(HEADERS, END_HEADERS, 1, b"\xff\xff\xff\xff\xff\xff")], 9),
    ([(CONTINUATION, END_HEADERS, 1, block())], VIOLATION),
    ([(DATA, 0, 1, b"1234")], VIOLATION),
    ([(DATA, 0, 0, b"1234")], VIOLATION),
    ([(HEADERS, END_HEADERS, 1, block()), (DATA, PADDED, 1, b"\x04123")], VIOLATION),
    ([(RESET, 0, 1, bytes(4))], VIOLATION),
    ([(SETTINGS, 0, 0, b"12345")], FRAME_SIZE),
    ([(SETTINGS, 0, 1, b"")], VIOLATION),
    ([(SETTINGS, 0, 0, struct.pack(">HI", 4, 1 << 31))], FLOW_CONTROL),
    ([(SETTINGS, 0, 0, struct.pack(">HI", 5, 100))], VIOLATION),
    ([(PING, 0, 0, b"1234")], FRAME_SIZE),
    ([(5, 0, 1, bytes(8))], VIOLATION),
    ([(0x20, 0, 0, b"")] * 5000, 11),
    ([(PING, 0, 0, bytes(8))] * 5000, 11),
])
def test_who_breaks_the_rules_is_told_why_and_hung_up_on(server, frames, code):
    with speaking(server) as connection:
        connection.socket.settimeout(ANSWER_LIMIT)
        told = None
        with contextlib.suppress(ConnectionError):
            connection.socket.sendall(b"".join(connection.frame(*frame) for frame in frames))
        with contextlib.suppress(ConnectionError):
            while frame := connection.receive():
                if frame[0] == AWAY:
                    told = int.from_bytes(frame[2][4:8])
        # A reset of the connection can overtake it where much was on its way.
        assert told == code or (told is None and len(frames) > 10)
    assert is_served(server)


def test_more_data_than_was_allowed_is_hung_up_on(server):
    with speaking(server) as connection:
        connection.socket.settimeout(ANSWER_LIMIT)
        with contextlib.suppress(ConnectionError):
            opened(connection, 1, block(path="/inference.GRPCInferenceService/ServerLive"))
            # A frame that is longer than the largest that is taken.
            connection.socket.sendall(struct.pack(">I", (1 << 20) + 1)[1:] + bytes([DATA, 0]) + struct.pack(">I", 1))
            while connection.receive():
                pass
    assert is_served(server)


@pytest.mark.parametrize("seed", range(40))
def test_mutated_conversations_never_hurt(server, seed):
    """A good conversation with a few bytes changed, cut or doubled: an answer or the end, and the server goes on."""
    source = random.Random(seed)
    data = good()
    frame = Connection.frame
    whole = PREFACE + frame(SETTINGS, 0, 0) + b"".join(
        frame(HEADERS, END_HEADERS, stream, block()) + frame(DATA, END_STREAM, stream, data) for stream in (1, 3, 5))
    for _ in range(25):
        noise = bytearray(whole)
        for _ in range(source.randint(1, 6)):
            place = source.randrange(24, len(noise))
            change = source.randrange(3)
            if change == 0:
                noise[place] = source.randrange(256)
            elif change == 1:
                del noise[place:place + source.randint(1, 30)]
            else:
                noise[place:place] = noise[place:place + source.randint(1, 30)]
        with server.connect_grpc() as connection, contextlib.suppress(ConnectionError, TimeoutError):
            connection.settimeout(0.02)
            connection.sendall(noise)
            while connection.recv(65_536):
                pass
    assert is_served(server)


def test_typed_and_raw_arrays_of_every_alignment_are_read(server):
    """A tensor in a message that comes in pieces stays where it was put, aligned or not."""
    with raw_call(server) as call:
        for extra in (0, 1, 2, 3, 7, 31, 62, 63, 64, 65):
            values = np.random.default_rng(extra).standard_normal((1, 70_000)).astype(np.float32)
            request = service_pb2.ModelInferRequest(
                model_name="identity_fp32", id="i" * extra, raw_input_contents=[values.tobytes()])
            request.inputs.add(name="INPUT0", datatype="FP32", shape=values.shape)
            _, told = call(request.SerializeToString())
            assert told.raw_output_contents[0] == values.tobytes()


def test_who_takes_nothing_of_an_answer_loses_it(tmp_path):
    """Its memory would else be held as long as the client likes."""
    with own_server(tmp_path, "--idle-timeout-secs", "1") as server, speaking(server) as connection:
        send(connection, SETTINGS, 0, 0, struct.pack(">HI", 4, 100))
        opened(connection, 1, block())
        connection.data(1, good(1000), end=True)
        connection.socket.settimeout(ANSWER_LIMIT)
        message = b""
        while (frame := connection.next({DATA, RESET}, 1))[0] == DATA:
            message += frame[2]
        assert len(message) == 100
        assert int.from_bytes(frame[2]) == 8
        assert is_served(server)
