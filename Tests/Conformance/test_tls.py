# SPDX-License-Identifier: Apache-2.0
"""TLS: both ports speak it to every client as they speak in the clear, and to nobody else."""

import contextlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time
import warnings

import grpc
import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
from grpc_client import ask as ask_grpc
from reference import INPUTS, ask, expected
from server import ANSWER_LIMIT, START_LIMIT, STRAIT
from test_answers import assert_same
from tls import EXPIRED, TLSServer, authority, eventually, installed, repository, running, secure, stranger  # noqa: F401
from tritonclient.utils import InferenceServerException

pytestmark = installed

HELLO_OF_TLS = b"\x16\x03\x01\x01\xf4"  # the head of a record of 500 bytes


@pytest.fixture(scope="module")
def mutual(authority, repository):
    """A server that asks for certificates."""
    with running(repository, authority, authority.sign("server2"), "--tls-client-ca", authority.certificate,
                 "--log-level", "debug", client=authority.sign("client")) as made:
        yield made


def image():
    return {"data_0": np.random.default_rng(2).standard_normal((1, 3, 224, 224), np.float32)}


# -- clients as people install them ---------------------------------------------------------------------------------


def triton_http(server, **options):
    return tritonclient.http.InferenceServerClient(
        server.url, ssl=True, ssl_options={"ca_certs": str(server.authority.certificate), **options},
        connection_timeout=ANSWER_LIMIT, network_timeout=ANSWER_LIMIT)


def triton_grpc(server, identity=None):
    words = {"private_key": str(identity.key), "certificate_chain": str(identity.certificate)} if identity else {}
    return tritonclient.grpc.InferenceServerClient(
        server.grpc_url, ssl=True, root_certificates=str(server.authority.certificate), **words)


@pytest.mark.parametrize("model", ["identity_fp32", "slow", "squeezenet"])
def test_tritons_http_client(secure, model):
    inputs = INPUTS[model](np.random.default_rng(3), 1)
    with triton_http(secure) as client:
        assert_same(ask(client, model, inputs), expected(model, inputs))


@pytest.mark.parametrize("model", ["identity_fp32", "slow", "squeezenet"])
def test_tritons_grpc_client(secure, model):
    inputs = INPUTS[model](np.random.default_rng(4), 2)
    with triton_grpc(secure) as client:
        assert client.is_server_ready()
        assert_same(ask_grpc(client, model, inputs), expected(model, inputs))


@pytest.mark.parametrize("option, version", [("--http1.1", b"1.1"), ("--http2", b"2")])
def test_curl(secure, option, version):
    got = secure.curl(option, f"{secure.https}/v2/health/ready", "--write-out", "%{http_version} %{http_code}")
    assert (got.returncode, got.stdout) == (0, b'{"ready":true}' + version + b" 200"), got.stderr


def test_clients_that_trust_others_go_away(secure, stranger):
    got = secure.curl(f"{secure.https}/v2", "--cacert", stranger.certificate)
    assert got.returncode == 60, got
    assert secure.get("/v2").status == 200


def test_metrics(secure, mutual):
    for server in (secure, mutual):
        address = f"https://127.0.0.1:{server.metrics_port}/metrics"
        got = server.curl(address, "--write-out", "%{http_version}")
        assert got.stdout.endswith(b"1.1") and b"strait_" in got.stdout, got
    assert without_answer(mutual, None, address=address)


def test_the_log_and_the_hint_say_https(secure):
    log = secure.read_log()
    assert f"models at https://127.0.0.1:{secure.port}" in log and "(TLS)" in log
    assert f"curl -s {secure.https}/v2/models/" in log


# -- who must show a certificate ------------------------------------------------------------------------------------


def test_clients_with_a_certificate_are_served(mutual):
    inputs = image()
    wanted = expected("squeezenet", inputs)
    with triton_http(mutual, certfile=str(mutual.client.certificate), keyfile=str(mutual.client.key)) as client:
        assert_same(ask(client, "squeezenet", inputs), wanted)
    with triton_grpc(mutual, mutual.client) as client:
        assert_same(ask_grpc(client, "squeezenet", inputs), wanted)
    assert mutual.curl("--http2", f"{mutual.https}/v2").returncode == 0


REFUSALS = {"nobody": "refused: it has no certificate, and one is asked for",
            "stranger": "refused: its certificate is not of an authority that is taken, or not valid now"}
REFUSALS["expired"] = REFUSALS["stranger"]


def without_answer(server, identity, *options, address=None):
    """What curl says where the server gives no answer."""
    words = ["--cert", identity.certificate, "--key", identity.key] if identity else []
    command = ["curl", "--silent", "--show-error", "--cacert", server.authority.certificate, *words, *options,
               address or f"{server.https}/v2"]
    got = subprocess.run(list(map(str, command)), capture_output=True, check=False, timeout=ANSWER_LIMIT)
    assert got.returncode != 0 and not got.stdout, got
    return got.stderr.decode()


