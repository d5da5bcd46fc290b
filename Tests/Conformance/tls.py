# SPDX-License-Identifier: Apache-2.0
"""What tests of TLS need: certificates made by the `openssl` command, a server that has them, and frames of HTTP/2."""

import contextlib
import dataclasses
import http.client
import os
import pathlib
import shutil
import socket
import ssl
import struct
import subprocess
import time

import pytest
from server import ANSWER_LIMIT, MODELS, POLL, Answer, Server

MISSING = [name for name in ("curl", "openssl") if not shutil.which(name)]
installed = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")

# -- certificates --------------------------------------------------------------------------------------------------

EXPIRED = -1  # days: the least that openssl takes


@dataclasses.dataclass(frozen=True)
class Identity:
    """A certificate and its key, as files."""

    certificate: pathlib.Path
    key: pathlib.Path


class Authority:
    """An authority of its own, and what it signs."""

    def __init__(self, folder, name):
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.identity = Identity(folder / f"{name}.pem", folder / f"{name}.key")
        openssl("req", "-x509", *NEW_KEY, "-keyout", self.identity.key, "-out", self.identity.certificate, "-days", 2,
                "-subj", f"/CN={name}", "-addext", "keyUsage=critical,keyCertSign")

    @property
    def certificate(self):
        return self.identity.certificate

    def sign(self, name, days=2, names="DNS:localhost,IP:127.0.0.1"):
        made = Identity(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        openssl("req", *NEW_KEY, "-keyout", made.key, "-out", request, "-subj", f"/CN={name}")
        extensions.write_text(f"subjectAltName={names}\nbasicConstraints=critical,CA:FALSE\n")
        openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.identity.key, "-CAcreateserial",
                "-days", days, "-extfile", extensions, "-out", made.certificate)
        return made


NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def openssl(*words):
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


# -- the server ----------------------------------------------------------------------------------------------------


class TLSServer(Server):
    """A server with a certificate; `client` is who we are where it asks for one."""

    def __init__(self, repository, authority, identity, *arguments, client=None):
        super().__init__(repository, "--tls-certificate", identity.certificate, "--tls-key", identity.key, *arguments)
        self.authority, self.client = authority, client

    def context(self, *protocols):
        made = ssl.create_default_context(cafile=self.authority.certificate)
        if self.client:
            made.load_cert_chain(self.client.certificate, self.client.key)
        if protocols:
            made.set_alpn_protocols(protocols)
        return made

    def connect_secure(self, *protocols, context=None):
        plain = socket.create_connection(("127.0.0.1", self.port), ANSWER_LIMIT)
        try:
            return (context or self.context(*protocols)).wrap_socket(plain, server_hostname="127.0.0.1")
        except BaseException:
            plain.close()
            raise

    def request(self, method, path, body=b"", headers=None):
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.port, timeout=ANSWER_LIMIT, context=self.context())
        with contextlib.closing(connection):
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read())

    @property
    def https(self):
        return f"https://127.0.0.1:{self.port}"

    def curl(self, *words, data=None, client=None):
        """Runs curl, which trusts our authority. Its output is in bytes."""
        who = client or self.client
        identity = ["--cert", who.certificate, "--key", who.key] if who else []
        command = ["curl", "--silent", "--show-error", "--max-time", ANSWER_LIMIT, "--cacert",
                   self.authority.certificate, *identity, *words]
        return subprocess.run(list(map(str, command)), input=data, capture_output=True, check=False)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"), "authority")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    """An authority that nobody trusts."""
    return Authority(tmp_path_factory.mktemp("stranger"), "stranger")


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for model in ("identity_fp32", "slow", "squeezenet"):
        shutil.copytree(MODELS / model, folder / model, copy_function=os.link)
    return folder


@contextlib.contextmanager
def running(*arguments, **options):
    made = TLSServer(*arguments, **options)
    try:
        yield made.start()
        assert not made.process.poll(), f"the server died; its log:\n{made.read_log()}"
    finally:
        made.kill()


@pytest.fixture(scope="module")
def secure(authority, repository):
    with running(repository, authority, authority.sign("server")) as made:
        yield made
        code = made.stop()
        assert code == 0, f"after SIGTERM the server exited with {code}; its log:\n{made.read_log()}"


def eventually(true, what):
    limit = time.monotonic() + ANSWER_LIMIT
    while not true():
        assert time.monotonic() < limit, f"not within {ANSWER_LIMIT} s: {what}"
        time.sleep(POLL)


# -- HTTP/2, by hand -----------------------------------------------------------------------------------------------

DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY, WINDOW = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS = 1, 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def length(value):
    """A length as HPACK has it."""
    if value < 127:
        return bytes([value])
    out, value = b"\x7f", value - 127
    while value >= 128:
        out, value = out + bytes([value % 128 | 128]), value // 128
    return out + bytes([value])


def block(*fields):
    """Headers that are spelled out."""
    return b"".join(b"\0" + length(len(name)) + name + length(len(value)) + value
                    for name, value in ((name.encode(), value.encode()) for name, value in fields))


def request(method, path, *fields):
    return block((":method", method), (":scheme", "https"), (":path", path), (":authority", "strait"), *fields)


def exactly(connection, count):
    """So many bytes of a socket; None if it ends before."""
    out = b""
    while len(out) < count:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            if part := connection.recv(count - len(out)):
                out += part
                continue
        return None
    return out


def frames(connection):
    """The frames that come, as (kind, flags, stream, payload), until the connection ends."""
    while head := exactly(connection, 9):
        size = struct.unpack(">I", b"\0" + head[:3])[0]
        payload = exactly(connection, size) if size else b""
        if payload is None:
            return
        yield head[3], head[4], struct.unpack(">I", head[5:])[0] & 0x7FFFFFFF, payload
