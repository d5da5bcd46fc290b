# SPDX-License-Identifier: Apache-2.0
"""A small receiver of OpenTelemetry's traces over HTTP, decoded by OpenTelemetry's own Python messages."""

import http.server
import threading
import time

from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

ARRIVAL_LIMIT = 30  # seconds; traces are sent once a second
POLL = 0.05


class Collector:
    """Listens on a free port; `answers` are the statuses of the first posts, with headers, before all is well."""

    def __init__(self, answers=(), delay=0):
        self.posts, self.spans, self.answers = [], [], list(answers)
        self.lock = threading.Lock()
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                time.sleep(delay)
                status, headers = collector.take(self.path, dict(self.headers), body)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def take(self, path, headers, body):
        with self.lock:
            status, answer = self.answers.pop(0) if self.answers else (200, {})
            self.posts.append((path, headers, status))
            if status != 200:
                return status, answer
            message = trace_service_pb2.ExportTraceServiceRequest.FromString(body)
            # What we do not know would be what the server wrote wrongly.
            assert message.SerializeToString() == body
            for of_resource in message.resource_spans:
                resource = attributes(of_resource.resource)
                for of_scope in of_resource.scope_spans:
                    self.spans += [(resource, of_scope.scope, span) for span in of_scope.spans]
            return status, answer

    def traces(self):
        """{trace's number in hexadecimal: its spans, the request's own first}."""
        with self.lock:
            found = {}
            for _, _, span in self.spans:
                found.setdefault(span.trace_id.hex(), []).append(span)
            return found

    def wait_for(self, count):
        """The traces, when there are so many."""
        limit = time.monotonic() + ARRIVAL_LIMIT
        while len(found := self.traces()) < count:
            assert time.monotonic() < limit, f"{len(found)} of {count} traces after {ARRIVAL_LIMIT} s: {self.posts}"
            time.sleep(POLL)
        return found

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def attributes(owner):
    """{key: value} of a resource or a span."""
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in owner.attributes}
