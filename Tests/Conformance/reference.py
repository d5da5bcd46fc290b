# SPDX-License-Identifier: Apache-2.0
"""What the answers should be: Python's onnxruntime on the same files, and inputs to ask both with."""

import functools

import ml_dtypes
import numpy as np
import onnxruntime
import tritonclient.http
from server import MODELS
from tritonclient.utils import np_to_triton_dtype

# Requests that are not about deadlines carry a generous one, so that a slow machine sheds none of them.
PATIENT = 60_000_000  # microseconds


@functools.lru_cache(maxsize=None)
def session(model):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(MODELS / model / "1/model.onnx"), options, ["CPUExecutionProvider"])


def expected(model, inputs):
    """{output name: array}"""
    known = session(model)
    return dict(zip([output.name for output in known.get_outputs()], known.run(None, inputs)))


def text(random, rows, columns):
    """Strings of several lengths, the empty one and some outside ASCII among them."""
    words = ["", "a", "Deadline 42 ms", "naïve", "海峡", "x" * 300]
    return np.array([[words[i] for i in row] for row in random.integers(0, len(words), (rows, columns))], object)


# {model: inputs for a number of rows}
INPUTS = {
    "squeezenet": lambda random, rows: {"data_0": random.standard_normal((rows, 3, 224, 224), np.float32)},
    "magika": lambda random, rows: {"bytes": random.integers(0, 257, (rows, 2048), np.int32)},
    "ocr_rec": lambda random, rows: {"x": random.uniform(-1, 1, (rows, 3, 48, 160)).astype(np.float32)},
    "opennsfw": lambda random, rows: {"input:0": random.uniform(-128, 128, (rows, 224, 224, 3)).astype(np.float32)},
    "minilm": lambda random, rows: {
        "input_ids": random.integers(1000, 30000, (rows, 12)),
        "attention_mask": np.repeat(np.array([[1] * 9 + [0] * 3]), rows, 0),
    },
    "identity_fp32": lambda random, rows: {"INPUT0": random.standard_normal((rows, 5), np.float32)},
    "identity_bytes": lambda random, rows: {"INPUT0": text(random, rows, 5)},
    "fails_sometimes": lambda random, rows: {"index": random.integers(0, 10, (rows, 3))},
    "slow": lambda random, rows: {"x": random.standard_normal((rows, 256), np.float32)},
    "fixed_shape": lambda random, _: {"x": random.standard_normal((2, 3), np.float32)},
}

INTEGERS = {"UINT8": np.uint8, "UINT16": np.uint16, "UINT32": np.uint32, "UINT64": np.uint64,
            "INT8": np.int8, "INT16": np.int16, "INT32": np.int32, "INT64": np.int64}
FLOATS = {"FP16": np.float16, "FP32": np.float32, "FP64": np.float64}


def every_type(random, rows, columns=4):
    """{element type: array}: the extremes of each type first, then anything."""
    shape = (rows, columns)
    made = {"BOOL": random.integers(0, 2, shape).astype(bool), "BYTES": text(random, rows, columns)}
    for name, kind in INTEGERS.items():
        limits = np.iinfo(kind)
        made[name] = random.integers(limits.min, limits.max, shape, kind, endpoint=True)
        made[name].flat[:2] = limits.min, limits.max
    for name, kind in FLOATS.items():
        made[name] = random.standard_normal(shape).astype(kind)
        made[name].flat[:2] = np.finfo(kind).max, np.finfo(kind).tiny
    made["BF16"] = random.standard_normal(shape).astype(ml_dtypes.bfloat16)
    return made


def tensors(inputs, binary=True):
    """The client's input tensors for {name: array}."""
    made = []
    for name, array in inputs.items():
        tensor = tritonclient.http.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
        tensor.set_data_from_numpy(array, binary_data=binary)
        made.append(tensor)
    return made


def ask(client, model, inputs, binary_in=True, binary_out=True, **options):
    """One inference with every output asked for: {output name: array}."""
    outputs = [tritonclient.http.InferRequestedOutput(output.name, binary_data=binary_out)
               for output in session(model).get_outputs()]
    options.setdefault("timeout", PATIENT)
    answer = client.infer(model, tensors(inputs, binary_in), outputs=outputs, **options)
    return {output.name(): answer.as_numpy(output.name()) for output in outputs}
