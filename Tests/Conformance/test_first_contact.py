# SPDX-License-Identifier: Apache-2.0
"""What goes wrong in the first hour: it is said before anything long begins, with what to do, and an exit code that tells
a wrong command line (64) from everything else (1)."""

import os
import re
import shutil
import socket
import subprocess

import pytest
from server import MODELS, ROOT, STRAIT, Server

LIMIT = 120  # seconds for one command
COMMANDS = ("serve", "models", "profile", "token", "gpu-check", "top", "why", "load", "demo", "watch", "simulate",
            "evaluate", "estimators", "fidelity", "core")
UNREACHABLE = "http://127.0.0.1:9"


def strait(*arguments, program=STRAIT, cwd=ROOT, environment=None):
    return subprocess.run([str(program), *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=LIMIT,
                          check=False, env=environment, stdin=subprocess.DEVNULL)


def serve(*arguments):
    """A server that must not come up; if it does, it does so on ports of its own, and the test ends by the clock."""
    usual = {"--http-port": "0", "--grpc-port": "0", "--metrics-port": "0", "--http-address": "127.0.0.1"}
    rest = [word for flag, value in usual.items() if flag not in arguments for word in (flag, value)]
    return strait("serve", "--model-repository", MODELS, "--no-learned", *rest, *arguments)


@pytest.mark.parametrize("flag", ["--http-port", "--grpc-port", "--metrics-port"])
def test_a_taken_port_is_told_before_models_are_loaded(flag):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = serve(flag, port)
    assert done.returncode == 1, done.stderr
    assert f":{port}: the port is taken" in done.stderr and flag in done.stderr, done.stderr
    assert "loading" not in done.stderr


@pytest.mark.parametrize("address, said", [
    ("192.0.2.1", "this machine has no such address"),  # kept for documents: nobody has it
    ("no-such-host.invalid", "no-such-host.invalid is no address"),
])
def test_an_address_of_elsewhere(address, said):
    done = serve("--http-address", address)
    assert done.returncode == 1, done.stderr
    assert said in done.stderr and "--http-address" in done.stderr and "loading" not in done.stderr, done.stderr


def no_core():
    return max(os.sched_getaffinity(0)) + 1


@pytest.mark.parametrize("arguments, said", [
    (["--lane-cores", no_core()], f"--lane-cores {no_core()}: cores {no_core()} are not there"),
    (["--device", f"cpu:cores={no_core()}"], f"--device cpu:cores={no_core()}: cores {no_core()} are not there"),
    (["--device", "virtual:none"], "there are virtual:l4"),
    (["--http-port", "18231", "--grpc-port", "18231", "--grpc-address", "127.0.0.1"], "are both 18231"),
])
def test_flags_that_no_machine_can_follow(arguments, said):
    done = serve(*arguments)
    assert done.returncode == 64, done.stderr
    assert said in done.stderr, done.stderr


def test_a_server_without_models_says_so(tmp_path):
    running = Server(tmp_path)
    try:
        running.start()
        assert f"there is no model in {tmp_path}" in running.read_log()
        assert running.stop() == 0
    finally:
        running.kill()


def test_a_model_that_was_asked_for_and_is_not_there(tmp_path):
    running = Server(tmp_path, "--model-control-mode", "explicit", "--load-model", "absent")
    try:
        running.start()
        assert "absent: UNAVAILABLE: it is not in the repository" in running.read_log()
        assert running.stop() == 0
    finally:
        running.kill()


def test_without_onnx_runtime_all_places_are_listed_on_lines_of_their_own(tmp_path):
    environment = {key: value for key, value in os.environ.items() if key != "STRAIT_ONNXRUNTIME"}
    program = tmp_path / "strait"  # where no library lies beside it
    shutil.copy(STRAIT, program)
    if "not found" not in strait("--version", program=program, cwd=tmp_path, environment=environment).stdout:
        pytest.skip("this machine has an ONNX Runtime on the loader's path")
    done = strait("serve", "--model-repository", MODELS, "--http-port", "0", "--no-grpc", "--no-metrics", "--no-learned",
                  "--onnxruntime", tmp_path / "none.so", program=program, cwd=tmp_path, environment=environment)
    assert done.returncode == 1, done.stderr
    lines = done.stderr.splitlines()
    assert lines[1].startswith(f"  {tmp_path}/none.so: ") and lines[-1].startswith("Run `make setup`"), done.stderr


@pytest.mark.parametrize("arguments", [
    ["load", "--url", UNREACHABLE, "--model", "a"],
    ["load", "--url", UNREACHABLE, "--model", "a", "--rate", "0"],
    ["load", "--url", "ftp://127.0.0.1", "--model", "a", "--rate", "1"],
    ["why", "--server", UNREACHABLE, "--since", "soon"],
    ["simulate", "no-such-scenario"],
    ["simulate", "centre", "--seeds", "0", "--policies", "no-such-policy"],
    ["evaluate", "--only", "no-such-part"],
    ["demo", "--seconds", "0"],
    ["demo", "--models", "a,,b"],
    ["demo", "--high-share", "2"],
    ["token", "two words"],
    ["token", "vision", "--concurrency", "0"],
])
def test_a_command_line_that_makes_no_sense(arguments):
    done = strait(*arguments)
    assert done.returncode == 64, done.stderr
    assert done.stderr.strip() and "Starting" not in done.stderr


@pytest.mark.parametrize("arguments", [
    ["load", "--url", UNREACHABLE, "--model", "a", "--rate", "1", "--json"],
    ["simulate", "centre", "--seeds", "0", "--policies", "fifo", "--json"],
    ["simulate", "centre", "--seeds", "0", "--policies", "fifo", "--record"],
    ["estimators", "--seeds", "0", "--json"],
    ["demo", "--model-repository", MODELS, "--models", "identity_fp32", "--json"],
    ["profile", "--model-repository", MODELS, "--output"],
])
def test_results_that_cannot_be_written_are_told_first(arguments, tmp_path):
    for path in (tmp_path / "missing/result", tmp_path):
        done = strait(*arguments, path)
        assert done.returncode == 1, done.stderr
        assert f"Cannot write {path}" in done.stderr and "Starting" not in done.stderr, done.stderr
        assert done.stdout == ""


@pytest.mark.parametrize("arguments, said", [
    (["--model-repository", "no-such-folder"], "no-such-folder"),
    (["--model-repository", MODELS, "--models", "identity_fp32,absent"], "no model absent"),
    (["--model-repository", MODELS, "--models", "identity_fp32", "--server", "no-such-program"], "no-such-program"),
])
def test_the_demo_looks_before_it_starts(arguments, said):
    done = strait("demo", *arguments)
    assert done.returncode == 1, done.stderr
    assert said in done.stderr and "Starting" not in done.stderr


def test_a_load_that_counted_nothing_says_so(server):
    done = strait("load", "--url", f"http://{server.url}", "--model", "identity_fp32,shape=INPUT0:1x1", "--rate",
                  "0.001", "--duration", "100ms", "--warmup", "0s", "--quiet")
    assert done.returncode == 0, done.stderr
    assert "Nothing was sent in the measured part" in done.stdout and "0.001 requests/s" in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_examples_can_be_copied_from_the_help(command):
    """Lines that are longer than 80 characters would be broken anywhere, so that a shell takes them for two."""
    done = strait(command, "--help")
    assert done.returncode == 0
    examples = re.search(r"^EXAMPLES?\n((?:.+\n)+)", done.stdout, re.MULTILINE)
    assert examples, done.stdout
    assert [line for line in examples[1].splitlines() if not line.startswith("  ")] == []


def test_a_command_that_is_none_is_told_what_there_is():
    done = strait("serv", "--model-repository", MODELS)
    assert done.returncode == 64
    assert "no command 'serv'" in done.stderr and all(name in done.stderr for name in COMMANDS), done.stderr


def test_every_command_is_listed():
    listed = re.findall(r"^  ([a-z-]+) ", strait("--help").stdout, re.MULTILINE)
    assert set(COMMANDS) <= set(listed)
