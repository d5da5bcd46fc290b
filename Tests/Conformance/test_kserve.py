# SPDX-License-Identifier: Apache-2.0
"""KServe's own client, unmodified, over REST and gRPC.

Of what its wheel asks for, `make setup` installs what is really imported: docs/testing.md.
"""

import asyncio
import platform
import sys

import grpc
import numpy as np
import pytest
from reference import INPUTS, PATIENT, expected

if platform.machine() != "x86_64":
    pytest.skip("KServe needs a psutil that has wheels for x86_64 only (docs/testing.md)", allow_module_level=True)
if "tritonclient.grpc" in sys.modules:
    pytest.skip("KServe's messages have the names of Triton's, and a process can have one of them: run it by itself",
                allow_module_level=True)
import httpx  # noqa: E402
from kserve import InferInput, InferRequest  # noqa: E402
from kserve.inference_client import InferenceGRPCClient, InferenceRESTClient, RESTConfig  # noqa: E402

MODELS = ["identity_fp32", "identity_bytes", "magika"]


def run(body):
    return asyncio.run(body)


def request(model, inputs, binary=True, **parameters):
    made = []
    for name, array in inputs.items():
        kind = {"object": "BYTES"}.get(str(array.dtype)) or str(array.dtype).upper().replace("FLOAT", "FP")
        tensor = InferInput(name, list(array.shape), kind)
        tensor.set_data_from_numpy(array, binary_data=binary)
        made.append(tensor)
    return InferRequest(model_name=model, infer_inputs=made, request_id="k1",
                        parameters={"timeout": PATIENT, **parameters})


def compare(answer, model, inputs):
    assert answer.model_name == model and answer.id == "k1"
    for name, wanted in expected(model, inputs).items():
        found = next(output for output in answer.outputs if output.name == name).as_numpy()
        if wanted.dtype == object:
            assert [entry.decode() if isinstance(entry, bytes) else entry for entry in found.ravel()] == \
                [entry.decode() if isinstance(entry, bytes) else entry for entry in wanted.ravel()]
        else:
            np.testing.assert_allclose(found, wanted, 1e-4, 1e-6)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("binary_output", [True, False])
def test_rest(server, model, binary, binary_output):
    inputs = INPUTS[model](np.random.default_rng(3), 2)

    async def body():
        async with InferenceRESTClient(RESTConfig(protocol="v2", retries=1, timeout=30)) as client:
            headers = {}
            answer = await client.infer(
                f"http://{server.url}", request(model, inputs, binary, binary_data_output=binary_output),
                model_name=model, response_headers=headers)
            return answer, headers
    answer, headers = run(body())
    compare(answer, model, inputs)
    assert ("inference-header-content-length" in headers) == binary_output


@pytest.mark.parametrize("model", MODELS)
def test_grpc(server, model):
    inputs = INPUTS[model](np.random.default_rng(3), 2)

    async def body():
        async with InferenceGRPCClient(server.grpc_url, timeout=30) as client:
            return await client.infer(request(model, inputs))
    compare(run(body()), model, inputs)


def test_health_over_rest(server):
    async def body():
        async with InferenceRESTClient(RESTConfig(protocol="v2", timeout=30)) as client:
            url = f"http://{server.url}"
            return [await client.is_server_live(url), await client.is_server_ready(url),
                    await client.is_model_ready(url, "magika"), await client.is_model_ready(url, "nobody")]
    assert run(body()) == [True, True, True, False]


def test_health_over_grpc(server):
    async def body():
        async with InferenceGRPCClient(server.grpc_url, timeout=30) as client:
            return [await client.is_server_live(), await client.is_server_ready(),
                    await client.is_model_ready("magika"), await client.is_model_ready("nobody")]
    assert run(body()) == [True, True, True, False]


def test_errors_are_told(server):
    inputs = INPUTS["magika"](np.random.default_rng(3), 1)

    async def rest():
        async with InferenceRESTClient(RESTConfig(protocol="v2", timeout=30)) as client:
            await client.infer(f"http://{server.url}", request("nobody", inputs), model_name="nobody")

    async def call():
        async with InferenceGRPCClient(server.grpc_url, timeout=30) as client:
            await client.infer(request("nobody", inputs))
    with pytest.raises(httpx.HTTPStatusError, match="no model is named 'nobody'"):
        run(rest())
    with pytest.raises(grpc.RpcError, match="no model is named 'nobody'"):
        run(call())
