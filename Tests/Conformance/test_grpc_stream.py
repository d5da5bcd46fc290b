# SPDX-License-Identifier: Apache-2.0
"""ModelStreamInfer: many requests in flight on one stream, each answered by its id, errors among them."""

import asyncio
import contextlib
import queue
import threading

import grpc
import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.grpc.aio
from grpc_client import connected, tensors, typed_request
from reference import INPUTS, PATIENT, expected
from server import ANSWER_LIMIT
from tritonclient.grpc import service_pb2

REQUESTS = 1000
SLOW = 4


@contextlib.contextmanager
def streaming(server):
    """A client with a stream, and the queue that its answers come to."""
    answers = queue.Queue()
    with tritonclient.grpc.InferenceServerClient(server.grpc_url) as client:
        client.start_stream(lambda result, error: answers.put((result, error)))
        yield client, answers
        client.stop_stream()


def numbered(number):
    return {"INPUT0": np.full((1, 4), number, np.float32)}


def test_every_request_is_answered_once_and_with_its_own_values(server):
    with streaming(server) as (client, answers):
        for number in range(REQUESTS):
            client.async_stream_infer("identity_fp32", tensors(numbered(number)), request_id=str(number),
                                      timeout=PATIENT)
        seen = set()
        for _ in range(REQUESTS):
            result, error = answers.get(timeout=ANSWER_LIMIT)
            assert error is None
            number = int(result.get_response().id)
            np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), numbered(number)["INPUT0"])
            seen.add(number)
        assert seen == set(range(REQUESTS))
        assert answers.empty()


def test_answers_come_as_they_are_ready_not_as_they_were_asked_for(server):
    """A slow one at the head does not hold back the high-priority ones behind it for ever: all of them come."""
    with streaming(server) as (client, answers):
        slow = INPUTS["slow"](np.random.default_rng(1), 1)
        for number in range(SLOW):
            client.async_stream_infer("slow", tensors(slow), request_id=f"slow{number}", priority=2, timeout=PATIENT)
        client.async_stream_infer("identity_fp32", tensors(numbered(7)), request_id="quick", priority=1,
                                  timeout=PATIENT)
        order = []
        for _ in range(SLOW + 1):
            result, error = answers.get(timeout=ANSWER_LIMIT)
            assert error is None
            order.append(result.get_response().id)
        assert order.index("quick") < SLOW, order


def test_errors_are_told_inside_the_stream_with_the_id_of_their_request(server):
    good = typed_request("identity_fp32", numbered(1))
    good.id = "good"
    unknown = typed_request("nobody", numbered(1))
    unknown.id = "unknown"
    misshapen = typed_request("identity_fp32", numbered(1))
    misshapen.id, misshapen.inputs[0].shape[:] = "misshapen", [1, 5]
    hopeless = typed_request("slow", INPUTS["slow"](np.random.default_rng(1), 1))
    hopeless.id, hopeless.parameters["timeout"].int64_param = "hopeless", 1
    raw = typed_request("identity_fp32", numbered(1))
    raw.id = "raw"
    raw.raw_input_contents.append(b"1234")
    sent = [unknown, good, misshapen, hopeless, raw, good]
    with connected(server) as stub:
        answers = list(stub.ModelStreamInfer(iter(sent), timeout=ANSWER_LIMIT))
    told = {answer.infer_response.id: answer.error_message for answer in answers}
    assert len(answers) == len(sent)
    assert all(answer.infer_response.parameters["triton_final_response"].bool_param for answer in answers)
    assert told["good"] == ""
    assert "nobody" in told["unknown"]
    assert "5" in told["misshapen"]
    assert "predicted" in told["hopeless"]
    assert "contents" in told["raw"]


def test_a_message_that_is_no_protobuf_is_told_and_the_stream_goes_on(server):
    good = typed_request("identity_fp32", numbered(3)).SerializeToString()
    with grpc.insecure_channel(server.grpc_url) as channel:
        call = channel.stream_stream("/inference.GRPCInferenceService/ModelStreamInfer",
                                     request_serializer=lambda data: data,
                                     response_deserializer=service_pb2.ModelStreamInferResponse.FromString)
        answers = list(call(iter([b"\xff\xff\xff", good, b"", good[:-1], good]), timeout=ANSWER_LIMIT))
    assert sorted(bool(answer.error_message) for answer in answers) == [False, False, True, True, True]


def test_a_stream_that_is_broken_off_leaves_nothing_behind(server):
    """What waits is taken back, and what comes next on the server finds it idle."""
    slow = typed_request("slow", INPUTS["slow"](np.random.default_rng(1), 8))
    with connected(server) as stub:
        stop = threading.Event()

        def requests():
            for _ in range(30):
                yield slow
            stop.wait(ANSWER_LIMIT)

        call = stub.ModelStreamInfer(requests(), timeout=ANSWER_LIMIT)
        assert not next(call).error_message
        call.cancel()
        stop.set()
        with pytest.raises(grpc.RpcError):
            list(call)
        quick = typed_request("slow", INPUTS["slow"](np.random.default_rng(1), 1))
        # Had the rest of the thirty batches of eight still to be done, this would be refused or late.
        quick.parameters["timeout"].int64_param = 2_500_000
        answer = stub.ModelInfer(quick, timeout=ANSWER_LIMIT)
        assert "strait_late" not in answer.parameters


def test_a_client_that_reads_nothing_is_held_back(server):
    """The server stops reading from it, and serves others meanwhile."""
    large = typed_request("identity_fp32", {"INPUT0": np.zeros((1, 1 << 18), np.float32)})
    with connected(server) as stub, connected(server) as neighbour:
        sent = 0

        def requests():
            nonlocal sent
            for _ in range(2000):
                sent += 1
                yield large

        call = stub.ModelStreamInfer(requests(), timeout=ANSWER_LIMIT)
        before = server.resident()
        for number in range(200):
            neighbour.ModelInfer(typed_request("identity_fp32", numbered(number)), timeout=ANSWER_LIMIT)
        assert server.resident() - before < 1 << 30
        assert not next(call).error_message
        call.cancel()
    assert sent < 2000


def test_the_expected_answer_in_a_stream_of_asyncio(server):
    async def run():
        inputs = INPUTS["minilm"](np.random.default_rng(4), 1)

        async def requests():
            for number in range(3):
                yield {"model_name": "minilm", "inputs": tensors(inputs), "request_id": str(number)}

        async with tritonclient.grpc.aio.InferenceServerClient(server.grpc_url) as client:
            seen = []
            async for result, error in client.stream_infer(requests(), stream_timeout=ANSWER_LIMIT):
                assert error is None
                np.testing.assert_allclose(result.as_numpy("embedding"), expected("minilm", inputs)["embedding"],
                                           1e-5, 1e-6)
                seen.append(result.get_response().id)
            assert sorted(seen) == ["0", "1", "2"]
    asyncio.run(run())
