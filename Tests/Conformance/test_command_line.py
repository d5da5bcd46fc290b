# SPDX-License-Identifier: Apache-2.0
"""`strait models` and `strait load`, as one types them."""

import json
import os
import re
import shutil
import subprocess

import pytest
from server import MODELS, ROOT, STRAIT, Server

LIMIT = 120  # seconds for one command
BROKEN = ROOT / ".strait/broken-models"
LOAD_KEYS = {"class", "model", "sent", "in_time", "late", "refused", "failed", "p50_ms", "p95_ms", "p99_ms",
             "client_lag_p99_ms"}


def strait(*arguments):
    return subprocess.run([str(STRAIT), *map(str, arguments)], cwd=ROOT, capture_output=True, text=True,
                          timeout=LIMIT, check=False)


def test_models_lists_a_good_repository():
    done = strait("models", MODELS)
    assert done.returncode == 0, done.stdout + done.stderr
    missing = [path.name for path in MODELS.iterdir() if path.name not in done.stdout]
    assert missing == []


@pytest.mark.parametrize("model, words", [
    ("corrupt_model", ["model.onnx"]),
    ("unknown_field", ["config.pbtxt:3", "flux"]),
    ("missing_version", ["version"]),
])
def test_models_names_what_is_wrong_and_where(model, words):
    done = strait("models", BROKEN)
    output = done.stdout + done.stderr
    assert done.returncode != 0, output
    # What is said about a model begins with its name; lines that are indented go on with it.
    said = re.search(rf"^\W*{model}\b.*(\n[ \t].*)*", output, re.MULTILINE)
    assert said and [word for word in words if word not in said[0]] == [], output


def test_models_still_lists_the_one_that_is_well():
    assert "well" in strait("models", BROKEN).stdout


def test_models_of_no_folder_says_so():
    done = strait("models", ROOT / "no-such-folder")
    assert done.returncode != 0
    assert "no-such-folder" in done.stderr


def test_a_server_with_broken_models_serves_the_good_ones(tmp_path):
    shutil.copytree(BROKEN, tmp_path / "models", copy_function=os.link)
    running = Server(tmp_path / "models")
    try:
        running.start()
        assert running.get("/v2/models/well/ready").status == 200
        for model in ("corrupt_model", "unknown_field", "missing_version"):
            assert running.get(f"/v2/models/{model}/ready").status != 200
        body = {"inputs": [{"name": "INPUT0", "datatype": "FP32", "shape": [1, 1], "data": [2.5]}]}
        assert running.post("/v2/models/well/infer", body).json["outputs"][0]["data"] == [2.5]
        assert running.stop() == 0
    finally:
        running.kill()


def test_load_counts_by_class_and_model(server, tmp_path):
    result = tmp_path / "load.json"
    before = server.successes()
    done = strait("load", "--url", f"http://{server.url}", "--model", "identity_fp32,shape=INPUT0:1x16",
                  "--model", "identity_bytes,shape=INPUT0:1x4", "--rate", "100", "--high-share", "0.5",
                  "--duration", "2s", "--warmup", "0s", "--json", result)
    assert done.returncode == 0, done.stdout + done.stderr
    entries = json.loads(result.read_text())
    entries = entries if isinstance(entries, list) else next(v for v in entries.values() if isinstance(v, list))
    assert all(LOAD_KEYS <= entry.keys() for entry in entries), entries
    assert {(entry["class"], entry["model"]) for entry in entries} >= {
        (kind, model) for kind in ("high", "low") for model in ("identity_fp32", "identity_bytes")}
    each = [entry for entry in entries if entry["model"] in ("identity_fp32", "identity_bytes")
            and entry["class"] in ("high", "low")]
    for entry in each:
        assert entry["sent"] == entry["in_time"] + entry["late"] + entry["refused"] + entry["failed"], entry
        assert entry["failed"] == 0, entry
        assert 0 < entry["p50_ms"] <= entry["p95_ms"] <= entry["p99_ms"], entry
    # 200 Poisson arrivals are expected; 120 is more than five standard deviations below.
    assert 120 < sum(entry["sent"] for entry in each) < 280
    answered = {model: sum(entry["in_time"] + entry["late"] for entry in each if entry["model"] == model)
                for model in ("identity_fp32", "identity_bytes")}
    after = server.successes()
    # The generator may try each model once before it begins to count.
    assert {after[model] - before[model] - count for model, count in answered.items()} <= {0, 1}


def test_load_against_nothing_says_so():
    done = strait("load", "--url", "http://127.0.0.1:9", "--model", "nobody", "--rate", "1", "--duration", "1s")
    assert done.returncode != 0
    assert "127.0.0.1:9" in done.stdout + done.stderr


@pytest.mark.parametrize("command", ["serve", "load", "models", "demo"])
def test_help_shows_an_example(command):
    done = strait(command, "--help")
    assert done.returncode == 0
    assert "strait " + command in done.stdout
