# SPDX-License-Identifier: Apache-2.0
"""Metrics over their own port, read by Prometheus's own programs where they are installed (apt-get install prometheus)."""

import contextlib
import gzip
import http.client
import json
import pathlib
import re
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request

import numpy as np
import pytest
from reference import INPUTS, ask
from server import ANSWER_LIMIT, ROOT, STOP_LIMIT, Answer, Server

OPEN_METRICS = "application/openmetrics-text; version=1.0.0"
NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(rf"({NAME})(\{{{LABEL}(?:,{LABEL})*\}})? ([+-]?(?:Inf|\d+(?:\.\d+)?(?:e[+-]?\d+)?)|NaN)")
BOARD = ROOT / "examples/grafana/strait.json"
RULES = ROOT / "examples/prometheus/alerts.yml"
SCRAPE_LIMIT = 60  # seconds until a real Prometheus must have scraped; it does so each second


def fetch(server, path="/metrics", method="GET", body=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.metrics_port, timeout=ANSWER_LIMIT)
    with contextlib.closing(connection):
        connection.request(method, path, body=body, headers=headers)
        answer = connection.getresponse()
        return Answer(answer.status, dict(answer.getheaders()), answer.read())


def samples(text):
    """{(name, labels as a frozenset of pairs): value} of an exposition, each line of which must be well-formed."""
    found = {}
    for line in text.splitlines():
        if line.startswith("# "):
            assert re.fullmatch(rf"# (?:HELP {NAME} .+|TYPE {NAME} \w+|UNIT {NAME} \w+|EOF)", line), line
            continue
        match = SAMPLE.fullmatch(line)
        assert match, f"not a sample: {line!r}"
        key = match[1], frozenset(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', match[2] or ""))
        assert key not in found, f"twice: {line!r}"
        found[key] = float(match[3])
    return found


def total(found, name, **labels):
    """The sum of all samples of a name that have these labels."""
    return sum(value for (other, pairs), value in found.items() if other == name and set(labels.items()) <= pairs)


def names(text):
    """The names of all samples."""
    return {name for name, _ in samples(text)}


@pytest.fixture
def used(server, client):
    """A server with answers of both classes, one that was refused, and some that were malformed."""
    inputs = INPUTS["identity_fp32"](np.random.default_rng(1), 2)
    for priority in (1, 2):
        ask(client, "identity_fp32", inputs, priority=priority)
    assert server.post("/v2/models/identity_fp32/infer", b"{").status == 400
    assert server.post("/v2/models/nothing/infer", b"{}").status == 404
    return server


# -- the page --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("accept, content_type", [
    (None, "text/plain; version=0.0.4; charset=utf-8"),
    (OPEN_METRICS, "application/openmetrics-text; version=1.0.0; charset=utf-8"),
])
def test_each_format_is_well_formed(used, accept, content_type):
    answer = fetch(used, **({"Accept": accept} if accept else {}))
    assert answer.status == 200 and answer.headers["Content-Type"] == content_type
    text = answer.body.decode()
    assert text.endswith("# EOF\n") == (accept is not None)
    found = samples(text)
    # No family is told in two pieces.
    families = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(families) == len(set(families))
    for name, pairs in found:
        if name.endswith("_bucket") and ("le", "+Inf") in pairs:
            count = name.removesuffix("_bucket") + "_count"
            assert found[(count, pairs - {("le", "+Inf")})] == found[(name, pairs)]


