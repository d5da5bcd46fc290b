# SPDX-License-Identifier: Apache-2.0
"""Triton's own load generator, `perf_analyzer`, unmodified, over HTTP, gRPC, streams and shared memory.

It is built on Triton's C++ client, which no other test here has. No package of today brings it: docs/testing.md tells how to
get one of 2.51 and run these.
"""

import csv
import os
import shutil
import subprocess

import pytest

PROGRAM = os.environ.get("STRAIT_PERF_ANALYZER") or shutil.which("perf_analyzer")
pytestmark = pytest.mark.skipif(not PROGRAM, reason="needs Triton's perf_analyzer on PATH (docs/testing.md)")

# A variation of 1000 % between windows is stable: what is asked here is whether it gets its answers, not how fast.
UNHURRIED = ["--measurement-interval", "500", "--stability-percentage", "1000", "--max-trials", "4"]
LIMIT = 120
ONE_ROW = ["--shape", "INPUT0:4"]


def perf_analyzer(server, protocol, *arguments, folder):
    """What it tells of its load, a row for each level."""
    table = folder / "table.csv"
    url = {"http": server.url, "grpc": server.grpc_url}[protocol]
    told = subprocess.run([PROGRAM, "-u", url, "-i", protocol, *UNHURRIED, "-f", table, *map(str, arguments)],
                          capture_output=True, text=True, timeout=LIMIT)
    assert told.returncode == 0, told.stdout + told.stderr
    with open(table, newline="") as rows:
        return list(csv.DictReader(rows))


@pytest.mark.parametrize("protocol", ["http", "grpc"])
@pytest.mark.parametrize("options", [
    ["--concurrency-range", "1:4:3"],
    ["--concurrency-range", "8", "--async", "-b", "4"],
    ["--concurrency-range", "2", "--shared-memory", "system"],
    ["--request-rate-range", "50"],
], ids=["closed", "asynchronous", "shared-memory", "open"])
def test_identity(server, protocol, options, tmp_path):
    rows = perf_analyzer(server, protocol, "-m", "identity_fp32", *ONE_ROW, *options, folder=tmp_path)
    assert rows
    for row in rows:
        assert float(row["Inferences/Second"]) > 0
        # From the server's statistics, which it reads before and after.
        assert float(row["Server Compute Infer"]) > 0


def test_a_stream(server, tmp_path):
    rows = perf_analyzer(server, "grpc", "-m", "identity_fp32", *ONE_ROW, "--streaming", "--concurrency-range", "4",
                         folder=tmp_path)
    assert float(rows[0]["Inferences/Second"]) > 0


@pytest.mark.parametrize("protocol", ["http", "grpc"])
@pytest.mark.parametrize("model, options", [("squeezenet", []), ("identity_bytes", ["--shape", "INPUT0:2"])])
def test_other_models(server, protocol, model, options, tmp_path):
    rows = perf_analyzer(server, protocol, "-m", model, *options, "--concurrency-range", "2", folder=tmp_path)
    assert float(rows[0]["Inferences/Second"]) > 0
