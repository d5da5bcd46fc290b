# SPDX-License-Identifier: Apache-2.0
"""Triton's extensions over gRPC: shared memory, classes, models that come and go, settings; shared with HTTP."""

import functools
import os
import shutil

import numpy as np
import pytest
import regions
import tritonclient.grpc
import tritonclient.utils.shared_memory as shm
from grpc_client import ask, connected, tensors, typed_request
from reference import INPUTS, PATIENT, expected
from regions import region
from server import ANSWER_LIMIT, MODELS, Server
from tritonclient.utils import InferenceServerException

ROWS = np.arange(12, dtype=np.float32).reshape(3, 4)


@pytest.fixture
def triton(server):
    with tritonclient.grpc.InferenceServerClient(server.grpc_url) as made:
        yield made


shared_input = functools.partial(regions.shared_input, tritonclient.grpc)
shared_output = functools.partial(regions.shared_output, tritonclient.grpc)


# -- shared memory -------------------------------------------------------------------------------------------------


def test_there_and_back(triton):
    with region(triton, ROWS.nbytes) as (sent, source), region(triton, 64 + ROWS.nbytes) as (wanted, target):
        shm.set_shared_memory_region(source, [ROWS])
        answer = triton.infer("identity_fp32", [shared_input("INPUT0", ROWS, "FP32", sent)],
                              outputs=[shared_output("OUTPUT0", wanted, ROWS.nbytes, 64)], timeout=PATIENT)
        told = answer.get_output("OUTPUT0")
        assert list(told.shape) == [3, 4]
        assert not told.parameters
        assert list(answer.get_response().raw_output_contents) == [b""]
        np.testing.assert_array_equal(shm.get_contents_as_numpy(target, np.float32, [3, 4], 64), ROWS)


def test_one_input_in_the_message_and_one_in_memory(triton):
    inputs = INPUTS["minilm"](np.random.default_rng(4), 2)
    with region(triton, inputs["input_ids"].nbytes) as (sent, source):
        shm.set_shared_memory_region(source, [inputs["input_ids"]])
        mixed = [shared_input("input_ids", inputs["input_ids"], "INT64", sent),
                 *tensors({"attention_mask": inputs["attention_mask"]})]
        answer = triton.infer("minilm", mixed, timeout=PATIENT)
        np.testing.assert_allclose(answer.as_numpy("embedding"), expected("minilm", inputs)["embedding"], 1e-5, 1e-6)


def test_a_region_registered_over_one_transport_serves_the_other(triton, client):
    with region(triton, ROWS.nbytes) as (name, _):
        assert name in triton.get_system_shared_memory_status().regions
        assert name in {entry["name"] for entry in client.get_system_shared_memory_status()}
        told = triton.get_system_shared_memory_status(name).regions[name]
        assert (told.name, told.key, told.offset, told.byte_size) == (name, f"/{name}", 0, ROWS.nbytes)
    assert name not in triton.get_system_shared_memory_status().regions


@pytest.mark.parametrize("change, status, words", [
    (lambda c: c.register_system_shared_memory("a", "/strait-nothing-there", 8), "NOT_FOUND", "nothing-there"),
    (lambda c: c.register_system_shared_memory("a", "/../x", 8), "INVALID_ARGUMENT", "key"),
    (lambda c: c.register_system_shared_memory("", "/x", 8), "INVALID_ARGUMENT", "name"),
    (lambda c: c.get_system_shared_memory_status("nobody"), "NOT_FOUND", "nobody"),
    (lambda c: c.register_cuda_shared_memory("a", b"aGFuZGxl", 0, 8), "UNIMPLEMENTED", "CUDA"),
    (lambda c: c.infer("identity_fp32", [shared_input("INPUT0", ROWS, "FP32", "nobody")]), "NOT_FOUND", "nobody"),
])
def test_what_cannot_be_is_told(triton, change, status, words):
    with pytest.raises(InferenceServerException, match=words) as failure:
        change(triton)
    assert failure.value.status() == f"StatusCode.{status}"


def test_a_place_that_does_not_fit_is_told(triton):
    with region(triton, ROWS.nbytes) as (name, _):
        for size, offset in ((ROWS.nbytes, 4), (ROWS.nbytes - 4, 0), (ROWS.nbytes * 2, 0)):
            with pytest.raises(InferenceServerException, match="shared_memory") as failure:
                triton.infer("identity_fp32", [shared_input("INPUT0", ROWS, "FP32", name, size, offset)])
            assert failure.value.status() == "StatusCode.INVALID_ARGUMENT"


