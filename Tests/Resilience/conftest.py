# SPDX-License-Identifier: Apache-2.0
"""The server under faults. Each case adds a row to one table, which is printed at the end of the session."""

import os
import pathlib
import sys

import pytest

# How a server is started and stopped is the same as in the conformance tests.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "Conformance"))

from ledger import TABLE  # noqa: E402
from watched import small_repository  # noqa: E402


@pytest.fixture(scope="session")
def repository(tmp_path_factory):
    """Few and small models, so that the many servers of these tests start at once."""
    return small_repository(tmp_path_factory.mktemp("resilience") / "models")


def pytest_terminal_summary(terminalreporter):
    if not TABLE.rows:
        return
    terminalreporter.section("resilience")
    terminalreporter.write_line(TABLE.text())
    if path := os.environ.get("STRAIT_RESILIENCE_TABLE"):
        pathlib.Path(path).write_text(TABLE.markdown())
