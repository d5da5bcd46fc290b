# SPDX-License-Identifier: Apache-2.0
"""Inference requests as bytes, ready for a socket."""

import functools
import json

PATIENT = 60_000_000  # microseconds: a deadline that a busy machine keeps
GOOD_INDEX, BAD_INDEX = 3, 99  # the table of `fails_sometimes` has ten places


@functools.lru_cache(maxsize=64)
def payload(model, rows, columns):
    """(datatype, shape, bytes) of the input."""
    if model == "fails_sometimes":
        return "INT64", [rows, columns or 3], GOOD_INDEX.to_bytes(8, "little") * (rows * (columns or 3))
    columns = 256 if model == "slow" else columns or 4
    return "FP32", [rows, columns], b"\x00\x00\x00\x3f" * (rows * columns)


INPUT = {"slow": "x", "identity_fp32": "INPUT0", "fails_sometimes": "index"}


def infer(model, name, *, high=False, timeout=PATIENT, rows=1, columns=0, bad=False, binary_out=True):
    """A whole request. `name` comes back in its answer."""
    kind, shape, data = payload(model, rows, columns)
    if bad:
        data = BAD_INDEX.to_bytes(8, "little") + data[8:]
    head = json.dumps({
        "id": name,
        "parameters": {"priority": 1 if high else 2, "timeout": timeout, "binary_data_output": binary_out},
        "inputs": [{"name": INPUT[model], "datatype": kind, "shape": shape,
                    "parameters": {"binary_data_size": len(data)}}]}).encode()
    lines = (f"POST /v2/models/{model}/infer HTTP/1.1\r\nHost: strait\r\nContent-Length: {len(head) + len(data)}\r\n"
             f"Inference-Header-Content-Length: {len(head)}\r\n\r\n")
    return lines.encode() + head + data
