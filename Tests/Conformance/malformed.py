# SPDX-License-Identifier: Apache-2.0
"""Requests that are wrong, each with what the answer must say: a pattern for the message, and statuses that fit.

A case is the bytes of a whole HTTP request. Nearly all are one mistake in an otherwise good request, since a parser is
tested best by what is almost right.
"""

import dataclasses
import gzip
import json
import struct
import zlib

GOOD = {"id": "g", "inputs": [{"name": "INPUT0", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}]}
GOOD_TEXT = json.dumps(GOOD)
FP32, BYTES, INT64, FIXED, TWO = "identity_fp32", "identity_bytes", "fails_sometimes", "fixed_shape", "minilm"
ALL_4XX = range(400, 500)
BINARY_HEADER = "Inference-Header-Content-Length"
DEEP = 100_000  # levels of nesting; a recursive parser would run out of stack
ENDS_EARLY = r"(?i)json|body|empty|ends|closed|missing"
LONG = 300_000  # bytes of a header or a path; servers end at 8 to 80 thousand


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    data: bytes
    message: str = "."
    statuses: object = (400,)


def http(body, model=FP32, headers=(), length=None):
    """The bytes of an inference request."""
    body = body if isinstance(body, bytes) else body.encode()
    lines = [f"POST /v2/models/{model}/infer HTTP/1.1", "Host: strait",
             f"Content-Length: {len(body) if length is None else length}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def changed(model=FP32, name="INPUT0", datatype="FP32", shape=(1, 4), data=(1, 2, 3, 4), **fields):
    """A request with one input; a field given as None is left out."""
    tensor = {"name": name, "datatype": datatype, "shape": shape, "data": data}
    tensor = {key: value for key, value in tensor.items() if value is not None}
    return http(json.dumps({"inputs": [tensor], **fields}), model)


def binary(blob, size=None, model=FP32, datatype="FP32", shape=(1, 4), header=None, head=None, **tensor_fields):
    """A request with one binary input; `size` and `header` default to the truth."""
    tensor = {"name": "INPUT0", "datatype": datatype, "shape": shape,
              "parameters": {"binary_data_size": len(blob) if size is None else size}, **tensor_fields}
    text = (json.dumps({"inputs": [tensor]}) if head is None else head).encode()
    headers = [(BINARY_HEADER, len(text) if header is None else header)] if header != "absent" else []
    return http(text + blob, model, headers)


def truncated():
    """The good body, cut at every place."""
    for cut in range(len(GOOD_TEXT)):
        yield Case(f"cut after {cut} bytes", http(GOOD_TEXT[:cut]), ENDS_EARLY)


def not_a_request():
    texts = {
        "null": "null", "list": "[]", "number": "42", "string": '"x"', "true": "true", "empty object": "{}",
        "inputs null": '{"inputs": null}', "inputs an object": '{"inputs": {}}', "no input": '{"inputs": []}',
        "input null": '{"inputs": [null]}', "input empty": '{"inputs": [{}]}', "input a number": '{"inputs": [3]}',
        "two documents": GOOD_TEXT + GOOD_TEXT, "text after it": GOOD_TEXT + " x",
        "comma before }": GOOD_TEXT[:-1] + ",}",
        "comma before ]": GOOD_TEXT.replace("4]}", "4,]}"), "no colon": GOOD_TEXT.replace('"id":', '"id"'),
        "single quotes": GOOD_TEXT.replace('"', "'"), "a comment": "// hello\n" + GOOD_TEXT,
        "NaN": GOOD_TEXT.replace("4]}", "NaN]}"), "Infinity": GOOD_TEXT.replace("4]}", "-Infinity]}"),
        "leading zero": GOOD_TEXT.replace("4]}", "04]}"), "a lone minus": GOOD_TEXT.replace("4]}", "-]}"),
        "a plus": GOOD_TEXT.replace("4]}", "+4]}"), "a bare point": GOOD_TEXT.replace("4]}", "4.]}"),
        "a bare exponent": GOOD_TEXT.replace("4]}", "4e]}"), "hexadecimal": GOOD_TEXT.replace("4]}", "0x4]}"),
        "bad escape": GOOD_TEXT.replace('"g"', '"\\q"'), "short escape": GOOD_TEXT.replace('"g"', '"\\u12"'),
        "half a surrogate": GOOD_TEXT.replace('"g"', '"\\ud800"'),
        "newline in a string": GOOD_TEXT.replace('"g"', '"\n"'),
        "deep lists": "[" * DEEP, "deep objects": '{"a":' * DEEP,
        "deep data": GOOD_TEXT.replace("[1, 2, 3, 4]", "[" * DEEP + "1" + "]" * DEEP),
        "deep parameters": GOOD_TEXT.replace('"g"', '"g", "parameters": ' + '{"a":' * DEEP + "1" + "}" * DEEP),
    }
    for name, text in texts.items():
        yield Case(name, http(text))
    yield Case("bytes that are no UTF-8", http(GOOD_TEXT.encode().replace(b'"g"', b'"\xff\xfe"')))
    yield Case("UTF-8 cut short", http(GOOD_TEXT.encode().replace(b'"g"', b'"\xe6\xb5"')))
    yield Case("UTF-16", http(GOOD_TEXT.encode("utf-16")))
    yield Case("zero bytes", http(b"\0" * 64))
    yield Case("binary noise", http(bytes(range(256)) * 8))


def shapes():
    wrong = {
        "negative rows": [-1, 4], "negative columns": [1, -4], "both negative": [-1, -4], "minus one alone": [-1],
        "more than the data": [1, 5], "less than the data": [1, 3], "more rows": [2, 4], "one dimension": [4],
        "three dimensions": [1, 4, 1], "none": [], "fraction": [1.5, 4], "text": ["1", "4"], "null inside": [None, 4],
        "a list inside": [[1, 4]], "beyond 64 bits": [2**64, 4], "negative beyond 64 bits": [-(2**63) - 1, 4],
        "product beyond 64 bits": [2**32, 2**32], "product wraps to 4": [2**62, 16], "bytes beyond 64 bits": [2**61, 1],
        "a trillion rows": [10**12, 4], "a huge exponent": [1e300, 4], "a number": 4, "a string": "1x4",
        "an object": {"0": 1}, "null": "null", "true": [True, 4],
    }
    for name, shape in wrong.items():
        yield Case(f"shape: {name}", changed(shape=shape), r"(?i)shape|dim|INPUT0|element|rows")
    yield Case("shape: absent", changed(shape=None), r"(?i)shape")
    yield Case("shape: more rows than a batch", changed(shape=[9, 4], data=[0] * 36), r"9")
    yield Case("shape: a fixed model's, transposed", changed(FIXED, "x", shape=[3, 2], data=[0] * 6), r"x")
    yield Case("shape: a fixed model's, with a batch", changed(FIXED, "x", shape=[1, 2, 3], data=[0] * 6), r"x")


def types():
    for kind in ("FP99", "", "float", "fp32", "INT", "TYPE_FP32", "FP32 ", "\u0000", "F" * 10_000):
        yield Case(f"datatype {kind[:12]!r}", changed(datatype=kind), r"(?i)datatype|type")
    for kind in (7, [], {}, True):
        yield Case(f"datatype {kind!r}", changed(datatype=kind), r"(?i)datatype|type")
    yield Case("datatype absent", changed(datatype=None), r"(?i)datatype|type")
    for kind in ("FP64", "INT32", "BOOL", "BYTES", "FP16", "BF16"):
        yield Case(f"datatype {kind} for FP32", changed(datatype=kind), rf"FP32|{kind}|(?i:binary|expected)")


def data():
    wrong = {
        "null": "null", "text": "1234", "a number": 1, "empty": [], "one too many": [1, 2, 3, 4, 5],
        "one too few": [1, 2, 3], "strings": ["1", "2", "3", "4"], "null inside": [1, None, 3, 4],
        "true inside": [1, True, 3, 4], "an object inside": [1, {}, 3, 4], "ragged": [[1, 2], [3]],
        "ragged with the right count": [[1, 2, 3], 4], "nested too deep": [[[[1, 2, 3, 4]]], 5],
        "a list too many": [[], 1, 2, 3, 4, 5],
    }
    for name, value in wrong.items():
        yield Case(f"data: {name}", changed(data=value), r"(?i)data|element|INPUT0|value|expected")
    yield Case("data: absent", changed(data=None), r"(?i)data|INPUT0")
    for number in ("1e39", "-1e39", "1e999", "1" + "0" * 5000):
        body = GOOD_TEXT.replace("4]}", f"{number}]}}")
        yield Case(f"data: {number[:8]} as FP32", http(body), r"(?i)data|range|number|value|FP32|finite")
    for number in ("1.5", "1e30", "9223372036854775808", "-9223372036854775809", '"1"', "true", "null", "[]"):
        body = ('{"inputs": [{"name": "index", "datatype": "INT64", "shape": [1, 1], "data": [%s]}]}' % number)
        yield Case(f"data: {number} as INT64", http(body, INT64), r"(?i)data|range|INT64|index|element|value")
    for value in ([1], [None], [["a"], ["b"]], [{}], [True]):
        yield Case(f"data: {value!r} as BYTES", changed(BYTES, datatype="BYTES", shape=[1, 1], data=value),
                   r"(?i)data|BYTES|string|element|INPUT0|value")


def names():
    yield Case("input unknown", changed(name="INPUT7"), r"INPUT7|INPUT0")
    for name in (None, "", 3, [], {}, "I" * 100_000):
        yield Case(f"input name {str(name)[:9]!r}", changed(name=name), r"(?i)name|input")
    twice = dict(GOOD, inputs=GOOD["inputs"] * 2)
    yield Case("input given twice", http(json.dumps(twice)), r"INPUT0")
    yield Case("input missing", changed(TWO, "input_ids", "INT64"), r"attention_mask")
    thousand = dict(GOOD, inputs=[dict(GOOD["inputs"][0], name=f"INPUT{n}") for n in range(1000)])
    yield Case("a thousand inputs", http(json.dumps(thousand)), r"(?i)input")
    for outputs in ("OUTPUT0", {"name": "OUTPUT0"}, [3], ["OUTPUT0"], [{}], [{"name": 5}], [{"name": "OUTPUT7"}],
                    [{"name": ""}], [{"name": "OUTPUT0", "parameters": 3}],
                    [{"name": "OUTPUT0", "parameters": {"binary_data": "yes"}}]):
        yield Case(f"outputs {json.dumps(outputs)}", changed(outputs=outputs), r"(?i)output|parameter|binary_data|name")


def binaries():
    four = struct.pack("<4f", 1, 2, 3, 4)
    sizes = {"one too many": 17, "one too few": 15, "zero": 0, "negative": -16, "a quarter": 4, "a lie by far": 10**9,
             "beyond 63 bits": 2**63, "beyond 64 bits": 2**64 + 16, "text": "16", "fraction": 16.5, "list": [16],
             "null": None, "true": True}
    for name, size in sizes.items():
        tensor = {"name": "INPUT0", "datatype": "FP32", "shape": [1, 4], "parameters": {"binary_data_size": size}}
        yield Case(f"binary size {name}", binary(four, head=json.dumps({"inputs": [tensor]})),
                   r"(?i)binary|size|bytes|data")
    yield Case("binary: size fits, shape does not", binary(four, shape=[1, 5]), r"(?i)bytes|shape|size|INPUT0")
    yield Case("binary: no body behind", binary(b"", 16), r"(?i)binary|bytes|body")
    yield Case("binary: half of it", binary(four[:8], 16), r"(?i)binary|bytes|body")
    yield Case("binary: more behind", http(binary(four).split(b"\r\n\r\n", 1)[1] + b"more", headers=[
        (BINARY_HEADER, len(binary(four).split(b"\r\n\r\n", 1)[1]) - 16)]), r"(?i)binary|bytes|body|left")
    yield Case("binary: data as well", binary(four, data=[1, 2, 3, 4]), r"(?i)data|binary")
    yield Case("binary: no header", binary(four, header="absent"), r"(?i)json|body|header|binary")
    for header in ("-1", "abc", "1.5", "0x10", "", "99999", str(2**63), str(2**64), "9" * 400, "1 2"):
        yield Case(f"JSON length {header[:12]!r}", binary(four, header=header),
                   r"(?i)header|length|json|body", (400, 413))
    for header in ("1", "2", "50"):
        yield Case(f"JSON length too short: {header}", binary(four, header=header), ENDS_EARLY + "|header|length")
    length = len(binary(four, header="absent").split(b"\r\n\r\n", 1)[1])
    yield Case("JSON length takes in the tensor", binary(four, header=length), r"(?i)json|binary|bytes|header|length")
    strings = {
        "length beyond the body": struct.pack("<I", 1000) + b"ab",
        "length of four thousand million": b"\xff" * 4 + b"ab",
        "half a length": b"\x02\0", "too few": struct.pack("<I", 1) + b"a",
        "too many": (struct.pack("<I", 1) + b"a") * 3, "one byte more": (struct.pack("<I", 1) + b"a") * 2 + b"\0",
    }
    for name, blob in strings.items():
        yield Case(f"binary strings: {name}", binary(blob, model=BYTES, datatype="BYTES", shape=[1, 2]),
                   r"(?i)BYTES|string|element|length|INPUT0")
    yield Case("binary strings: rows without end", binary(b"", 0, BYTES, "BYTES", [1, 2**40]),
               r"(?i)BYTES|string|element|length|INPUT0|shape|size|bytes")


def shared_memory():
    """Places in memory that nobody has registered, and places that cannot be."""
    def place(**parameters):
        named = {f"shared_memory_{name}": value for name, value in parameters.items()}
        return changed(data=None, parameters=None, inputs=[
            {"name": "INPUT0", "datatype": "FP32", "shape": [1, 4], "parameters": named}])

    yield Case("shared memory: no such region", place(region="nowhere", byte_size=16), "nowhere", (404,))
    for name, value in {"a number": 7, "null": None, "a list": [], "long": "r" * 300}.items():
        yield Case(f"shared memory: region {name}", place(region=value, byte_size=16), r"shared_memory_region|INPUT0")
    yield Case("shared memory: no region", place(byte_size=16), "shared_memory_region")
    yield Case("shared memory: no size", place(region="r"), "shared_memory_byte_size")
    for size in (-1, 1.5, "16", None, 2**63, 2**64, [], True):
        yield Case(f"shared memory: size {json.dumps(size)}", place(region="r", byte_size=size), r"byte_size")
        yield Case(f"shared memory: offset {json.dumps(size)}", place(region="r", byte_size=16, offset=size), r"offset")
    yield Case("shared memory: beyond all memory", place(region="r", byte_size=16, offset=2**63 - 1), "memory")
    tensor = {"name": "INPUT0", "datatype": "FP32", "shape": [1, 4],
              "parameters": {"shared_memory_region": "r", "shared_memory_byte_size": 16}}
    yield Case("shared memory: data as well", changed(inputs=[tensor | {"data": [1, 2, 3, 4]}]), "data")
    tensor["parameters"]["binary_data_size"] = 16
    yield Case("shared memory: binary as well", changed(inputs=[tensor]), "binary_data_size")
    outputs = [{"name": "OUTPUT0", "parameters": {"shared_memory_region": "nowhere", "shared_memory_byte_size": 16}}]
    yield Case("shared memory: no such region for an output", changed(outputs=outputs), "nowhere", (404,))


def classes():
    for count in (-1, 1.5, "3", None, [], True, 2**64):
        outputs = [{"name": "OUTPUT0", "parameters": {"classification": count}}]
        yield Case(f"classification {json.dumps(count)}", changed(outputs=outputs), "classification")
    outputs = [{"name": "OUTPUT0", "parameters": {"classification": 1}}]
    yield Case("classification of strings", changed(BYTES, datatype="BYTES", shape=[1, 1], data=["x"], outputs=outputs),
               "rank")


def raw_requests():
    for name, model, body in (("fifteen bytes", FP32, b"\0" * 15), ("no bytes", FP32, b""), ("two inputs", TWO, b"\0"),
                              ("too few bytes", FIXED, b"\0" * 20), ("too many bytes", FIXED, b"\0" * 28)):
        yield Case(f"raw request: {name}", http(body, model, [(BINARY_HEADER, 0)]), r"bytes|inputs|dimension")


def compressed():
    good = GOOD_TEXT.encode()
    for name, data in (("cut", gzip.compress(good)[:-3]), ("empty", b""), ("no body in it", gzip.compress(b"")),
                       ("zlib", zlib.compress(good)), ("more behind", gzip.compress(good) + b"more"),
                       ("a wrong sum", gzip.compress(good)[:-8] + b"\0" * 8), ("broken in the middle",
                        gzip.compress(good)[:30] + b"\xff" * 8 + gzip.compress(good)[38:])):
        yield Case(f"gzip: {name}", http(data, headers=[("Content-Encoding", "gzip")]), r"gzip|byte|JSON|expected")
    for name, data in (("cut", zlib.compress(good)[:-3]), ("bare", zlib.compress(good)[2:-4]), ("gzip",
                       gzip.compress(good))):
        yield Case(f"deflate: {name}", http(data, headers=[("Content-Encoding", "deflate")]), r"deflate")


def parameters():
    wrong = [("priority", value) for value in ("high", -1, 1.5, [], {}, 2**65, None)]
    wrong += [("timeout", value) for value in ("soon", -5, 1.5, [], {}, 2**65)]
    wrong += [("binary_data_output", value) for value in ("yes", 1, [])]
    for name, value in wrong:
        yield Case(f"{name} {json.dumps(value)[:12]}", changed(parameters={name: value}), name)
    for value in (7, [], "x", True):
        yield Case(f"parameters {json.dumps(value)}", changed(parameters=value), r"parameters")
    for value in (7, [], {}, True):
        yield Case(f"id {json.dumps(value)}", changed(id=value), r"\bid\b")


def transport():
    post = "POST /v2/models/identity_fp32/infer HTTP/1.1\r\nHost: strait\r\n"

    def raw(text, body=b""):
        return text.encode("latin-1") + body

    good = GOOD_TEXT.encode()
    chunk = b"%x\r\n%s\r\n" % (len(good), good)
    yield Case("a body of a terabyte announced", http(good, length=10**12), "(?i)large|length|bytes|limit", (400, 413))
    yield Case("a length beyond 64 bits", http(good, length=2**64 + 5), ".", (400, 413))
    yield Case("a negative length", http(good, length=-5), ".", ALL_4XX)
    yield Case("a length that is no number", http(good, length="many"), ".", ALL_4XX)
    yield Case("two lengths", http(good, headers=[("Content-Length", 5)]), ".", ALL_4XX)
    both = http(chunk + b"0\r\n\r\n", headers=[("Transfer-Encoding", "chunked")])
    yield Case("a length and chunks", both, ".", ALL_4XX)
    chunked = post + "Transfer-Encoding: chunked\r\n\r\n"
    yield Case("a chunk size that is no number", raw(chunked, b"ZZ\r\n" + good), ".", ALL_4XX)
    yield Case("a chunk size beyond 64 bits", raw(chunked, b"f" * 20 + b"\r\n" + good), ".", ALL_4XX)
    yield Case("a chunk longer than it says", raw(chunked, b"5\r\n" + good + b"\r\n0\r\n\r\n"), ".", ALL_4XX)
    yield Case("an unknown transfer coding", raw(post + "Transfer-Encoding: brotli\r\n\r\n", good), ".", ALL_4XX)
    yield Case("chunks that end too early", raw(chunked, b"3\r\n" + good[:3] + b"\r\n0\r\n\r\n"), ENDS_EARLY)
    yield Case("a giant header", http(good, headers=[("X-Long", "a" * LONG)]), ".", ALL_4XX)
    yield Case("headers by the thousand", http(good, headers=[(f"X-{n}", "a" * 60) for n in range(5000)]), ".", ALL_4XX)
    yield Case("a giant path", raw("GET /v2/models/" + "m" * LONG + " HTTP/1.1\r\nHost: strait\r\n\r\n"), ".", ALL_4XX)
    yield Case("a header without a colon", raw(post + "Nonsense\r\n\r\n"), ".", ALL_4XX)
    yield Case("a header with a zero byte", raw(post + "X: a\0b\r\n\r\n"), ".", ALL_4XX)
    yield Case("no HTTP at all", raw("hello there\r\n\r\n"), ".", ALL_4XX)
    yield Case("an unknown verb", raw("FROB /v2 HTTP/1.1\r\nHost: strait\r\n\r\n"), ".", ALL_4XX)
    yield Case("a version from the future", raw("GET /v2 HTTP/9.9\r\nHost: strait\r\n\r\n"), ".", ALL_4XX)
    for coding in ("gzip", "xyz"):
        encoded = http(good, headers=[("Content-Encoding", coding)])
        yield Case(f"a body that is no {coding}", encoded, f"(?i){coding}|encoding", (400, 415))
    for path, status in (("/v2/models/nobody/infer", 404), ("/v2/models/identity_fp32/versions/9/infer", 404),
                         ("/v2/models//infer", 404), ("/v2/models/../../etc/passwd/infer", 404),
                         ("/v2/models/%2e%2e%2fidentity_fp32/infer", 404), ("/v2/models/identity_fp32%00/infer", 404)):
        data = http(good).replace(b"/v2/models/identity_fp32/infer", path.encode())
        yield Case(f"path {path}", data, ".", (400, status, 405))
    for version in ("0", "-1", "one", "1e0", "99999999999999999999"):
        data = http(good).replace(b"/infer", f"/versions/{version}/infer".encode())
        yield Case(f"version {version}", data, version[:5], (400, 404))
    yield Case("infer by PUT", http(good).replace(b"POST", b"PUT", 1), ".", (405,))


def all_cases():
    """Every case, two hundred and more, in an order of no meaning."""
    families = (truncated, not_a_request, shapes, types, data, names, binaries, shared_memory, classes, raw_requests,
                compressed, parameters, transport)
    return [case for family in families for case in family()]


def mutations(random, count):
    """The good body with a few bytes changed at random: some still good, most not; none may hurt."""
    for number in range(count):
        text = bytearray(GOOD_TEXT.encode())
        for _ in range(int(random.integers(1, 4))):
            text[int(random.integers(len(text)))] = int(random.integers(256))
        yield Case(f"mutation {number}", http(bytes(text)), ".", ALL_4XX)
