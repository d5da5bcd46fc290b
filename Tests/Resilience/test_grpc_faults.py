# SPDX-License-Identifier: Apache-2.0
"""The faults of the other files over gRPC: calls and streams under overload, broken off, read slowly, left open at the end."""

import asyncio
import contextlib
import random
import signal
import struct
import time

import grpc
import grpc.aio
import pytest
from grpc_client import connected
from grpc_traffic import Callers, channel, message
from ledger import TABLE, Ledger, percentile, server_counts
from server import ANSWER_LIMIT
from test_connections import affordable, reset
from test_grpc_gate import END_HEADERS, HEADERS, PREFACE, WINDOW, Connection, speaking
from test_overload import (CAPACITY_SECONDS, DURATION, ENOUGH, GROWTH_LIMIT, OUTSTANDING, QUICK, TIMES, MemorySamples,
                           draw)
from test_signals import add
from tritonclient.grpc import service_pb2, service_pb2_grpc
from watched import SECONDS, serving

STREAM = "/inference.GRPCInferenceService/ModelStreamInfer"
SEED = 23


class GRPCNeighbour:
    """A well-behaved client with a channel of its own, which must never notice the others."""

    def __init__(self, server, ledger):
        self.ledger, self.turn, self.context = ledger, 0, connected(server)

    def __enter__(self):
        self.stub = self.context.__enter__()
        return self

    def __exit__(self, *told):
        return self.context.__exit__(*told)

    def ask(self, times=1):
        for _ in range(times):
            self.turn += 1
            name, high = f"neighbour{self.turn}", self.turn % 2 == 0
            self.ledger.of(high).asked += 1
            start = time.monotonic()
            answer = self.stub.ModelInfer(message("identity_fp32", name, high=high), timeout=ANSWER_LIMIT)
            self.ledger.note(high, 200, f'"id":"{answer.id}"'.encode(), time.monotonic() - start, name)


# -- overload ---------------------------------------------------------------------------------------------------------


def test_ten_times_the_capacity_in_calls_and_streams(repository):
    ledger, measured = Ledger(), Ledger()
    with serving(repository) as server:
        async def overload():
            probe = Callers(server.grpc_port, measured, "c")
            capacity = await probe.capacity(CAPACITY_SECONDS, OUTSTANDING, model="slow")
            crowd = Callers(server.grpc_port, ledger)
            with MemorySamples(server) as memory:
                await crowd.open_loop(TIMES * capacity, DURATION, draw)
            await crowd.close()
            after = await probe.capacity(CAPACITY_SECONDS, OUTSTANDING, model="slow")
            await probe.close()
            return capacity, after, memory.growth()

        capacity, after, growth = asyncio.run(overload())
        recovered = server.recover()
        peak = server.peak()
        log = server.end()
    ledger.check(log)
    measured.check(log)
    counted = server_counts(log)
    for name, ours, before in (("high", ledger.high, 0), ("low", ledger.low, measured.low.asked + 1)):
        assert counted[name]["arrived"] == ours.asked + before, (name, counted, str(ledger))
        assert counted[name]["cancelled"] == 0 and counted[name]["failed"] == 0, counted
    slow = sum(seconds > QUICK for seconds in ledger.refusal_seconds)
    TABLE.add("overload × 10, gRPC", ledger, peak, recovered,
              f"capacity {capacity:.0f}/s, then {after:.0f}/s; {len(ledger.refusal_seconds)} refused on arrival, {slow} "
              f"told later than 10 ms, 99 % within {1e3 * percentile(ledger.refusal_seconds, 0.99):.1f} ms; "
              f"{ledger.dropped} dropped after waiting; grew {growth >> 20} MB")
    assert ledger.low.refused > 0, "that was no overload"
    assert growth < GROWTH_LIMIT, f"{growth >> 20} MB more in the second half"
    if min(capacity, after) >= ENOUGH:
        assert ledger.high.in_time > ledger.high.asked / 2, str(ledger)
        assert ledger.high.in_time / ledger.high.asked > ledger.low.in_time / ledger.low.asked, str(ledger)


# -- clients that leave -----------------------------------------------------------------------------------------------

LEAVE_RATE = 60  # a second, each with up to six requests
PATIENCE = 0.1  # seconds within which a client leaves
MEMORY = 1  # MiB for all tensors
WHOLE_COLUMNS = 100_000  # most of it