@pytest.mark.parametrize("option", ["--http1.1", "--http2", "--tls-max=1.2"])
@pytest.mark.parametrize("who", ["nobody", "stranger", "expired"])
def test_clients_without_a_good_certificate_are_not(mutual, authority, stranger, who, option):
    identity = {"nobody": lambda: None, "stranger": lambda: stranger.sign("client"),
                "expired": lambda: authority.sign("old", EXPIRED)}[who]()
    options = ["--tls-max", "1.2"] if option.startswith("--tls") else [option]
    reason = REFUSALS[who]
    before = mutual.read_log().count(reason)
    without_answer(mutual, identity, *options)
    eventually(lambda: mutual.read_log().count(reason) > before, "a line about the refusal")
    with pytest.raises(InferenceServerException, match="UNAVAILABLE"):
        with triton_grpc(mutual, identity) as client:
            client.is_server_live(client_timeout=ANSWER_LIMIT)
    assert mutual.get("/v2").status == 200


# -- versions, and what is no TLS -----------------------------------------------------------------------------------


def handshake(server, version):
    context = server.context()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    # Old versions are below what OpenSSL takes by default.
    context.set_ciphers("ALL@SECLEVEL=0")
    with server.connect_secure(context=context) as connection:
        return connection.version(), connection.cipher()[0]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_versions_that_are_spoken(secure, version):
    spoken, cipher = handshake(secure, version)
    assert spoken.replace(".", "_") == version.name
    assert "GCM" in cipher or "CHACHA20" in cipher


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_versions_that_are_refused(secure, version):
    with pytest.raises(ssl.SSLError, match="(?i)alert protocol version"):
        handshake(secure, version)


@pytest.mark.parametrize("cipher", ["AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA", "ECDHE-RSA-AES256-SHA384"])
def test_ciphers_without_forward_secrecy_or_authentication_are_refused(secure, cipher):
    context = secure.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(f"{cipher}:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError, match="(?i)alert handshake failure"):
        secure.connect_secure(context=context)


@pytest.mark.parametrize("port", ["port", "grpc_port"])
@pytest.mark.parametrize("data", [b"GET /v2 HTTP/1.1\r\nHost: a\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\0" * 64],
                         ids=["http", "http2", "noise"])
def test_plain_text_is_refused(secure, port, data):
    with socket.create_connection(("127.0.0.1", getattr(secure, port)), ANSWER_LIMIT) as connection:
        connection.sendall(data)
        got = b""
        with contextlib.suppress(ConnectionError):
            while part := connection.recv(4096):
                got += part
    assert b"HTTP" not in got and len(got) < 16, "more than an alert"
    assert secure.get("/v2").status == 200


def test_what_is_refused_is_logged_where_that_is_wanted_only(secure, authority):
    def refuse():
        with socket.create_connection(("127.0.0.1", secure.port), ANSWER_LIMIT) as connection:
            connection.sendall(b"GET /v2 HTTP/1.1\r\n\r\n")
            with contextlib.suppress(ConnectionError):
                while connection.recv(4096):
                    pass

    line = re.compile(r"TLS: \S+ refused: it speaks HTTP without TLS")
    refuse()
    assert not line.search(secure.read_log())
    try:
        assert secure.post("/v2/logging", {"log_verbose_level": 1}).status == 200
        refuse()
        eventually(lambda: line.search(secure.read_log()), "a line about the refusal")
    finally:
        secure.post("/v2/logging", {"log_verbose_level": 0})


def test_a_grpc_client_without_tls_is_refused(secure):
    with grpc.insecure_channel(secure.grpc_url) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=ANSWER_LIMIT)
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE


# -- files --------------------------------------------------------------------------------------------------------


def refusal(repository, *arguments):
    """What a server says that does not start."""
    command = [STRAIT, "serve", "--model-repository", repository, "--http-port", 0, "--grpc-port", 0, *arguments]
    got = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, timeout=START_LIMIT)
    assert got.returncode != 0, got
    return got.stderr


def broken(authority, stranger, folder, kind):
    """(certificate, key, client authorities) of which something is wrong, and what a person should be told."""
    good, other = authority.sign("good"), stranger.sign("other")
    file, nothing = folder / "text.pem", folder / "nothing.pem"
    file.write_text("no certificate\n")
    encrypted = folder / "encrypted.key"
    if kind == "an encrypted key":
        subprocess.run(["openssl", "pkey", "-in", good.key, "-aes128", "-passout", "pass:x", "-out", encrypted], check=True)
    return {
        "no certificate file": (nothing, good.key, None, f"{nothing}: cannot be opened: No such file"),
        "no key file": (good.certificate, nothing, None, f"{nothing}: cannot be opened: No such file"),
        "no authorities file": (good.certificate, good.key, nothing, f"{nothing}: cannot be opened: No such file"),
        "a folder": (folder, good.key, None, f"{folder}: cannot be read: Is a directory"),
        "another key": (good.certificate, other.key, None, f"{other.key} is not the key of {good.certificate}"),
        "no certificate in it": (file, good.key, None, f"{file}: no certificate in it; expected PEM"),
        "a key as certificate": (good.key, good.key, None, f"{good.key}: no certificate in it; expected PEM"),
        "a certificate as key": (good.certificate, good.certificate, None,
                                 f"{good.certificate}: no private key in it; expected PEM"),
        "no authority in it": (good.certificate, good.key, file, f"{file}: no certificate in it; expected PEM"),
        "an encrypted key": (good.certificate, encrypted, None, f"{encrypted}: the key is encrypted"),
    }[kind]


