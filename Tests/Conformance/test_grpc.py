# SPDX-License-Identifier: Apache-2.0
"""gRPC's answers are onnxruntime's, and what the server tells of itself is what it tells over HTTP."""

import asyncio
import json
import queue
import subprocess

import grpc
import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.grpc.aio
from grpc_client import FIELDS, LARGEST, ask, connected, tensors, typed_request
from grpc_health.v1 import health_pb2, health_pb2_grpc
from reference import INPUTS, PATIENT, every_type, expected
from server import ANSWER_LIMIT, MODELS, STRAIT
from test_answers import BATCHABLE, assert_same
from tritonclient.grpc import service_pb2
from tritonclient.utils import InferenceServerException, deserialize_bytes_tensor

CROWD = 64


@pytest.fixture
def triton(server):
    with tritonclient.grpc.InferenceServerClient(server.grpc_url) as made:
        yield made


# -- answers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", sorted(INPUTS))
def test_answer_equals_onnxruntime(triton, model):
    inputs = INPUTS[model](np.random.default_rng(11), 1)
    assert_same(ask(triton, model, inputs), expected(model, inputs))


@pytest.mark.parametrize("rows", [2, 8])
@pytest.mark.parametrize("model", BATCHABLE)
def test_several_rows_in_one_request(triton, model, rows):
    inputs = INPUTS[model](np.random.default_rng(rows), rows)
    assert_same(ask(triton, model, inputs), expected(model, inputs))


def test_every_element_type_comes_back_as_it_went(triton):
    values = every_type(np.random.default_rng(5), rows=3)
    inputs = {f"in_{name}": array for name, array in values.items()}
    answer = ask(triton, "identity_all", inputs)
    assert_same(answer, {f"out_{name}": array for name, array in values.items()})


def test_typed_contents_are_taken_for_every_type_that_has_them(server):
    """FP16 and BF16 have none, so those two go raw in a request of their own: raw and typed do not mix."""
    values = {f"in_{name}": array for name, array in every_type(np.random.default_rng(6), rows=2).items()}
    typed = {name: array for name, array in values.items() if name.removeprefix("in_") in FIELDS}
    request = typed_request("identity_all", typed)
    for name in values.keys() - typed.keys():
        request.inputs.add(name=name, datatype=name.removeprefix("in_"), shape=values[name].shape)
    with connected(server) as stub:
        with pytest.raises(grpc.RpcError) as failure:
            stub.ModelInfer(request, timeout=ANSWER_LIMIT)
        assert failure.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert "raw_input_contents" in failure.value.details()


@pytest.mark.parametrize("model", ["identity_fp32", "identity_bytes", "minilm", "magika", "fails_sometimes"])
def test_typed_contents_give_the_same_answer(server, model):
    inputs = INPUTS[model](np.random.default_rng(7), 1 if model == "fails_sometimes" else 3)
    if model == "fails_sometimes":
        inputs = {"index": np.ones_like(inputs["index"])}
    with connected(server) as stub:
        answer = stub.ModelInfer(typed_request(model, inputs), timeout=ANSWER_LIMIT)
    kinds = {"FP32": np.float32, "INT64": np.int64, "INT32": np.int32}
    got = {}
    for output, raw in zip(answer.outputs, answer.raw_output_contents, strict=True):
        array = deserialize_bytes_tensor(raw) if output.datatype == "BYTES" else np.frombuffer(
            raw, kinds[output.datatype])
        got[output.name] = array.reshape(list(output.shape))
    assert_same(got, expected(model, inputs))


def test_an_answer_carries_id_model_version_and_only_the_outputs_asked_for(triton):
    inputs = INPUTS["identity_fp32"](np.random.default_rng(8), 1)
    answer = triton.infer("identity_fp32", tensors(inputs), model_version="1", request_id="a name", timeout=PATIENT,
                          outputs=[tritonclient.grpc.InferRequestedOutput("OUTPUT0")]).get_response()
    assert (answer.model_name, answer.model_version, answer.id) == ("identity_fp32", "1", "a name")
    assert [output.name for output in answer.outputs] == ["OUTPUT0"]


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_compressed_messages_are_taken(triton, algorithm):
    inputs = INPUTS["identity_fp32"](np.random.default_rng(9), 4)
    assert_same(ask(triton, "identity_fp32", inputs, compression_algorithm=algorithm), expected("identity_fp32", inputs))


