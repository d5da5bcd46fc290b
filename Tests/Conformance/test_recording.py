# SPDX-License-Identifier: Apache-2.0
"""Recordings, as one types them: of a server, of a simulation, what is compared and what is seen again."""

import json
import os
import re
import shutil
import subprocess

import pytest
from server import MODELS, ROOT, STRAIT, Server

LIMIT = 120  # seconds for one command


def strait(*arguments):
    return subprocess.run([str(STRAIT), *map(str, arguments)], cwd=ROOT, capture_output=True, text=True,
                          timeout=LIMIT, check=False)


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """What a server with two models recorded of some requests."""
    folder = tmp_path_factory.mktemp("recording")
    for model in ("slow", "identity_fp32"):
        shutil.copytree(MODELS / model, folder / "models" / model, copy_function=os.link)
    path = folder / "run.jsonl"
    running = Server(folder / "models", "--record", path)
    try:
        running.start()
        done = strait("load", "--url", f"http://{running.url}", "--model", "slow", "--concurrency", 2, "--duration", "1s",
                      "--deadline-high-ms", 5000, "--deadline-low-ms", 5000, "--warmup", "0s", "--quiet")
        assert done.returncode == 0, done.stderr
        assert running.stop() == 0
        log = running.read_log()
        arrived = sum(int(count) for count in re.findall(r"(\d+) arrived", log))
        assert f"recorded {arrived} requests" in log, log
    finally:
        running.kill()
    return path


def test_a_recording_of_a_server_has_every_request_and_its_answer(recording):
    lines = [json.loads(line) for line in recording.read_text().splitlines()]
    assert lines[0]["source"] == "live" and lines[0]["policy"] == "strait"
    assert {model["name"] for model in lines[0]["models"]} == {"slow", "identity_fp32"}
    assert lines[-1]["dropped"] == 0
    arrivals = [line for line in lines if "arrival" in line]
    answers = [line for line in lines if "answer" in line]
    assert arrivals and sorted(line["answer"] for line in answers) == [line["arrival"] for line in arrivals]


@pytest.mark.parametrize("command", [["simulate", "centre", "--policies", "fifo", "--seconds", "6"],
                                     ["estimators", "--physics", "threshold"]])
def test_seeds_are_those_for_tuning_unless_others_are_asked_for(command):
    # Who tries something out must not see the evaluation's without meaning to.
    done = strait(*command, "--json", "-")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert {row["seed"] for row in rows} == {0, 1, 2, 3, 4}


def test_fidelity_compares_it_with_the_simulator(recording, tmp_path):
    done = strait("fidelity", recording, "--seeds", "0-1", "--calibration", recording, "--json", tmp_path / "f.json")
    assert done.returncode == 0, done.stderr
    for times in ("profile", "calibrated", "recorded"):
        assert f"run, policy strait, times: {times}" in done.stdout
    rows = json.loads((tmp_path / "f.json").read_text())["rows"]
    assert {row["times"] for row in rows} == {"profile", "calibrated", "recorded"}
    assert all(row["live"]["in_time"] == 1 for row in rows)


def test_a_simulation_is_recorded_and_is_no_server(tmp_path):
    path = tmp_path / "simulated.jsonl"
    done = strait("simulate", "centre", "--policies", "fifo", "--seeds", 1, "--seconds", 6, "--record", path,
                  "--record-seconds", "5-5.1")
    assert done.returncode == 0, done.stderr
    assert re.match(r"\d+ requests, \d+ batches in ", done.stdout)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[0]["source"] == "simulated" and lines[0]["seed"] == 1
    assert all(5000 <= line["at_ms"] < 5100 for line in lines if "arrival" in line)
    refused = strait("fidelity", path)
    assert refused.returncode == 1
    assert "its devices copy" in refused.stderr


def test_a_run_is_seen_again_up_to_a_moment():
    done = strait("simulate", "centre", "--seconds", 6, "--replay", "edf-priority:3", "--until", 5_000_000_000)
    assert done.returncode == 0, done.stderr
    times = [int(line.split(" ns")[0]) for line in done.stdout.splitlines() if line[0].isdigit()]
    assert times == sorted(times) and 4_980_000_000 <= times[0] and times[-1] <= 5_000_000_000
    assert "stage batch" in done.stdout and done.stdout.endswith("No rule was broken.\n")


@pytest.mark.parametrize("arguments, words", [
    (["simulate", "centre", "--record", "r.jsonl"], "expected one"),
    (["simulate", "centre", "--replay", "strait:1"], "belong together"),
    (["simulate", "centre", "--replay", "strait", "--until", "5"], "such as strait:7"),
    (["simulate", "centre", "--record-seconds", "1-2"], "needs --record"),
    (["fidelity", "no-such.jsonl"], "no-such.jsonl: cannot be opened"),
    (["fidelity", "README.md"], "README.md:1: "),
    (["serve", "--model-repository", "none", "--record"], "--record"),
])
def test_slips_are_told(arguments, words):
    done = strait(*arguments)
    assert done.returncode != 0
    assert words in done.stderr, done.stderr