@pytest.mark.parametrize("kind", ["no certificate file", "no key file", "no authorities file", "a folder", "another key",
                                  "no certificate in it", "a key as certificate", "a certificate as key",
                                  "no authority in it", "an encrypted key"])
def test_files_that_are_wrong(authority, stranger, repository, tmp_path, kind):
    certificate, key, authorities, words = broken(authority, stranger, tmp_path, kind)
    more = ["--tls-client-ca", authorities] if authorities else []
    said = refusal(repository, "--tls-certificate", certificate, "--tls-key", key, *more)
    assert f"TLS: {words}" in said
    assert "ready" not in said


@pytest.mark.parametrize("flags", [["--tls-certificate", "x"], ["--tls-key", "x"], ["--tls-client-ca", "x"]])
def test_flags_that_need_others(repository, flags):
    assert "--tls-certificate and --tls-key" in refusal(repository, *flags)


def test_an_expired_certificate_is_warned_about(authority, repository):
    old = authority.sign("expired", EXPIRED)
    made = TLSServer(repository, authority, old, "--lanes", "1")
    # Its clients will not come, so nobody asks whether it is ready.
    made.ready = lambda: "ready:" in made.read_log()
    try:
        made.start()
        assert re.search(rf"warning: TLS: {old.certificate}: expired (less than a|1) day ago", made.read_log())
        assert made.curl(f"{made.https}/v2").returncode == 60
        assert made.stop() == 0
    finally:
        made.kill()


# -- certificates anew ----------------------------------------------------------------------------------------------


def shown(server):
    """The certificate that a new connection gets."""
    with server.connect_secure() as connection:
        return connection.getpeercert(binary_form=True)


def test_certificates_are_read_again_on_sighup(authority, repository, tmp_path):
    place = authority.sign("renewed")
    with running(repository, authority, place) as server:
        before = shown(server)
        with server.connect_secure("http/1.1") as old:
            fresh = authority.sign("fresh")
            shutil.copy(fresh.certificate, place.certificate)
            # Half way through a renewal nothing fits: all stays as it was.
            server.process.send_signal(signal.SIGHUP)
            eventually(lambda: "the certificates from before stay" in server.read_log(), "a line about the mismatch")
            assert f"{place.key} is not the key of {place.certificate}" in server.read_log()
            assert shown(server) == before
            shutil.copy(fresh.key, place.key)
            server.process.send_signal(signal.SIGHUP)
            eventually(lambda: shown(server) != before, "the new certificate")
            assert shown(server) == ssl.PEM_cert_to_DER_cert(
                re.search(r"-----BEGIN.*?-----END CERTIFICATE-----\s", fresh.certificate.read_text(), re.S)[0])
            # Who is there stays.
            old.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: strait\r\n\r\n")
            assert old.recv(4096).startswith(b"HTTP/1.1 200")
        with triton_grpc(server) as client:
            assert client.is_server_live()
        assert server.stop() == 0


# -- clients that say nothing ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def impatient(authority, repository):
    with running(repository, authority, authority.sign("impatient"), "--idle-timeout-secs", "1") as made:
        yield made


@pytest.mark.parametrize("port", ["port", "grpc_port"])
@pytest.mark.parametrize("drip", [b"", b"\1"], ids=["silent", "dripping"])
def test_handshakes_that_never_end_are_ended(impatient, port, drip):
    with socket.create_connection(("127.0.0.1", getattr(impatient, port)), ANSWER_LIMIT) as connection:
        connection.sendall(HELLO_OF_TLS)
        connection.settimeout(0.1 if drip else ANSWER_LIMIT)
        limit = time.monotonic() + ANSWER_LIMIT
        with contextlib.suppress(ConnectionError):
            while True:
                assert time.monotonic() < limit, "still open"
                try:
                    if not connection.recv(4096):
                        break
                except TimeoutError:
                    connection.sendall(drip)


@pytest.mark.parametrize("protocol", ["http/1.1", "h2"])
def test_connections_without_a_request_are_ended(impatient, protocol):
    with impatient.connect_secure(protocol) as connection:
        assert connection.selected_alpn_protocol() == protocol
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while connection.recv(4096):
                pass
