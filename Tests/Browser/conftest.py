# SPDX-License-Identifier: Apache-2.0
"""One browser and one set of models for the whole run. Without Chromium these tests are skipped."""

import pytest
from browser import Browser, find
from scenes import Traffic


def pytest_collection_modifyitems(items):
    if find():
        return
    for item in items:
        if item.path.parent.name == "Browser":
            item.add_marker(pytest.mark.skip(reason="there is no Chromium here: apt-get install chromium"))


@pytest.fixture(scope="session")
def browser():
    with Browser() as running:
        yield running


@pytest.fixture(scope="session")
def traffic():
    return Traffic()
