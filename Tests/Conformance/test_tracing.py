# SPDX-License-Identifier: Apache-2.0
"""Traces: brought in and passed on, sent to a receiver that decodes them with OpenTelemetry's own messages."""

import contextlib
import socket
import time

import grpc
import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
from grpc_client import connected
from reference import PATIENT, tensors
from server import ANSWER_LIMIT, MODELS, Server
from tritonclient.grpc import service_pb2
from tritonclient.utils import InferenceServerException

pytest.importorskip("opentelemetry.proto", reason="needs the package opentelemetry-proto (make setup)")
from otlp_collector import Collector, attributes  # noqa: E402

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-00"
VALUES = {"INPUT0": np.array([[1, 2, 3]], np.float32)}
PARTS = ["receive", "queue", "stage", "copy_in", "kernels", "copy_out", "answer"]
MILLISECOND = 1_000_000


@pytest.fixture(scope="module")
def collector():
    receiver = Collector()
    yield receiver
    receiver.close()


@pytest.fixture(scope="module")
def traced(collector):
    """A server that traces all that it is asked."""
    server = Server(MODELS, "--otlp-endpoint", collector.url)
    try:
        yield server.start()
        assert server.stop() == 0, server.read_log()
        assert ", 0 lost" in server.read_log()
    finally:
        server.kill()


@pytest.fixture
def empty(collector):
    """The receiver, with what came before forgotten."""
    with collector.lock:
        collector.spans.clear()
        collector.posts.clear()
    return collector


def ask(server, headers=None, **options):
    """Asks over HTTP; returns when it was asked and answered, in nanoseconds since 1970."""
    inputs = tensors(VALUES)
    client = tritonclient.http.InferenceServerClient(server.url, network_timeout=ANSWER_LIMIT)
    with contextlib.closing(client):
        client.is_server_live()  # connected before the clock runs
        start = time.time_ns()
        client.infer("identity_fp32", inputs, headers=headers, timeout=options.pop("timeout", PATIENT), **options)
        return start, time.time_ns()


def check(spans, start, end):
    """What every trace must be for those who draw it, and what ours are besides."""
    request, *parts = spans
    assert request.kind == request.SPAN_KIND_SERVER and request.name == "InferRequest"
    assert len(request.trace_id) == 16 and any(request.trace_id)
    identifiers = [span.span_id for span in spans]
    assert all(len(one) == 8 and any(one) for one in identifiers) and len(set(identifiers)) == len(identifiers)
    for part in parts:
        assert part.kind == part.SPAN_KIND_INTERNAL and part.parent_span_id == request.span_id
        assert part.trace_id == request.trace_id and part.trace_state == request.trace_state
    for span in spans:
        assert 0 < span.start_time_unix_nano <= span.end_time_unix_nano
        assert len({pair.key for pair in span.attributes}) == len(span.attributes)
    # The parts follow one another and add up to the whole, which the client has seen pass.
    assert parts[0].start_time_unix_nano == request.start_time_unix_nano
    assert all(one.end_time_unix_nano == other.start_time_unix_nano for one, other in zip(parts, parts[1:]))
    assert parts[-1].end_time_unix_nano == request.end_time_unix_nano
    # The two clocks of a trace are read one after the other.
    assert start - MILLISECOND <= request.start_time_unix_nano
    assert request.end_time_unix_nano <= end + MILLISECOND
    return attributes(request)


