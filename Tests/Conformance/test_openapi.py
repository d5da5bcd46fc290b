# SPDX-License-Identifier: Apache-2.0
"""schemathesis believes /v2/openapi.json, makes requests up from it, and finds the server to keep to it."""

import os
import shutil
import subprocess
import sys

import pytest
from server import MODELS, Server

EXAMPLES = 20  # for each operation
LIMIT = 400  # seconds
SEED = 7
# The protocol's own codes for what a server does not have (501), does not serve now (503), or cannot answer in time
# (504): answers, not failures. 429 is a full queue.
CONFIGURATION = """
[checks.not_a_server_error]
expected-statuses = ["2xx", "4xx", 501, 503, 504]

[checks.positive_data_acceptance]
expected-statuses = ["2xx", 400, 404, 413, 429, 501, 503, 504]

[checks.negative_data_rejection]
expected-statuses = ["4xx", 501, 503, 504]
"""


@pytest.fixture(scope="module")
def few_models(tmp_path_factory):
    repository = tmp_path_factory.mktemp("models")
    for model in ("identity_fp32", "slow"):
        shutil.copytree(MODELS / model, repository / model, copy_function=os.link)
    running = Server(repository, "--model-control-mode", "explicit", "--load-model", "*")
    try:
        yield running.start()
        assert running.stop() == 0, running.read_log()
    finally:
        running.kill()


def test_every_path_has_a_form_and_an_error(few_models):
    document = few_models.get("/v2/openapi.json").json
    assert document["openapi"].startswith("3.0") and len(document["paths"]) > 25
    names = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(set(names)) == len(names)
    for path in document["paths"].values():
        for operation in path.values():
            assert {"200", "default"} <= operation["responses"].keys() and operation["summary"]


def test_schemathesis_passes(few_models, tmp_path):
    (tmp_path / "schemathesis.toml").write_text(CONFIGURATION)
    done = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", "run", f"http://{few_models.url}/v2/openapi.json", "--max-examples",
         str(EXAMPLES), "--seed", str(SEED), "--phases", "examples,coverage,fuzzing", "--no-color"],
        cwd=tmp_path, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert few_models.ready()
