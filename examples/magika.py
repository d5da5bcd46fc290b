#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What kind of file is this? Asks the model `magika` through the unmodified Triton client.

    make run                                                   # in one terminal
    .strait/venv/bin/python examples/magika.py Package.swift   # in another
"""

import argparse
import pathlib

import numpy as np
import tritonclient.http

BLOCK, SIDE, PADDING = 4096, 1024, 256
LABELS = pathlib.Path(__file__).parent.parent / ".strait/models/magika/labels.txt"


def features(data):
    """The model's 2048 numbers: the first and the last kilobyte of the file, without blanks at its ends."""
    begin, end = data[:BLOCK].lstrip()[:SIDE], data[-BLOCK:].rstrip()[-SIDE:]
    return ([*begin] + [PADDING] * (SIDE - len(begin))) + ([PADDING] * (SIDE - len(end)) + [*end])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="+")
    parser.add_argument("--url", default="localhost:8000")
    options = parser.parse_args()

    rows = np.array([features(pathlib.Path(name).read_bytes()) for name in options.file], np.int32)
    labels = LABELS.read_text().splitlines()
    client = tritonclient.http.InferenceServerClient(options.url)
    for name, row in zip(options.file, rows):
        tensor = tritonclient.http.InferInput("bytes", [1, len(row)], "INT32")
        tensor.set_data_from_numpy(row[np.newaxis])
        # Class 1 is the high one; the deadline is in microseconds, from arrival to answer.
        answer = client.infer("magika", [tensor], priority=1, timeout=500_000)
        scores = answer.as_numpy("target_label")[0]
        print(f"{name}: {labels[scores.argmax()]} ({scores.max():.2f})")


if __name__ == "__main__":
    main()
