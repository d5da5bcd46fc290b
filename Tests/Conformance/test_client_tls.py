# SPDX-License-Identifier: Apache-2.0
"""Our own commands against servers that speak TLS: whom they believe, what they show, and what they say where a
connection comes to nothing."""

import json
import os
import subprocess

import pytest
from server import STRAIT, Server
from test_security import folder, serving  # noqa: F401
from test_command_line import LIMIT, strait
from tls import EXPIRED, Authority, authority, installed, repository, running, secure, stranger  # noqa: F401

pytestmark = installed

TOP, WHY = ("top", "--once", "--json"), ("why", "--last", "1")
LOAD = ("load", "--model", "identity_fp32,shape=INPUT0:1x4", "--rate", "50", "--duration", "1s", "--warmup", "0s", "--quiet")


@pytest.fixture(scope="module")
def mutual(authority, repository):
    with running(repository, authority, authority.sign("server2"), "--tls-client-ca", authority.certificate,
                 client=authority.sign("client")) as made:
        yield made


def grpcs(server):
    return f"grpcs://127.0.0.1:{server.grpc_port}"


def said(*arguments):
    """What a command says that fails: one line."""
    done = strait(*arguments)
    assert done.returncode == 1 and not done.stdout, done.stdout + done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr


def loaded(*arguments):
    """The rows of a load in which nothing failed."""
    done = strait(*LOAD, "--json", "-", *arguments)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    rows = rows if isinstance(rows, list) else next(value for value in rows.values() if isinstance(value, list))
    assert sum(row["sent"] for row in rows) > 0 and all(row["failed"] == 0 for row in rows), rows
    return rows


# -- all is well ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_top_and_why(secure, host):
    trust = ("--url", f"https://{host}:{secure.port}", "--ca-file", secure.authority.certificate)
    done = strait(*TOP, *trust)
    assert done.returncode == 0 and json.loads(done.stdout)["models"], done.stderr
    assert loaded(*trust)
    told = strait(*WHY, *trust)
    assert told.returncode == 0 and "identity_fp32" in told.stdout, told.stderr


def test_load_over_grpc(secure):
    before = secure.successes()["identity_fp32"]
    rows = loaded("--url", grpcs(secure), "--ca-file", secure.authority.certificate)
    answered = sum(row["in_time"] + row["late"] for row in rows if row["model"] == "identity_fp32" and
                   row["class"] in ("high", "low"))
    assert answered > 0 and secure.successes()["identity_fp32"] - before >= answered


def test_a_client_that_shows_a_certificate(mutual):
    shown = ("--ca-file", mutual.authority.certificate, "--client-certificate", mutual.client.certificate,
             "--client-key", mutual.client.key)
    assert strait(*TOP, "--url", mutual.https, *shown).returncode == 0
    assert loaded("--url", mutual.https, *shown)
    assert loaded("--url", grpcs(mutual), *shown)


def test_believing_anybody_is_told(secure):
    done = strait(*TOP, "--url", secure.https, "--insecure")
    assert done.returncode == 0 and json.loads(done.stdout)["models"]
    assert "whoever answers" in done.stderr


def test_the_authorities_of_the_system(secure):
    words = said(*TOP, "--url", secure.https)
    assert "no authority that is trusted here" in words or "are ca-certificates installed?" in words


# -- what is wrong is said --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [TOP, WHY, LOAD], ids=lambda words: words[0])
@pytest.mark.parametrize("spoken", ["https", "grpcs"])
def test_a_certificate_of_an_authority_that_is_not_trusted(secure, stranger, command, spoken):
    if spoken == "grpcs" and command is not LOAD:
        pytest.skip("is asked over HTTP only")
    url = secure.https if spoken == "https" else grpcs(secure)
    words = said(*command, "--url", url, "--ca-file", stranger.certificate)
    assert url in words and "no authority that is trusted here" in words and "--ca-file" in words


def test_a_name_that_the_certificate_has_not(authority, repository, tmp_path):
    other = Authority(tmp_path / "names", "names")
    identity = other.sign("elsewhere", names="DNS:scanner.example,IP:192.0.2.7")
    made = Server(repository, "--tls-certificate", identity.certificate, "--tls-key", identity.key)
    made.ready = lambda: "ready:" in made.read_log()
    try:
        made.start()
        trust = ("--ca-file", other.certificate)
        for url in (f"https://localhost:{made.port}", f"https://127.0.0.1:{made.port}"):
            words = said(*TOP, "--url", url, *trust)
            host = url.split("/")[2].split(":")[0]
            assert f"its certificate is not for {host} but for scanner.example, 192.0.2.7" in words
        assert "its certificate is not for localhost" in said(*LOAD, "--url", f"grpcs://localhost:{made.grpc_port}", *trust)
        assert made.stop() == 0
    finally:
        made.kill()