async def leave(server, number, chance, counts):
    """Asks by a call, a stream or bytes that no library would send, and goes away at some moment."""
    kind = chance.choice(("call", "call", "stream", "stream", "bytes"))
    counts[kind] += 1
    if kind == "bytes":
        return await asyncio.to_thread(leave_bytes, server, number, chance)
    connection = channel(server.grpc_port)
    stub = service_pb2_grpc.GRPCInferenceServiceStub(connection)
    requests = [message(chance.choice(("slow", "slow", "identity_fp32")), f"l{number}n{place}",
                        high=chance.random() < 0.3, rows=2) for place in range(6)]
    with contextlib.suppress(grpc.RpcError, asyncio.CancelledError, asyncio.InvalidStateError):
        call = stub.ModelInfer(requests[0]) if kind == "call" else stub.ModelStreamInfer()
        if kind == "stream":
            for request in requests[:chance.randrange(7)]:
                await call.write(request)
            if chance.random() < 0.3:
                await call.done_writing()
        await asyncio.sleep(chance.random() * PATIENCE)
        # By RST_STREAM; or by the end of the connection, as that of a process.
        if chance.random() < 0.5:
            call.cancel()
    await connection.close()


def leave_bytes(server, number, chance):
    """A connection that ends in the middle of a frame."""
    request = message("slow", f"b{number}", rows=2).SerializeToString()
    with contextlib.suppress(ConnectionError), speaking(server) as connection:
        connection.call(1, chance.choice((STREAM, "/inference.GRPCInferenceService/ModelInfer")))
        whole = b"".join(Connection.frame(0, 0, 1, part) for part in pieces(framed(request), 1000))
        connection.socket.sendall(whole[:chance.randrange(len(whole) + 1)])
        time.sleep(chance.random() * PATIENCE)
        if chance.random() < 0.5:
            reset(connection.socket)


def framed(data):
    """A message as gRPC sends it."""
    return b"\0" + struct.pack(">I", len(data)) + data


def pieces(data, length):
    return [data[start:start + length] for start in range(0, len(data), length)]


def test_calls_and_streams_that_are_broken_off_at_random_moments(repository):
    ledger, counts = Ledger(), {"call": 0, "stream": 0, "bytes": 0}
    with serving(repository, "--tensor-memory", str(MEMORY), "--max-body", str(MEMORY)) as server:
        open_before = server.descriptors()

        async def storm():
            chance, crowd = random.Random(SEED), Callers(server.grpc_port, ledger, channels=1)
            async with asyncio.TaskGroup() as group:
                start = due = time.monotonic()
                number = 0
                while due < start + max(3, SECONDS):
                    due += chance.expovariate(LEAVE_RATE)
                    if (wait := due - time.monotonic()) > 0:
                        await asyncio.sleep(wait)
                    number += 1
                    group.create_task(leave(server, number, random.Random(chance.random()), counts))
                    if number % 4 == 0:
                        group.create_task(crowd.ask("identity_fp32", high=True))
            await crowd.close()

        asyncio.run(storm())
        left = time.monotonic()

        def is_served_whole():
            with connected(server) as stub, contextlib.suppress(grpc.RpcError):
                stub.ModelInfer(message("identity_fp32", "whole", high=True, columns=WHOLE_COLUMNS), timeout=ANSWER_LIMIT)
                return True
            return False

        assert server.settle(is_served_whole), "memory of requests that are gone is still taken"
        recovered = time.monotonic() - left
        assert server.settle(lambda: server.descriptors() <= open_before), server.descriptors()
        server.recover()
        ended, peak = sum(server.counted()), server.peak()
        log = server.end()
    ledger.check(log)
    counted = server_counts(log)

    def total(what):
        return sum(of[what] for of in counted.values())

    assert ended == total("arrived"), (ended, counted)
    assert total("failed") == 0, counted
    assert total("cancelled") > 0, "nobody left while a request waited"
    # Some of those who stayed may have been refused, where the memory was full.
    assert ledger.high.in_time > 0, str(ledger)
    TABLE.add("disconnects, gRPC", ledger, peak, recovered,
              f"{counts['call']} calls, {counts['stream']} streams, {counts['bytes']} cut in a frame; "
              f"{total('cancelled')} requests cancelled in the server")


# -- slow clients -----------------------------------------------------------------------------------------------------

READERS, ANSWERS = 12, 3
LARGE = 1 << 18  # numbers in a large answer: a megabyte, which no socket's buffers hold
HELD_LIMIT = 200 << 20
PAUSE = 0.002


