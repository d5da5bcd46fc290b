# SPDX-License-Identifier: Apache-2.0
"""Small models made for the tests: answers known without any network, and models that are slow or fail on purpose."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8

# The protocol's element types as ONNX names them. BF16 stays with the rest: ONNX Runtime's Identity copies it too.
TYPES = {
    "BOOL": TensorProto.BOOL,
    "UINT8": TensorProto.UINT8,
    "UINT16": TensorProto.UINT16,
    "UINT32": TensorProto.UINT32,
    "UINT64": TensorProto.UINT64,
    "INT8": TensorProto.INT8,
    "INT16": TensorProto.INT16,
    "INT32": TensorProto.INT32,
    "INT64": TensorProto.INT64,
    "FP16": TensorProto.FLOAT16,
    "FP32": TensorProto.FLOAT,
    "FP64": TensorProto.DOUBLE,
    "BYTES": TensorProto.STRING,
    "BF16": TensorProto.BFLOAT16,
}

# `slow`: enough multiplications for about 20 ms on one core of 2024; its width keeps the matrices in the cache.
SLOW_WIDTH = 256
SLOW_STEPS = 60
SLOW_SEED = 7
# `fails_sometimes`: an index from this on is out of the table, and the run fails.
TABLE_LENGTH = 10


def value(name, kind, shape):
    return helper.make_tensor_value_info(name, kind, shape)


def model(name, nodes, inputs, outputs, initializers=()):
    graph = helper.make_graph(nodes, name, inputs, outputs, list(initializers))
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="strait")
    made.ir_version = IR_VERSION
    onnx.checker.check_model(made)
    return made


def identity(name, kind, shape):
    return model(name, [helper.make_node("Identity", ["INPUT0"], ["OUTPUT0"])],
                 [value("INPUT0", kind, shape)], [value("OUTPUT0", kind, shape)])


def identity_all():
    nodes = [helper.make_node("Identity", [f"in_{name}"], [f"out_{name}"]) for name in TYPES]
    return model("identity_all", nodes,
                 [value(f"in_{name}", kind, ["batch", "n"]) for name, kind in TYPES.items()],
                 [value(f"out_{name}", kind, ["batch", "n"]) for name, kind in TYPES.items()])


def fixed_shape():
    """[2, 3] plus one: no dimension is a batch, so it runs one request at a time."""
    one = numpy_helper.from_array(np.float32(1), "one")
    return model("fixed_shape", [helper.make_node("Add", ["x", "one"], ["y"])],
                 [value("x", TensorProto.FLOAT, [2, 3])], [value("y", TensorProto.FLOAT, [2, 3])], [one])


def fails_sometimes():
    """Looks indices up in a table of ten: value i x 100. An index outside it makes the run fail."""
    table = numpy_helper.from_array(np.arange(TABLE_LENGTH, dtype=np.float32) * 100, "table")
    return model("fails_sometimes", [helper.make_node("Gather", ["table", "index"], ["value"], axis=0)],
                 [value("index", TensorProto.INT64, ["batch", "n"])],
                 [value("value", TensorProto.FLOAT, ["batch", "n"])], [table])


def slow():
    """Each row becomes a matrix that is multiplied by a rotation again and again, so that its size never changes."""
    rotation, _ = np.linalg.qr(np.random.default_rng(SLOW_SEED).standard_normal((SLOW_WIDTH, SLOW_WIDTH)))
    initializers = [
        numpy_helper.from_array(rotation.astype(np.float32), "rotation"),
        numpy_helper.from_array(np.eye(SLOW_WIDTH, dtype=np.float32), "eye"),
        numpy_helper.from_array(np.array([1], np.int64), "axis"),
    ]
    nodes = [helper.make_node("Unsqueeze", ["x", "axis"], ["row"]), helper.make_node("Mul", ["row", "eye"], ["m0"])]
    for step in range(SLOW_STEPS):
        nodes.append(helper.make_node("MatMul", [f"m{step}", "rotation"], [f"m{step + 1}"]))
    nodes.append(helper.make_node("ReduceSum", [f"m{SLOW_STEPS}", "axis"], ["y"], keepdims=0))
    shape = ["batch", SLOW_WIDTH]
    return model("slow", nodes, [value("x", TensorProto.FLOAT, shape)], [value("y", TensorProto.FLOAT, shape)],
                 initializers)


def build_all():
    """{model name: model}"""
    return {
        "identity_fp32": identity("identity_fp32", TensorProto.FLOAT, ["batch", "n"]),
        "identity_bytes": identity("identity_bytes", TensorProto.STRING, ["batch", "n"]),
        "identity_all": identity_all(),
        "fixed_shape": fixed_shape(),
        "fails_sometimes": fails_sometimes(),
        "slow": slow(),
    }
