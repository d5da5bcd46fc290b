# SPDX-License-Identifier: Apache-2.0
"""The MiniLM sentence encoder (6 layers, 384 wide) written as ONNX from its published safetensors weights.

Inputs input_ids and attention_mask, INT64 [batch, tokens]; output embedding, FP32 [batch, 384]: the mean of the
token vectors that the mask keeps, scaled to length one.
"""

import json
import struct

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WIDTH = 384
HEADS = 12
LAYERS = 6
LAYER_NORM_EPSILON = 1e-12
OPSET = 20  # the first with Gelu as an operator of its own
IR_VERSION = 9  # the one that came with that opset; older runtimes read it too
MASKED = -1e9  # added to the attention score of a padding token: exp() of it is zero


def read_safetensors(data):
    """The FP32 arrays of a safetensors file by name: a length, a JSON index, then the bytes it points into."""
    (length,) = struct.unpack_from("<Q", data)
    index = json.loads(data[8:8 + length])
    arrays = {}
    for name, entry in index.items():
        if entry.get("dtype") == "F32":
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            arrays[name] = np.frombuffer(data[begin:end], "<f4").reshape(entry["shape"])
    return arrays


class Graph:
    """Collects nodes and weights; every call returns the name of the value it made."""

    def __init__(self, weights):
        self.weights, self.nodes, self.initializers, self.count = weights, [], {}, 0

    def constant(self, array):
        self.count += 1
        return self.keep(f"constant_{self.count}", array)

    def keep(self, name, array):
        self.initializers[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)
        return name

    def weight(self, name, transpose=False):
        array = self.weights[name]
        return self.keep(name, array.T if transpose else array)

    def op(self, kind, *inputs, output=None, **attributes):
        self.count += 1
        output = output or f"{kind.lower()}_{self.count}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def linear(self, value, prefix):
        product = self.op("MatMul", value, self.weight(f"{prefix}.weight", transpose=True))
        return self.op("Add", product, self.weight(f"{prefix}.bias"))

    def layer_norm(self, value, prefix):
        return self.op("LayerNormalization", value, self.weight(f"{prefix}.weight"), self.weight(f"{prefix}.bias"),
                       axis=-1, epsilon=LAYER_NORM_EPSILON)


def attention(graph, hidden, bias, prefix):
    split = graph.constant(np.array([0, 0, HEADS, WIDTH // HEADS], np.int64))
    merge = graph.constant(np.array([0, 0, WIDTH], np.int64))

    def heads(part, order):
        value = graph.op("Reshape", graph.linear(hidden, f"{prefix}.self.{part}"), split)
        return graph.op("Transpose", value, perm=order)

    scores = graph.op("MatMul", heads("query", [0, 2, 1, 3]), heads("key", [0, 2, 3, 1]))
    scale = graph.constant(np.float32(1 / np.sqrt(WIDTH / HEADS)))
    scores = graph.op("Add", graph.op("Mul", scores, scale), bias)
    mixed = graph.op("MatMul", graph.op("Softmax", scores, axis=-1), heads("value", [0, 2, 1, 3]))
    mixed = graph.op("Reshape", graph.op("Transpose", mixed, perm=[0, 2, 1, 3]), merge)
    return graph.linear(mixed, f"{prefix}.output.dense")


def embeddings(graph):
    words = graph.op("Gather", graph.weight("embeddings.word_embeddings.weight"), "input_ids")
    first, length = graph.constant(np.array([0])), graph.op("Shape", "input_ids", start=1, end=2)
    places = graph.op("Slice", graph.weight("embeddings.position_embeddings.weight"), first, length, first)
    kind = graph.constant(graph.weights["embeddings.token_type_embeddings.weight"][0])  # one segment only
    return graph.layer_norm(graph.op("Add", graph.op("Add", words, places), kind), "embeddings.LayerNorm")


def build(safetensors):
    """The checked ONNX model. Raises KeyError if the weights are not MiniLM's."""
    return build_from(read_safetensors(safetensors))


def build_from(weights):
    """The checked ONNX model of weights by name."""
    graph = Graph(weights)
    mask = graph.op("Cast", "attention_mask", to=TensorProto.FLOAT)
    one = graph.constant(np.float32(1))
    bias = graph.op("Unsqueeze", mask, graph.constant(np.array([1, 2])))
    bias = graph.op("Mul", graph.op("Sub", one, bias), graph.constant(np.float32(MASKED)))
    hidden = embeddings(graph)
    for layer in range(LAYERS):
        prefix = f"encoder.layer.{layer}"
        mixed = attention(graph, hidden, bias, f"{prefix}.attention")
        hidden = graph.layer_norm(graph.op("Add", hidden, mixed), f"{prefix}.attention.output.LayerNorm")
        inner = graph.op("Gelu", graph.linear(hidden, f"{prefix}.intermediate.dense"))
        outer = graph.linear(inner, f"{prefix}.output.dense")
        hidden = graph.layer_norm(graph.op("Add", hidden, outer), f"{prefix}.output.LayerNorm")

    tokens = graph.op("Unsqueeze", mask, graph.constant(np.array([2])))
    axis = graph.constant(np.array([1]))
    total = graph.op("ReduceSum", graph.op("Mul", hidden, tokens), axis, keepdims=0)
    kept = graph.op("Max", graph.op("ReduceSum", mask, axis, keepdims=1), graph.constant(np.float32(1)))
    graph.op("LpNormalization", graph.op("Div", total, kept), axis=-1, p=2, output="embedding")

    ids = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
           for name in ("input_ids", "attention_mask")]
    answer = [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", WIDTH])]
    body = helper.make_graph(graph.nodes, "minilm", ids, answer, list(graph.initializers.values()))
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="strait")
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model)
    return model
