# SPDX-License-Identifier: Apache-2.0
"""The server's log as programs read it: a line for each event of its life, none for requests, levels that change."""

import contextlib
import json
import re
import subprocess

import pytest
from server import MODELS, STRAIT, Server

INFER = "/v2/models/identity_fp32/infer"
BODY = {"inputs": [{"name": "INPUT0", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3]}]}


@contextlib.contextmanager
def serving(*arguments, repository=MODELS):
    server = Server(repository, *arguments)
    try:
        yield server.start()
    finally:
        server.kill()


def lines(server):
    server.log.seek(0)
    return [json.loads(line) for line in server.log.read().splitlines()]


def events(server):
    return [line["event"] for line in lines(server) if "event" in line]


def test_each_line_is_an_object_and_requests_have_none():
    with serving("--log-format", "json") as server:
        before = len(lines(server))
        for _ in range(50):
            assert server.post(INFER, BODY).status == 200
            assert server.post(INFER, {}).status == 400
            assert server.get("/v2").status == 200
        assert len(lines(server)) == before
        assert server.stop() == 0
        told = lines(server)
    for line in told:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
        assert line["level"] in ("info", "warning", "error") and line["message"]
    names = [line["event"] for line in told if "event" in line]
    assert names[0] == "started" and names[-3:] == ["ready", "draining", "stopped"]
    ready = {line["model"] for line in told if line.get("event") == "model_ready"}
    assert "identity_fp32" in ready and len(ready) == names.count("model_ready")
    started = next(line for line in told if line.get("event") == "started")
    assert started["policy"] == "strait" and started["version"] and started["onnxruntime"]


def test_levels_change_at_run_time():
    with serving("--log-format", "json", "--log-level", "error") as server:
        assert lines(server) == []
        server.post("/v2/logging", {"log_verbose_level": 2, "log_info": True, "log_warning": True})
        server.post(INFER, BODY)
        told = lines(server)
        assert told[0]["event"] == "settings_changed" and "log_verbose_level = 2" in told[0]["message"]
        assert any(line["level"] == "trace" and "identity_fp32" in line["message"] for line in told)
        server.post("/v2/logging", {"log_verbose_level": 0})
        before = len(lines(server))
        server.post(INFER, BODY)
        assert len(lines(server)) == before


def test_models_come_and_go_in_the_log(tmp_path):
    with serving("--log-format", "json", "--model-control-mode", "explicit") as server:
        assert "model_ready" not in events(server)
        assert server.post("/v2/repository/models/magika/load", {}).status == 200
        assert server.post("/v2/repository/models/magika/unload", {}).status == 200
        server.post("/v2/models/magika/infer", {})
        assert server.stop() == 0
        told = [(line["event"], line.get("model")) for line in lines(server) if "event" in line]
    assert ("model_ready", "magika") in told and ("model_unloaded", "magika") in told


def test_a_model_that_cannot_be_served_is_told_with_its_reason(tmp_path):
    # A name that would forge a line, were it written as it is.
    name = "bad\n{\"level\":\"info\",\"message\":\"all is well\"}"
    for form, arguments in (("json", ("--log-format", "json")), ("text", ())):
        repository = tmp_path / form
        (repository / name / "1").mkdir(parents=True)
        (repository / name / "1/model.onnx").write_bytes(b"no model")
        with serving(*arguments, repository=repository) as server:
            server.log.seek(0)
            text = server.log.read()
        assert not any(line.startswith('{"level":"info","message":"all is well"') for line in text.splitlines())
        if form == "json":
            bad = [line for line in map(json.loads, text.splitlines()) if line.get("event") == "model_unavailable"]
            assert len(bad) == 1 and bad[0]["level"] == "error"
        else:
            assert "UNAVAILABLE" in text


@pytest.mark.parametrize("flags, words", [
    (["--log-format", "xml"], "--log-format is 'xml'"), (["--log-level", "loud"], "--log-level is 'loud'")])
def test_wrong_flags(flags, words):
    result = subprocess.run([STRAIT, "serve", "--model-repository", MODELS, *flags], capture_output=True, text=True,
                            timeout=60, check=False)
    assert result.returncode != 0 and words in result.stderr


def test_the_version():
    text = subprocess.run([STRAIT, "--version"], capture_output=True, text=True, timeout=60, check=True).stdout
    first, second, third = text.splitlines()
    assert re.fullmatch(r"strait \d+\.\d+\.\d+( \(commit [0-9a-f]+\))?", first)
    assert re.match(r"Swift 6\.\d+", second) and re.match(r"ONNX Runtime (\d+\.\d+|not found)", third)
