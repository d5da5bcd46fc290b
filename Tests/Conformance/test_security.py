# SPDX-License-Identifier: Apache-2.0
"""Who may do what: tokens, tenants' limits, administration, and names that try to lead somewhere. docs/security.md has
the table of threats that these tests belong to."""

import contextlib
import gzip
import hashlib
import http.client
import json
import re
import signal
import socket
import struct
import subprocess
import time

import grpc
import numpy as np
import pytest
from grpc_client import connected
from server import ANSWER_LIMIT, STRAIT, Server, read_answer
from test_grpc_gate import RESET, speaking
from tritonclient.grpc import service_pb2

CONFIG = """
max_batch_size: 8
input [ { name: "x" data_type: TYPE_FP32 dims: [ 4 ] } ]
output [ { name: "y" data_type: TYPE_FP32 dims: [ 4 ] } ]
"""
LIMIT = 30
POLL = 0.05


def entry(name, models=("*",), **rest):
    """A tenant whose token is its name and `-token`."""
    return {"name": name, "sha256": [hashlib.sha256(f"{name}-token".encode()).hexdigest()], "models": list(models)} | rest


TENANTS = [
    entry("user"), entry("high", high=True), entry("admin", administer=True), entry("only-red", ["red*"]),
    entry("rare", requests_per_second=0.01, burst=2), entry("rare-grpc", requests_per_second=0.01, burst=2),
    entry("single", concurrency=1),
]


def bearer(name):
    return {"Authorization": f"Bearer {name}-token"}


def metadata(name):
    return [("authorization", f"Bearer {name}-token")]


def write_tokens(path, tenants):
    path.write_text(json.dumps({"strait_tokens": 1, "tenants": tenants}))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("security")
    for model in ("red", "redder", "blue"):
        (made / "models" / model).mkdir(parents=True)
        (made / "models" / model / "config.pbtxt").write_text(CONFIG)
    write_tokens(made / "tokens.json", TENANTS)
    return made


@contextlib.contextmanager
def serving(folder, *arguments):
    running = Server(folder / "models", "--device", "virtual:fixed,ms=2", "--model-control-mode", "explicit",
                     "--load-model", "*", *arguments)
    try:
        yield running.start()
        assert running.stop() == 0, running.read_log()
    finally:
        running.kill()


@pytest.fixture(scope="module")
def guarded(folder):
    with serving(folder, "--tokens", folder / "tokens.json") as running:
        yield running


@pytest.fixture(scope="module")
def unguarded(folder):
    with serving(folder, "--http-address", "0.0.0.0", "--grpc-address", "0.0.0.0") as running:
        yield running


def body(**parameters):
    made = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [0.5] * 4}]}
    return made | ({"parameters": parameters} if parameters else {})


def ask(server, name=None, model="red", headers=None, **parameters):
    return server.post(f"/v2/models/{model}/infer", body(**parameters), headers or (bearer(name) if name else {}))


def message(model="red", priority=None):
    made = service_pb2.ModelInferRequest(model_name=model)
    made.inputs.add(name="x", datatype="FP32", shape=[1, 4])
    made.raw_input_contents.append(np.zeros(4, np.float32).tobytes())
    if priority:
        made.parameters["priority"].int64_param = priority
    return made


def status(call, *arguments, **options):
    """The gRPC status of a call, its message, and its trailing metadata."""
    try:
        call(*arguments, timeout=ANSWER_LIMIT, **options)
        return grpc.StatusCode.OK, "", {}
    except grpc.RpcError as error:
        return error.code(), error.details(), dict(error.trailing_metadata())


# -- who is it --------------------------------------------------------------------------------------------------------

OPEN = {"/v2", "/v2/health/live", "/v2/health/ready"}


