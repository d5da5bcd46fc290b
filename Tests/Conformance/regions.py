# SPDX-License-Identifier: Apache-2.0
"""Regions of shared memory for tests, and tensors in them, with either of tritonclient's modules."""

import contextlib
import uuid

import tritonclient.utils.shared_memory as shm


@contextlib.contextmanager
def region(client, size, offset=0, registered=None):
    """(name, handle) of a region of its own, registered with the server."""
    name = f"strait-{uuid.uuid4().hex}"
    handle = shm.create_shared_memory_region(name, f"/{name}", size)
    client.register_system_shared_memory(name, f"/{name}", registered or size - offset, offset)
    try:
        yield name, handle
    finally:
        client.unregister_system_shared_memory(name)
        shm.destroy_shared_memory_region(handle)


def shared_input(module, name, array, kind, place, size=None, offset=0):
    made = module.InferInput(name, list(array.shape), kind)
    made.set_shared_memory(place, array.nbytes if size is None else size, offset)
    return made


def shared_output(module, name, place, size, offset=0):
    made = module.InferRequestedOutput(name)
    made.set_shared_memory(place, size, offset)
    return made