def test_a_message_of_megabytes_is_taken(triton):
    """Beyond the four that gRPC's libraries take by default."""
    inputs = {"INPUT0": np.random.default_rng(10).standard_normal((4, 1 << 20), np.float32)}
    answer = triton.infer("identity_fp32", tensors(inputs), timeout=PATIENT)
    np.testing.assert_array_equal(answer.as_numpy("OUTPUT0"), inputs["INPUT0"])


def test_a_crowd_on_one_connection(server):
    async def run():
        async with tritonclient.grpc.aio.InferenceServerClient(server.grpc_url) as client:
            inputs = [INPUTS["identity_fp32"](np.random.default_rng(seed), 1) for seed in range(CROWD)]
            answers = await asyncio.gather(*[
                client.infer("identity_fp32", tensors(each), timeout=PATIENT) for each in inputs])
            for each, answer in zip(inputs, answers):
                np.testing.assert_array_equal(answer.as_numpy("OUTPUT0"), each["INPUT0"])
    asyncio.run(run())


def test_answers_called_back(triton):
    inputs = INPUTS["minilm"](np.random.default_rng(12), 1)
    done = queue.Queue()
    for _ in range(4):
        triton.async_infer("minilm", tensors(inputs), lambda result, error: done.put((result, error)), timeout=PATIENT)
    for _ in range(4):
        result, error = done.get(timeout=ANSWER_LIMIT)
        assert error is None
        np.testing.assert_allclose(result.as_numpy("embedding"), expected("minilm", inputs)["embedding"], 1e-5, 1e-6)


# -- what is told --------------------------------------------------------------------------------------------------


def test_live_ready_and_models(triton):
    assert triton.is_server_live()
    assert triton.is_server_ready()
    assert [path.name for path in MODELS.iterdir() if not triton.is_model_ready(path.name)] == []
    assert triton.is_model_ready("magika", "1")
    assert not triton.is_model_ready("nobody")
    assert not triton.is_model_ready("magika", "7")


def test_metadata_is_that_of_http(triton, client):
    told = client.get_server_metadata()
    # The protocol has no place for devices; HTTP tells them beside it.
    assert told.pop("devices")
    assert triton.get_server_metadata(as_json=True) == told
    for model in INPUTS:
        told = triton.get_model_metadata(model, as_json=True)
        for tensor in told["inputs"] + told["outputs"]:
            tensor["shape"] = [int(size) for size in tensor.get("shape", [])]
        assert told == client.get_model_metadata(model)


def test_configuration_is_that_of_http(triton, client):
    def plain(value):
        """Without what is at its default, and numbers as numbers: JSON of protobuf writes them otherwise."""
        if isinstance(value, dict):
            cleaned = {key: plain(entry) for key, entry in value.items()}
            return {key: entry for key, entry in cleaned.items() if entry not in (0, "", [], {}, False, "REJECT")}
        if isinstance(value, list):
            return [plain(entry) for entry in value]
        return int(value) if isinstance(value, str) and value.lstrip("-").isdigit() else value

    for model in INPUTS:
        told = triton.get_model_config(model, as_json=True)["config"]
        assert plain(told) == plain(client.get_model_config(model)), model


def test_statistics_are_those_of_http(triton, client):
    ask(triton, "identity_fp32", INPUTS["identity_fp32"](np.random.default_rng(3), 2))
    told = triton.get_inference_statistics("identity_fp32").model_stats[0]
    known = client.get_inference_statistics("identity_fp32")["model_stats"][0]
    assert (told.inference_count, told.execution_count) == (known["inference_count"], known["execution_count"])
    for part in ("success", "fail", "queue", "compute_input", "compute_infer", "compute_output", "cache_hit",
                 "cache_miss"):
        assert told.inference_stats.HasField(part), part
        duration = getattr(told.inference_stats, part)
        assert {"count": duration.count, "ns": duration.ns} == known["inference_stats"][part]
    assert len(told.batch_stats) == len(known["batch_stats"])
    assert {entry.name for entry in triton.get_inference_statistics().model_stats} >= set(INPUTS)


def test_the_index_of_the_repository(triton):
    index = triton.get_model_repository_index().models
    assert {entry.name for entry in index} == {path.name for path in MODELS.iterdir()}
    assert {entry.state for entry in index} == {"READY"}


