# SPDX-License-Identifier: Apache-2.0
"""gRPC as other people's clients speak it: Triton's own, and bare stubs where that one cannot say what is asked."""

import contextlib

import grpc
import tritonclient.grpc
from reference import PATIENT, session
from server import ANSWER_LIMIT
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import np_to_triton_dtype

INFER = "/inference.GRPCInferenceService/ModelInfer"
FIELDS = {"BOOL": "bool_contents", "INT8": "int_contents", "INT16": "int_contents", "INT32": "int_contents",
          "INT64": "int64_contents", "UINT8": "uint_contents", "UINT16": "uint_contents", "UINT32": "uint_contents",
          "UINT64": "uint64_contents", "FP32": "fp32_contents", "FP64": "fp64_contents", "BYTES": "bytes_contents"}
LARGEST = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]


@contextlib.contextmanager
def connected(server):
    """A stub on a connection of its own."""
    with grpc.insecure_channel(server.grpc_url, LARGEST + [("grpc.use_local_subchannel_pool", 1)]) as channel:
        yield service_pb2_grpc.GRPCInferenceServiceStub(channel)


@contextlib.contextmanager
def raw_call(server):
    """A function that sends any bytes as a request of ModelInfer: (status, message or response)."""
    with grpc.insecure_channel(server.grpc_url, LARGEST + [("grpc.use_local_subchannel_pool", 1)]) as channel:
        call = channel.unary_unary(INFER, request_serializer=lambda data: data,
                                   response_deserializer=service_pb2.ModelInferResponse.FromString)

        def ask(data):
            try:
                return grpc.StatusCode.OK, call(data, timeout=ANSWER_LIMIT)
            except grpc.RpcError as error:
                return error.code(), error.details()

        yield ask


def tensors(inputs):
    """The Triton client's input tensors for {name: array}."""
    made = []
    for name, array in inputs.items():
        tensor = tritonclient.grpc.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
        tensor.set_data_from_numpy(array)
        made.append(tensor)
    return made


def ask(client, model, inputs, **options):
    """One inference with every output asked for: {output name: array}."""
    names = [output.name for output in session(model).get_outputs()]
    options.setdefault("timeout", PATIENT)
    answer = client.infer(model, tensors(inputs), outputs=[tritonclient.grpc.InferRequestedOutput(n) for n in names],
                          **options)
    return {name: answer.as_numpy(name) for name in names}


def typed_request(model, inputs, **parameters):
    """A request with typed contents for {name: array}; parameters are whole numbers."""
    request = service_pb2.ModelInferRequest(model_name=model)
    request.parameters["timeout"].int64_param = PATIENT
    for name, value in parameters.items():
        request.parameters[name].int64_param = value
    for name, array in inputs.items():
        datatype = np_to_triton_dtype(array.dtype)
        tensor = request.inputs.add(name=name, datatype=datatype, shape=array.shape)
        values = array.ravel().tolist()
        if datatype == "BYTES":
            values = [value.encode() if isinstance(value, str) else value for value in values]
        getattr(tensor.contents, FIELDS[datatype]).extend(values)
    return request
