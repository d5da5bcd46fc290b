# SPDX-License-Identifier: Apache-2.0
"""SqueezeNet with seeded random weights and a batch of any size, made from the light model in the onnx package.

The package's model has all weights equal and its batch fixed at one. Random weights keep the arithmetic of the real
network and make every answer depend on its input, which is all that a timing or a comparison needs.
"""

import pathlib

import numpy as np
import onnx
from onnx import numpy_helper

SEED = 20260
IR_VERSION = 8


def light_model():
    """The path of the package's model."""
    return pathlib.Path(onnx.__file__).parent / "backend/test/data/light/light_squeezenet.onnx"


def weights(random, name, shape):
    """He-normal for a convolution's kernel, so that activations neither fade nor grow; zero for its bias."""
    if len(shape) == 1:
        return numpy_helper.from_array(np.zeros(shape, np.float32), name)
    spread = np.sqrt(2 / np.prod(shape[1:]))
    return numpy_helper.from_array((random.standard_normal(shape) * spread).astype(np.float32), name)


def build():
    """The checked ONNX model: data_0 FP32 [batch, 3, 224, 224] to softmaxout_1 FP32 [batch, 1000, 1, 1]."""
    model = onnx.load(light_model())
    graph = model.graph
    random = np.random.default_rng(SEED)
    shapes = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    filled = {node.output[0]: tuple(shapes[node.input[0]].tolist())
              for node in graph.node if node.op_type == "ConstantOfShape"}
    kept = [node for node in graph.node if node.op_type != "ConstantOfShape"]
    used = {name for node in kept for name in node.input}
    initializers = [tensor for tensor in graph.initializer if tensor.name in used]
    initializers += [weights(random, name, filled[name]) for name in sorted(filled)]
    known = {tensor.name for tensor in initializers}
    inputs = [value for value in graph.input if value.name not in known and value.name in used]
    for field, values in (("node", kept), ("initializer", initializers), ("input", inputs), ("value_info", [])):
        graph.ClearField(field)
        getattr(graph, field).extend(values)
    for value in list(graph.input) + list(graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model)
    return model
