# SPDX-License-Identifier: Apache-2.0
"""Classification, compressed bodies, raw requests, and the settings of traces and of the log."""

import gzip
import json
import os
import shutil
import struct
import zlib

import numpy as np
import pytest
import tritonclient.http
from malformed import BINARY_HEADER, GOOD
from reference import INPUTS, PATIENT, ask, expected, tensors
from server import MODELS, Server
from tritonclient.utils import InferenceServerException

# -- classification ----------------------------------------------------------------------------------------------------


def classes(client, model, inputs, count, binary=True):
    name = next(iter(expected(model, inputs)))
    output = tritonclient.http.InferRequestedOutput(name, binary_data=binary, class_count=count)
    answer = client.infer(model, tensors(inputs), outputs=[output], timeout=PATIENT).as_numpy(name)
    return [[entry if isinstance(entry, str) else entry.decode() for entry in row] for row in answer]


@pytest.mark.parametrize("binary", [True, False])
def test_the_best_classes_of_each_row(client, binary):
    inputs = INPUTS["magika"](np.random.default_rng(4), 3)
    scores = next(iter(expected("magika", inputs).values()))
    told = classes(client, "magika", inputs, 5, binary)
    assert [len(row) for row in told] == [5, 5, 5]
    for row, real in zip(told, scores):
        best = sorted(real, reverse=True)[:5]
        np.testing.assert_allclose([float(entry.split(":")[0]) for entry in row], best, 1e-4, 1e-7)
        for entry, value in zip(row, best):
            assert abs(real[int(entry.split(":")[1])] - value) < 1e-6


def test_more_classes_than_there_are(client):
    told = classes(client, "identity_fp32", {"INPUT0": np.array([[2, 7, 5]], np.float32)}, 99)
    assert [entry.split(":")[1] for entry in told[0]] == ["1", "2", "0"]


def test_classes_have_names_where_the_configuration_gives_them(tmp_path):
    shutil.copytree(MODELS / "magika", tmp_path / "magika", copy_function=os.link)
    config = tmp_path / "magika/config.pbtxt"
    text = config.read_text().replace("dims: [ 214 ]", 'dims: [ 214 ] label_filename: "labels.txt"')
    config.unlink()
    config.write_text(text)
    labels = (tmp_path / "magika/labels.txt").read_text().splitlines()
    server = Server(tmp_path)
    try:
        with tritonclient.http.InferenceServerClient(server.start().url) as client:
            inputs = INPUTS["magika"](np.random.default_rng(4), 1)
            for entry in classes(client, "magika", inputs, 3)[0]:
                _, index, label = entry.split(":")
                assert label == labels[int(index)]
    finally:
        server.kill()


def test_strings_have_no_classes(client):
    output = tritonclient.http.InferRequestedOutput("OUTPUT0", class_count=2)
    with pytest.raises(InferenceServerException, match="rank"):
        client.infer("identity_bytes", tensors({"INPUT0": np.array([[b"a", b"b"]], object)}), outputs=[output])


# -- compression -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("request_coding", [None, "gzip", "deflate"])
@pytest.mark.parametrize("response_coding", [None, "gzip", "deflate"])
def test_compressed_there_and_back(client, request_coding, response_coding):
    inputs = {"INPUT0": np.random.default_rng(8).integers(0, 9, (4, 2000)).astype(np.float32)}
    answer = ask(client, "identity_fp32", inputs, request_compression_algorithm=request_coding,
                 response_compression_algorithm=response_coding)
    np.testing.assert_array_equal(answer["OUTPUT0"], inputs["INPUT0"])


