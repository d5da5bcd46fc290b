# SPDX-License-Identifier: Apache-2.0
"""`strait profile`: what it measures is what a server starts with; it can be stopped, and goes on where it was."""

import json
import os
import shutil
import signal
import subprocess
import time

import pytest
from server import MODELS, ROOT, STRAIT, Server

LIMIT = 300  # seconds; a quick profile takes some ten, and a shared machine may be many times slower
POLL = 0.05


@pytest.fixture
def repository(tmp_path):
    """Two models, so that each profile is quick."""
    for model in ("magika", "identity_fp32"):
        shutil.copytree(MODELS / model, tmp_path / "models" / model, copy_function=os.link)
    return tmp_path / "models"


def command(repository, *arguments):
    return [str(STRAIT), "profile", "--model-repository", str(repository), "--lane-cores", "0", "--lanes", "2", "--quick",
            *map(str, arguments)]


def profile(repository, *arguments):
    done = subprocess.run(command(repository, *arguments), cwd=ROOT, capture_output=True, text=True, timeout=LIMIT,
                          check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_a_server_starts_with_what_was_profiled(repository):
    said = profile(repository)
    path = repository.parent / "models.profile.json"
    assert "profiling 2 model(s) on 2 lane(s)" in said and "the machine was " in said, said
    measured = json.loads(path.read_text())
    magika = next(model for model in measured["models"] if model["name"] == "magika")
    points = magika["profile"]["curves"][0]["points"]
    assert [point["rows"] for point in points] == [1, 2, 4, 8]
    assert all(0 < point["kernel_ms"] < 10_000 for point in points), points
    assert [point["kernel_ms"] for point in points] == sorted(point["kernel_ms"] for point in points)
    # On one core memory is used in turns. How much of it a batch takes from a loop a busy machine blurs.
    assert all(0 <= point["compute"] <= 1 and point["bandwidth"] == 0 for point in points), points
    kinds = [measurement["kind"] for measurement in measured["measurements"]]
    assert {kind: kinds.count(kind) for kind in ("stressed", "pair")} == {"stressed": 8, "pair": 3}, kinds
    page = (repository.parent / "models.profile.html").read_text()
    assert "magika" in page and "Slow-down beside others" in page and "http" not in page.replace("http://www.w3.org", "")

    running = Server(repository, "--lanes", "2", "--lane-cores", "0")
    try:
        running.start()
        log = running.read_log()
        assert "magika version 1: profile as measured" in log, log
        assert "identity_fp32 version 1: profile as measured" in log and "quick one" not in log, log
        assert running.stop() == 0, running.read_log()
    finally:
        running.kill()


def test_one_that_is_stopped_goes_on_where_it_was(repository):
    partial = repository.parent / "p.json.partial"
    output = repository.parent / "p.json"
    running = subprocess.Popen(command(repository, "--output", output), cwd=ROOT, stderr=subprocess.PIPE, text=True)
    limit = time.monotonic() + LIMIT
    while not (partial.exists() and partial.read_text().count("\n") > 3):
        assert running.poll() is None and time.monotonic() < limit, "it did not get as far as three measurements"
        time.sleep(POLL)
    running.send_signal(signal.SIGINT)
    said = running.communicate(timeout=LIMIT)[1]
    assert running.returncode == 130 and f"kept in {partial}" in said, said
    assert not output.exists()
    kept = partial.read_text().splitlines()[1:]

    said = profile(repository, "--output", output)
    assert f"going on from {len(kept)} measurements" in said, said
    assert not partial.exists()
    measurements = json.loads(output.read_text())["measurements"]
    assert measurements[:len(kept)] == [json.loads(line) for line in kept]


def test_what_cannot_be_is_refused(repository):
    for arguments, words in [
        (["--shape", "magika"], "expected for instance"), (["--shape", "nobody,x:1x2"], "there is no such model"),
        (["--shape", "identity_fp32,y:1x2"], "it has no input y"), (["--budget-minutes", "0"], "more than 0"),
    ]:
        done = subprocess.run(command(repository, *arguments), cwd=ROOT, capture_output=True, text=True, timeout=LIMIT,
                              check=False)
        assert done.returncode != 0 and words in done.stderr, (arguments, done.stderr)


def test_a_server_says_what_it_predicts_interference_with(repository):
    running = Server(repository, "--no-quick-profile", "--interference", "solo")
    try:
        assert "interference solo" in running.start().read_log()
        assert running.stop() == 0, running.read_log()
    finally:
        running.kill()
    wrong = Server(repository, "--interference", "telepathy")
    try:
        with pytest.raises(AssertionError, match="--interference is 'telepathy'; there are solo or static"):
            wrong.start()
    finally:
        wrong.kill()