def test_it_is_compressed_for_who_takes_that(used):
    answer = fetch(used, **{"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert names(gzip.decompress(answer.body).decode()) == names(fetch(used).body.decode())


def test_head_other_methods_and_other_paths(server):
    head = fetch(server, method="HEAD")
    assert head.status == 200 and head.body == b"" and int(head.headers["Content-Length"]) > 1000
    refused = fetch(server, method="POST", body=b"x")
    assert refused.status == 405 and refused.headers["Allow"] == "GET, HEAD"
    assert fetch(server, "/v2/health/ready").status == 404
    assert fetch(server, "/").status == 200 and b'href="/metrics"' in fetch(server, "/").body
    assert fetch(server, "/metrics?x=1").status == 200


def test_a_body_that_nobody_wants_ends_the_connection(server):
    with contextlib.suppress(ConnectionError):
        assert fetch(server, method="GET", body=b"x" * 1_000_000).status == 413
    assert fetch(server).status == 200


def test_nonsense_is_told_to_be_nonsense(server):
    with socket.create_connection(("127.0.0.1", server.metrics_port), ANSWER_LIMIT) as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 400")


# -- the numbers -----------------------------------------------------------------------------------------------------


def test_requests_are_counted_by_how_they_ended(used, client):
    before = samples(fetch(used).body.decode())
    inputs = INPUTS["identity_fp32"](np.random.default_rng(1), 2)
    for _ in range(5):
        ask(client, "identity_fp32", inputs, priority=1)
    assert used.post("/v2/models/identity_fp32/infer", b"{").status == 400
    after = samples(fetch(used).body.decode())

    def more(name, **labels):
        return total(after, name, **labels) - total(before, name, **labels)

    assert more("strait_requests_total", model="identity_fp32", **{"class": "high"}, outcome="met") == 5
    assert more("strait_requests_total", model="identity_fp32", outcome="invalid", reason="malformed") == 1
    assert more("strait_request_latency_seconds_count", model="identity_fp32", **{"class": "high"}) == 5
    assert more("nv_inference_request_success", model="identity_fp32", version="1") == 5
    assert more("nv_inference_request_failure", model="identity_fp32", reason="OTHER") == 1
    assert more("nv_inference_count", model="identity_fp32") == 10
    assert more("strait_batches_total", model="identity_fp32", outcome="finished") == more("nv_inference_exec_count")
    assert total(after, "strait_requests_total", reason="unknown_model") >= 1
    assert more("process_cpu_seconds_total") > 0 and total(after, "process_open_fds") > 5
    assert total(after, "process_start_time_seconds") > time.time() - 3600 * 24
    assert total(after, "strait_connections", protocol="http") >= 1


def test_what_has_ended_and_what_is_open_is_all_that_was_admitted(used):
    found = samples(fetch(used).body.decode())
    for requests in ("high", "low"):
        scheduled = sum(
            value for (name, pairs), value in found.items()
            if name == "strait_requests_total" and ("class", requests) in pairs
            and not {("outcome", "invalid"), ("reason", "no_memory"), ("reason", "draining"),
                     ("reason", "model_unavailable")} & pairs)
        labels = {"class": requests}
        admitted = total(found, "strait_requests_admitted_total", **labels)
        assert scheduled + total(found, "strait_requests_open", **labels) == admitted


def test_without_metrics_nobody_listens():
    server = Server(ROOT / ".strait/test-models", "--no-metrics")
    try:
        server.start()
        with pytest.raises(ConnectionError):
            fetch(server)
        assert server.stop() == 0
    finally:
        server.kill()


# -- the files that come with it -------------------------------------------------------------------------------------


def used_names(expression):
    """The metrics that a PromQL expression reads; what recording rules make has colons, and is not among them."""
    return set(re.findall(r"(?<![\w:])(?:strait|nv|process)_[a-z0-9_]+(?![\w:])", expression))


def board_expressions():
    board = json.loads(BOARD.read_text())
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], variable["query"]


def test_the_board_reads_only_what_is_told(used):
    told = names(fetch(used).body.decode())
    virtual = {"strait_virtual_pacing_error_seconds_bucket"}  # told where there are virtual devices
    for title, expression in board_expressions():
        assert used_names(expression), f"{title}: nothing is read by {expression}"
        assert used_names(expression) - told - virtual == set(), title


def test_the_rules_read_only_what_is_told(used):
    told = names(fetch(used).body.decode())
    text = RULES.read_text()
    expressions = "\n".join(line for line in text.splitlines() if not re.match(r"\s*(#|summary:|description:)", line))
    assert len(used_names(expressions)) > 5
    assert used_names(expressions) - told == set()


def test_every_family_has_its_line_in_the_manual(used):
    manual = (ROOT / "docs/metrics.md").read_text()
    missing = [line.split()[2] for line in fetch(used).body.decode().splitlines()
               if line.startswith("# TYPE") and f"`{line.split()[2]}`" not in manual]
    assert missing == []


# -- Prometheus itself -----------------------------------------------------------------------------------------------


@pytest.fixture
def promtool():
    return shutil.which("promtool") or pytest.skip("promtool is not installed; apt-get install prometheus")


def test_promtool_finds_fault_only_with_names_that_are_triton_s(used, promtool):
    checked = subprocess.run([promtool, "check", "metrics"], input=fetch(used).body, capture_output=True, check=False)
    complaints = (checked.stdout + checked.stderr).decode().splitlines()
    assert [line for line in complaints if not line.startswith("nv_inference_")] == []
    assert checked.returncode in (0, 3)  # 3: it had complaints


def test_promtool_takes_the_rules(promtool):
    subprocess.run([promtool, "check", "rules", str(RULES)], check=True, capture_output=True)


def test_the_alerts_fire_when_they_should(promtool):
    tests = ROOT / "examples/prometheus/alerts-test.yml"
    tested = subprocess.run([promtool, "test", "rules", str(tests)], capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_a_real_prometheus_scrapes_it(used, client, tmp_path):
    prometheus = shutil.which("prometheus") or pytest.skip("prometheus is not installed; apt-get install prometheus")
    configuration = tmp_path / "prometheus.yml"
    configuration.write_text(f"""
global: {{ scrape_interval: 1s }}
rule_files: ["{RULES}"]
scrape_configs:
  - job_name: strait
    static_configs: [ {{ targets: ["127.0.0.1:{used.metrics_port}"] }} ]
""")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = (tmp_path / "log").open("w+")
    process = subprocess.Popen(
        [prometheus, f"--config.file={configuration}", f"--storage.tsdb.path={tmp_path / 'data'}",
         f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)

    def query(expression):
        url = f"http://127.0.0.1:{port}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=ANSWER_LIMIT) as answer:
            return {json.dumps(series["metric"], sort_keys=True): float(series["value"][1])
                    for series in json.load(answer)["data"]["result"]}
        return {}

    try:
        limit = time.monotonic() + SCRAPE_LIMIT
        while list(query('up{job="strait"}').values()) != [1]:
            assert time.monotonic() < limit and process.poll() is None, pathlib.Path(log.name).read_text()[-2000:]
            time.sleep(0.2)
        found = samples(fetch(used).body.decode())
        expected = total(found, "strait_requests_total", outcome="met")
        # Scraped before, perhaps; not after something else was answered.
        while (seen := query('sum(strait_requests_total{outcome="met"})')) != {"{}": expected}:
            assert time.monotonic() < limit, f"Prometheus has {seen}, the server says {expected}"
            time.sleep(0.2)
        for title, expression in board_expressions():
            if "$" not in expression:
                assert query(f"absent({expression})") == {} or "virtual" in expression or "/" in expression, title
        assert query("scrape_samples_scraped") and list(query("strait_device_in_service").values()) == [1]
    finally:
        process.terminate()
        process.wait(STOP_LIMIT)
        log.close()