def test_a_request_over_http(traced, empty):
    start, end = ask(traced, {"traceparent": SAMPLED, "tracestate": "vendor=1,other=x"}, request_id="q1")
    (number, spans), = empty.wait_for(1).items()
    assert number == TRACE
    assert [span.name for span in spans] == ["InferRequest", *PARTS]
    known = check(spans, start, end)
    assert spans[0].parent_span_id.hex() == SPAN and spans[0].trace_state == "vendor=1,other=x"
    assert spans[0].flags == 0x301 and spans[1].flags == 0x101
    assert known["triton.model_name"] == "identity_fp32" and known["triton.model_version"] == "1"
    assert known["triton.request_id"] == "q1"
    assert known["http.request.method"] == "POST" and known["http.response.status_code"] == 200
    assert known["strait.class"] == "low" and known["strait.outcome"] == "in_time" and known["strait.rows"] == 1
    assert known["strait.deadline_ms"] == PATIENT / 1000
    assert attributes(spans[5])["strait.batch.rows"] == 1
    events = [event.name for event in spans[0].events]
    assert events == ["REQUEST_START", "HTTP_RECV_START", "HTTP_RECV_END", "QUEUE_START", "COMPUTE_START",
                      "COMPUTE_INPUT_END", "COMPUTE_OUTPUT_START", "COMPUTE_END", "HTTP_SEND_START", "HTTP_SEND_END",
                      "REQUEST_END"]
    resource, scope, _ = empty.spans[0]
    assert resource["service.name"] == "strait" and scope.name == "strait" and scope.version
    path, sent, _ = empty.posts[0]
    assert path == "/v1/traces" and sent["Content-Type"] == "application/x-protobuf"


BODY = {"inputs": [{"name": "INPUT0", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3]}]}
INFER = "/v2/models/identity_fp32/infer"


def test_the_answer_names_the_trace(traced, empty):
    answer = traced.post(INFER, BODY, {"traceparent": SAMPLED, "tracestate": "a=1"})
    assert answer.status == 200 and answer.headers["tracestate"] == "a=1"
    (spans,) = empty.wait_for(1).values()
    assert answer.headers["traceparent"] == f"00-{TRACE}-{spans[0].span_id.hex()}-01"


@pytest.mark.parametrize("traceparent", [None, "00-0", f"00-{TRACE.upper()}-{SPAN}-01", f"00-{'0' * 32}-{SPAN}-01"])
def test_a_trace_begins_here_where_none_is_brought(traced, empty, traceparent):
    answer = traced.post(INFER, BODY, {"traceparent": traceparent, "tracestate": "a=1"} if traceparent else {})
    (number, spans), = empty.wait_for(1).items()
    assert number.lower() != TRACE and answer.headers["traceparent"].split("-")[1] == number
    assert "tracestate" not in answer.headers and not spans[0].trace_state
    assert not spans[0].parent_span_id and spans[0].flags & 0x200 == 0


def test_a_client_that_does_not_trace_is_not_traced(traced, empty):
    answer = traced.post(INFER, BODY, {"traceparent": UNSAMPLED})
    assert answer.status == 200 and "traceparent" not in answer.headers
    traced.post(INFER, BODY)
    assert TRACE not in empty.wait_for(1)


def test_a_request_that_cannot_be_in_time(traced, empty):
    with pytest.raises(InferenceServerException):
        ask(traced, timeout=1)
    (spans,) = empty.wait_for(1).values()
    assert [span.name for span in spans] == ["InferRequest", "receive", "queue", "answer"]
    known = check(spans, 0, time.time_ns())
    assert known["http.response.status_code"] == 504 and known["error.type"] == "deadlineExceeded"
    assert spans[0].status.code == spans[0].status.STATUS_CODE_ERROR and "due" in spans[0].status.message


def test_a_request_that_does_not_fit(traced, empty):
    assert traced.post(INFER, {"inputs": []}).status == 400
    (spans,) = empty.wait_for(1).values()
    known = check(spans, 0, time.time_ns())
    assert known["http.response.status_code"] == 400 and known["strait.outcome"] == "invalidArgument"
    assert spans[0].status.code == spans[0].status.STATUS_CODE_UNSET