def paths(server):
    """Every method and path that the server says it has, with names filled in."""
    description = server.request("GET", "/v2/openapi.json", headers=bearer("admin")).json
    for path, methods in description["paths"].items():
        filled = re.sub(r"{(\w+)}", lambda match: {"version": "1", "region": "r"}.get(match[1], "red"), path)
        yield from ((method.upper(), filled) for method in methods if method in ("get", "post"))


def test_without_a_token_only_health_and_the_name_are_told(guarded):
    seen = list(paths(guarded))
    assert len(seen) > 20
    for method, path in seen:
        for headers in ({}, {"Authorization": "Bearer guessed"}, {"x-api-key": "guessed"}, {"Authorization": "Basic dTpw"}):
            answer = guarded.request(method, path, headers=headers)
            if path in OPEN:
                assert answer.status == 200, path
            else:
                assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="strait"'), path
                assert "token" in answer.error


def test_without_a_token_only_health_and_the_name_are_told_over_grpc(guarded):
    methods = service_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"].methods_by_name
    with grpc.insecure_channel(guarded.grpc_url) as channel:
        for name in methods:
            call = channel.unary_unary(f"/inference.GRPCInferenceService/{name}", lambda data: data, lambda data: data)
            code, _, _ = status(call, b"")
            if name in ("ServerLive", "ServerReady", "ServerMetadata"):
                assert code == grpc.StatusCode.OK, name
            else:
                # A method that the server does not have is none for anybody.
                assert code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.UNIMPLEMENTED), name
            assert status(call, b"", metadata=[("x-api-key", "guessed")])[0] == code, name


def test_a_token_is_taken_in_either_header(guarded):
    assert ask(guarded, "user").status == 200
    assert ask(guarded, headers={"X-API-Key": "user-token"}).status == 200
    with connected(guarded) as stub:
        assert status(stub.ModelInfer, message(), metadata=metadata("user"))[0] == grpc.StatusCode.OK
        assert status(stub.ModelInfer, message(), metadata=[("x-api-key", "user-token")])[0] == grpc.StatusCode.OK


def test_a_connection_that_others_share_is_asked_each_time(guarded):
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", guarded.port, timeout=ANSWER_LIMIT)) as connection:
        for headers, expected in [(bearer("user"), 200), ({}, 401), (bearer("user"), 200), (bearer("usex"), 401),
                                  (bearer("only-red"), 200)]:
            connection.request("POST", "/v2/models/red/infer", json.dumps(body()), headers)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == expected


# -- what may it ----------------------------------------------------------------------------------------------------------

def test_a_tenant_has_its_models_only(guarded):
    for model, expected in [("red", 200), ("redder", 200), ("blue", 403), ("none-such", 403)]:
        assert ask(guarded, "only-red", model).status == expected, model
    assert guarded.request("GET", "/v2/models/blue/config", headers=bearer("only-red")).status == 403
    with connected(guarded) as stub:
        for model, expected in [("red", grpc.StatusCode.OK), ("blue", grpc.StatusCode.PERMISSION_DENIED),
                                ("none-such", grpc.StatusCode.PERMISSION_DENIED)]:
            assert status(stub.ModelInfer, message(model), metadata=metadata("only-red"))[0] == expected
            asked = service_pb2.ModelMetadataRequest(name=model)
            assert status(stub.ModelMetadata, asked, metadata=metadata("only-red"))[0] == expected
        # In a stream the message says so; the others are answered.
        answers = list(stub.ModelStreamInfer(iter([message("blue"), message("red")]), metadata=metadata("only-red"),
                                             timeout=ANSWER_LIMIT))
        assert sorted(bool(answer.error_message) for answer in answers) == [False, True]


def test_the_high_class_is_for_those_who_may_claim_it(guarded):
    refused = ask(guarded, "user", priority=1)
    assert refused.status == 403 and "high" in refused.error
    assert ask(guarded, "user", priority=2).status == 200
    assert ask(guarded, "user").status == 200
    assert ask(guarded, "high", priority=1).status == 200
    with connected(guarded) as stub:
        denied = status(stub.ModelInfer, message(priority=1), metadata=metadata("user"))
        assert denied[0] == grpc.StatusCode.PERMISSION_DENIED
        assert status(stub.ModelInfer, message(priority=1), metadata=metadata("high"))[0] == grpc.StatusCode.OK


