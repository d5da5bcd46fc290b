# SPDX-License-Identifier: Apache-2.0
"""Classes, deadlines and cancellation over gRPC: the call's own deadline counts, and who goes away leaves the queue."""

import contextlib
import os
import re
import shutil
import signal
import threading

import grpc
import numpy as np
import pytest
import tritonclient.grpc
from grpc_client import connected, tensors, typed_request
from grpc_health.v1 import health_pb2, health_pb2_grpc
from reference import INPUTS, PATIENT
from server import ANSWER_LIMIT, MODELS, Server
from tritonclient.grpc import service_pb2
from tritonclient.utils import InferenceServerException

HOPELESS = 1  # microseconds, for a model of 20 ms
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


def slow(rows=1, **parameters):
    return typed_request("slow", INPUTS["slow"](np.random.default_rng(2), rows), **parameters)


@pytest.fixture
def stub(server):
    """A stub; the model `slow` was answered just now, so that its estimate is known and no probe is due."""
    with connected(server) as made:
        for _ in range(5):
            made.ModelInfer(slow(), timeout=ANSWER_LIMIT)
        yield made


@pytest.fixture
def own_server(tmp_path):
    for model in ("slow", "identity_fp32"):
        shutil.copytree(MODELS / model, tmp_path / model, copy_function=os.link)
    running = Server(tmp_path)
    try:
        yield running.start()
    finally:
        running.kill()


def counted(server):
    """(arrived, cancelled) of both classes together, from the log of a server that has ended."""
    lines = re.findall(r"(\d+) arrived.* (\d+) cancelled", server.read_log())
    return tuple(sum(int(line[index]) for line in lines) for index in (0, 1))


@pytest.mark.parametrize("priority", [1, 2])
def test_a_deadline_that_cannot_be_met_is_refused_with_the_predicted_finish(stub, server, priority):
    with tritonclient.grpc.InferenceServerClient(server.grpc_url) as client:
        with pytest.raises(InferenceServerException, match=r"predicted to finish \d+\.\d+ ms") as failure:
            client.infer("slow", tensors(INPUTS["slow"](np.random.default_rng(2), 1)), priority=priority,
                         timeout=HOPELESS)
        assert failure.value.status() == "StatusCode.DEADLINE_EXCEEDED"


@pytest.mark.parametrize("field", ["int64_param", "uint64_param"])
def test_parameters_come_signed_or_not(stub, field):
    request = slow()
    setattr(request.parameters["timeout"], field, HOPELESS)
    setattr(request.parameters["priority"], field, 1)
    with pytest.raises(grpc.RpcError) as failure:
        stub.ModelInfer(request, timeout=ANSWER_LIMIT)
    assert failure.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert "predicted" in failure.value.details()


def test_the_deadline_of_the_call_is_that_of_the_request(stub):
    """Our refusal comes before the client gives up by itself: its text is the proof."""
    request = slow(rows=8)  # a tenth of a second and more
    del request.parameters["timeout"]
    told = set()
    for _ in range(20):
        with pytest.raises(grpc.RpcError) as failure:
            stub.ModelInfer(request, timeout=0.02)
        assert failure.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        told.add("predicted" in failure.value.details())
    assert True in told


def test_the_earlier_of_the_two_deadlines_counts(stub):
    with pytest.raises(grpc.RpcError) as failure:
        stub.ModelInfer(slow(timeout=HOPELESS), timeout=ANSWER_LIMIT)
    assert "predicted" in failure.value.details()
    request = slow(rows=8, timeout=PATIENT)
    with pytest.raises(grpc.RpcError) as failure:
        stub.ModelInfer(request, timeout=0.02)
    assert failure.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED


def test_an_answer_tells_where_its_time_went(stub):
    _, call = stub.ModelInfer.with_call(slow(), timeout=ANSWER_LIMIT)
    timing = dict(call.trailing_metadata())["server-timing"]
    entries = dict(re.findall(r"(\w+);dur=(\d+\.\d+)", timing))
    assert set(entries) == {"queue", "copy", "compute", "predicted"}
    assert float(entries["compute"]) > 1, timing


def test_a_refusal_says_when_to_come_again(stub):
    with pytest.raises(grpc.RpcError) as failure:
        stub.ModelInfer(slow(timeout=HOPELESS), timeout=ANSWER_LIMIT)
    assert int(dict(failure.value.trailing_metadata())["retry-after"]) >= 1


