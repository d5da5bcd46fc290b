# SPDX-License-Identifier: Apache-2.0
"""A wrong message costs nothing but its answer: a status that fits, a message that names the fault, and no memory."""

import re

import grpc
import numpy as np
import pytest
from grpc_client import raw_call
from grpc_malformed import all_cases, good, mutations

CASES = all_cases()
GOOD = good().SerializeToString()
MUTATIONS = 1000
# As over HTTP (test_malformed.py).
ROUNDS = 8
GROWTH_LIMIT = 9 << 20
KINDS = {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND,
         grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.DEADLINE_EXCEEDED}


@pytest.fixture(scope="module")
def call(server):
    with raw_call(server) as made:
        yield made


def faults(case, answer):
    """What is wrong with the answer to a bad message; an empty list if nothing is."""
    status, told = answer
    if status not in case.statuses:
        return [f"{case.name}: {status}, expected {case.statuses}: {str(told)[:200]}"]
    if not re.search(case.message, told):
        return [f"{case.name}: the message does not match {case.message}: {told[:200]}"]
    return []


def is_good(answer):
    return answer[0] == grpc.StatusCode.OK and answer[1].raw_output_contents[0] == np.array(
        [1, 2, 3, 4], np.float32).tobytes()


def send_all(call):
    found = []
    for case in CASES:
        found += faults(case, call(case.data))
        assert is_good(call(GOOD)), case.name
    return found


def test_there_are_three_hundred_cases_each_of_its_own():
    assert len(CASES) >= 300
    assert len({case.name for case in CASES}) == len(CASES)


def test_the_messages_they_derive_from_are_good(call):
    assert is_good(call(GOOD))
    assert is_good(call(good(raw=True).SerializeToString()))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_is_refused_with_a_message(call, case):
    assert faults(case, call(case.data)) == []


def test_good_messages_between_them_are_answered_and_counted(server, call):
    before = server.successes()
    assert send_all(call) == []
    after = server.successes()
    assert {model: after[model] - before[model] for model in after if after[model] != before[model]} == {
        "identity_fp32": len(CASES)}


def test_memory_does_not_grow_when_they_come_again(server, call):
    for _ in range(2):
        send_all(call)
    before = server.resident()
    for _ in range(ROUNDS):
        send_all(call)
    grown = server.resident() - before
    assert grown < GROWTH_LIMIT, f"{grown / 1e6:.1f} MB more after {ROUNDS * len(CASES)} bad messages"


def test_mutated_messages_never_hurt(call):
    bad = []
    for data in mutations(np.random.default_rng(21), MUTATIONS):
        answer = call(data)
        if answer[0] not in KINDS or not answer[1]:
            bad.append((data, answer))
        assert is_good(call(GOOD)), data
    assert bad == []
