# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 on the HTTP port: the same answers as over HTTP/1.1, on streams that come and go as their clients like."""

import contextlib
import json
import signal
import ssl
import struct
import subprocess

import numpy as np
import pytest
from reference import PATIENT
from tls import (DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PREFACE, RESET, SETTINGS, WINDOW,  # noqa: F401
                 authority, frame, frames, installed, repository, request, running, secure)

pytestmark = installed

CROWD = 300
ANSWERED, CANCEL, CALM = 0, 8, 11  # codes of resets and of the end
MAX_STREAMS, FIRST_WINDOW, HEADER_BYTES = 3, 4, 6  # settings


def infer_body(values):
    return json.dumps({"inputs": [{"name": "INPUT0", "datatype": "FP32", "shape": [1, len(values)], "data": values}],
                       "parameters": {"timeout": PATIENT}}).encode()


def slow_body(rows):
    return json.dumps({"parameters": {"timeout": PATIENT}, "inputs": [
        {"name": "x", "datatype": "FP32", "shape": [rows, 256], "data": [0.5] * (rows * 256)}]}).encode()


# -- with curl -----------------------------------------------------------------------------------------------------


def test_the_same_answer_as_over_http_1(secure):
    body = infer_body([1.5, 2, 3])
    answers = [secure.curl(option, f"{secure.https}/v2/models/identity_fp32/infer", "--data-binary", "@-", data=body)
               for option in ("--http1.1", "--http2")]
    assert answers[0].stdout == answers[1].stdout
    assert json.loads(answers[1].stdout)["outputs"][0]["data"] == [1.5, 2, 3]


def test_headers_of_a_reply(secure):
    got = secure.curl("--http2", "--include", f"{secure.https}/v2/models/identity_fp32/infer", "--data-binary", "@-",
                      data=infer_body([1]))
    head = got.stdout.decode().lower().split("\r\n\r\n")[0].split("\r\n")
    names = {line.split(":")[0] for line in head[1:]}
    assert head[0].strip() == "http/2 200"
    assert {"content-length", "content-type", "server-timing"} <= names
    assert not names & {"connection", "keep-alive", "transfer-encoding"}


@pytest.mark.parametrize("count", [150_528, 1_000_000, 8_000_000])
def test_large_tensors_there_and_back(secure, count):
    """602,112 bytes, 4 MB and 32 MB: beyond the windows and frames of both sides."""
    values = np.random.default_rng(count).standard_normal(count, np.float32).tobytes()
    head = json.dumps({"inputs": [{"name": "INPUT0", "datatype": "FP32", "shape": [1, count],
                                   "parameters": {"binary_data_size": len(values)}}],
                       "parameters": {"binary_data_output": True, "timeout": PATIENT}}).encode()
    got = secure.curl("--http2", f"{secure.https}/v2/models/identity_fp32/infer", "--data-binary", "@-",
                      "--header", f"Inference-Header-Content-Length: {len(head)}", "--header",
                      "Content-Type: application/octet-stream", "--dump-header", "/dev/stderr", data=head + values)
    assert got.stderr.startswith(b"HTTP/2 200"), got.stderr
    assert got.stdout[-len(values):] == values and len(got.stdout) < len(values) + 1000


def test_many_requests_at_a_time_on_one_connection(secure, tmp_path):
    lines = []
    for index in range(CROWD):
        (tmp_path / f"{index}.json").write_bytes(infer_body([float(index)]))
        lines += ["next"] if index else []
        lines += [f'url = "{secure.https}/v2/models/identity_fp32/infer"', f'data-binary = "@{tmp_path}/{index}.json"',
                  f'output = "{tmp_path}/{index}.out"', 'write-out = "%{http_version} %{http_code} %{num_connects}\\n"',
                  "http2", f'cacert = "{secure.authority.certificate}"']
    got = secure.curl("--parallel", "--parallel-max", "100", "--config", "-", data="\n".join(lines).encode())
    said = [line.split() for line in got.stdout.decode().splitlines()]
    assert [line[:2] for line in said] == [["2", "200"]] * CROWD, got.stderr
    assert sum(int(line[2]) for line in said) < 10, "curl did not share its connections"
    for index in range(CROWD):
        assert json.loads((tmp_path / f"{index}.out").read_bytes())["outputs"][0]["data"] == [index]


@pytest.mark.parametrize("method, path, code", [("GET", "/v2/nothing", "404"), ("DELETE", "/v2", "405"),
                                                ("GET", "/" + "x" * 5000, "404")])
def test_errors(secure, method, path, code):
    got = secure.curl("--http2", "-X", method, f"{secure.https}{path}", "--write-out", "\n%{http_version} %{http_code}")
    body, said = got.stdout.decode().rsplit("\n", 1)
    assert said == f"2 {code}" and json.loads(body)["error"]


