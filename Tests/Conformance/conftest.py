# SPDX-License-Identifier: Apache-2.0
"""One server for the whole run, on the test repository; stopped with SIGTERM, which must end it well."""

import pytest
import tritonclient.http
from server import ANSWER_LIMIT, Server

CONNECTIONS = 4


@pytest.fixture(scope="session")
def server():
    running = Server()
    try:
        yield running.start()
        assert running.process.poll() is None, f"the server died during the tests; its log:\n{running.read_log()}"
        code = running.stop()
        assert code == 0, f"after SIGTERM the server exited with {code}; its log:\n{running.read_log()}"
    finally:
        running.kill()


@pytest.fixture(autouse=True)
def server_survives(request):
    """After every test that used the server it must still be there, or the wrong test would be blamed."""
    yield
    if "server" in request.fixturenames:
        running = request.getfixturevalue("server")
        assert running.process.poll() is None, f"this test ended the server; its log:\n{running.read_log()}"


@pytest.fixture
def client(server):
    """The Triton client as its users install it."""
    made = tritonclient.http.InferenceServerClient(
        server.url, concurrency=CONNECTIONS, connection_timeout=ANSWER_LIMIT, network_timeout=ANSWER_LIMIT)
    yield made
    made.close()
