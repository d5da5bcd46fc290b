# SPDX-License-Identifier: Apache-2.0
"""Clients that read or write a byte at a time hold up nobody, and bodies without an end have one."""

import contextlib
import random
import select
import socket
import time

from ledger import TABLE, Ledger
from requests_made import infer
from server import read_answer
from watched import SECONDS, Neighbour, serving

CLIENTS = 24
DURATION = max(2, SECONDS)
LARGE = 1 << 18  # numbers in a large answer: a megabyte of them, which no socket's buffers hold
PAUSE = 0.002
# Answers that nobody reads: the server may hold a few for each client, not as many as were asked for.
UNREAD_LIMIT = 64 << 20
MEMORY = 16  # MiB for tensors, where writers try to fill them
BODY_LIMIT = 1  # MiB


def slow_reader(server):
    """A connection with a small window that has asked for a large answer."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", server.port))
    connection.sendall(infer("identity_fp32", "large", columns=LARGE))
    return connection


def test_readers_of_a_byte_at_a_time(repository):
    ledger = Ledger()
    with serving(repository) as server, contextlib.ExitStack() as stack:
        readers = [stack.enter_context(slow_reader(server)) for _ in range(CLIENTS)]
        ledger.low.asked += CLIENTS
        received = [bytearray() for _ in readers]
        neighbour = stack.enter_context(Neighbour(server, ledger))
        end = time.monotonic() + DURATION
        while time.monotonic() < end:
            for place, reader in enumerate(readers):
                received[place] += reader.recv(1)
            neighbour.ask()
            time.sleep(PAUSE)
        assert all(data.startswith(b"HTTP/1.1 200"[:len(data)]) for data in received)
        held = server.resident()
        # Whoever goes on reading gets all of it; the others leave.
        for place, reader in enumerate(readers):
            if place % 2:
                ledger.low.abandoned += 1
                reader.close()
                continue
            while b"\r\n\r\n" not in received[place]:
                received[place] += reader.recv(1)
            head, rest = bytes(received[place]).split(b"\r\n\r\n", 1)
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            assert length > 4 * LARGE
            body = bytearray(rest)
            while len(body) < length and (more := reader.recv(1 << 16)):
                body += more
            assert len(body) == length
            ledger.note(False, 200, body, 0, "large")
        recovered = server.recover()
        peak = server.peak()
        log = server.end()
    ledger.check(log)
    TABLE.add("slow readers", ledger, peak, recovered, f"{CLIENTS} of 1 MB each, {held >> 20} MB held")


def test_a_client_that_asks_on_and_on_and_reads_nothing(repository):
    """Pipelined requests whose answers are not read: they must wait, and not their answers in memory."""
    ledger, ask = Ledger(), b"GET /v2/models/stats HTTP/1.1\r\nHost: strait\r\n\r\n"
    with serving(repository) as server, Neighbour(server, ledger) as neighbour:
        neighbour.ask(5)
        before = server.resident()
        with server.connect() as connection:
            connection.setblocking(False)
            rest, sent, end = b"", 0, time.monotonic() + DURATION
            while time.monotonic() < end:
                _, writable, _ = select.select([], [connection], [], 0.05)
                if writable:
                    # The rest of a request that was sent in part comes first.
                    rest = rest or ask * 1000
                    count = connection.send(rest)
                    rest, sent = rest[count:], sent + count
                neighbour.ask()
            grown = server.resident() - before
        recovered = server.recover()
        peak = server.peak()
        log = server.end()
    ledger.check(log)
    TABLE.add("unread answers", ledger, peak, recovered, f"{sent // len(ask)} requests sent, grew {grown >> 20} MB")
    assert grown < UNREAD_LIMIT, f"{grown >> 20} MB for {sent // len(ask)} requests whose answers nobody reads"


def test_writers_of_a_byte_at_a_time(repository):
    ledger, chance = Ledger(), random.Random(3)
    with serving(repository) as server, contextlib.ExitStack() as stack:
        neighbour = stack.enter_context(Neighbour(server, ledger))
        data = [infer("identity_fp32", f"slow{number}") for number in range(CLIENTS)]
        writers = [stack.enter_context(server.connect()) for _ in data]
        sent = [0] * CLIENTS
        end = time.monotonic() + DURATION
        while time.monotonic() < end:
            for place, writer in enumerate(writers):
                if sent[place] < len(data[place]) - 1:
                    writer.sendall(data[place][sent[place]:sent[place] + 1])
                    sent[place] += 1
            neighbour.ask()
            time.sleep(PAUSE)
        for place in chance.sample(range(CLIENTS), CLIENTS):
            writers[place].sendall(data[place][sent[place]:])
            ledger.low.asked += 1
            answer = read_answer(writers[place])
            assert answer is not None and answer.status == 200, answer and answer.body
            ledger.note(False, answer.status, answer.body, 0, f"slow{place}")
        recovered = server.recover()
        peak = server.peak()
        log = server.end()
    ledger.check(log)
    TABLE.add("slow writers", ledger, peak, recovered, f"{CLIENTS} of them")


def test_writers_who_announce_much_and_send_little(repository):
    """A promise to send a megabyte takes no memory from others."""
    ledger = Ledger()
    head = b"POST /v2/models/identity_fp32/infer HTTP/1.1\r\nHost: strait\r\nContent-Length: 1000000\r\n\r\n{"
    limits = ("--tensor-memory", str(MEMORY), "--max-body", "4")
    with serving(repository, *limits) as server, contextlib.ExitStack() as stack:
        for _ in range(8 * MEMORY):
            stack.enter_context(server.connect()).sendall(head)
        # One more exchange on a new connection: by then the bytes above have been taken.
        server.get("/v2/health/live")
        neighbour = stack.enter_context(Neighbour(server, ledger))
        try:
            neighbour.ask(20)
        finally:
            stack.close()
            recovered = server.recover()
            TABLE.add("promised bodies", ledger, server.peak(), recovered, f"{8 * MEMORY} of 1 MB, {MEMORY} MiB")
        log = server.end()
    ledger.check(log)


def endless(server, head, piece):
    """Sends a body without an end until the server has had enough; its answer and the bytes that it took."""
    with server.connect() as connection:
        connection.sendall(head)
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < 64 << 20:
                connection.sendall(piece)
                sent += len(piece)
                if select.select([connection], [], [], 0)[0]:
                    break
        return read_answer(connection), sent


def test_bodies_without_an_end(repository):
    ledger = Ledger()
    start = b"POST /v2/models/identity_fp32/infer HTTP/1.1\r\nHost: strait\r\n"
    piece = b"x" * 65536
    chunk = b"%x\r\n%b\r\n" % (len(piece), piece)
    with serving(repository, "--max-body", str(BODY_LIMIT)) as server, Neighbour(server, ledger) as neighbour:
        neighbour.ask(5)
        before, most = server.resident(), 0
        for _ in range(max(8, int(SECONDS))):
            answer, sent = endless(server, start + b"Transfer-Encoding: chunked\r\n\r\n", chunk)
            assert answer is not None and answer.status == 413 and answer.error, answer
            most = max(most, sent)
            answer, _ = endless(server, start + b"Content-Length: 999999999999\r\n\r\n", piece)
            assert answer is not None and answer.status == 413, answer
            neighbour.ask(5)
        # To a path that takes no body, and to a model that is not there: read for a while, never kept.
        for path in (b"/v2/health/live", b"/v2/models/nothing/infer"):
            answer, sent = endless(server, b"POST " + path + b" HTTP/1.1\r\nHost: strait\r\n"
                                   b"Transfer-Encoding: chunked\r\n\r\n", chunk)
            assert answer is not None and answer.status in (404, 405), answer
            neighbour.ask(5)
        grown = server.resident() - before
        recovered = server.recover()
        peak = server.peak()
        log = server.end()
    ledger.check(log)
    TABLE.add("endless bodies", ledger, peak, recovered, f"cut after {most >> 20} MB, grew {grown >> 20} MB")
    assert grown < 32 << 20, f"{grown >> 20} MB"