def test_a_request_over_grpc(traced, empty):
    with contextlib.closing(tritonclient.grpc.InferenceServerClient(traced.grpc_url)) as client:
        client.is_server_live()
        start = time.time_ns()
        client.infer("identity_fp32", grpc_tensors(), headers={"traceparent": SAMPLED, "tracestate": "a=1"},
                     priority=1, timeout=PATIENT)
        end = time.time_ns()
    (number, spans), = empty.wait_for(1).items()
    known = check(spans, start, end)
    assert number == TRACE and spans[0].parent_span_id.hex() == SPAN and spans[0].trace_state == "a=1"
    assert known["rpc.system"] == "grpc" and known["rpc.method"] == "ModelInfer"
    assert known["rpc.grpc.status_code"] == 0 and known["strait.class"] == "high"


def grpc_tensors():
    tensor = tritonclient.grpc.InferInput("INPUT0", [1, 3], "FP32")
    tensor.set_data_from_numpy(VALUES["INPUT0"])
    return [tensor]


def test_the_answer_of_a_call_names_the_trace(traced, empty):
    request = service_pb2.ModelInferRequest(model_name="identity_fp32", raw_input_contents=[VALUES["INPUT0"].tobytes()])
    request.inputs.add(name="INPUT0", datatype="FP32", shape=[1, 3])
    sent = (("traceparent", SAMPLED), ("tracestate", "a=1"))
    with connected(traced) as stub:
        _, call = stub.ModelInfer.with_call(request, timeout=ANSWER_LIMIT, metadata=sent)
        told = dict(call.trailing_metadata())
        request.model_name = "identity_fp32"
        request.ClearField("raw_input_contents")
        with pytest.raises(grpc.RpcError) as refused:
            stub.ModelInfer(request, timeout=ANSWER_LIMIT, metadata=sent)
    assert told["traceparent"].startswith(f"00-{TRACE}-") and told["tracestate"] == "a=1"
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    (spans,) = empty.wait_for(1).values()
    assert told["traceparent"] == f"00-{TRACE}-{spans[0].span_id.hex()}-01"


def test_each_request_of_a_stream_has_a_span_of_its_own(traced, empty):
    with contextlib.closing(tritonclient.grpc.InferenceServerClient(traced.grpc_url)) as client:
        answers = []
        client.start_stream(lambda result, error: answers.append(error), headers={"traceparent": SAMPLED})
        for number in range(3):
            client.async_stream_infer("identity_fp32", grpc_tensors(), request_id=str(number), timeout=PATIENT)
        client.stop_stream()
    assert answers == [None] * 3
    limit = time.monotonic() + ANSWER_LIMIT
    while len(empty.spans) < 24 and time.monotonic() < limit:
        time.sleep(0.05)
    requests = [span for _, _, span in empty.spans if span.name == "InferRequest"]
    assert sorted(attributes(span)["triton.request_id"] for span in requests) == ["0", "1", "2"]
    assert {span.trace_id.hex() for span in requests} == {TRACE}
    assert all(attributes(span)["rpc.method"] == "ModelStreamInfer" for span in requests)


def test_the_trace_extension_says_who_is_traced(traced, empty):
    with contextlib.closing(tritonclient.http.InferenceServerClient(traced.url)) as client:
        settings = client.get_trace_settings()
        assert settings["trace_mode"] == "opentelemetry" and settings["trace_level"] == ["TIMESTAMPS"]
        try:
            client.update_trace_settings("identity_fp32", {"trace_level": "OFF"})
            for _ in range(5):
                assert "traceparent" not in traced.post(INFER, BODY, {"traceparent": SAMPLED}).headers
            client.update_trace_settings("identity_fp32", {"trace_level": ["TIMESTAMPS"], "trace_count": "2"})
            told = [traced.post(INFER, BODY).headers.get("traceparent") for _ in range(5)]
            assert [bool(one) for one in told] == [True, True, False, False, False]
            assert client.get_trace_settings("identity_fp32")["trace_count"] == "0"
        finally:
            client.update_trace_settings("identity_fp32", {"trace_level": None, "trace_count": None})
    assert len(empty.wait_for(2)) == 2


# -- servers of their own ----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def serving(*arguments):
    server = Server(MODELS, *arguments)
    try:
        yield server.start()
    finally:
        server.kill()