def post(server, body, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return server.post("/v2/models/identity_fp32/infer", body, named)


def test_a_response_is_compressed_for_those_who_take_it(server):
    row = {"inputs": [{"name": "INPUT0", "datatype": "FP32", "shape": [1, 900], "data": [0.5] * 900}]}
    plain = post(server, row)
    assert "Content-Encoding" not in plain.headers
    for accepted, coding, decode in (("gzip", "gzip", gzip.decompress), ("deflate", "deflate", zlib.decompress),
                                     ("br, gzip;q=0.5", "gzip", gzip.decompress)):
        answer = post(server, row, Accept_Encoding=accepted)
        assert answer.headers["Content-Encoding"] == coding
        assert int(answer.headers["Content-Length"]) == len(answer.body) < len(plain.body)
        assert decode(answer.body) == plain.body
    for accepted in ("br", "gzip;q=0", "identity"):
        assert "Content-Encoding" not in post(server, row, Accept_Encoding=accepted).headers
    assert "Content-Encoding" not in post(server, GOOD, Accept_Encoding="gzip").headers, "too small to gain"


BODY = json.dumps(GOOD).encode()


@pytest.mark.parametrize("coding, body, message", [
    ("gzip", BODY, "gzip"), ("deflate", BODY, "deflate"), ("gzip", zlib.compress(BODY), "gzip"),
    ("deflate", gzip.compress(BODY), "deflate"), ("gzip", gzip.compress(BODY)[:-1], "ends early"),
    ("gzip", gzip.compress(BODY)[:20], "ends early"), ("gzip", b"", "ends early"),
    ("gzip", gzip.compress(BODY) + b"x", "follow its end"), ("gzip", gzip.compress(BODY[:-1]), "expected"),
    ("br", BODY, "br"), ("gzip, gzip", gzip.compress(gzip.compress(BODY)), "gzip"),
])
def test_what_is_not_compressed_so_is_refused(server, coding, body, message):
    answer = post(server, body, Content_Encoding=coding)
    assert answer.status == 400 and message in answer.error, answer.body


def test_a_bomb_is_bounded_by_the_largest_body(tmp_path):
    """64 MiB of nothing in 64 KiB, for a server that takes 1 MiB."""
    shutil.copytree(MODELS / "identity_fp32", tmp_path / "identity_fp32", copy_function=os.link)
    server = Server(tmp_path, "--max-body", "1")
    try:
        server.start()
        before = server.resident()
        bomb = gzip.compress(b" " * (64 << 20))
        assert len(bomb) < 1 << 17
        for _ in range(20):
            answer = post(server, bomb, Content_Encoding="gzip")
            assert answer.status == 413 and "1048576" in answer.error
        assert post(server, gzip.compress(BODY), Content_Encoding="gzip").status == 200
        assert server.resident() - before < 16 << 20
    finally:
        server.kill()


# -- raw requests ------------------------------------------------------------------------------------------------------


def raw(server, model, body):
    return server.post(f"/v2/models/{model}/infer", body, {BINARY_HEADER: "0"})


def test_a_raw_request_is_one_tensor(server):
    row = np.array([[1, 2, 3, 4, 5]], np.float32)
    answer = raw(server, "identity_fp32", row.tobytes())
    assert answer.status == 200, answer.body
    length = int(answer.headers[BINARY_HEADER])
    head = json.loads(answer.body[:length])
    assert head["outputs"][0]["shape"] == [1, 5]
    assert answer.body[length:] == row.tobytes()


def test_a_raw_image_through_a_real_model(server):
    image = np.random.default_rng(2).standard_normal((1, 3, 224, 224), np.float32)
    name, wanted = next(iter(expected("squeezenet", {"data_0": image}).items()))
    answer = raw(server, "squeezenet", image.tobytes())
    length = int(answer.headers[BINARY_HEADER])
    assert json.loads(answer.body[:length])["outputs"][0]["name"] == name
    np.testing.assert_allclose(np.frombuffer(answer.body[length:], np.float32).reshape(wanted.shape), wanted,
                               1e-5, 1e-6)


def test_a_raw_string(server):
    answer = raw(server, "identity_bytes", b"any \0 bytes")
    assert answer.status == 200, answer.body
    length = int(answer.headers[BINARY_HEADER])
    assert answer.body[length:] == struct.pack("<I", 11) + b"any \0 bytes"


@pytest.mark.parametrize("model, body, message", [
    ("identity_fp32", b"\0" * 15, "15 bytes"), ("identity_fp32", b"", "dimension"), ("minilm", b"\0" * 8, "2 inputs"),
    ("fixed_shape", b"\0" * 20, "24 bytes"), ("identity_all", b"\0", "inputs"),
])
def test_a_raw_request_that_tells_no_shape(server, model, body, message):
    answer = raw(server, model, body)
    assert answer.status == 400 and message in answer.error, answer.body


# -- settings ----------------------------------------------------------------------------------------------------------


def test_trace_settings(client):
    usual = client.get_trace_settings()
    assert usual["trace_level"] == ["OFF"] and usual["trace_rate"] == "1000" and usual["trace_count"] == "-1"
    changed = client.update_trace_settings(settings={"trace_level": ["TIMESTAMPS"], "trace_rate": "5"})
    assert (changed["trace_level"], changed["trace_rate"]) == (["TIMESTAMPS"], "5")
    own = client.update_trace_settings("identity_fp32", {"trace_rate": "7"})
    assert (own["trace_level"], own["trace_rate"]) == (["TIMESTAMPS"], "7")
    assert client.get_trace_settings("identity_fp32")["trace_rate"] == "7"
    assert client.get_trace_settings("slow")["trace_rate"] == "5"
    client.update_trace_settings("identity_fp32", {"trace_rate": None})
    assert client.get_trace_settings("identity_fp32")["trace_rate"] == "5"
    assert client.update_trace_settings(settings={"trace_level": None, "trace_rate": None}) == usual
    for wrong in ({"trace_rate": "many"}, {"trace_level": ["LOUD"]}, {"trace_file": "/tmp/x"}, {"tracing": "1"}):
        with pytest.raises(InferenceServerException, match=next(iter(wrong))):
            client.update_trace_settings(settings=wrong)
    with pytest.raises(InferenceServerException, match="nobody"):
        client.get_trace_settings("nobody")
    assert client.get_trace_settings() == usual


def test_log_settings_act(client, server):
    usual = client.get_log_settings()
    assert usual == {"log_file": "", "log_info": True, "log_warning": True, "log_error": True,
                     "log_verbose_level": 0, "log_format": "default"}
    assert client.update_log_settings({"log_verbose_level": 2, "log_format": "ISO8601"})["log_verbose_level"] == 2
    ask(client, "identity_fp32", INPUTS["identity_fp32"](np.random.default_rng(1), 1))
    client.get_model_metadata("magika")
    assert client.update_log_settings({"log_verbose_level": 0, "log_format": "default"}) == usual
    log = server.read_log()
    assert "Z infer of identity_fp32: answered" in log and "Z modelMetadata of magika: done" in log
    for wrong in ({"log_info": "yes"}, {"log_verbose_level": -1}, {"log_file": "/tmp/x"}, {"log_colour": True}):
        with pytest.raises(InferenceServerException, match=next(iter(wrong))):
            client.update_log_settings(wrong)
    assert client.get_log_settings() == usual
