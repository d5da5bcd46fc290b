# SPDX-License-Identifier: Apache-2.0
"""Who may read metrics: anybody, until there are tokens."""

import hashlib
import signal
import subprocess

import pytest
from server import ANSWER_LIMIT, STRAIT
from test_metrics import fetch
from test_security import folder, serving, until  # noqa: F401
from tls import TLSServer, authority, installed  # noqa: F401

SCRAPER = "a-token-for-prometheus"
OTHER = "another-token-for-prometheus"


def scrape(server, token=None, path="/metrics", name="Authorization"):
    headers = {} if token is None else {name: f"Bearer {token}" if name == "Authorization" else token}
    return fetch(server, path, **headers)


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    made = tmp_path_factory.mktemp("metrics") / "tokens"
    made.write_text(f"# Prometheus\n{SCRAPER}\nsha256:{hashlib.sha256(OTHER.encode()).hexdigest()}\n")
    return made


@pytest.fixture(scope="module")
def guarded(folder, tokens):  # noqa: F811
    with serving(folder, "--metrics-token-file", tokens) as running:
        yield running


def test_metrics_are_told_to_who_has_a_token(guarded):
    for token in (SCRAPER, OTHER):
        answer = scrape(guarded, token)
        assert answer.status == 200 and b"strait_requests_total" in answer.body
    assert scrape(guarded, SCRAPER, name="X-Api-Key").status == 200
    for token in (None, "", "guessed-guessed-guessed", SCRAPER[:-1], SCRAPER + "x"):
        answer = scrape(guarded, token)
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="strait"')
        assert b"strait_requests" not in answer.body
    assert scrape(guarded, path="/").status == 200, "the page that says where they are"
    assert "with a token" in guarded.read_log() and SCRAPER not in guarded.read_log()


def test_a_token_for_metrics_opens_nothing_else(guarded, folder, tokens):  # noqa: F811
    # Without --tokens requests need none.
    assert guarded.get("/v2/models/stats").status == 200
    with serving(folder, "--tokens", folder / "tokens.json", "--metrics-token-file", tokens) as server:
        assert scrape(server, SCRAPER).status == 200
        headers = {"Authorization": f"Bearer {SCRAPER}"}
        assert server.request("GET", "/v2/models/stats", headers=headers).status == 401
        assert server.post("/v2/models/red/infer", b"", headers).status == 401


def test_where_requests_need_a_token_metrics_do_too(folder):  # noqa: F811
    with serving(folder, "--tokens", folder / "tokens.json") as server:
        assert scrape(server).status == 401
        assert scrape(server, "guessed-guessed-guessed").status == 401
        assert scrape(server, "user-token").status == 200


def test_the_file_is_read_again(folder, tmp_path):  # noqa: F811
    tokens = tmp_path / "tokens"
    tokens.write_text(SCRAPER)
    with serving(folder, "--metrics-token-file", tokens) as server:
        tokens.write_text(OTHER)
        server.process.send_signal(signal.SIGHUP)
        until(lambda: scrape(server, OTHER).status == 200)
        assert scrape(server, SCRAPER).status == 401
        tokens.write_text("short")
        server.process.send_signal(signal.SIGHUP)
        until(lambda: "the tokens for metrics stay as they were" in server.read_log())
        assert scrape(server, OTHER).status == 200 and "short" not in server.read_log()


@pytest.mark.parametrize("text, said", [("", "0 tokens; expected 1 to 8"), ("x\n", "tokens:1: expected a token"), (None, "No such file")])
def test_no_server_starts_with_a_file_that_lets_nobody_in(folder, tmp_path, text, said):  # noqa: F811
    tokens = tmp_path / "tokens"
    if text is not None:
        tokens.write_text(text)
    ended = subprocess.run([STRAIT, "serve", "--model-repository", folder / "models", "--device", "virtual:fixed,ms=2",
                            "--metrics-token-file", tokens, "--http-port", "0", "--grpc-port", "0", "--metrics-port", "0"],
                           capture_output=True, text=True, timeout=ANSWER_LIMIT, check=False)
    assert ended.returncode == 1 and said in ended.stderr, ended.stderr


@installed
def test_over_tls_with_a_token(folder, authority, tokens):  # noqa: F811
    identity = authority.sign("metrics")
    server = TLSServer(folder / "models", authority, identity, "--device", "virtual:fixed,ms=2", "--metrics-token-file", tokens)
    try:
        server.start()
        url = f"https://127.0.0.1:{server.metrics_port}/metrics"
        assert server.curl(url, "--write-out", "%{http_code}").stdout.endswith(b"401")
        got = server.curl(url, "--header", f"Authorization: Bearer {SCRAPER}", "--write-out", "%{http_code}")
        assert got.stdout.endswith(b"200") and b"strait_requests_total" in got.stdout
        assert server.stop() == 0
    finally:
        server.kill()