def test_a_virtual_device_adds_up(tmp_path):
    model = tmp_path / "m/config.pbtxt"
    model.parent.mkdir()
    model.write_text("""max_batch_size: 4
        input [ { name: "x" data_type: TYPE_FP32 dims: [ 3 ] } ]
        output [ { name: "y" data_type: TYPE_FP32 dims: [ 3 ] } ]
        parameters { key: "strait.virtual_base_ms" value { string_value: "40" } }""")
    receiver = Collector()
    server = Server(tmp_path, "--otlp-endpoint", receiver.url, "--device", "virtual:fixed,ms=40")
    try:
        server.start()
        start = time.monotonic_ns()
        body = {"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3]}]}
        assert server.post("/v2/models/m/infer", body).status == 200
        waited = time.monotonic_ns() - start
        (spans,) = receiver.wait_for(1).values()
        length = {span.name: span.end_time_unix_nano - span.start_time_unix_nano for span in spans}
        assert length["kernels"] >= 40 * MILLISECOND
        # A client on the same machine waits for what the server says it took, and hardly longer.
        assert length["InferRequest"] <= waited <= length["InferRequest"] + 1000 * MILLISECOND
    finally:
        server.kill()
        receiver.close()


def test_without_an_endpoint_nothing_is_traced():
    with serving() as server:
        answer = server.post(INFER, BODY, {"traceparent": SAMPLED, "tracestate": "a=1"})
        assert answer.status == 200 and "traceparent" not in answer.headers and "tracestate" not in answer.headers
        assert "traces" not in server.read_log()


def test_the_variables_that_opentelemetry_names(monkeypatch):
    receiver = Collector()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url + "/otlp")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "vision")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test,host.name=a%2Cb")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=secret")
    with serving() as server:
        server.post(INFER, BODY)
        receiver.wait_for(1)
        resource = receiver.spans[0][0]
        assert resource["service.name"] == "vision" and resource["deployment.environment.name"] == "test"
        assert resource["host.name"] == "a,b"
        path, headers, _ = receiver.posts[0]
        assert path == "/otlp/v1/traces" and headers["api-key"] == "secret"
        assert "secret" not in server.read_log()
    receiver.close()


def test_a_share_of_the_requests():
    receiver = Collector()
    with serving("--otlp-endpoint", receiver.url, "--trace-sample", "0.2") as server:
        told = [bool(server.post(INFER, BODY).headers.get("traceparent")) for _ in range(200)]
        assert 10 <= sum(told) <= 90  # of 200 at a fifth, with a chance of one in 10^10 to fail
        assert len(receiver.wait_for(sum(told))) == sum(told)
    receiver.close()


def test_a_receiver_that_is_busy_gets_it_later():
    receiver = Collector([(503, {"Retry-After": "1"}), (429, {})])
    with serving("--otlp-endpoint", receiver.url) as server:
        server.post(INFER, BODY)
        assert len(receiver.wait_for(1)) == 1
        assert [status for _, _, status in receiver.posts] == [503, 429, 200]
        assert server.stop() == 0
        assert server.read_log().count("traces cannot be sent") == 1
        assert "traces: 1 sent" in server.read_log()
    receiver.close()


def test_a_receiver_that_never_answers_holds_nobody_up():
    with contextlib.closing(socket.socket()) as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(1)  # connects, and says nothing
        with serving("--otlp-endpoint", f"http://127.0.0.1:{silent.getsockname()[1]}") as server:
            connection = tritonclient.http.InferenceServerClient(server.url, network_timeout=ANSWER_LIMIT)
            for _ in range(2500):
                connection.infer("identity_fp32", tensors(VALUES), timeout=PATIENT)
            connection.close()
            start = time.monotonic()
            assert server.stop() == 0
            assert time.monotonic() - start < 30
            assert "lost" in server.read_log()


def test_an_endpoint_that_cannot_be_used():
    server = Server(MODELS, "--otlp-endpoint", "https://collector:4318")
    with pytest.raises(AssertionError, match="plain HTTP only"):
        server.start()
    server.kill()
