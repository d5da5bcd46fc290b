# SPDX-License-Identifier: Apache-2.0
"""Health, metadata, configuration and statistics, as other people's clients ask for them."""

import numpy as np
import pytest
from reference import INPUTS, ask, session
from server import MODELS
from tritonclient.utils import InferenceServerException

TYPES = {"tensor(float)": "FP32", "tensor(int64)": "INT64", "tensor(int32)": "INT32", "tensor(string)": "BYTES"}


def test_live_and_ready(client):
    assert client.is_server_live()
    assert client.is_server_ready()


def test_every_model_of_the_repository_is_ready(client):
    models = sorted(path.name for path in MODELS.iterdir())
    assert len(models) >= 11
    assert [model for model in models if not client.is_model_ready(model)] == []
    assert client.is_model_ready("magika", "1")


def test_an_unknown_model_or_version_is_not_ready(client):
    assert not client.is_model_ready("nobody")
    assert not client.is_model_ready("magika", "7")


def test_server_metadata_names_the_server_and_what_it_speaks(client):
    metadata = client.get_server_metadata()
    assert metadata["name"] == "strait"
    assert metadata["version"]
    assert "binary_tensor_data" in metadata["extensions"]


@pytest.mark.parametrize("model", sorted(INPUTS))
def test_model_metadata_says_what_onnxruntime_says(client, model):
    metadata = client.get_model_metadata(model)
    assert metadata["name"] == model
    assert metadata["versions"] == ["1"]
    assert metadata["platform"] in ("onnxruntime_onnx", "onnx_onnxv1")
    known = session(model)
    for told, real in ((metadata["inputs"], known.get_inputs()), (metadata["outputs"], known.get_outputs())):
        assert [entry["name"] for entry in told] == [entry.name for entry in real]
        assert [entry["datatype"] for entry in told] == [TYPES[entry.type] for entry in real]
        assert [len(entry["shape"]) for entry in told] == [len(entry.shape) for entry in real]


@pytest.mark.parametrize("model, name, shape", [
    ("magika", "bytes", [-1, 2048]),
    ("minilm", "input_ids", [-1, -1]),
    ("ocr_rec", "x", [-1, 3, 48, -1]),  # the height is in its config.pbtxt only
    ("fixed_shape", "x", [2, 3]),
])
def test_a_variable_dimension_is_minus_one(client, model, name, shape):
    inputs = {entry["name"]: entry["shape"] for entry in client.get_model_metadata(model)["inputs"]}
    assert inputs[name] == shape


@pytest.mark.parametrize("model, batch", [
    ("magika", 8),  # said in config.pbtxt
    ("identity_fp32", 8),  # all first dimensions have one name: the default
    ("fixed_shape", 0),
])
def test_model_config_tells_the_largest_batch(client, model, batch):
    config = client.get_model_config(model)
    assert config["name"] == model
    assert config.get("max_batch_size", 0) == batch


def test_model_config_is_completed_from_the_model(client):
    config = client.get_model_config("minilm")
    assert [entry["name"] for entry in config["input"]] == ["input_ids", "attention_mask"]
    assert [entry["data_type"] for entry in config["input"]] == ["TYPE_INT64"] * 2
    assert [int(size) for size in config["output"][0]["dims"]] == [384]


def test_model_config_keeps_our_parameters(client):
    parameters = client.get_model_config("magika")["parameters"]
    assert parameters["strait.class"]["string_value"] == "high"


def test_metadata_of_an_unknown_model_is_404(client):
    with pytest.raises(InferenceServerException) as failure:
        client.get_model_metadata("nobody")
    assert failure.value.status() == "404"
    assert "nobody" in failure.value.message()


def test_statistics_count_what_was_answered(client, server):
    random = np.random.default_rng(3)
    before = client.get_inference_statistics("identity_fp32")["model_stats"][0]
    for rows in (1, 3):
        ask(client, "identity_fp32", INPUTS["identity_fp32"](random, rows))
    after = client.get_inference_statistics("identity_fp32")["model_stats"][0]
    assert (after["name"], after["version"]) == ("identity_fp32", "1")
    assert int(after["inference_stats"]["success"]["count"]) - int(before["inference_stats"]["success"]["count"]) == 2
    assert int(after["inference_count"]) - int(before["inference_count"]) == 4, "rows are counted, not requests"
    assert 1 <= int(after["execution_count"]) - int(before["execution_count"]) <= 2
    for part in ("success", "fail", "queue", "compute_input", "compute_infer", "compute_output"):
        assert {"count", "ns"} <= set(after["inference_stats"][part])