def test_no_cuda_region_is_registered(triton):
    assert not triton.get_cuda_shared_memory_status().regions
    triton.unregister_cuda_shared_memory()


# -- classes -------------------------------------------------------------------------------------------------------


def test_the_best_classes_of_each_row(triton):
    rows = np.array([[1, 4, 2, 3], [9, 0, 5, 7]], np.float32)
    answer = triton.infer("identity_fp32", tensors({"INPUT0": rows}), timeout=PATIENT,
                          outputs=[tritonclient.grpc.InferRequestedOutput("OUTPUT0", class_count=2)])
    told = answer.as_numpy("OUTPUT0")
    assert told.shape == (2, 2)
    assert [[text.decode().split(":")[1] for text in row] for row in told] == [["1", "3"], ["0", "3"]]


# -- models that come and go ---------------------------------------------------------------------------------------


@pytest.fixture
def explicit(tmp_path):
    for model in ("identity_fp32", "slow"):
        shutil.copytree(MODELS / model, tmp_path / model, copy_function=os.link)
    running = Server(tmp_path, "--model-control-mode", "explicit", "--load-model", "identity_fp32")
    try:
        running.start()
        with tritonclient.grpc.InferenceServerClient(running.grpc_url) as client:
            yield client
        assert running.stop() == 0, running.read_log()
    finally:
        running.kill()


def test_clients_load_and_unload_models(explicit):
    def states():
        return {entry.name: entry.state for entry in explicit.get_model_repository_index().models}

    assert states() == {"identity_fp32": "READY", "slow": "UNAVAILABLE"}
    inputs = INPUTS["slow"](np.random.default_rng(0), 1)
    with pytest.raises(InferenceServerException):
        ask(explicit, "slow", inputs)
    explicit.load_model("slow")
    assert explicit.is_model_ready("slow")
    np.testing.assert_allclose(ask(explicit, "slow", inputs)["y"], expected("slow", inputs)["y"], 1e-5, 1e-6)
    explicit.unload_model("slow")
    assert not explicit.is_model_ready("slow")
    assert states()["slow"] != "READY"
    explicit.load_model("identity_fp32", config='{"max_batch_size": 4}')
    assert explicit.get_model_config("identity_fp32").config.max_batch_size == 4
    with pytest.raises(InferenceServerException) as failure:
        explicit.load_model("nobody")
    assert failure.value.status() in ("StatusCode.NOT_FOUND", "StatusCode.INVALID_ARGUMENT"), failure.value
    with pytest.raises(InferenceServerException) as failure:
        explicit.load_model("slow", config="{}", files={"file:1/model.onnx": b"no model"})
    assert failure.value.status() == "StatusCode.UNIMPLEMENTED"


def test_models_stay_where_clients_do_not_decide(triton):
    for change in (triton.load_model, triton.unload_model):
        with pytest.raises(InferenceServerException, match="explicit") as failure:
            change("slow")
        assert failure.value.status() == "StatusCode.UNAVAILABLE"


# -- settings ------------------------------------------------------------------------------------------------------


def test_trace_settings(triton, client):
    usual = triton.get_trace_settings()
    assert list(usual.settings["trace_level"].value) == ["OFF"]
    told = triton.update_trace_settings("slow", {"trace_level": ["TIMESTAMPS"], "trace_rate": "5"})
    assert list(told.settings["trace_rate"].value) == ["5"]
    assert client.get_trace_settings("slow")["trace_level"] == ["TIMESTAMPS"]
    assert triton.get_trace_settings() == usual
    told = triton.update_trace_settings("slow", {"trace_level": None, "trace_rate": None})
    assert told == usual
    with pytest.raises(InferenceServerException) as failure:
        triton.update_trace_settings(settings={"trace_rate": "often"})
    assert failure.value.status() == "StatusCode.INVALID_ARGUMENT"


def test_log_settings_act(triton, server):
    before = triton.get_log_settings()
    assert before.settings["log_info"].bool_param
    told = triton.update_log_settings({"log_verbose_level": 2})
    try:
        assert told.settings["log_verbose_level"].uint32_param == 2
        with connected(server) as stub:
            stub.ModelInfer(typed_request("identity_fp32", {"INPUT0": ROWS}), timeout=ANSWER_LIMIT)
        assert "infer of identity_fp32" in server.read_log()
    finally:
        assert triton.update_log_settings({"log_verbose_level": 0}) == before
