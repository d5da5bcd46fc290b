# SPDX-License-Identifier: Apache-2.0
"""The server's answers are onnxruntime's, whatever the model, the encoding, the type, the rows or the crowd."""

import concurrent.futures
import itertools

import numpy as np
import pytest
import tritonclient.http
from reference import INPUTS, PATIENT, ask, every_type, expected, session, tensors
from server import ANSWER_LIMIT

ENCODINGS = list(itertools.product([False, True], repeat=2))
ENCODING_NAMES = [f"{'binary' if i else 'json'}-in-{'binary' if o else 'json'}-out" for i, o in ENCODINGS]
BATCHABLE = sorted(set(INPUTS) - {"fixed_shape"})
# One vector instruction or another may be chosen for another number of rows; nothing else may differ.
RELATIVE, ABSOLUTE = 1e-5, 1e-6


def assert_same(answer, wanted):
    assert answer.keys() == wanted.keys()
    for name, array in wanted.items():
        got = answer[name]
        assert got.shape == array.shape, name
        if array.dtype == object:
            decoded = [value.decode() if isinstance(value, bytes) else value for value in got.ravel()]
            assert decoded == list(array.ravel()), name
        elif np.issubdtype(array.dtype, np.floating):
            assert got.dtype == array.dtype, name
            np.testing.assert_allclose(got, array, RELATIVE, ABSOLUTE, err_msg=name)
        else:
            assert got.dtype == array.dtype, name
            np.testing.assert_array_equal(got, array, err_msg=name)


@pytest.mark.parametrize("binary_in, binary_out", ENCODINGS, ids=ENCODING_NAMES)
@pytest.mark.parametrize("model", sorted(INPUTS))
def test_answer_equals_onnxruntime(client, model, binary_in, binary_out):
    inputs = INPUTS[model](np.random.default_rng(11), 1)
    assert_same(ask(client, model, inputs, binary_in, binary_out), expected(model, inputs))


@pytest.mark.parametrize("rows", [2, 5, 8])
@pytest.mark.parametrize("model", BATCHABLE)
def test_several_rows_in_one_request(client, model, rows):
    inputs = INPUTS[model](np.random.default_rng(rows), rows)
    assert_same(ask(client, model, inputs), expected(model, inputs))


def test_minilm_gives_the_published_vector(client):
    """The sentence "This is an example sentence", as the model's authors print it."""
    ids = np.array([[101, 2023, 2003, 2019, 2742, 6251, 102]])
    vector = ask(client, "minilm", {"input_ids": ids, "attention_mask": np.ones_like(ids)})["embedding"][0]
    np.testing.assert_allclose(vector[:4], [0.0677, 0.0635, 0.0487, 0.0793], atol=1e-4)
    assert abs(np.linalg.norm(vector) - 1) < 1e-5


def test_every_element_type_comes_back_as_it_went(client):
    values = every_type(np.random.default_rng(5), rows=3)
    inputs = {f"in_{name}": array for name, array in values.items()}
    answer = ask(client, "identity_all", inputs)
    assert_same(answer, {f"out_{name}": array for name, array in values.items()})


def test_every_type_that_json_can_carry_comes_back_as_json(client):
    """FP16 and BF16 have no JSON form: those two go in as binary, and are not asked for."""
    values = every_type(np.random.default_rng(6), rows=2)
    binary_only = {"FP16", "BF16"}
    asked = []
    for name, array in values.items():
        asked += tensors({f"in_{name}": array}, name in binary_only)
    outputs = [tritonclient.http.InferRequestedOutput(f"out_{name}", binary_data=False)
               for name in values if name not in binary_only]
    answer = client.infer("identity_all", asked, outputs=outputs, timeout=PATIENT)
    wanted = {f"out_{name}": array for name, array in values.items() if name not in binary_only}
    assert_same({name: answer.as_numpy(name) for name in wanted}, wanted)


def test_special_floats_survive_in_binary(client):
    row = np.array([[np.nan, np.inf, -np.inf, -0.0, np.finfo(np.float32).smallest_subnormal]], np.float32)
    answer = ask(client, "identity_fp32", {"INPUT0": row})["OUTPUT0"]
    assert answer.tobytes() == row.tobytes()


def test_bytes_that_are_no_text_survive_in_binary(client):
    row = np.array([[b"\x00\xff\xfe", b"", bytes(range(256))]], object)
    answer = ask(client, "identity_bytes", {"INPUT0": row})["OUTPUT0"]
    assert [bytes(value) for value in answer[0]] == list(row[0])


def test_all_outputs_come_when_none_is_named(client):
    values = every_type(np.random.default_rng(8), rows=1)
    inputs = tensors({f"in_{name}": array for name, array in values.items()})
    response = client.infer("identity_all", inputs, timeout=PATIENT).get_response()
    names = [output.name for output in session("identity_all").get_outputs()]
    assert [output["name"] for output in response["outputs"]] == names


def test_only_the_outputs_named_come(client):
    values = every_type(np.random.default_rng(9), rows=1)
    inputs = tensors({f"in_{name}": array for name, array in values.items()})
    wanted = ["out_INT8", "out_BYTES"]
    outputs = [tritonclient.http.InferRequestedOutput(name) for name in wanted]
    response = client.infer("identity_all", inputs, outputs=outputs, timeout=PATIENT).get_response()
    assert sorted(output["name"] for output in response["outputs"]) == sorted(wanted)


def test_flat_and_nested_json_mean_the_same(server):
    nested = [[0.5, 1.5], [2.5, 3.5]]
    answers = []
    for data in (nested, [0.5, 1.5, 2.5, 3.5]):
        body = {"parameters": {"timeout": PATIENT},
                "inputs": [{"name": "INPUT0", "datatype": "FP32", "shape": [2, 2], "data": data}]}
        answer = server.post("/v2/models/identity_fp32/infer", body)
        assert answer.status == 200, answer.body
        answers.append(answer.json["outputs"])
    assert answers[0] == answers[1]
    assert np.ravel(answers[0][0]["data"]).tolist() == np.ravel(nested).tolist()


def test_the_request_id_and_the_version_are_in_the_answer(client):
    inputs = INPUTS["identity_fp32"](np.random.default_rng(1), 1)
    response = client.infer("identity_fp32", tensors(inputs), request_id="crossing-42", model_version="1",
                            timeout=PATIENT).get_response()
    assert (response["id"], response["model_name"], response["model_version"]) == ("crossing-42", "identity_fp32", "1")


def crowd_member(url, number):
    """One client of many: every answer must be its own."""
    random = np.random.default_rng(number)
    client = tritonclient.http.InferenceServerClient(url, connection_timeout=ANSWER_LIMIT,
                                                     network_timeout=ANSWER_LIMIT)
    for turn in range(12):
        model = ["identity_fp32", "fails_sometimes", "squeezenet", "identity_bytes"][(number + turn) % 4]
        inputs = INPUTS[model](random, int(random.integers(1, 4)))
        assert_same(ask(client, model, inputs, priority=1 + turn % 2), expected(model, inputs))
    client.close()
    return True


def test_concurrent_clients_each_get_their_own_answers(server):
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        done = list(pool.map(crowd_member, [server.url] * 6, range(6)))
    assert done == [True] * 6
