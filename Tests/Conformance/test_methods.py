# SPDX-License-Identifier: Apache-2.0
"""HTTP's manners: heads without bodies, and clients that ask before they send."""

import pytest
from server import read_answer


def lines(answers):
    """The head of the next of several answers on one connection: its status, and its fields in small letters."""
    status, fields = int(answers.readline().split()[1]), {}
    while (line := answers.readline()) != b"\r\n":
        name, value = line.decode().split(":", 1)
        fields[name.lower()] = value.strip()
    return status, fields


@pytest.mark.parametrize("path, status", [
    ("/v2/health/live", 200), ("/v2/models/identity_fp32", 200), ("/v2/models/stats", 200), ("/v2/nothing", 404),
    ("/v2/models/identity_fp32/infer", 405), ("/v2/strait/events", 405)])
def test_a_head_has_no_body_and_its_connection_goes_on(server, path, status):
    with server.connect() as connection, connection.makefile("rb") as answers:
        for _ in range(2):
            connection.sendall(f"HEAD {path} HTTP/1.1\r\nHost: strait\r\n\r\n".encode())
            connection.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: strait\r\n\r\n")
            found, fields = lines(answers)
            assert found == status and int(fields["content-length"]) > 0
            found, fields = lines(answers)
            assert found == 200
            assert answers.read(int(fields["content-length"])).startswith(b"{")


def test_what_follows_a_head_and_is_no_request_is_told_so(server):
    with server.connect() as connection, connection.makefile("rb") as answers:
        connection.sendall(b"HEAD /v2 HTTP/1.1\r\nHost: strait\r\n\r\nno request\r\n\r\n")
        assert lines(answers)[0] == 200
        found, fields = lines(answers)
        assert found == 400 and len(answers.read()) == int(fields["content-length"]) > 0


@pytest.mark.parametrize("path, status", [
    ("/v2/models/nobody/infer", 404), ("/v2/nothing", 404), ("/v2/models/identity_fp32", 405)])
def test_who_asks_whether_to_send_is_refused_at_once(server, path, status):
    with server.connect() as connection:
        connection.sendall(
            f"POST {path} HTTP/1.1\r\nHost: strait\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n".encode())
        answer = read_answer(connection)
        assert answer is not None and answer.status == status and answer.error
        assert answer.headers["Connection"] == "close"


def test_who_asks_whether_to_send_is_let(server):
    with server.connect() as connection, connection.makefile("rb") as answers:
        body = b'{"inputs":[{"name":"INPUT0","datatype":"FP32","shape":[1,1],"data":[1]}]}'
        connection.sendall(
            f"POST /v2/models/identity_fp32/infer HTTP/1.1\r\nHost: strait\r\nContent-Length: {len(body)}\r\n"
            "Expect: 100-continue\r\n\r\n".encode())
        assert lines(answers)[0] == 100
        connection.sendall(body)
        assert lines(answers)[0] == 200


@pytest.mark.parametrize("connection_field", ["", "Connection: Keep-Alive\r\n"])
def test_who_speaks_the_older_http_is_answered_and_let_go(server, connection_field):
    # As `ab -k` asks. It takes a reply that does not promise to go on for one that ends with the connection.
    with server.connect() as connection, connection.makefile("rb") as answers:
        connection.sendall(f"GET /v2/health/live HTTP/1.0\r\n{connection_field}\r\n".encode())
        found, fields = lines(answers)
        assert found == 200 and fields["connection"] == "close"
        assert len(answers.read()) == int(fields["content-length"]) > 0
