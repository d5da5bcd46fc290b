# SPDX-License-Identifier: Apache-2.0
"""Models that are loaded, loaded anew and unloaded while others are served: by clients, and by the repository."""

import json
import os
import shutil
import threading
import time

import numpy as np
import pytest
import tritonclient.http
from reference import INPUTS, PATIENT, ask, expected, tensors
from server import ANSWER_LIMIT, MODELS, ROOT, Server
from tritonclient.utils import InferenceServerException

BROKEN = ROOT / ".strait/broken-models"
POLL = 0.05
LIMIT = 60


def copy(model, repository, name=None, version=None):
    shutil.copytree(MODELS / model, repository / (name or model), copy_function=os.link)
    if version:
        (repository / (name or model) / "1").rename(repository / (name or model) / str(version))


@pytest.fixture
def repository(tmp_path):
    for model in ("identity_fp32", "slow", "fails_sometimes"):
        copy(model, tmp_path)
    shutil.copytree(BROKEN / "corrupt_model", tmp_path / "corrupt_model")
    return tmp_path


def serving(repository, *arguments):
    running = Server(repository, *arguments)
    try:
        client = tritonclient.http.InferenceServerClient(
            running.start().url, connection_timeout=ANSWER_LIMIT, network_timeout=ANSWER_LIMIT)
        yield running, client
        client.close()
        assert running.stop() == 0, running.read_log()
    finally:
        running.kill()


@pytest.fixture
def explicit(repository):
    yield from serving(repository, "--model-control-mode", "explicit", "--load-model", "identity_fp32")


@pytest.fixture
def polling(repository):
    yield from serving(repository, "--model-control-mode", "poll", "--repository-poll-secs", "1")


def states(client):
    return {entry["name"]: entry.get("state") for entry in client.get_model_repository_index()}


def wait_for(condition, server):
    limit = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < limit, server.read_log()
        time.sleep(POLL)


def test_clients_decide(explicit):
    _, client = explicit
    assert states(client) == {"identity_fp32": "READY", "slow": "UNAVAILABLE", "fails_sometimes": "UNAVAILABLE",
                              "corrupt_model": "UNAVAILABLE"}
    with pytest.raises(InferenceServerException):
        ask(client, "slow", INPUTS["slow"](np.random.default_rng(0), 1))
    client.load_model("slow")
    assert client.is_model_ready("slow")
    inputs = INPUTS["slow"](np.random.default_rng(0), 2)
    (name, wanted), = expected("slow", inputs).items()
    np.testing.assert_allclose(ask(client, "slow", inputs)[name], wanted, 1e-5, 1e-6)
    client.unload_model("slow")
    assert not client.is_model_ready("slow")
    with pytest.raises(InferenceServerException, match="slow") as failure:
        ask(client, "slow", inputs)
    assert failure.value.status() == "503"
    assert client.is_model_ready("identity_fp32")
    client.load_model("slow")
    assert ask(client, "slow", inputs)[name].shape == wanted.shape


def test_the_index_can_be_asked_for_what_is_ready(explicit):
    server, _ = explicit
    entries = server.post("/v2/repository/index", {"ready": True}).json
    assert entries == [{"name": "identity_fp32", "version": "1", "state": "READY"}]


def test_what_cannot_be_loaded_says_why_and_hurts_nobody(explicit):
    server, client = explicit
    with pytest.raises(InferenceServerException, match="corrupt_model") as failure:
        client.load_model("corrupt_model")
    assert failure.value.status() == "400"
    entry = next(one for one in client.get_model_repository_index() if one["name"] == "corrupt_model")
    assert entry["state"] == "UNAVAILABLE" and entry["reason"]
    for name in ("nobody", "..", "../identity_fp32", "identity_fp32/1"):
        path = name.replace("/", "%2F").replace(".", "%2E")
        for verb in ("load", "unload"):
            answer = server.post(f"/v2/repository/models/{path}/{verb}", {})
            assert answer.status == 404 and answer.error
    assert states(client)["identity_fp32"] == "READY"


