# SPDX-License-Identifier: Apache-2.0
"""What a server learned is there when it starts again: the file beside the repository, and what the log says of it."""

import contextlib
import hashlib
import json
import os
import shutil

import numpy as np
import pytest
import tritonclient.http
from reference import INPUTS, ask
from server import ANSWER_LIMIT, MODELS, Server

REQUESTS = 20


@pytest.fixture
def repository(tmp_path):
    """Two models only, so that each start is quick; what is learned of them stands beside the folder."""
    for model in ("slow", "identity_fp32"):
        shutil.copytree(MODELS / model, tmp_path / "models" / model, copy_function=os.link)
    return tmp_path / "models"


@contextlib.contextmanager
def serving(repository, *arguments):
    """A server that keeps what it learns, and must end well."""
    running = Server(repository, *arguments, learned=True)
    try:
        yield running.start()
        assert running.stop() == 0, running.read_log()
    finally:
        running.kill()


def ask_often(server):
    inputs = INPUTS["slow"](np.random.default_rng(1), 1)
    with contextlib.closing(tritonclient.http.InferenceServerClient(
            server.url, connection_timeout=ANSWER_LIMIT, network_timeout=ANSWER_LIMIT)) as client:
        for _ in range(REQUESTS):
            ask(client, "slow", inputs)


def test_a_restarted_server_knows_what_it_learned(repository):
    path = repository.parent / "models.learned.json"
    with serving(repository) as first:
        assert "slow version 1: no profile; measured a quick one: " in first.read_log()
        ask_often(first)
    assert f"learned state saved to {path}" in first.read_log()
    kept = json.loads(path.read_text())
    assert kept["strait_learned"] == 1 and kept["device"]["driver"].startswith("ONNX Runtime 1.")
    slow = next(model for model in kept["models"] if model["name"] == "slow")
    content = (repository / "slow/1/model.onnx").read_bytes()
    assert slow["hash"] == "sha256:" + hashlib.sha256(content).hexdigest()
    assert slow["interference"]["bias"] != 0, slow
    times = [time for curve in slow["solo"] for time in curve["times"] if time["rows"] == 1]
    # A profile's time counts as 20 completions.
    assert max(time["samples"] for time in times) > 20, slow
    # 20 ms a row on the machine that the model was made for; a busy one takes longer.
    assert all(1e6 < time["mean_ns"] < 1e9 for time in times), slow

    with serving(repository) as second:
        log = second.read_log()
        assert f"learned state restored for 2 of 2 models from {path}" in log
        assert "slow version 1: profile kept with what was learned" in log and "measured a quick one" not in log
    again = next(model for model in json.loads(path.read_text())["models"] if model["name"] == "slow")
    assert again == slow, "nothing was asked, but something else was learned"


def test_what_was_learned_elsewhere_or_is_broken_is_told_and_not_used(repository):
    path = repository.parent / "models.learned.json"
    with serving(repository, "--no-quick-profile") as first:
        assert "measured a quick one" not in first.read_log()
        ask_often(first)
    kept = json.loads(path.read_text())
    kept["device"]["name"] = "a quantum computer"
    path.write_text(json.dumps(kept))
    with serving(repository, "--no-quick-profile") as other:
        assert "not used: it is for another device, a quantum computer; this is " in other.read_log()
    path.write_text("{\n  \"strait_learned\": 1,\n  \"device\": 7\n}\n")
    with serving(repository, "--no-quick-profile") as broken:
        assert f"warning: learned state not used: {path}:3: device: expected an object" in broken.read_log()
        ask_often(broken)


def test_a_place_that_cannot_be_written_to_is_told_once(repository):
    with serving(repository, "--no-quick-profile", "--learned", "/proc/no/such/place.json") as running:
        ask_often(running)
    assert running.read_log().count("warning: what is learned cannot be kept: /proc/no/such/place.json") == 1


def test_flags_that_contradict_each_other_are_refused(repository):
    running = Server(repository, "--learned", "x.json")
    try:
        with pytest.raises(AssertionError, match="--learned and --no-learned contradict each other"):
            running.start()
    finally:
        running.kill()
