# SPDX-License-Identifier: Apache-2.0
"""Messages that are wrong, each with the statuses that fit: nearly all one mistake in an otherwise good request."""

import dataclasses

import grpc
import numpy as np
from grpc_client import typed_request
from tritonclient.grpc import service_pb2

INVALID = (grpc.StatusCode.INVALID_ARGUMENT,)
REFUSED = INVALID + (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNIMPLEMENTED)
HUGE = (1 << 63) - 1
LONG = "n" * 3000


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    data: bytes
    message: str = "."
    statuses: object = INVALID


def good(raw=False):
    request = typed_request("identity_fp32", {"INPUT0": np.array([[1, 2, 3, 4]], np.float32)})
    request.id = "g"
    if raw:
        request.raw_input_contents.append(np.array([1, 2, 3, 4], np.float32).tobytes())
        request.inputs[0].ClearField("contents")
    return request


def changed(change, raw=False):
    request = good(raw)
    change(request)
    return request.SerializeToString()


def varint(value):
    out = b""
    while True:
        out, value = out + bytes([value & 127 | (128 if value > 127 else 0)]), value >> 7
        if not value:
            return out


def field(number, form, payload=b""):
    return varint(number << 3 | form) + payload


def delimited(number, payload):
    return field(number, 2, varint(len(payload)) + payload)


def truncated():
    """The good messages, cut at every place: never good again, since the data comes last or is the last input."""
    for name, whole in (("typed", good()), ("raw", good(raw=True))):
        data = whole.SerializeToString(deterministic=True)
        for cut in range(len(data)):
            yield Case(f"{name}, cut after {cut} bytes", data[:cut], statuses=REFUSED)


def protobuf():
    data = good().SerializeToString(deterministic=True)
    for form in (3, 4, 6, 7):
        yield Case(f"wire type {form}", data + field(15, form), "wire type")
    yield Case("field number 0", data + field(0, 0, b"\1"), "number 0")
    yield Case("a number without end", data + b"\xff" * 11, "ten bytes")
    yield Case("a number that is cut", data + field(15, 0, b"\x80"), "ends")
    yield Case("a length beyond the end", data + field(15, 2, varint(1 << 40)), "claims")
    yield Case("a length beyond any", data + field(15, 2, varint((1 << 64) - 1)), "claims")
    yield Case("64 bits that are cut", data + field(15, 1, b"1234"), "8 bytes")
    yield Case("32 bits that are cut", data + field(15, 5, b"12"), "4 bytes")
    for number, what in ((1, "model_name"), (3, "id"), (4, "parameters"), (5, "inputs"), (6, "outputs"), (7, "raw")):
        for form, payload in ((0, b"\1"), (1, b"12345678"), (5, b"1234")):
            yield Case(f"{what} as wire type {form}", data + field(number, form, payload), "written as")
    for number, what in ((1, "model_name"), (2, "model_version"), (3, "id")):
        for name, text in (("half a character", b"\xc3"), ("a surrogate", b"\xed\xa0\x80"), ("overlong", b"\xc0\x80")):
            yield Case(f"{what}: {name}", data + delimited(number, text), "UTF-8")
        yield Case(f"{what} that is long", data + delimited(number, LONG.encode()), "3000 bytes")


def requests():
    yield Case("nothing", b"", "model_name")
    yield Case("no model", changed(lambda r: r.ClearField("model_name")), "model_name")
    yield Case("unknown model", changed(lambda r: setattr(r, "model_name", "nobody")), "nobody", REFUSED)
    yield Case("unknown version", changed(lambda r: setattr(r, "model_version", "9")), "9", REFUSED)
    yield Case("no input", changed(lambda r: r.ClearField("inputs")), "INPUT0")
    yield Case("two of the same", changed(lambda r: r.inputs.append(r.inputs[0])), "same name")
    yield Case("one too many", changed(lambda r: r.inputs.add(
        name="other", datatype="FP32", shape=[1]).contents.fp32_contents.append(1)), "other")
    yield Case("many inputs", changed(lambda r: [r.inputs.add(name=str(n), datatype="FP32") for n in range(100)]),
               "more than 64")
    yield Case("many outputs", changed(lambda r: [r.outputs.add(name=str(n)) for n in range(100)]), "more than 64")
    yield Case("many raw", changed(lambda r: r.raw_input_contents.extend([b""] * 100), True), "more than 64")
    yield Case("millions of inputs", good().SerializeToString() + delimited(5, b"") * 1_000_000, "name is missing")
    yield Case("many parameters", changed(lambda r: [r.parameters[str(n)].SetInParent() for n in range(100)]),
               "more than 64")
    yield Case("many parameters of an input",
               changed(lambda r: [r.inputs[0].parameters[str(n)].SetInParent() for n in range(100)]), "more than 64")
    yield Case("output twice", changed(lambda r: [r.outputs.add(name="OUTPUT0") for _ in range(2)]), "twice")
    yield Case("unknown output", changed(lambda r: r.outputs.add(name="z")), "z")
    yield Case("output without name", changed(lambda r: r.outputs.add()), "name")