def test_administering_is_for_those_who_may(guarded):
    changes = [("/v2/repository/models/blue/unload", {}), ("/v2/repository/models/blue/load", {}),
               ("/v2/logging", {"log_verbose_level": 0}), ("/v2/trace/setting", {"trace_rate": "1000"}),
               ("/v2/systemsharedmemory/unregister", {})]
    for path, change in changes:
        assert guarded.post(path, change, bearer("user")).status == 403, path
        assert guarded.post(path, change, bearer("admin")).status == 200, path
    assert guarded.request("GET", "/v2/logging", headers=bearer("user")).status == 200
    with connected(guarded) as stub:
        change = service_pb2.LogSettingsRequest()
        change.settings["log_verbose_level"].uint32_param = 0
        for name, call, asked in [("load", stub.RepositoryModelLoad, service_pb2.RepositoryModelLoadRequest(model_name="blue")),
                                  ("log", stub.LogSettings, change)]:
            assert status(call, asked, metadata=metadata("user"))[0] == grpc.StatusCode.PERMISSION_DENIED, name
            assert status(call, asked, metadata=metadata("admin"))[0] == grpc.StatusCode.OK, name
        assert status(stub.LogSettings, service_pb2.LogSettingsRequest(), metadata=metadata("user"))[0] == grpc.StatusCode.OK


def test_memory_that_others_share_is_out_of_reach(guarded):
    asked = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "parameters":
                         {"shared_memory_region": "somebody", "shared_memory_byte_size": 16}}]}
    answer = guarded.post("/v2/models/red/infer", asked, bearer("user"))
    assert answer.status == 403 and "shared memory" in answer.error
    assert guarded.post("/v2/models/red/infer", asked, bearer("admin")).status == 404


# -- how much may it ------------------------------------------------------------------------------------------------------

def test_the_rate_of_a_tenant_is_its_own(guarded):
    assert [ask(guarded, "rare").status for _ in range(2)] == [200, 200]
    refused = ask(guarded, "rare")
    assert refused.status == 429 and "requests a second" in refused.error
    assert 1 <= int(refused.headers["Retry-After"]) <= 100
    assert ask(guarded, "user").status == 200
    with connected(guarded) as stub:
        codes = [status(stub.ModelInfer, message(), metadata=metadata("rare-grpc")) for _ in range(3)]
        assert [code for code, _, _ in codes] == [grpc.StatusCode.OK] * 2 + [grpc.StatusCode.RESOURCE_EXHAUSTED]
        assert int(codes[2][2]["retry-after"]) >= 1


def half_a_request(server, name):
    """A connection on which a request was let in, and came but for the end of its body."""
    data = json.dumps(body()).encode()
    head = (f"POST /v2/models/red/infer HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {name}-token\r\n"
            f"Content-Length: {len(data)}\r\nExpect: 100-continue\r\n\r\n").encode()
    connection = server.connect()
    connection.sendall(head)
    # Now it has its place, and nobody else can come before it.
    go = b"HTTP/1.1 100 Continue\r\n\r\n"
    assert connection.recv(len(go), socket.MSG_WAITALL) == go
    connection.sendall(data[:-1])
    return connection, data[-1:]


def until(condition):
    limit = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < limit
        time.sleep(POLL)


def test_a_request_that_is_still_coming_in_takes_its_place(guarded):
    """So that nobody can fill the memory for bodies with requests that never end."""
    connection, rest = half_a_request(guarded, "single")
    with connection:
        assert ask(guarded, "single").status == 429
        assert ask(guarded, "user").status == 200
        connection.sendall(rest)
        assert read_answer(connection).status == 200
    assert ask(guarded, "single").status == 200
    # The place of a client that leaves comes back.
    connection, _ = half_a_request(guarded, "single")
    assert ask(guarded, "single").status == 429
    connection.close()
    until(lambda: ask(guarded, "single").status == 200)


