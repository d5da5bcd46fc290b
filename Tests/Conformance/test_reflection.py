# SPDX-License-Identifier: Apache-2.0
"""gRPC's server reflection, asked by grpcio's own client for it, and what grpcurl does with it: a call without the schema."""

import hashlib
import json

import grpc
import numpy as np
import pytest
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from server import ANSWER_LIMIT, MODELS, Server

SERVICES = {"inference.GRPCInferenceService", "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
            "grpc.reflection.v1alpha.ServerReflection"}
V1 = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
MANY = 500


@pytest.fixture
def channel(server):
    with grpc.insecure_channel(server.grpc_url, [("grpc.use_local_subchannel_pool", 1)]) as made:
        yield made


def info(channel, requests, **options):
    return reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(
        iter(requests), timeout=ANSWER_LIMIT, **options)


def symbol(name):
    return reflection_pb2.ServerReflectionRequest(file_containing_symbol=name)


def test_a_client_without_the_schema_calls(server, channel):
    database = ProtoReflectionDescriptorDatabase(channel)
    assert set(database.get_services()) == SERVICES
    pool = DescriptorPool(database)
    for service in SERVICES:
        assert pool.FindServiceByName(service).methods
    service = pool.FindServiceByName("inference.GRPCInferenceService")
    method = service.methods_by_name["ModelInfer"]
    request = json_format.ParseDict({
        "model_name": "identity_fp32", "id": "r1",
        "inputs": [{"name": "INPUT0", "datatype": "FP32", "shape": [1, 4],
                    "contents": {"fp32_contents": [1, 2, 3, 4]}}],
    }, message_factory.GetMessageClass(method.input_type)())
    call = channel.unary_unary(
        f"/{service.full_name}/{method.name}", request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=message_factory.GetMessageClass(method.output_type).FromString)
    answer = call(request, timeout=ANSWER_LIMIT)
    assert answer.id == "r1"
    np.testing.assert_array_equal(np.frombuffer(answer.raw_output_contents[0], np.float32), [1, 2, 3, 4])


def test_v1_answers_the_same(channel):
    request = symbol("inference.ModelInferRequest")
    call = channel.stream_stream(V1, request_serializer=lambda message: message.SerializeToString(),
                                 response_deserializer=reflection_pb2.ServerReflectionResponse.FromString)
    assert list(call(iter([request]), timeout=ANSWER_LIMIT)) == list(info(channel, [request]))


def test_answers_come_in_order_and_errors_do_not_end_the_stream(channel):
    names = [["inference.GRPCInferenceService", "nothing.at.all", ""][n % 3] for n in range(MANY)]
    answers = list(info(channel, map(symbol, names)))
    assert [answer.original_request.file_containing_symbol for answer in answers] == names
    assert [answer.WhichOneof("message_response") for answer in answers] == [
        "file_descriptor_response" if name.startswith("inference") else "error_response" for name in names]
    assert answers[1].error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]


def test_a_question_that_is_too_long_ends_its_call(channel):
    with pytest.raises(grpc.RpcError) as refused:
        list(info(channel, [symbol("x" * 5000)]))
    assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_tokens_are_asked_for_as_of_other_metadata(tmp_path):
    tokens = tmp_path / "tokens.json"
    tokens.write_text(json.dumps({"strait_tokens": 1, "tenants": [
        {"name": "user", "sha256": [hashlib.sha256(b"user-token").hexdigest()], "models": ["*"]}]}))
    running = Server(MODELS, "--tokens", tokens)
    try:
        running.start()
        with grpc.insecure_channel(running.grpc_url) as channel:
            method = "/inference.GRPCInferenceService/ServerMetadata"
            metadata = channel.unary_unary(method)
            for headers in (None, [("authorization", "Bearer user-token")], [("authorization", "Bearer no-token")]):
                codes = []
                for ask in (lambda: metadata(b"", metadata=headers, timeout=ANSWER_LIMIT),
                            lambda: list(info(channel, [symbol("inference.Nothing")], metadata=headers))):
                    try:
                        ask()
                        codes.append(grpc.StatusCode.OK)
                    except grpc.RpcError as error:
                        codes.append(error.code())
                assert codes[0] == codes[1], headers
    finally:
        running.kill()