def test_who_cancels_leaves_the_queue_at_once(own_server):
    with connected(own_server) as stub:
        stub.ModelInfer(slow(), timeout=ANSWER_LIMIT)
        # One lane: the first of them runs, the others wait for two seconds' worth of work.
        calls = [stub.ModelInfer.future(slow(rows=8, priority=2), timeout=ANSWER_LIMIT) for _ in range(16)]
        calls[0].result()
        for call in calls[1:]:
            call.cancel()
        # It would have to wait for all of them.
        answer = stub.ModelInfer(slow(priority=2, timeout=PATIENT), timeout=ANSWER_LIMIT)
        assert answer.outputs
    assert own_server.stop() == 0
    arrived, cancelled = counted(own_server)
    assert arrived == 18
    assert cancelled >= 10, own_server.read_log()


def test_hundreds_of_cancelled_calls_leave_the_others_on_their_connection_alone(server):
    """NIO by itself ends a connection after two hundred in half a minute."""
    with connected(server) as stub:
        stub.ModelInfer(slow(), timeout=ANSWER_LIMIT)
        kept = [stub.ModelInfer.future(slow(rows=8), timeout=ANSWER_LIMIT) for _ in range(3)]
        for _ in range(600):
            call = stub.ModelInfer.future(slow(rows=8, priority=2), timeout=ANSWER_LIMIT)
            stub.ServerLive(service_pb2.ServerLiveRequest(), timeout=ANSWER_LIMIT)  # so that it has been sent
            call.cancel()
        for call in kept:
            assert call.result().outputs


def test_a_lost_connection_takes_its_requests_along(own_server):
    with contextlib.ExitStack() as stack:
        stub = stack.enter_context(connected(own_server))
        calls = [stub.ModelInfer.future(slow(rows=8, priority=2), timeout=ANSWER_LIMIT) for _ in range(64)]
        calls[0].result()
    with connected(own_server) as stub:
        assert stub.ModelInfer(slow(), timeout=ANSWER_LIMIT).outputs
    assert own_server.stop() == 0
    assert counted(own_server)[1] >= 10, own_server.read_log()


# -- the end -------------------------------------------------------------------------------------------------------


def test_sigterm_answers_what_was_accepted_and_exits_with_zero(own_server):
    with connected(own_server) as stub, grpc.insecure_channel(own_server.grpc_url) as other:
        health = health_pb2_grpc.HealthStub(other)
        watch = health.Watch(health_pb2.HealthCheckRequest(), timeout=ANSWER_LIMIT)
        assert next(watch).status == SERVING
        stop = threading.Event()

        def requests():
            yield slow()
            stop.wait(ANSWER_LIMIT)

        stream = stub.ModelStreamInfer(requests(), timeout=ANSWER_LIMIT)
        assert not next(stream).error_message
        calls = [stub.ModelInfer.future(slow(rows=8), timeout=ANSWER_LIMIT) for _ in range(6)]
        calls[0].result()
        own_server.process.send_signal(signal.SIGTERM)
        assert next(watch).status == NOT_SERVING
        with pytest.raises(grpc.RpcError) as failure:
            stub.ModelInfer(slow(), timeout=ANSWER_LIMIT)
        assert failure.value.code() == grpc.StatusCode.UNAVAILABLE
        for call in calls:
            assert call.result().outputs
        with pytest.raises(grpc.RpcError) as failure:
            list(stream)
        assert failure.value.code() == grpc.StatusCode.UNAVAILABLE
        stop.set()
    assert own_server.wait() == 0, own_server.read_log()


def test_an_idle_server_with_open_connections_stops_at_once(own_server):
    with connected(own_server) as stub:
        assert stub.ModelInfer(slow(), timeout=ANSWER_LIMIT).outputs
        assert own_server.stop() == 0


def test_no_grpc_where_none_is_wanted(tmp_path):
    shutil.copytree(MODELS / "identity_fp32", tmp_path / "identity_fp32", copy_function=os.link)
    running = Server(tmp_path, "--no-grpc")
    try:
        running.start()
        with connected(running) as stub, pytest.raises(grpc.RpcError) as failure:
            stub.ModelInfer(slow(), timeout=1)
        assert failure.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
        assert running.stop() == 0
    finally:
        running.kill()


def test_a_port_that_is_taken_is_told(server, tmp_path):
    shutil.copytree(MODELS / "identity_fp32", tmp_path / "identity_fp32", copy_function=os.link)
    running = Server(tmp_path, "--grpc-port", str(server.grpc_port))
    with pytest.raises(AssertionError, match="--grpc-port"):
        running.start()
    assert running.wait() == 1