class SlowReader:
    """A stream with large answers, of which its client takes a byte now and then."""

    def __init__(self, server, number):
        self.names = [f"reader{number}n{place}" for place in range(ANSWERS)]
        self.connection = Connection(server)
        self.connection.call(1, STREAM)
        for stream in (0, 1):
            self.connection.socket.sendall(Connection.frame(WINDOW, 0, stream, struct.pack(">I", 1 << 30)))
        for name in self.names:
            request = message("identity_fp32", name, columns=LARGE).SerializeToString()
            self.connection.data(1, framed(request))
        self.connection.data(1, b"", end=True)

    def take(self):
        self.connection.read += self.connection.socket.recv(1)

    def rest(self):
        """All that comes, quickly: (the ids that were answered, the bytes of their tensors)."""
        self.connection.socket.settimeout(ANSWER_LIMIT)
        data, kept = b"", self.connection.kept
        while True:
            frame = kept.pop(0) if kept else self.connection.receive()
            if frame is None or frame[0] == HEADERS and frame[1] & 1:
                break
            if frame[0] == 0:
                data += frame[2]
        told = []
        while data:
            length = int.from_bytes(data[1:5])
            answer = service_pb2.ModelStreamInferResponse.FromString(data[5:5 + length])
            assert not answer.error_message, answer.error_message
            told.append((answer.infer_response.id, len(answer.infer_response.raw_output_contents[0])))
            data = data[5 + length:]
        return told


def test_streams_that_are_read_a_byte_at_a_time(repository):
    ledger = Ledger()
    with serving(repository) as server, contextlib.ExitStack() as stack:
        neighbour = stack.enter_context(GRPCNeighbour(server, ledger))
        readers = [SlowReader(server, number) for number in range(READERS)]
        for reader in readers:
            stack.callback(reader.connection.close)
        ledger.low.asked += READERS * ANSWERS
        end = time.monotonic() + max(2, SECONDS)
        while time.monotonic() < end:
            for reader in readers:
                reader.take()
            neighbour.ask()
            time.sleep(PAUSE)
        held = server.resident()
        for number, reader in enumerate(readers):
            if number % 2:
                ledger.low.abandoned += ANSWERS
                reset(reader.connection.socket)
                continue
            told = reader.rest()
            assert sorted(told) == sorted((name, 4 * LARGE) for name in reader.names), told
            for name, _ in told:
                ledger.note(False, 200, f'"id":"{name}"'.encode(), 0, name)
        neighbour.ask(10)
        recovered, peak = server.recover(), server.peak()
        log = server.end()
    ledger.check(log)
    TABLE.add("slow readers, gRPC", ledger, peak, recovered,
              f"{READERS} streams with {ANSWERS} answers of 1 MB each, {held >> 20} MB held")
    assert held < HELD_LIMIT, f"{held >> 20} MB"


def test_messages_that_come_a_byte_at_a_time(repository):
    ledger = Ledger()
    writers = 12
    with serving(repository) as server, contextlib.ExitStack() as stack:
        neighbour = stack.enter_context(GRPCNeighbour(server, ledger))
        data = [framed(message("identity_fp32", f"writer{number}").SerializeToString()) for number in range(writers)]
        connections = [stack.enter_context(speaking(server)) for _ in data]
        sent = [0] * writers
        for connection in connections:
            connection.call(1, STREAM)
        end = time.monotonic() + max(2, SECONDS)
        while time.monotonic() < end:
            for place, connection in enumerate(connections):
                if sent[place] < len(data[place]) - 1:
                    # Bytes of frames, not frames of bytes: many of those would be a flood.
                    frame = Connection.frame(0, 0, 1, data[place])
                    connection.socket.sendall(frame[sent[place]:sent[place] + 1])
                    sent[place] += 1
            neighbour.ask()
            time.sleep(PAUSE)
        for place, connection in enumerate(connections):
            connection.socket.sendall(Connection.frame(0, 0, 1, data[place])[sent[place]:])
            ledger.low.asked += 1
            told = connection.next((0,), 1)
            assert told is not None
            answer = service_pb2.ModelStreamInferResponse.FromString(told[2][5:])
            assert not answer.error_message, answer.error_message
            ledger.note(False, 200, f'"id":"{answer.infer_response.id}"'.encode(), 0, f"writer{place}")
        recovered, peak = server.recover(), server.peak()
        log = server.end()
    ledger.check(log)
    TABLE.add("slow writers, gRPC", ledger, peak, recovered, f"{writers} streams")


# -- silent connections -----------------------------------------------------------------------------------------------

BYTES_EACH = 48 << 10


