#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Models of a few kilobytes that are as heavy to run as the real ones: `make bundle` packs them for a machine without network.

    python models/light.py --repository DIR --output DIR

writes squeezenet, resnet50 and encoder (MiniLM's shape) with made-up weights, beside magika, which has
real ones and a small file, from the demo repository.

Each large weight is a formula of constants in the graph, which ONNX Runtime computes once when it loads the model. So answers depend on every input, and are those of no real network.
"""

import argparse
import pathlib
import shutil

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import minilm
import squeezenet

SMALLEST_FORMULA = 4096  # elements; below that the weights themselves are no larger
COPIED = ["magika"]
VOCABULARY, POSITIONS, INNER = 30522, 512, 1536  # MiniLM's


def formula(name, shape, spread, number):
    """Nodes and constants that make `name`, of standard deviation `spread`: a sine, stretched beyond recognition, of places."""
    def constant(suffix, array):
        return numpy_helper.from_array(array, f"{name}/{suffix}")

    # Floats count exactly up to 2^24.
    constants = [constant("zero", np.float32(0)), constant("count", np.float32(np.prod(shape))),
                 constant("one", np.float32(1)), constant("step", np.float32(12.9898 + 0.173 * number)),
                 constant("stretch", np.float32(43758.547)), constant("width", np.float32(spread * np.sqrt(2))),
                 constant("shape", np.array(shape, np.int64))]
    steps = [("Range", ["zero", "count", "one"], "places"), ("Mul", ["places", "step"], "angles"),
             ("Sin", ["angles"], "waves"), ("Mul", ["waves", "stretch"], "stretched"),
             ("Sin", ["stretched"], "spread"), ("Mul", ["spread", "width"], "scaled")]
    nodes = [helper.make_node(kind, [f"{name}/{word}" for word in inputs], [f"{name}/{output}"])
             for kind, inputs, output in steps]
    nodes.append(helper.make_node("Reshape", [f"{name}/scaled", f"{name}/shape"], [name]))
    return nodes, constants


def lighten(model):
    """The model with a formula of the same spread for each large weight."""
    graph = model.graph
    nodes, kept = [], []
    for number, tensor in enumerate(graph.initializer):
        array = numpy_helper.to_array(tensor)
        if tensor.data_type == TensorProto.FLOAT and array.size >= SMALLEST_FORMULA:
            made, constants = formula(tensor.name, array.shape, float(array.std()), number)
            nodes += made
            kept += constants
        else:
            kept.append(tensor)
    nodes += list(graph.node)
    graph.ClearField("node")
    graph.ClearField("initializer")
    graph.node.extend(nodes)
    graph.initializer.extend(kept)
    # Range, and Sin for floats, are there from operator set 11 on at least; the others mean the same there.
    for entry in model.opset_import:
        if entry.domain == "":
            entry.version = max(entry.version, 11)
    onnx.checker.check_model(model)
    return model


def resnet50():
    """ResNet-50 from the onnx package's light model, its answer being the logits: FP32 [batch, 1000]."""
    model = onnx.load(squeezenet.light_model().with_name("light_resnet50.onnx"))
    graph = model.graph
    shapes = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    filled = {node.output[0]: tuple(shapes[node.input[0]].tolist())
              for node in graph.node if node.op_type == "ConstantOfShape"}
    kept = [node for node in graph.node if node.op_type not in ("ConstantOfShape", "Softmax")]
    sums = {name for node in kept if node.op_type == "Sum" for name in node.input}
    random = np.random.default_rng(squeezenet.SEED)
    values = {name: squeezenet.weights(random, name, shape) for name, shape in sorted(filled.items())}
    for node in kept:
        if node.op_type == "BatchNormalization":
            # The last of a residual branch is faint, else activations grow from block to block.
            scale = 0.2 if node.output[0] in sums and "branch2c" in node.input[1] else 1.0
            for name, value in zip(node.input[1:], (scale, 0, 0, 1)):
                shape = filled[name] if name in filled else shapes[name].shape
                values[name] = numpy_helper.from_array(np.full(shape, value, np.float32), name)
        elif node.op_type == "Reshape":
            shape = shapes[node.input[1]].copy()
            shape[0] = 0  # as many rows as came
            values[node.input[1]] = numpy_helper.from_array(shape, node.input[1])
    used = {name for node in kept for name in node.input}
    values = {tensor.name: tensor for tensor in graph.initializer} | values
    rows = [value for value in graph.input if value.name in used and value.name not in values]
    logits = helper.make_tensor_value_info(kept[-1].output[0], TensorProto.FLOAT, ["batch", 1000])
    for field, content in (("node", kept), ("initializer", [values[name] for name in sorted(values) if name in used]),
                           ("input", rows), ("output", [logits]), ("value_info", [])):
        graph.ClearField(field)
        getattr(graph, field).extend(content)
    graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    model.ir_version = squeezenet.IR_VERSION
    onnx.checker.check_model(model)
    return model


class MadeUpWeights(dict):
    """MiniLM's weights by name, as its builder asks for them, but made up."""

    def __missing__(self, name):
        random = np.random.default_rng([squeezenet.SEED, *name.encode()])
        if name.endswith("LayerNorm.weight"):
            return np.ones(minilm.WIDTH, np.float32)
        if name.endswith("intermediate.dense.bias"):
            return np.zeros(INNER, np.float32)
        if name.endswith("bias"):
            return np.zeros(minilm.WIDTH, np.float32)
        shapes = {"word_embeddings": (VOCABULARY, minilm.WIDTH), "position_embeddings": (POSITIONS, minilm.WIDTH),
                  "token_type_embeddings": (2, minilm.WIDTH), "intermediate": (INNER, minilm.WIDTH)}
        shape = next((shape for part, shape in shapes.items() if part in name), (minilm.WIDTH, minilm.WIDTH))
        if ".output.dense" in name and "attention" not in name:
            shape = (minilm.WIDTH, INNER)
        return (random.standard_normal(shape) * 0.05).astype(np.float32)


def encoder():
    """A sentence encoder of MiniLM's shape: 6 layers, 384 wide."""
    return minilm.build_from(MadeUpWeights())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repository", required=True, help="the demo repository, which `make setup` fills")
    parser.add_argument("--output", required=True, help="folder of the new repository; must not be there yet")
    options = parser.parse_args()
    output = pathlib.Path(options.output)
    for name, build in (("squeezenet", squeezenet.build), ("resnet50", resnet50), ("encoder", encoder)):
        data = lighten(build()).SerializeToString(deterministic=True)
        path = output / name / "1" / "model.onnx"
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
        print(f"  {name}: {len(data) / 1e3:.0f} kB", flush=True)
    for name in COPIED:
        shutil.copytree(pathlib.Path(options.repository) / name, output / name)


if __name__ == "__main__":
    main()
