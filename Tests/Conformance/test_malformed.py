# SPDX-License-Identifier: Apache-2.0
"""A wrong request costs nothing but its answer: a 4xx that names the fault, and no memory, count or neighbour."""

import json
import re

import numpy as np
import pytest
from malformed import GOOD_TEXT, all_cases, http, mutations
from server import read_answer

CASES = all_cases()
MUTATIONS = 300
# How often the lot comes again, and what the server may still grow by. Five megabytes were measured, and no more with
# further rounds: histories that fill up. If every body leaked it would be 21; one page for each request, 11.
ROUNDS = 8
GROWTH_LIMIT = 9 << 20


def faults(case, answer):
    """What is wrong with the answer to a bad request; an empty list if nothing is."""
    if answer is None:
        return [f"{case.name}: the connection was closed without an answer"]
    found = []
    if answer.status not in case.statuses or not 400 <= answer.status < 500:
        found.append(f"{case.name}: status {answer.status}, expected {case.statuses}: {answer.body[:200]}")
    if not answer.error:
        found.append(f"{case.name}: no message, the body is {answer.body[:200]}")
    elif not re.search(case.message, answer.error):
        found.append(f"{case.name}: the message does not match {case.message}: {answer.error[:200]}")
    return found


class Neighbour:
    """A well-behaved client on a connection of its own, which must never notice the others."""

    def __init__(self, server):
        self.connection, self.answered = server.connect(), 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def ask(self):
        self.connection.sendall(http(GOOD_TEXT))
        answer = read_answer(self.connection)
        assert answer is not None and answer.status == 200, answer and answer.body
        assert answer.json["outputs"][0]["data"] == [1, 2, 3, 4]
        self.answered += 1


def send_all(server, neighbour):
    """Every case once, with a good request after each; the faults found."""
    found = []
    for case in CASES:
        found += faults(case, server.exchange(case.data))
        neighbour.ask()
    return found


def test_there_are_two_hundred_cases_each_of_its_own():
    assert len(CASES) >= 200
    assert len({case.name for case in CASES}) == len(CASES)


def test_the_request_they_derive_from_is_good(server):
    answer = server.exchange(http(GOOD_TEXT))
    assert answer.status == 200, answer.body


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_is_refused_with_a_message(server, case):
    assert faults(case, server.exchange(case.data)) == []


def test_good_requests_between_them_are_answered_and_counted(server):
    before = server.successes()
    with Neighbour(server) as neighbour:
        send_all(server, neighbour)
    after = server.successes()
    grown = {model: after[model] - before[model] for model in after if after[model] != before[model]}
    assert grown == {"identity_fp32": neighbour.answered} == {"identity_fp32": len(CASES)}


def test_memory_does_not_grow_when_they_come_again(server):
    with Neighbour(server) as neighbour:
        for _ in range(2):  # pools and the allocator fill up first
            send_all(server, neighbour)
        before = server.resident()
        for _ in range(ROUNDS):
            send_all(server, neighbour)
        grown = server.resident() - before
    assert grown < GROWTH_LIMIT, f"{grown / 1e6:.1f} MB more after {ROUNDS * len(CASES)} bad requests"


def test_mutated_requests_never_hurt(server):
    """With a few bytes changed a request may still be good, so only the kind of answer is asked for."""
    bad = []
    with Neighbour(server) as neighbour:
        for case in mutations(np.random.default_rng(20), MUTATIONS):
            answer = server.exchange(case.data)
            if answer is None or not (answer.status == 200 or (400 <= answer.status < 500 and answer.error)):
                bad.append((case.data[-200:], answer and (answer.status, answer.body[:200])))
            neighbour.ask()
    assert bad == []


def test_a_bad_request_does_not_end_its_connection_where_its_end_is_known(server):
    """A body that is no JSON says nothing about where the next request begins; its length does."""
    with server.connect() as connection:
        for _ in range(20):
            connection.sendall(http("{"))
            assert read_answer(connection).status == 400
            connection.sendall(http(GOOD_TEXT))
            assert json.loads(read_answer(connection).body)["outputs"][0]["data"] == [1, 2, 3, 4]