# -- the file -------------------------------------------------------------------------------------------------------------

def test_the_file_is_read_again(folder, tmp_path):
    tokens = tmp_path / "tokens.json"
    write_tokens(tokens, [entry("old")])
    with serving(folder, "--tokens", tokens) as server:
        assert (ask(server, "old").status, ask(server, "new").status) == (200, 401)
        write_tokens(tokens, [entry("new")])
        server.process.send_signal(signal.SIGHUP)
        until(lambda: ask(server, "new").status == 200)
        assert ask(server, "old").status == 401
        tokens.write_text('{"strait_tokens": 1, "tenants": [{"name": "broken"}]}')
        server.process.send_signal(signal.SIGHUP)
        until(lambda: "the tokens stay as they were" in server.read_log())
        assert ask(server, "new").status == 200


@pytest.mark.parametrize("text, said", [("", "tokens.json"), ('{"strait_tokens": 1, "tenants": []}', "tenants")])
def test_no_server_starts_with_a_file_that_lets_nobody_in(folder, tmp_path, text, said):
    tokens = tmp_path / "tokens.json"
    tokens.write_text(text)
    ended = subprocess.run([STRAIT, "serve", "--model-repository", folder / "models", "--device", "virtual:fixed,ms=2",
                            "--tokens", tokens, "--http-port", "0", "--grpc-port", "0"], capture_output=True, text=True,
                           timeout=ANSWER_LIMIT, check=False)
    assert ended.returncode == 1 and said in ended.stderr


def test_a_token_that_is_made_is_taken(folder, tmp_path):
    made = subprocess.run([STRAIT, "token", "fresh", "--model", "red*", "--high"], capture_output=True, text=True,
                          timeout=ANSWER_LIMIT, check=True).stdout
    token = re.search(r"^token: (strait_[0-9a-f]{64})$", made, re.M)[1]
    line = re.search(r"^entry: (.*)$", made, re.M)[1]
    assert token not in line
    write_tokens(tmp_path / "tokens.json", [json.loads(line)])
    with serving(folder, "--tokens", tmp_path / "tokens.json") as server:
        headers = {"Authorization": f"Bearer {token}"}
        assert server.post("/v2/models/red/infer", body(priority=1), headers).status == 200
        assert server.post("/v2/models/blue/infer", body(), headers).status == 403
        assert token not in server.read_log()


# -- from where -----------------------------------------------------------------------------------------------------------