def idle_bytes(chance):
    """What a connection sends before it falls silent: nothing, a part of HTTP/2's beginning, a call, a part of a message."""
    whole = PREFACE + Connection.frame(4, 0, 0)
    kind = chance.randrange(4)
    if kind == 0:
        return b""
    if kind == 1:
        return whole[:chance.randrange(1, len(whole))]
    block = b"".join(bytes([0, len(name)]) + name.encode() + bytes([len(value)]) + value.encode() for name, value in (
        (":method", "POST"), (":scheme", "http"), (":path", STREAM), ("content-type", "application/grpc"),
        ("te", "trailers")))
    call = whole + Connection.frame(HEADERS, END_HEADERS, 1, block)
    return call if kind == 2 else call + Connection.frame(0, 0, 1, framed(bytes(100))[:chance.randrange(1, 105)])


def test_thousands_of_silent_connections_and_half_a_message_on_some(repository):
    count, chance, ledger = affordable() if SECONDS else min(2000, affordable()), random.Random(SEED), Ledger()
    with serving(repository) as server, GRPCNeighbour(server, ledger) as neighbour:
        neighbour.ask(20)
        before, open_before = server.resident(), server.descriptors()
        crowd = []
        for number in range(count):
            connection = server.connect_grpc()
            crowd.append(connection)
            connection.sendall(idle_bytes(chance))
            if number % max(1, count // 100) == 0:
                neighbour.ask()
        assert server.settle(lambda: server.descriptors() >= open_before + count), server.descriptors()
        neighbour.ask(50)
        grown = server.resident() - before
        for number, connection in enumerate(crowd):
            reset(connection) if number % 2 else connection.close()
        recovered = server.recover()
        neighbour.ask(20)
        assert server.settle(lambda: server.descriptors() <= open_before), server.descriptors()
        peak = server.peak()
        log = server.end()
    ledger.check(log)
    TABLE.add("idle connections, gRPC", ledger, peak, recovered, f"{count} of them, {grown // count} bytes each")
    assert grown < count * BYTES_EACH + (16 << 20), f"{grown // count} bytes for each connection"


# -- the end ----------------------------------------------------------------------------------------------------------

RATE = 250  # more than twice what the model can do
LONGEST = 0.8  # seconds of load before the signal
ROUNDS = 3 + int(SECONDS / 12)


async def load_until_gone(server, ledger, moment, which, seed, prefix):
    """As that of the signals over HTTP, half of it in streams that stay open."""
    crowd, chance = Callers(server.grpc_port, ledger, prefix), random.Random(seed)
    async with asyncio.TaskGroup() as group:
        start = time.monotonic()
        is_told = False
        while server.process.poll() is None:
            if not is_told and time.monotonic() - start > moment:
                server.process.send_signal(which)
                is_told = True
            model = "slow" if chance.random() < 0.7 else "identity_fp32"
            group.create_task(crowd.ask(model, high=chance.random() < 0.1, tolerant=True, timeout=1_500_000))
            await asyncio.sleep(chance.expovariate(RATE))
            assert time.monotonic() - start < 60, f"still there a minute after the signal:\n{server.read_log()}"
    for each in crowd.channels:
        await each.close()


@pytest.mark.parametrize("which", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_at_random_moments_with_streams_open(repository, which):
    chance, whole, longest = random.Random(SEED), Ledger(), 0.0
    for number in range(ROUNDS):
        ledger = Ledger()
        with serving(repository) as server:
            moment = chance.random() * LONGEST
            start = time.monotonic()
            asyncio.run(load_until_gone(server, ledger, moment, which, number, f"t{number}n"))
            longest = max(longest, time.monotonic() - start - moment)
            code = server.wait()
            log = server.read_log()
        ledger.check(log)
        add(whole, ledger)
        if which == signal.SIGKILL:
            assert code == -signal.SIGKILL
            continue
        assert code == 0, log
        counted = server_counts(log)
        for name, ours in (("high", ledger.high), ("low", ledger.low)):
            theirs = counted[name]
            # What reached the scheduler was answered, and the answer reached the client: the numbers are the same.
            assert theirs["cancelled"] == 0, counted
            assert theirs["in time"] + theirs["late"] == ours.in_time + ours.late, (name, theirs, str(ours))
            assert theirs["refused"] == ours.refused, (name, theirs, str(ours))
    with serving(repository) as server:
        recovered, peak = server.recover(), server.peak()
    TABLE.add(f"{which.name}, gRPC, {ROUNDS} times", whole, peak, recovered,
              f"gone within {longest:.1f} s; {whole.total('draining')} told that it drains, "
              f"{whole.total('abandoned')} without an answer")
