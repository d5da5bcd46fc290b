# SPDX-License-Identifier: Apache-2.0
"""The server as a user without privileges, as services and containers run it."""

import os
import shutil
import subprocess

import pytest
from grpc_client import connected
from server import ANSWER_LIMIT, MODELS, STRAIT, Server
from tritonclient.grpc import service_pb2

NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs")
BODY = {"inputs": [{"name": "INPUT0", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3]}]}


def test_it_serves_without_privileges():
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("needs setpriv (util-linux)")
        if subprocess.run([*NOBODY, "test", "-x", STRAIT, "-a", "-r", MODELS], check=False).returncode != 0:
            pytest.skip("nobody may read the program or the models where this repository lies")
    server = Server(MODELS, prefix=NOBODY if os.geteuid() == 0 else ())
    try:
        server.start()
        assert server.post("/v2/models/identity_fp32/infer", BODY).status == 200
        with connected(server) as stub:
            assert stub.ServerLive(service_pb2.ServerLiveRequest(), timeout=ANSWER_LIMIT).live
        assert server.stop() == 0, server.read_log()
    finally:
        server.kill()
