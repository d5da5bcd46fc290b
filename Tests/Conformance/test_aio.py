# SPDX-License-Identifier: Apache-2.0
"""The client's asyncio half, and its callbacks."""

import asyncio

import numpy as np
import tritonclient.http
import tritonclient.http.aio
from reference import INPUTS, PATIENT, expected, tensors

REQUESTS = 24


async def inquire(url):
    async with tritonclient.http.aio.InferenceServerClient(url) as client:
        assert await client.is_server_live() and await client.is_model_ready("magika")
        assert (await client.get_server_metadata())["name"] == "strait"
        assert (await client.get_model_metadata("magika"))["inputs"][0]["datatype"] == "INT32"
        assert any(entry["name"] == "magika" for entry in await client.get_model_repository_index())
        assert "log_info" in await client.get_log_settings()
        inputs = [INPUTS["identity_fp32"](np.random.default_rng(n), 1 + n % 4) for n in range(REQUESTS)]
        answers = await asyncio.gather(*(
            client.infer("identity_fp32", tensors(one), timeout=PATIENT, request_compression_algorithm="gzip",
                         response_compression_algorithm="deflate") for one in inputs))
        for one, answer in zip(inputs, answers):
            np.testing.assert_array_equal(answer.as_numpy("OUTPUT0"), one["INPUT0"])
        stats = await client.get_inference_statistics("identity_fp32")
        assert stats["model_stats"][0]["inference_stats"]["success"]["count"] >= REQUESTS


def test_asyncio(server):
    asyncio.run(inquire(server.url))


def test_callbacks(client):
    inputs = [INPUTS["squeezenet"](np.random.default_rng(n), 1) for n in range(4)]
    pending = [client.async_infer("squeezenet", tensors(one), timeout=PATIENT) for one in inputs]
    for one, answer in zip(inputs, pending):
        (name, wanted), = expected("squeezenet", one).items()
        np.testing.assert_allclose(answer.get_result().as_numpy(name), wanted, 1e-5, 1e-6)
