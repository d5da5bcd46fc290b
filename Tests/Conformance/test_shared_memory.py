# SPDX-License-Identifier: Apache-2.0
"""Tensors in shared memory, by the client's own module; and what happens to memory that is not what it should be."""

import functools
import os
import pathlib
import uuid

import numpy as np
import pytest
import regions
import tritonclient.http
import tritonclient.utils.shared_memory as shm
from reference import PATIENT, expected
from regions import region
from tritonclient.utils import InferenceServerException, serialize_byte_tensor

OBJECTS = pathlib.Path("/dev/shm")

shared_input = functools.partial(regions.shared_input, tritonclient.http)
shared_output = functools.partial(regions.shared_output, tritonclient.http)


ROWS = np.arange(12, dtype=np.float32).reshape(3, 4)


def test_there_and_back(client):
    with region(client, ROWS.nbytes) as (sent, source), region(client, 64 + ROWS.nbytes) as (wanted, target):
        shm.set_shared_memory_region(source, [ROWS])
        answer = client.infer("identity_fp32", [shared_input("INPUT0", ROWS, "FP32", sent)],
                              outputs=[shared_output("OUTPUT0", wanted, ROWS.nbytes, 64)], timeout=PATIENT)
        told = answer.get_output("OUTPUT0")
        assert told["shape"] == [3, 4] and "data" not in told
        # Triton's C++ client takes any parameters to mean a binary tensor, and fails.
        assert "parameters" not in told
        np.testing.assert_array_equal(shm.get_contents_as_numpy(target, np.float32, [3, 4], 64), ROWS)


def test_an_image_through_a_real_model(client):
    image = np.random.default_rng(2).standard_normal((1, 3, 224, 224), np.float32)
    wanted = next(iter(expected("squeezenet", {"data_0": image}).items()))
    with region(client, image.nbytes) as (sent, source), region(client, wanted[1].nbytes) as (place, target):
        shm.set_shared_memory_region(source, [image])
        client.infer("squeezenet", [shared_input("data_0", image, "FP32", sent)],
                     outputs=[shared_output(wanted[0], place, wanted[1].nbytes)], timeout=PATIENT)
        got = shm.get_contents_as_numpy(target, np.float32, list(wanted[1].shape))
        np.testing.assert_allclose(got, wanted[1], 1e-5, 1e-6)


def test_strings(client):
    words = np.array([[b"strait", b"", "海峡".encode()]], object)
    serialized = serialize_byte_tensor(words)
    size = len(serialized.item())
    with region(client, size) as (place, handle):
        shm.set_shared_memory_region(handle, [serialized])
        answer = client.infer("identity_bytes", [shared_input("INPUT0", words, "BYTES", place, size)], timeout=PATIENT)
        assert list(answer.as_numpy("OUTPUT0")[0]) == list(words[0])


def test_a_mix_of_memory_and_body(client):
    ids = np.array([[101, 2023, 2003, 2019, 2742, 6251, 102]])
    mask = tritonclient.http.InferInput("attention_mask", [1, 7], "INT64")
    mask.set_data_from_numpy(np.ones_like(ids))
    with region(client, ids.nbytes) as (place, handle):
        shm.set_shared_memory_region(handle, [ids])
        answer = client.infer("minilm", [mask, shared_input("input_ids", ids, "INT64", place)], timeout=PATIENT)
    np.testing.assert_allclose(answer.as_numpy("embedding")[0, :4], [0.0677, 0.0635, 0.0487, 0.0793], atol=1e-4)


def test_the_status_lists_what_is_registered(client):
    with region(client, 4096, 64, 1000) as (name, _):
        entry = {"name": name, "key": f"/{name}", "offset": 64, "byte_size": 1000}
        assert client.get_system_shared_memory_status(name) == [entry]
        assert entry in client.get_system_shared_memory_status()
        with pytest.raises(InferenceServerException, match="registered already"):
            client.register_system_shared_memory(name, f"/{name}", 10)
    with pytest.raises(InferenceServerException, match=name):
        client.get_system_shared_memory_status(name)


def test_all_are_unregistered_at_once(client):
    with region(client, 64), region(client, 64):
        client.unregister_system_shared_memory()
        assert client.get_system_shared_memory_status() == []


def test_cuda_memory_is_refused_in_words(client):
    assert client.get_cuda_shared_memory_status() == []
    client.unregister_cuda_shared_memory()
    with pytest.raises(InferenceServerException, match="CUDA") as failure:
        client.register_cuda_shared_memory("r", b"handle", 0, 64)
    assert failure.value.status() == "501"