def test_health(server):
    with grpc.insecure_channel(server.grpc_url) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        for service in ("", "inference.GRPCInferenceService"):
            answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=ANSWER_LIMIT)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.RpcError) as failure:
            stub.Check(health_pb2.HealthCheckRequest(service="nobody"), timeout=ANSWER_LIMIT)
        assert failure.value.code() == grpc.StatusCode.NOT_FOUND
        watch = stub.Watch(health_pb2.HealthCheckRequest(service="nobody"), timeout=ANSWER_LIMIT)
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        watch.cancel()


# -- errors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call, status, words", [
    (lambda client: client.get_model_metadata("nobody"), "NOT_FOUND", "nobody"),
    (lambda client: client.get_model_config("magika", "7"), "NOT_FOUND", "7"),
    (lambda client: client.infer("nobody", tensors(INPUTS["slow"](np.random.default_rng(1), 1))), "NOT_FOUND",
     "nobody"),
    (lambda client: client.infer("magika", tensors(INPUTS["slow"](np.random.default_rng(1), 1))), "INVALID_ARGUMENT",
     "bytes"),
    (lambda client: client.infer("slow", tensors({"x": np.zeros((1, 3), np.float32)})), "INVALID_ARGUMENT", r"1,3"),
    (lambda client: client.infer("slow", tensors({"x": np.zeros((9, 256), np.float32)})), "INVALID_ARGUMENT", "8"),
    (lambda client: client.infer("slow", tensors({"x": np.zeros((1, 256), np.int32)})), "INVALID_ARGUMENT", "FP32"),
    (lambda client: client.infer("slow", tensors(INPUTS["slow"](np.random.default_rng(1), 1)),
                                 outputs=[tritonclient.grpc.InferRequestedOutput("z")]), "INVALID_ARGUMENT", "z"),
    (lambda client: client.infer("slow", tensors(INPUTS["slow"](np.random.default_rng(1), 1)), sequence_id=3),
     "UNIMPLEMENTED", "sequence"),
    (lambda client: client.infer("fails_sometimes", tensors({"index": np.full((1, 3), 99)}), timeout=PATIENT),
     "INTERNAL", "."),
])
def test_errors_have_triton_s_codes_and_say_what_is_wrong(triton, call, status, words):
    with pytest.raises(InferenceServerException, match=words) as failure:
        call(triton)
    assert failure.value.status() == f"StatusCode.{status}"


def test_an_unknown_method_or_service_is_told(server):
    for method in ("/inference.GRPCInferenceService/Nothing", "/other.Service/ModelInfer", "/nothing"):
        with grpc.insecure_channel(server.grpc_url, LARGEST) as channel, pytest.raises(grpc.RpcError) as failure:
            channel.unary_unary(method)(b"", timeout=ANSWER_LIMIT)
        assert failure.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_a_message_beyond_the_limit_is_refused_and_the_next_is_taken(server):
    with connected(server) as stub:
        large = service_pb2.ModelInferRequest(model_name="identity_fp32", raw_input_contents=[bytes(257 << 20)])
        with pytest.raises(grpc.RpcError) as failure:
            stub.ModelInfer(large, timeout=ANSWER_LIMIT)
        assert failure.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        inputs = INPUTS["identity_fp32"](np.random.default_rng(2), 1)
        assert stub.ModelInfer(typed_request("identity_fp32", inputs), timeout=ANSWER_LIMIT).outputs


# -- our own client ------------------------------------------------------------------------------------------------


def load(server, *arguments):
    return subprocess.run([STRAIT, "load", "--protocol", "grpc", "--url", f"grpc://{server.grpc_url}", "--quiet",
                           "--duration", "500ms", "--warmup", "0s", *arguments], capture_output=True, text=True,
                          timeout=60)


def test_strait_load_speaks_grpc(server):
    told = load(server, "--model", "identity_fp32,shape=INPUT0:2x3", "--model", "identity_bytes", "--concurrency", "3",
                "--json", "-")
    assert told.returncode == 0, told.stderr
    for row in json.loads(told.stdout):
        assert row["sent"] == row["in_time"] > 0, row


def test_strait_load_tells_what_grpc_refuses(server):
    told = load(server, "--model", "nobody", "--concurrency", "1")
    assert told.returncode == 1
    assert "nobody" in told.stderr and "does not serve" in told.stderr
    told = load(server, "--model", "identity_fp32", "--concurrency", "1", "--encoding", "json")
    assert told.returncode == 64 and "gRPC has no JSON" in told.stderr