def test_a_drain_answers_what_is_there(authority, repository):
    with running(repository, authority, authority.sign("drained")) as server:
        client = subprocess.Popen(
            ["curl", "--silent", "--http2", "--cacert", authority.certificate, "--data-binary", "@-", "--write-out",
             "\n%{http_version} %{http_code}", f"{server.https}/v2/models/slow/infer"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        with connected(server) as connection:
            before = server.get("/v2/models/slow/stats").json["model_stats"][0]["inference_count"]
            client.stdin.write(slow_body(8))
            client.stdin.close()
            # Ours waits behind it.
            connection.sendall(post(1, "slow", slow_body(8)))
            first = next(reply for reply in frames(connection) if reply[0] == HEADERS)
            assert first[2] == 1 and before == 0
            connection.sendall(post(3, "slow", slow_body(8)))
            server.process.send_signal(signal.SIGTERM)
            rest = list(frames(connection))
            assert [reply[2] for reply in rest if reply[0] == HEADERS] == [3]
            assert any(reply[0] == GOAWAY for reply in rest)
        assert client.stdout.read().endswith(b"\n2 200")
        client.wait()
        assert server.wait() == 0


# -- by hand -------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def connected(server, settings=b""):
    with server.connect_secure("h2") as connection:
        assert connection.selected_alpn_protocol() == "h2"
        connection.sendall(PREFACE + frame(SETTINGS, payload=settings))
        yield connection


def setting(number, value):
    return struct.pack(">HI", number, value)


def get(stream, path="/v2/health/live"):
    return frame(HEADERS, END_STREAM | END_HEADERS, stream, request("GET", path))


def post(stream, model, body, ends=True):
    """A request in frames of the usual size."""
    out = frame(HEADERS, END_HEADERS, stream, request("POST", f"/v2/models/{model}/infer"))
    parts = [body[start:start + 16_384] for start in range(0, len(body), 16_384)]
    for index, part in enumerate(parts):
        out += frame(DATA, END_STREAM if ends and index == len(parts) - 1 else 0, stream, part)
    return out


def status(connection, stream):
    """The first byte of a reply's headers tells its status: 0x88 is 200. None if the connection ends, or the stream."""
    for kind, _, number, payload in frames(connection):
        if number == stream and kind == HEADERS:
            return payload[:1]
        if number == stream and kind == RESET:
            return None
    return None


OK = b"\x88"


def test_what_the_server_allows(secure):
    with connected(secure) as connection:
        kind, _, _, payload = next(frames(connection))
        assert kind == SETTINGS
        told = dict(struct.iter_unpack(">HI", payload))
    assert told == {MAX_STREAMS: 128, FIRST_WINDOW: 1 << 20, HEADER_BYTES: 64 << 10}


def test_streams_beyond_what_is_allowed_end_the_connection_or_themselves(secure):
    with connected(secure) as connection:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            for stream in range(1, 2 * 200, 2):
                connection.sendall(frame(HEADERS, END_HEADERS, stream, request("POST", "/v2/models/slow/infer")))
        assert any(reply[0] in (RESET, GOAWAY) for reply in frames_until(connection, {RESET, GOAWAY}))
    assert secure.get("/v2").status == 200


def frames_until(connection, kinds):
    for reply in frames(connection):
        yield reply
        if reply[0] in kinds:
            return


FLOOD = 2000  # frames at once


def ends(connection):
    """The codes with which a server says that a connection ends."""
    return [struct.unpack(">I", payload[4:8])[0] for kind, _, _, payload in frames(connection) if kind == GOAWAY]


def test_resets_without_end_end_the_connection(secure):
    with connected(secure) as connection:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            connection.sendall(b"".join(get(stream) + frame(RESET, 0, stream, struct.pack(">I", CANCEL))
                                        for stream in range(1, 2 * FLOOD, 2)))
        assert CALM in ends(connection)
    assert secure.get("/v2").status == 200


@pytest.mark.parametrize("kind, payload", [(PING, b"12345678"), (SETTINGS, b"")], ids=["pings", "settings"])
def test_frames_that_ask_nothing_end_the_connection(secure, kind, payload):
    with connected(secure) as connection:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            connection.sendall(frame(kind, payload=payload) * FLOOD)
        assert CALM in ends(connection)
    assert secure.get("/v2").status == 200


def test_headers_that_are_too_large(secure):
    with connected(secure) as connection:
        connection.sendall(get(1))
        assert status(connection, 1) == OK
        fields = [(f"x-{index}", "y" * 1000) for index in range(80)]
        whole = request("GET", "/v2/health/live", *fields)
        parts = [whole[start:start + 16_384] for start in range(0, len(whole), 16_384)]
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            connection.sendall(frame(HEADERS, END_STREAM, 3, parts[0]) + b"".join(
                frame(9, END_HEADERS if part is parts[-1] else 0, 3, part) for part in parts[1:]))
        assert status(connection, 3) is None
    assert secure.get("/v2").status == 200


def test_a_body_that_stops_coming(authority, repository):
    with running(repository, authority, authority.sign("patient"), "--idle-timeout-secs", "1") as server:
        with connected(server) as connection:
            connection.sendall(post(1, "identity_fp32", b'{"inputs"', ends=False))
            data = b"".join(payload for kind, _, number, payload in frames_until(connection, {RESET})
                            if number == 1 and kind == DATA)
            assert "no more of the body" in json.loads(data)["error"]


def test_a_reply_that_is_not_taken_is_given_up(authority, repository):
    """Its client gives the server no room for it."""
    with running(repository, authority, authority.sign("stalled"), "--idle-timeout-secs", "1") as server:
        with connected(server, setting(FIRST_WINDOW, 0)) as connection:
            connection.sendall(post(1, "identity_fp32", infer_body([0.5] * 100_000)))
            ends = [reply for reply in frames_until(connection, {RESET}) if reply[0] == RESET]
            assert [reply[2] for reply in ends] == [1]


def test_a_client_that_gives_up_leaves_the_queue(authority, repository):
    with running(repository, authority, authority.sign("given-up")) as server:
        with connected(server) as connection:
            # The first one runs, so the second waits for 8 rows of 20 ms at least.
            connection.sendall(post(1, "slow", slow_body(8)) + post(3, "slow", slow_body(8)) + post(5, "slow", slow_body(8)))
            connection.sendall(frame(RESET, 0, 5, struct.pack(">I", CANCEL)))
            assert status(connection, 3) == OK
            connection.sendall(get(7))
            assert status(connection, 7) == OK
        assert server.stop() == 0
        assert "1 cancelled" in server.read_log()


@pytest.mark.parametrize("name, data", [
    ("no settings", PREFACE + get(1)),
    ("data of nobody", PREFACE + frame(SETTINGS) + frame(DATA, 0, 1, b"x")),
    ("a stream of ours", PREFACE + frame(SETTINGS) + get(2)),
    ("a frame that is too long", PREFACE + frame(SETTINGS) + frame(DATA, 0, 1, b"x" * 20_000)),
    ("no headers", PREFACE + frame(SETTINGS) + frame(HEADERS, END_STREAM | END_HEADERS, 1, b"\xff\xff\xff\xff\xff")),
    ("no path", PREFACE + frame(SETTINGS) + frame(HEADERS, END_STREAM | END_HEADERS, 1, b"\x82")),
    ("a window of nothing", PREFACE + frame(SETTINGS) + frame(WINDOW, 0, 0, b"\0\0\0\0")),
], ids=lambda value: value if isinstance(value, str) else "")
def test_what_is_no_http2(secure, name, data):
    with secure.connect_secure("h2") as connection:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            connection.sendall(data)
        assert any(kind in (GOAWAY, RESET) for kind, _, _, _ in frames_until(connection, {GOAWAY, RESET})), name
    assert secure.get("/v2").status == 200


def test_answers_come_while_a_large_body_is_on_its_way(secure):
    with connected(secure) as connection:
        body = infer_body([0.25] * 50_000)
        connection.sendall(post(1, "identity_fp32", body[:-1], ends=False) + get(3))
        assert status(connection, 3) == OK
        connection.sendall(frame(DATA, END_STREAM, 1, body[-1:]))
        assert status(connection, 1) == OK


def test_a_body_that_is_too_large_is_refused_at_once_and_the_others_go_on(authority, repository):
    with running(repository, authority, authority.sign("small"), "--max-body", "1") as server:
        with connected(server) as connection:
            size = 2 << 20
            head = request("POST", "/v2/models/identity_fp32/infer", ("content-length", str(size)))
            connection.sendall(frame(HEADERS, END_HEADERS, 1, head) + frame(DATA, 0, 1, b" " * 1000))
            mine = []
            for reply in frames(connection):
                if reply[2] == 1:
                    mine.append(reply)
                if reply[2] == 1 and reply[0] == RESET:
                    break
            kinds = [reply[0] for reply in mine if reply[0] != WINDOW]
            assert kinds[0] == HEADERS and kinds[-1] == RESET
            assert struct.unpack(">I", mine[-1][3])[0] == ANSWERED
            assert any(b"larger than the" in reply[3] for reply in mine if reply[0] == DATA)
            connection.sendall(get(3))
            assert status(connection, 3) == OK