def test_a_configuration_comes_with_the_load(explicit):
    _, client = explicit
    client.load_model("identity_fp32", config=json.dumps({"maxBatchSize": 2}))
    assert client.get_model_config("identity_fp32")["max_batch_size"] == 2
    with pytest.raises(InferenceServerException, match="takes at most 2"):
        ask(client, "identity_fp32", INPUTS["identity_fp32"](np.random.default_rng(0), 3))
    with pytest.raises(InferenceServerException, match="configuration"):
        client.load_model("identity_fp32", config="{nonsense")
    assert client.get_model_config("identity_fp32")["max_batch_size"] == 2
    client.load_model("identity_fp32")
    assert client.get_model_config("identity_fp32")["max_batch_size"] == 8


def test_files_in_a_load_are_refused(explicit):
    _, client = explicit
    content = (MODELS / "identity_fp32/1/model.onnx").read_bytes()
    with pytest.raises(InferenceServerException, match="from the repository only"):
        client.load_model("identity_fp32", config="{}", files={"file:1/model.onnx": content[:100]})


def test_a_new_version_takes_over_without_a_gap(explicit, repository):
    """Clients that ask without a break get an answer each time, from the old version or from the new one."""
    server, client = explicit
    failures, versions, stop = [], set(), threading.Event()

    def keep_asking(seed):
        inputs = INPUTS["identity_fp32"](np.random.default_rng(seed), 1)
        with tritonclient.http.InferenceServerClient(server.url) as own:
            while not stop.is_set():
                try:
                    response = own.infer("identity_fp32", tensors(inputs), timeout=PATIENT)
                    versions.add(response.get_response()["model_version"])
                    np.testing.assert_array_equal(response.as_numpy("OUTPUT0"), inputs["INPUT0"])
                except Exception as failure:  # any at all is what the test is about
                    failures.append(failure)

    threads = [threading.Thread(target=keep_asking, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    shutil.copytree(repository / "identity_fp32/1", repository / "identity_fp32/2")
    client.load_model("identity_fp32")
    assert client.get_model_metadata("identity_fp32")["versions"] == ["2"]
    for _ in range(3):  # and others come and go
        client.load_model("slow")
        client.unload_model("slow")
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert versions == {"1", "2"}


def test_an_unload_answers_what_was_accepted(explicit):
    server, client = explicit
    client.load_model("slow")
    inputs = INPUTS["slow"](np.random.default_rng(0), 8)
    with tritonclient.http.InferenceServerClient(server.url, concurrency=4) as other:
        pending = [other.async_infer("slow", tensors(inputs), timeout=PATIENT) for _ in range(4)]
        wait_for(lambda: server.get("/v2/models/slow/stats").json["model_stats"][0]["execution_count"] >= 3, server)
        client.unload_model("slow")
        shapes = [answer.get_result().as_numpy("y") is not None for answer in pending]
    assert len(shapes) == 4
    wait_for(lambda: states(client)["slow"] == "UNAVAILABLE", server)
    assert "slow version 1 is unloaded" in server.read_log()


def test_memory_comes_back(explicit, repository):
    server, client = explicit
    copy("minilm", repository)
    for _ in range(2):
        client.load_model("minilm")
        client.unload_model("minilm")
    wait_for(lambda: states(client)["minilm"] == "UNAVAILABLE", server)
    before = server.resident()
    for _ in range(4):
        client.load_model("minilm")
        client.unload_model("minilm")
        wait_for(lambda: states(client)["minilm"] == "UNAVAILABLE", server)
    # Four times 90 MB, and as much again that ONNX Runtime makes of the weights, if nothing came back.
    assert server.resident() - before < 150 << 20


def test_without_control_clients_have_no_say(client):
    for change in (client.load_model, client.unload_model):
        with pytest.raises(InferenceServerException, match="explicit") as failure:
            change("identity_fp32")
        assert failure.value.status() == "503"
    assert client.is_model_ready("identity_fp32")


def test_broken_models_are_listed_with_their_reasons():
    server = Server(BROKEN)
    try:
        with tritonclient.http.InferenceServerClient(server.start().url) as client:
            index = {entry["name"]: entry for entry in client.get_model_repository_index()}
            assert index["well"]["state"] == "READY" and client.is_model_ready("well")
            for name in ("corrupt_model", "unknown_field", "missing_version"):
                assert index[name]["state"] == "UNAVAILABLE" and index[name]["reason"]
                with pytest.raises(InferenceServerException) as failure:
                    client.get_model_metadata(name)
                assert failure.value.status() == "503"
    finally:
        server.kill()


def test_the_repository_is_followed(polling, repository):
    server, client = polling
    assert states(client) == {"identity_fp32": "READY", "slow": "READY", "fails_sometimes": "READY",
                              "corrupt_model": "UNAVAILABLE"}
    copy("fixed_shape", repository, ".coming")
    (repository / ".coming").rename(repository / "fixed_shape")
    shutil.rmtree(repository / "slow")
    shutil.copytree(repository / "identity_fp32/1", repository / "identity_fp32/7")
    wait_for(lambda: states(client) == {"identity_fp32": "READY", "fixed_shape": "READY", "fails_sometimes": "READY",
                                        "corrupt_model": "UNAVAILABLE"}, server)
    wait_for(lambda: client.get_model_metadata("identity_fp32")["versions"] == ["7"], server)
    inputs = INPUTS["fixed_shape"](np.random.default_rng(0), 1)
    ask(client, "fixed_shape", inputs)
    with pytest.raises(InferenceServerException, match="slow"):
        ask(client, "slow", INPUTS["slow"](np.random.default_rng(0), 1))


def test_models_answer_warm_up_requests_first(repository):
    data = np.arange(256, dtype=np.float32)
    (repository / "slow/warmup").mkdir()
    (repository / "slow/warmup/row").write_bytes(data.tobytes())
    (repository / "slow/config.pbtxt").write_text("""
        model_warmup { name: "rows" batch_size: 2 count: 3
                       inputs { key: "x" value { data_type: TYPE_FP32 dims: 256 random_data: true } } }
        model_warmup { name: "file" batch_size: 1
                       inputs { key: "x" value { data_type: TYPE_FP32 dims: 256 input_data_file: "row" } } }
        """)
    (repository / "fails_sometimes/config.pbtxt").write_text("""
        model_warmup { name: "bad" batch_size: 1
                       inputs { key: "index" value { data_type: TYPE_INT64 dims: 1 input_data_file: "far" } } }
        """)
    (repository / "fails_sometimes/warmup").mkdir()
    (repository / "fails_sometimes/warmup/far").write_bytes(np.array([99]).tobytes())
    for _, client in serving(repository):
        stats = client.get_inference_statistics("slow")["model_stats"][0]
        assert stats["inference_count"] == 7 and stats["inference_stats"]["success"]["count"] == 4
        entry = next(one for one in client.get_model_repository_index() if one["name"] == "fails_sometimes")
        assert entry["state"] == "UNAVAILABLE" and 'warm-up request "bad" failed' in entry["reason"]


@pytest.mark.parametrize("arguments, message", [
    (["--model-control-mode", "sometimes"], "there are none, explicit and poll"),
    (["--load-model", "a"], "--load-model is for --model-control-mode explicit"),
    (["--model-control-mode", "poll", "--repository-poll-secs", "0"], "--repository-poll-secs is 0"),
    (["--model-control-mode", "poll", "--record", "x"], "--record needs --model-control-mode none"),
])
def test_flags_that_contradict_each_other(repository, arguments, message):
    server = Server(repository, *arguments)
    with pytest.raises(AssertionError, match="exited"):
        server.start()
    assert message in server.read_log()
