# SPDX-License-Identifier: Apache-2.0
"""Classes and deadlines on the wire: how they are given, what is refused, and what every answer tells about time."""

import re

import numpy as np
import pytest
from reference import INPUTS, PATIENT, ask, expected, tensors
from tritonclient.utils import InferenceServerException

HOPELESS = 1  # microseconds, for a model of 20 ms


@pytest.fixture
def warm(client):
    """The model `slow`, answered just now, so that its estimate is known and no probe is due."""
    inputs = INPUTS["slow"](np.random.default_rng(2), 1)
    for _ in range(5):
        ask(client, "slow", inputs)
    return inputs


@pytest.mark.parametrize("options", [
    {"priority": 0}, {"priority": 1}, {"priority": 2}, {"priority": 7}, {"timeout": PATIENT},
    {"priority": 1, "timeout": PATIENT}, {"parameters": {"note": "anything", "weight": 0.5, "flag": True}},
], ids=str)
def test_parameters_are_accepted(client, options):
    inputs = INPUTS["identity_fp32"](np.random.default_rng(4), 2)
    answer = ask(client, "identity_fp32", inputs, **options)
    np.testing.assert_array_equal(answer["OUTPUT0"], expected("identity_fp32", inputs)["OUTPUT0"])


@pytest.mark.parametrize("priority", [1, 2])
def test_a_deadline_that_cannot_be_met_is_refused_with_the_predicted_finish(client, warm, priority):
    with pytest.raises(InferenceServerException) as failure:
        client.infer("slow", tensors(warm), priority=priority, timeout=HOPELESS)
    assert failure.value.status() == "504"
    assert re.search(r"predict", failure.value.message(), re.IGNORECASE), failure.value.message()
    assert re.search(r"\d+(\.\d+)? ?(ms|µs|us|s)\b", failure.value.message()), failure.value.message()


def test_the_refusal_is_an_error_body_for_any_client(server, warm):
    body = {"parameters": {"timeout": HOPELESS},
            "inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 256], "data": warm["x"].ravel().tolist()}]}
    answer = server.post("/v2/models/slow/infer", body)
    assert answer.status == 504
    assert "predict" in answer.error.lower(), answer.body


def test_the_header_of_proxies_is_a_deadline_too(server, warm):
    body = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 256], "data": warm["x"].ravel().tolist()}]}
    refused = server.post("/v2/models/slow/infer", body, {"x-envoy-expected-rq-timeout-ms": "1"})
    assert refused.status == 504, refused.body
    served = server.post("/v2/models/slow/infer", body, {"x-envoy-expected-rq-timeout-ms": "60000"})
    assert served.status == 200, served.body


def test_a_refusal_does_not_spoil_the_next_request(client, warm):
    for _ in range(20):
        with pytest.raises(InferenceServerException):
            client.infer("slow", tensors(warm), timeout=HOPELESS)
    np.testing.assert_allclose(ask(client, "slow", warm)["y"], expected("slow", warm)["y"], 1e-5, 1e-6)


def test_every_answer_tells_where_its_time_went(server, warm):
    body = {"parameters": {"timeout": PATIENT},
            "inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 256], "data": warm["x"].ravel().tolist()}]}
    answer = server.post("/v2/models/slow/infer", body)
    timing = {name.lower(): value for name, value in answer.headers.items()}["server-timing"]
    entries = dict(re.findall(r"([\w-]+)(?:;desc=[^;,]*)?;dur=(\d+(?:\.\d+)?)", timing))
    assert {"queue", "copy", "compute"} <= entries.keys(), timing
    # Sixty products of 256 x 256 matrices are two thousand million operations: no core does them in a millisecond.
    assert float(entries["compute"]) > 1, timing
    assert 0 <= float(entries["queue"]) < PATIENT / 1000, timing
