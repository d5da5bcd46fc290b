# SPDX-License-Identifier: Apache-2.0
"""`make help` tells of every target that says what it is, under the headings of the Makefile."""

import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_every_target_and_heading_is_listed():
    makefile = (ROOT / "Makefile").read_text()
    told = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout
    targets = re.findall(r"^([a-z-]+):[^#\n]*## (.*)$", makefile, re.MULTILINE)
    assert len(targets) > 20
    assert [name for name, words in targets if not re.search(rf"^  make {name} +{re.escape(words)}$", told, re.MULTILINE)] == []
    headings = re.findall(r"^#: (.*)$", makefile, re.MULTILINE)
    assert headings and [line for line in told.splitlines() if line in headings] == headings
