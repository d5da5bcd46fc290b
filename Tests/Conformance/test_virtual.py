# SPDX-License-Identifier: Apache-2.0
"""Virtual accelerators: they take the time of the hardware they play, and say that their answers are made up."""

import re

import numpy as np
import pytest
import tritonclient.http
from server import ANSWER_LIMIT, MODELS, STOP_LIMIT, Server

FIXED_MS = 8
REQUESTS = 5
CONFIG = """
max_batch_size: 8
input [ { name: "x" data_type: TYPE_FP32 dims: [ 3 ] } ]
output [ { name: "y" data_type: TYPE_INT32 dims: [ 2 ] }, { name: "words" data_type: TYPE_STRING dims: [ 1 ] } ]
parameters [
  { key: "strait.virtual_base_ms" value { string_value: "1.5" } },
  { key: "strait.virtual_row_ms" value { string_value: "0.5" } },
  { key: "strait.virtual_input_bytes" value { string_value: "600000" } }
]
"""


def serve(repository, *devices):
    arguments = [word for device in devices for word in ("--device", device)]
    return Server(repository, *arguments)


@pytest.fixture
def repository(tmp_path):
    """A model that has no file."""
    (tmp_path / "made").mkdir()
    (tmp_path / "made/config.pbtxt").write_text(CONFIG)
    return tmp_path


def timing(answer):
    """{part: milliseconds} of an answer's Server-Timing."""
    return {name: float(value) for name, value in re.findall(r"(\w+);dur=([\d.]+)", answer.headers["Server-Timing"])}


def ask(server, rows=1):
    body = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [rows, 3], "data": [0.5] * (3 * rows)}]}
    answer = server.post("/v2/models/made/infer", body)
    assert answer.status == 200, answer.body
    return answer


def finish(server):
    code = server.stop()
    assert code == 0, server.read_log()
    return server.read_log()


def test_a_fixed_device_takes_its_time(repository):
    server = serve(repository, f"virtual:fixed,ms={FIXED_MS}")
    try:
        server.start()
        for rows in range(1, REQUESTS + 1):
            answer = ask(server, rows)
            assert timing(answer)["compute"] >= FIXED_MS, answer.headers
            assert answer.json["parameters"]["strait_synthetic"] is True
        log = finish(server)
    finally:
        server.kill()
    assert "synthetic" in log, log
    assert re.search(rf"virtual fixed .*: {3 * REQUESTS} events, late by p50 .*, p99 ", log), log


def test_a_gpu_copies_and_computes_by_its_physics(repository):
    server = serve(repository, "virtual:l4,noise=0,speed=0.5")
    try:
        server.start()
        one, eight = timing(ask(server)), timing(ask(server, 8))
        finish(server)
    finally:
        server.kill()
    # 1.5 ms and 0.5 ms a row, at half speed; 600 kB a row at 24 GB/s and twice 12 µs a copy, at half speed, and answers.
    assert one["compute"] == pytest.approx(4, abs=0.001) and eight["compute"] == pytest.approx(11, abs=0.001)
    assert one["copy"] == pytest.approx(0.098, abs=0.003) and eight["copy"] == pytest.approx(0.448, abs=0.003)


def test_tritons_client_reads_made_up_answers(repository):
    server = serve(repository, "virtual:a100,count=2,speed=10")
    try:
        server.start()
        client = tritonclient.http.InferenceServerClient(
            server.url, connection_timeout=ANSWER_LIMIT, network_timeout=ANSWER_LIMIT)
        x = tritonclient.http.InferInput("x", [2, 3], "FP32")
        x.set_data_from_numpy(np.ones((2, 3), np.float32))
        answer = client.infer("made", [x])
        np.testing.assert_array_equal(answer.as_numpy("y"), np.zeros((2, 2), np.int32))
        np.testing.assert_array_equal(answer.as_numpy("words"), np.array([[b""], [b""]], object))
        assert answer.get_response()["parameters"]["strait_synthetic"] is True
        assert client.get_model_metadata("made")["outputs"][0]["shape"] == [-1, 2]
        client.close()
        finish(server)
    finally:
        server.kill()


def test_real_models_are_played_too():
    server = serve(MODELS, "virtual:l4,speed=20")
    try:
        server.start()
        log = server.read_log()
        body = {"inputs": [{"name": "INPUT0", "datatype": "FP32", "shape": [2, 16], "data": [0.5] * 32}]}
        answer = server.post("/v2/models/identity_fp32/infer", body)
        assert answer.status == 200, answer.body
        assert answer.json["outputs"][0]["shape"] == [2, 16], "a dimension that varies follows the input's of its name"
        assert answer.json["outputs"][0]["data"] == [0] * 32
        finish(server)
    finally:
        server.kill()
    assert "guessed from its size" in log, log


@pytest.mark.parametrize("device, words", [
    ("virtual:h100", "there is no 'h100'"), ("virtual:fixed", "add ms=MS"), ("virtual:l4,count=0", "count is '0'"),
    ("virtual:l4,colour=red", "colour means nothing here"),
])
def test_a_device_that_makes_no_sense_is_refused(repository, device, words):
    server = serve(repository, device)
    with pytest.raises(AssertionError) as failure:
        server.start()
    assert words in str(failure.value)
    assert server.process.wait(STOP_LIMIT) != 0
