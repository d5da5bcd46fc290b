# SPDX-License-Identifier: Apache-2.0
"""What a client is told when it asks for what cannot be: the status, and a message that names the fault."""

import numpy as np
import pytest
import tritonclient.http
from reference import INPUTS, PATIENT, ask, tensors
from tritonclient.utils import InferenceServerException


def refusal(client, model, inputs, **options):
    with pytest.raises(InferenceServerException) as failure:
        client.infer(model, inputs, timeout=PATIENT, **options)
    return failure.value.status(), failure.value.message()


def tensor(name, kind, array):
    made = tritonclient.http.InferInput(name, list(array.shape), kind)
    made.set_data_from_numpy(array)
    return made


ROW = np.zeros((1, 5), np.float32)


def test_unknown_model(client):
    status, message = refusal(client, "nobody", [tensor("INPUT0", "FP32", ROW)])
    assert status == "404" and "nobody" in message


def test_unknown_version(client):
    status, message = refusal(client, "identity_fp32", [tensor("INPUT0", "FP32", ROW)], model_version="9")
    assert status == "404" and "9" in message and "identity_fp32" in message


def test_wrong_type_names_both(client):
    status, message = refusal(client, "identity_fp32", [tensor("INPUT0", "INT64", ROW.astype(np.int64))])
    assert status == "400" and "INPUT0" in message and "INT64" in message and "FP32" in message


def test_wrong_shape_names_both(client):
    status, message = refusal(client, "fixed_shape", [tensor("x", "FP32", np.zeros((3, 2), np.float32))])
    assert status == "400" and "x" in message
    assert "2, 3" in message.replace(",", ", ").replace("  ", " "), message


def test_wrong_number_of_dimensions(client):
    status, message = refusal(client, "magika", [tensor("bytes", "INT32", np.zeros(2048, np.int32))])
    assert status == "400" and "bytes" in message


def test_shape_that_only_the_config_forbids(client):
    status, message = refusal(client, "ocr_rec", [tensor("x", "FP32", np.zeros((1, 3, 32, 64), np.float32))])
    assert status == "400" and "48" in message


def test_more_rows_than_the_model_takes(client):
    status, message = refusal(client, "magika", [tensor("bytes", "INT32", np.zeros((9, 2048), np.int32))])
    assert status == "400" and "9" in message and "8" in message


def test_inputs_that_disagree_about_the_rows(client):
    status, message = refusal(client, "minilm", [tensor("input_ids", "INT64", np.ones((2, 4), np.int64)),
                                                 tensor("attention_mask", "INT64", np.ones((3, 4), np.int64))])
    assert status == "400" and "attention_mask" in message


def test_missing_input(client):
    status, message = refusal(client, "minilm", [tensor("input_ids", "INT64", np.ones((1, 4), np.int64))])
    assert status == "400" and "attention_mask" in message


def test_unknown_input(client):
    status, message = refusal(client, "identity_fp32",
                              [tensor("INPUT0", "FP32", ROW), tensor("INPUT9", "FP32", ROW)])
    assert status == "400" and "INPUT9" in message


def test_unknown_output(client):
    status, message = refusal(client, "identity_fp32", [tensor("INPUT0", "FP32", ROW)],
                              outputs=[tritonclient.http.InferRequestedOutput("OUTPUT9")])
    assert status == "400" and "OUTPUT9" in message


def test_an_input_the_model_itself_rejects_fails_alone(client):
    """The index is outside the table: only running the model can tell."""
    status, message = refusal(client, "fails_sometimes", tensors({"index": np.array([[1, 22]])}))
    assert status in ("400", "500") and "fails_sometimes" in message
    answer = ask(client, "fails_sometimes", {"index": np.array([[1, 9]])})
    assert answer["value"].tolist() == [[100, 900]]


def test_a_failing_model_goes_on_serving(client):
    good = INPUTS["fails_sometimes"](np.random.default_rng(0), 2)
    for _ in range(10):
        refusal(client, "fails_sometimes", tensors({"index": np.array([[99]])}))
        ask(client, "fails_sometimes", good)


@pytest.mark.parametrize("method, path, status", [
    ("GET", "/v2/models/identity_fp32/infer", 405),
    ("POST", "/v2/health/ready", 405),
    ("DELETE", "/v2/models/identity_fp32", 405),
    ("GET", "/v2/nowhere", 404),
    ("POST", "/", 405),
    ("GET", "/dashboard/nothing.js", 404),
    ("GET", "/v1/models/identity_fp32", 404),
])
def test_wrong_verb_or_path(server, method, path, status):
    answer = server.request(method, path)
    assert answer.status == status
    assert answer.error, answer.body
