# SPDX-License-Identifier: Apache-2.0
"""What a server has resident: under load hardly more than it uses, and when nobody asks it anything, less again."""

import concurrent.futures
import ctypes
import os
import pathlib
import struct

import pytest
from requests_made import infer
from server import read_answer
from watched import serving

CONNECTIONS = 8
REQUESTS = 200  # on each
LARGE_FLOATS = 256 << 10  # of one request: a megabyte
# Twice what was found: what ONNX Runtime keeps of its operators, Swift's and its own relocated data, the history.
WRITTEN_LIMIT = 32 << 20
# Twice what was found, and half of what the system maps if left alone.
CODE_LIMIT = 12 << 20

USERFAULTFD = {"x86_64": 323, "aarch64": 282}  # the system call
UFFDIO_API, UFFD_API = 0xC018AA3F, 0xAA
USER_MODE_ONLY, WP_ASYNC = 1, 1 << 15


def system_watches_writes():
    """Whether the system does what the server asks it for, so that only used code is mapped."""
    if (number := USERFAULTFD.get(os.uname().machine)) is None:
        return False
    library = ctypes.CDLL(None, use_errno=True)
    descriptor = library.syscall(number, os.O_CLOEXEC | os.O_NONBLOCK | USER_MODE_ONLY)
    if descriptor < 0:
        return False
    try:
        request = ctypes.create_string_buffer(struct.pack("QQQ", UFFD_API, WP_ASYNC, 0))
        return library.ioctl(descriptor, ctypes.c_ulong(UFFDIO_API), request) == 0
    finally:
        os.close(descriptor)


def mapped(server):
    """(bytes of files that are resident, bytes written, mappings of code of which writes are watched)."""
    resident = written = watched = 0
    for line in pathlib.Path(f"/proc/{server.process.pid}/smaps").read_text().splitlines():
        words = line.split()
        if words[0] == "Rss:":
            resident += int(words[1]) << 10
        elif words[0] == "Anonymous:":
            written += int(words[1]) << 10
        elif words[0] == "VmFlags:":
            watched += "uw" in words
    return resident - written, written, watched


def ask(server, data, times):
    with server.connect() as connection:
        for _ in range(times):
            connection.sendall(data)
            answer = read_answer(connection)
            assert answer is not None and answer.status == 200, answer and answer.body


def load(server, data, times):
    with concurrent.futures.ThreadPoolExecutor(CONNECTIONS) as pool:
        for done in [pool.submit(ask, server, data, times) for _ in range(CONNECTIONS)]:
            done.result()


def test_only_used_code_is_mapped(repository):
    if not system_watches_writes():
        pytest.skip("this system does not let programs watch writes (Linux 6.7 does, unless a container forbids it)")
    with serving(repository) as server:
        load(server, infer("identity_fp32", "memory"), REQUESTS)
        files, written, watched = mapped(server)
        server.end()
    assert watched > 0
    assert files < CODE_LIMIT
    assert written < WRITTEN_LIMIT


def test_memory_may_be_kept(repository):
    with serving(repository, "--keep-memory") as server:
        ask(server, infer("identity_fp32", "memory"), 1)
        assert mapped(server)[2] == 0
        server.end()


def test_a_quiet_server_gives_memory_back(repository):
    with serving(repository) as server:
        ask(server, infer("identity_fp32", "memory"), REQUESTS)
        before = server.resident()
        load(server, infer("identity_fp32", "large", columns=LARGE_FLOATS), 10)
        busy = server.resident()
        assert busy > before + (CONNECTIONS << 20), "the load took no memory"
        assert server.settle(lambda: server.resident() < before + (busy - before) // 4), \
            f"{before} bytes before, {busy} under load, {server.resident()} afterwards"
        ask(server, infer("identity_fp32", "memory"), 1)
        server.end()