def outer_address():
    """An address of this machine that is no loopback; None where it has none."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing
        address = probe.getsockname()[0]
        return None if address.startswith(("127.", "0.")) else address
    return None


def test_from_outside_nobody_administers(unguarded):
    address = outer_address()
    if not address:
        pytest.skip("this machine has no address but loopback")
    with contextlib.closing(http.client.HTTPConnection(address, unguarded.port, timeout=ANSWER_LIMIT)) as connection:
        for path, expected in [("/v2/repository/models/blue/unload", 403), ("/v2/systemsharedmemory/unregister", 403),
                               ("/v2/repository/index", 200)]:
            connection.request("POST", path, b"{}")
            answer = connection.getresponse()
            answer.read()
            assert answer.status == expected, path
    with grpc.insecure_channel(f"{address}:{unguarded.grpc_port}") as channel:
        call = channel.unary_unary("/inference.GRPCInferenceService/RepositoryModelUnload", lambda data: data,
                                   lambda data: data)
        asked = service_pb2.RepositoryModelUnloadRequest(model_name="blue").SerializeToString()
        assert status(call, asked)[0] == grpc.StatusCode.PERMISSION_DENIED
    assert unguarded.post("/v2/repository/models/blue/load", {}).status == 200


def test_a_web_page_does_not_administer(unguarded):
    """A page that somebody on this machine looks at may post to localhost, and the browser says where the page is from."""
    refused = unguarded.post("/v2/repository/models/blue/unload", {}, {"Origin": "http://evil.example"})
    assert refused.status == 403 and "Origin" in refused.error
    assert ask(unguarded, model="blue").status == 200


def test_administering_can_be_off(folder):
    with serving(folder, "--admin", "off") as server:
        assert server.post("/v2/repository/models/blue/unload", {}).status == 403
        assert ask(server, model="blue").status == 200


# -- names that lead somewhere ----------------------------------------------------------------------------------------------

NAMES = ["..", "../models/red", "%2e%2e", "..%2f..%2fetc%2fpasswd", "red%00", "red%0a", "%2fetc", "red/../blue", ".hidden",
         "red%5c..%5cblue", "%c0%ae%c0%ae", "r" * 3000]


@pytest.mark.parametrize("name", NAMES)
def test_a_model_name_leads_nowhere(unguarded, folder, name):
    (folder / "models/.hidden/1").mkdir(parents=True, exist_ok=True)
    for path in (f"/v2/models/{name}/infer", f"/v2/repository/models/{name}/load", f"/v2/models/{name}/versions/../infer"):
        data = json.dumps(body() if "infer" in path else {}).encode()
        answer = unguarded.exchange(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
        assert answer.status in (400, 404, 405), path
    with connected(unguarded) as stub:
        plain = name.replace("%2f", "/").replace("%2e", ".").replace("%00", "\0").replace("%0a", "\n")
        asked = service_pb2.RepositoryModelLoadRequest(model_name=plain)
        assert status(stub.RepositoryModelLoad, asked)[0] == grpc.StatusCode.NOT_FOUND
        assert status(stub.ModelInfer, message(plain))[0] in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT)


@pytest.mark.parametrize("filename", ["../../secret.onnx", "/etc/passwd", "..", "a/b"])
def test_a_configuration_leads_nowhere(unguarded, filename):
    for field in ({"default_model_filename": filename},
                  {"output": [{"name": "y", "data_type": "TYPE_FP32", "dims": [4], "label_filename": filename}]}):
        answer = unguarded.post("/v2/repository/models/blue/load", {"parameters": {"config": json.dumps(field)}})
        assert answer.status == 400 and "filename" in answer.error


# -- floods below the requests ----------------------------------------------------------------------------------------------

def test_a_bomb_takes_no_more_than_a_body_may(folder):
    with serving(folder, "--max-body", "8", "--tensor-memory", "64") as server:
        assert ask(server).status == 200
        before = server.resident()
        bomb = gzip.compress(b" " * (256 << 20))
        for _ in range(4):
            answer = server.post("/v2/models/red/infer", bomb, {"Content-Encoding": "gzip"})
            assert answer.status == 413
        assert server.resident() - before < 64 << 20


def test_heads_without_end_are_refused(unguarded):
    for line in (b"x: " + b"y" * (1 << 20), b"\r\n".join(b"x%d: y" % index for index in range(10_000))):
        answer = unguarded.exchange(b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n" + line + b"\r\n\r\n")
        assert answer is None or answer.status in (400, 431)
    assert ask(unguarded).status == 200


def test_a_flood_of_resets_ends_its_connection(unguarded):
    """HTTP/2's rapid reset: a call is begun and taken back at once, over and over."""
    with speaking(unguarded) as connection:
        ended = False
        try:
            for stream in range(1, 40_000, 2):
                connection.call(stream)
                connection.socket.sendall(connection.frame(RESET, 0, stream, struct.pack(">I", 8)))
            while connection.receive() is not None:
                pass
            ended = True
        except OSError:
            ended = True
        assert ended
    assert ask(unguarded).status == 200