def parameters():
    for name in ("priority", "timeout"):
        yield Case(f"{name} below 0", changed(lambda r, n=name: setattr(r.parameters[n], "int64_param", -1)), "at least 0")
        yield Case(f"{name} as text", changed(lambda r, n=name: setattr(r.parameters[n], "string_param", "1")), name)
        yield Case(f"{name} as truth", changed(lambda r, n=name: setattr(r.parameters[n], "bool_param", True)), name)
        yield Case(f"{name} as fraction", changed(lambda r, n=name: setattr(r.parameters[n], "double_param", 1)), name)
        yield Case(f"{name} as nothing", changed(lambda r, n=name: r.parameters[n].ClearField("parameter_choice")
                                                 or r.parameters[n].SetInParent()), name)
    yield Case("timeout beyond all", changed(
        lambda r: setattr(r.parameters["timeout"], "uint64_param", (1 << 64) - 1)), "timeout")
    yield Case("sequence", changed(lambda r: setattr(r.parameters["sequence_id"], "int64_param", 5)), "sequence", REFUSED)
    yield Case("sequence by name", changed(lambda r: setattr(r.parameters["sequence_id"], "string_param", "s")),
               "sequence", REFUSED)


def tensors():
    def input(**fields):
        def change(request):
            for name, value in fields.items():
                if isinstance(value, (list, tuple)):
                    request.inputs[0].ClearField(name)
                    getattr(request.inputs[0], name).extend(value)
                else:
                    setattr(request.inputs[0], name, value)
        return change

    for raw in (False, True):
        how = "raw" if raw else "typed"
        yield Case(f"{how}: no name", changed(input(name=""), raw), "name")
        yield Case(f"{how}: other name", changed(input(name="x"), raw), "x")
        yield Case(f"{how}: long name", changed(input(name=LONG), raw), "3000 bytes")
        yield Case(f"{how}: no type", changed(input(datatype=""), raw), "datatype")
        for kind in ("FP31", "fp32", "STRING", "FP32 ", "TYPE_FP32"):
            yield Case(f"{how}: type {kind}", changed(input(datatype=kind), raw), "datatype")
        yield Case(f"{how}: type that is long", changed(input(datatype=LONG), raw), "3000 bytes")
        for kind in ("INT32", "FP64", "BOOL", "BYTES", "FP16", "BF16", "UINT8"):
            yield Case(f"{how}: {kind} for FP32", changed(input(datatype=kind), raw))
        for shape in ([], [4], [1, 3], [1, 5], [2, 4], [1, 1, 4], [1, -4], [-1, -4], [0, 4], [1, 0], [HUGE, HUGE],
                      [HUGE, 4], [1] * 17, [1 << 32, 1 << 32], [-HUGE, 1]):
            yield Case(f"{how}: shape {shape}"[:60] + f" of {len(shape)}", changed(input(shape=shape), raw))
    for name in ("bool", "int", "int64", "uint", "uint64", "fp64", "bytes"):
        def change(request, name=name):
            request.inputs[0].ClearField("contents")
            values = [b"1"] * 4 if name == "bytes" else [1] * 4
            getattr(request.inputs[0].contents, f"{name}_contents").extend(values)
        yield Case(f"FP32 in {name}_contents", changed(change), "fp32_contents|hold")
    yield Case("both", changed(lambda r: r.raw_input_contents.append(bytes(16))), "both")
    yield Case("neither", changed(lambda r: r.inputs[0].ClearField("contents")), "elements")
    yield Case("no raw", changed(lambda r: r.ClearField("raw_input_contents"), True), "elements")
    yield Case("two raw", changed(lambda r: r.raw_input_contents.append(bytes(16)), True), "2 tensors")
    for count in (0, 1, 15, 17, 32, 4096):
        yield Case(f"{count} raw bytes", changed(lambda r, n=count: r.raw_input_contents.__setitem__(
            slice(None), [bytes(n)]), True), "bytes|elements")
    for count in (1, 3, 5, 4096):
        yield Case(f"{count} typed numbers", changed(lambda r, n=count: r.inputs[0].contents.fp32_contents.__setitem__(
            slice(None), [1] * n)), "elements")
    whole = good().SerializeToString()
    tensor = good().inputs[0]
    tensor.ClearField("contents")
    start = service_pb2.ModelInferRequest(model_name="identity_fp32").SerializeToString()
    for name, contents in (
            ("packed numbers of odd length", delimited(6, bytes(15))),
            ("a number of the wrong width", field(6, 1, bytes(8)) * 4),
            ("numbers as varints", field(6, 0, b"\1") * 16)):
        yield Case(name, start + delimited(5, tensor.SerializeToString() + delimited(5, contents)))
    yield Case("contents twice", start + delimited(
        5, tensor.SerializeToString() + delimited(5, delimited(6, bytes(8))) * 2), "twice")
    assert whole


def narrow():
    """Typed numbers that their type cannot hold, for the model that takes every type."""
    for kind, name, value in (("INT8", "int", 128), ("INT8", "int", -129), ("INT16", "int", 1 << 15),
                              ("UINT8", "uint", 256), ("UINT16", "uint", 1 << 16)):
        request = service_pb2.ModelInferRequest(model_name="identity_all")
        tensor = request.inputs.add(name=f"in_{kind}", datatype=kind, shape=[1, 1])
        getattr(tensor.contents, f"{name}_contents").append(value)
        yield Case(f"{value} as {kind}", request.SerializeToString(), "cannot hold")


def all_cases():
    return [*truncated(), *protobuf(), *requests(), *parameters(), *tensors(), *narrow()]


def mutations(random, count):
    """Good messages with a few bytes changed, left out or doubled."""
    originals = [good().SerializeToString(), good(raw=True).SerializeToString()]
    for number in range(count):
        data = bytearray(originals[number % 2])
        for _ in range(random.integers(1, 4)):
            place = random.integers(0, len(data))
            match random.integers(0, 3):
                case 0: data[place] = random.integers(0, 256)
                case 1: del data[place:place + random.integers(1, 5)]
                case 2: data[place:place] = data[place:place + random.integers(1, 9)]
            if not data:
                data = bytearray(b"\0")
        yield bytes(data)
