# SPDX-License-Identifier: Apache-2.0
"""Thousands of connections that do nothing, or half of something, beside a client who is served."""

import random
import resource
import socket
import struct
import time

from ledger import TABLE, Ledger
from requests_made import infer
from server import read_answer
from watched import SECONDS, Neighbour, serving

WANTED = 10_000
OWN_DESCRIPTORS = 200  # of this process, besides the connections
ASKED_MEANWHILE = 200
IDLE_SECONDS = 3
LIMIT = 64  # connections, where the limit itself is tried
# The page tables, the buffers and the handlers of one silent connection.
BYTES_EACH = 24 << 10
HEAD = b"POST /v2/models/identity_fp32/infer HTTP/1.1\r\nHost: strait\r\nContent-Length: 100\r\n\r\n"


def affordable():
    """As many connections as this process may open, at most those wanted."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < WANTED + OWN_DESCRIPTORS:
        soft = hard if hard == resource.RLIM_INFINITY else min(hard, WANTED + OWN_DESCRIPTORS)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return min(WANTED, soft - OWN_DESCRIPTORS) if soft != resource.RLIM_INFINITY else WANTED


def idle_bytes(chance):
    """What such a connection sends before it falls silent."""
    kind = chance.randrange(3)
    if kind == 0:
        return b""
    if kind == 1:
        return HEAD[:chance.randrange(1, len(HEAD))]
    return HEAD + b"{" * chance.randrange(0, 99)


def reset(connection):
    """Closes with an RST, as a client that crashed."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_thousands_of_idle_and_half_open_connections(repository):
    count, chance, ledger = affordable(), random.Random(7), Ledger()
    with serving(repository) as server:
        with Neighbour(server, ledger) as neighbour:
            neighbour.ask(20)
            before, open_before = server.resident(), server.descriptors()
            crowd = []
            for number in range(count):
                connection = server.connect()
                crowd.append(connection)
                if data := idle_bytes(chance):
                    connection.sendall(data)
                if number % max(1, count // ASKED_MEANWHILE) == 0:
                    neighbour.ask()
            assert server.settle(lambda: server.descriptors() >= open_before + count), server.descriptors()
            neighbour.ask(max(50, int(SECONDS * 100)))
            grown = server.resident() - before
            for number, connection in enumerate(crowd):
                reset(connection) if number % 2 else connection.close()
            recovered = server.recover()
            neighbour.ask(20)
            assert server.settle(lambda: server.descriptors() <= open_before), server.descriptors()
        peak = server.peak()
        log = server.end()
    ledger.check(log)
    TABLE.add("idle connections", ledger, peak, recovered, f"{count} of them, {grown // count} bytes each")
    assert grown < count * BYTES_EACH, f"{grown // count} bytes for each connection"


def test_connections_beyond_the_limit_are_closed_and_the_others_served(repository):
    ledger = Ledger()
    with serving(repository, "--max-connections", str(LIMIT)) as server:
        with Neighbour(server, ledger) as neighbour:
            neighbour.ask(5)
            crowd = [server.connect() for _ in range(2 * LIMIT)]
            closed = 0
            for connection in crowd[LIMIT:]:
                try:
                    closed += connection.recv(1) == b""
                except ConnectionError:
                    closed += 1
            neighbour.ask(20)
            for connection in crowd:
                connection.close()
            recovered = server.recover()
        peak = server.peak()
        log = server.end()
    assert closed == LIMIT
    ledger.check(log)
    TABLE.add("connections beyond the limit", ledger, peak, recovered, f"{closed} closed at once")


def test_silent_connections_are_closed_after_a_while(repository):
    """Between requests and in the middle of a head without a word, in the middle of a body with 408."""
    ledger = Ledger()
    with serving(repository, "--idle-timeout-secs", str(IDLE_SECONDS)) as server:
        before = server.descriptors()
        silent = [server.connect() for _ in range(20)]
        for number, connection in enumerate(silent):
            connection.sendall((b"", HEAD[:20], HEAD, HEAD + b"{")[number % 4])
        with Neighbour(server, ledger) as neighbour:
            # Longer than the limit in all, but never silent for so long.
            for _ in range(2 * IDLE_SECONDS + 2):
                neighbour.ask()
                time.sleep(0.5)
        answers = [read_answer(connection) for connection in silent]
        for connection in silent:
            connection.close()
        assert server.settle(lambda: server.descriptors() <= before), server.descriptors()
        recovered = server.recover()
        peak = server.peak()
        log = server.end()
    assert [answer and answer.status for answer in answers] == [None, None, 408, 408] * 5
    ledger.check(log)
    TABLE.add("silent connections", ledger, peak, recovered, f"{len(silent)} closed")


def test_requests_cut_anywhere_cost_nothing(repository):
    """Connections that end in the middle of a head or body: no descriptor and no memory stays behind."""
    ledger = Ledger()
    data = infer("identity_fp32", "cut")
    with serving(repository) as server:
        with Neighbour(server, ledger) as neighbour:
            neighbour.ask(5)
            before = server.descriptors()
            for cut in range(0, len(data), 3):
                connection = server.connect()
                connection.sendall(data[:cut])
                reset(connection) if cut % 2 else connection.close()
                if cut % 10 == 0:
                    neighbour.ask()
            assert server.settle(lambda: server.descriptors() <= before), server.descriptors()
            recovered = server.recover()
        peak = server.peak()
        log = server.end()
    ledger.check(log)
    TABLE.add("requests cut anywhere", ledger, peak, recovered)
