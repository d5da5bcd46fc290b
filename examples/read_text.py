#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads one line of text from a picture, with the model `ocr_rec` and the unmodified Triton client.

    make run                                                           # in one terminal
    .strait/venv/bin/python examples/read_text.py                      # in another: draws a line and reads it
    .strait/venv/bin/python examples/read_text.py --image line.png     # or reads yours
"""

import argparse
import pathlib

import numpy as np
import tritonclient.http
from PIL import Image, ImageDraw, ImageFont

HEIGHT = 48  # what the model was trained on; the width is free
LABELS = pathlib.Path(__file__).parent.parent / ".strait/models/ocr_rec/labels.txt"


def draw(text):
    """Black on white, as a scanner would see it."""
    font = ImageFont.load_default(size=32)
    image = Image.new("RGB", (int(font.getlength(text)) + 32, HEIGHT), "white")
    ImageDraw.Draw(image).text((16, 4), text, "black", font)
    return image


def tensor_of(image):
    """[1, 3, 48, width], blue first, from -1 to 1."""
    width = max(HEIGHT, round(image.width * HEIGHT / image.height))
    pixels = np.asarray(image.convert("RGB").resize((width, HEIGHT)), np.float32)
    return np.ascontiguousarray(((pixels[:, :, ::-1] / 255 - 0.5) / 0.5).transpose(2, 0, 1)[np.newaxis])


def text_of(scores, labels):
    """The best letter at each place, repeats joined, blanks (class 0) dropped."""
    best = scores.argmax(axis=1)
    kept = [now for before, now in zip([0, *best], best) if now != before and now != 0]
    return "".join(labels[index] for index in kept)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--image", help="a picture of one line of text")
    parser.add_argument("--text", default="Deadline 42 ms", help="what to draw where no picture is given")
    parser.add_argument("--url", default="localhost:8000")
    options = parser.parse_args()

    pixels = tensor_of(Image.open(options.image) if options.image else draw(options.text))
    tensor = tritonclient.http.InferInput("x", list(pixels.shape), "FP32")
    tensor.set_data_from_numpy(pixels)
    client = tritonclient.http.InferenceServerClient(options.url)
    answer = client.infer("ocr_rec", [tensor], priority=2, timeout=5_000_000)
    labels = LABELS.read_text(encoding="utf-8").split("\n")
    print(text_of(answer.as_numpy("softmax_11.tmp_0")[0], labels).strip())


if __name__ == "__main__":
    main()
