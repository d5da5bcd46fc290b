# SPDX-License-Identifier: Apache-2.0
"""Short batches are run by the network thread that brought them: counted by how often the lane's thread was woken."""

import pathlib
import re

import numpy
import pytest
import tritonclient.grpc
import tritonclient.http
from server import ANSWER_LIMIT, MODELS, Server

REQUESTS = 300
ROUNDS = 5  # on a busy machine a batch may be held up, and none is run so for a while then


def lane_switches(server):
    """How often the only lane's thread went to sleep."""
    for task in pathlib.Path(f"/proc/{server.process.pid}/task").iterdir():
        if (task / "comm").read_text().strip() == "lane-0":
            return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", (task / "status").read_text(), re.M)[1])
    raise AssertionError("there is no thread called lane-0")


def ask(server, transport):
    """One request after the other, each with a value of its own; how often the lane slept meanwhile."""
    with (transport.InferenceServerClient(server.url, connection_timeout=ANSWER_LIMIT, network_timeout=ANSWER_LIMIT)
          if transport is tritonclient.http else transport.InferenceServerClient(f"127.0.0.1:{server.grpc_port}")) as client:
        before = lane_switches(server)
        for number in range(REQUESTS):
            value = numpy.full((1, 4), number, numpy.float32)
            tensor = transport.InferInput("INPUT0", value.shape, "FP32")
            tensor.set_data_from_numpy(value)
            assert (client.infer("identity_fp32", [tensor]).as_numpy("OUTPUT0") == value).all()
        return lane_switches(server) - before


@pytest.mark.parametrize("transport", [tritonclient.http, tritonclient.grpc], ids=["http", "grpc"])
def test_short_batches_do_not_wake_the_lane(transport):
    server = Server().start()
    try:
        counts = []
        while len(counts) < ROUNDS and (not counts or counts[-1] > REQUESTS / 4):
            counts.append(ask(server, transport))
        assert min(counts) <= REQUESTS / 4, f"of {REQUESTS} requests the lane was woken for {counts}"
    finally:
        server.stop()


@pytest.mark.parametrize("transport", [tritonclient.http, tritonclient.grpc], ids=["http", "grpc"])
def test_they_do_where_that_is_turned_off(transport):
    server = Server(MODELS, "--inline-us", "0").start()
    try:
        assert ask(server, transport) >= REQUESTS
    finally:
        server.stop()