@pytest.mark.parametrize("key", ["", "/", "..", "/..", "/../etc/passwd", "a/b", "/dev/shm/x", "/x\0y", "k" * 300,
                                 "/strait-not-there"])
def test_a_key_leads_nowhere_else(client, key):
    with pytest.raises(InferenceServerException) as failure:
        client.register_system_shared_memory("escape", key, 1)
    assert failure.value.status() in ("400", "404")
    assert client.get_system_shared_memory_status() == []


def test_a_pipe_or_a_link_is_no_memory(client):
    names = [f"strait-{uuid.uuid4().hex}" for _ in range(2)]
    os.mkfifo(OBJECTS / names[0])
    os.symlink("/etc/passwd", OBJECTS / names[1])
    try:
        for name in names:
            with pytest.raises(InferenceServerException):
                client.register_system_shared_memory(name, f"/{name}", 1)
    finally:
        for name in names:
            os.unlink(OBJECTS / name)


@pytest.mark.parametrize("offset, size", [(0, 4097), (4096, 1), (1, 4096), (2**63 - 1, 1), (0, 2**63 - 1), (0, 0)])
def test_a_region_lies_inside_its_object(client, server, offset, size):
    with region(client, 4096) as (name, _):
        answer = server.post("/v2/systemsharedmemory/region/other/register",
                             {"key": f"/{name}", "offset": offset, "byte_size": size})
        assert answer.status == 400 and answer.error


@pytest.mark.parametrize("offset, size", [(4096, 48), (4050, 48), (0, 2**63 - 1), (2**63 - 48, 48), (0, 47), (0, 0)])
def test_a_tensor_lies_inside_its_region(client, offset, size):
    with region(client, 4096) as (name, _):
        with pytest.raises(InferenceServerException) as failure:
            client.infer("identity_fp32", [shared_input("INPUT0", ROWS, "FP32", name, size, offset)], timeout=PATIENT)
        assert failure.value.status() == "400"
        with pytest.raises(InferenceServerException) as failure:
            client.infer("identity_fp32", [shared_input("INPUT0", ROWS, "FP32", name)],
                         outputs=[shared_output("OUTPUT0", name, size, offset)], timeout=PATIENT)
        assert failure.value.status() == "400"


def test_an_object_that_its_client_shortens_hurts_only_that_client(client, server):
    """Touching a mapping beyond the end of its file would be SIGBUS, and the end of the server."""
    with region(client, 1 << 20) as (name, _):
        os.truncate(OBJECTS / name, 16)
        for place in ("input", "output"):
            outputs = [shared_output("OUTPUT0", name, 48, 4096)] if place == "output" else None
            tensor = shared_input("INPUT0", ROWS, "FP32", name, offset=0 if place == "output" else 4096)
            if place == "output":
                tensor = tritonclient.http.InferInput("INPUT0", [3, 4], "FP32")
                tensor.set_data_from_numpy(ROWS)
            with pytest.raises(InferenceServerException, match="shorter"):
                client.infer("identity_fp32", [tensor], outputs=outputs, timeout=PATIENT)
        assert os.path.getsize(OBJECTS / name) == 16, "the server made it longer again"
    assert client.is_server_ready()


def test_descriptors_are_given_back(client, server):
    before = len(os.listdir(f"/proc/{server.process.pid}/fd"))
    for _ in range(50):
        with region(client, 64):
            pass
    assert len(os.listdir(f"/proc/{server.process.pid}/fd")) <= before + 2


def test_classes_go_into_memory(client, server):
    """Triton's client does not let its users ask for it; the protocol does."""
    with region(client, 256) as (name, handle):
        answer = server.post("/v2/models/identity_fp32/infer", {
            "inputs": [{"name": "INPUT0", "datatype": "FP32", "shape": [1, 4], "data": [0.5, 3, -1, 2]}],
            "outputs": [{"name": "OUTPUT0", "parameters": {"classification": 2, "shared_memory_region": name,
                                                           "shared_memory_byte_size": 256}}]})
        assert answer.status == 200 and answer.json["outputs"][0]["shape"] == [1, 2], answer.body
        words = shm.get_contents_as_numpy(handle, np.object_, [1, 2])
        assert [bytes(word).split(b":")[1] for word in words[0]] == [b"1", b"3"]