def test_a_certificate_that_has_expired(authority, repository):
    old = authority.sign("old", EXPIRED)
    made = Server(repository, "--tls-certificate", old.certificate, "--tls-key", old.key)
    made.ready = lambda: "ready:" in made.read_log()
    try:
        made.start()
        words = said(*TOP, "--url", f"https://localhost:{made.port}", "--ca-file", authority.certificate)
        assert "its certificate expired" in words and "day ago" in words
        assert made.stop() == 0
    finally:
        made.kill()


@pytest.mark.parametrize("command", [TOP, WHY, LOAD], ids=lambda words: words[0])
def test_a_server_without_tls(server, command):
    assert "it does not speak TLS on this port" in said(*command, "--url", f"https://{server.url}")


def test_a_server_of_grpc_without_tls(server):
    words = said(*LOAD, "--url", f"grpcs://{server.grpc_url}")
    assert "TLS" in words and "port" in words


@pytest.mark.parametrize("command", [TOP, WHY, LOAD], ids=lambda words: words[0])
def test_a_server_that_speaks_tls_only(secure, command):
    words = said(*command, "--url", f"http://{secure.url}")
    assert "TLS on this port" in words and "https://" in words


def test_a_server_of_grpc_that_speaks_tls_only(secure):
    words = said(*LOAD, "--url", f"grpc://{secure.grpc_url}")
    assert "TLS on this port" in words and "grpcs://" in words


def test_the_metrics_port_is_not_that_of_grpc(secure):
    words = said(*LOAD, "--url", f"grpcs://127.0.0.1:{secure.metrics_port}", "--ca-file", secure.authority.certificate)
    assert "HTTP/2" in words or "right port" in words


@pytest.mark.parametrize("spoken", ["https", "grpcs"])
def test_a_certificate_that_is_wanted_and_missing(mutual, stranger, spoken):
    url = mutual.https if spoken == "https" else grpcs(mutual)
    trust = ("--url", url, "--ca-file", mutual.authority.certificate)
    assert "--client-certificate" in said(*LOAD, *trust)
    other = stranger.sign("other")
    words = said(*LOAD, *trust, "--client-certificate", other.certificate, "--client-key", other.key)
    assert "our certificate" in words or "another certificate" in words


@pytest.mark.parametrize("flags, words", [
    (("--ca-file", "nothing.pem"), "nothing.pem: cannot be opened: No such file"),
    (("--client-certificate", "a.pem"), "--client-certificate and --client-key need each other"),
    (("--insecure", "--ca-file", "a.pem"), "leave one out"),
    (("--token", "a", "--token-file", "b"), "not both"),
    (("--token-file", "nothing"), "--token-file nothing: cannot be opened"),
    (("--url", "http://localhost", "--insecure"), "asked without TLS"),
    (("--url", "grpcs://localhost"), "only http://, https:// are spoken here"),
], ids=lambda value: " ".join(value) if isinstance(value, tuple) else "")
def test_flags_that_mean_nothing(flags, words):
    done = strait(*TOP, *(() if "--url" in flags else ("--url", "https://localhost:9")), *flags)
    assert done.returncode != 0 and words in done.stderr, done.stderr


# -- tokens -----------------------------------------------------------------------------------------------------------


def test_a_token_in_a_file(folder, tmp_path):  # noqa: F811
    token = tmp_path / "token"
    token.write_text("user-token\n")
    load = ("load", "--model", "red", "--rate", "50", "--duration", "1s", "--warmup", "0s", "--quiet", "--high-share", "0",
            "--url")
    with serving(folder, "--tokens", folder / "tokens.json") as server:
        url = f"http://{server.url}"
        assert "--token-file" in said(*TOP, "--url", url) and "Bearer" not in said(*TOP, "--url", url)
        assert strait(*TOP, "--url", url, "--token-file", token).returncode == 0
        for spoken in (url, f"grpc://{server.grpc_url}"):
            assert "--token-file" in said(*load, spoken)
            done = strait(*load, spoken, "--token-file", token)
            assert done.returncode == 0, done.stderr
        environment = {**os.environ, "STRAIT_TOKEN": "user-token"}
        done = subprocess.run([STRAIT, *TOP, "--url", url], env=environment, capture_output=True, timeout=LIMIT,
                              check=False)
        assert done.returncode == 0, done.stderr
