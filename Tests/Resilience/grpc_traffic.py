# SPDX-License-Identifier: Apache-2.0
"""Many clients over gRPC in one thread: single calls, and streams that know which answer is whose."""

import asyncio
import time

import grpc
import grpc.aio
from requests_made import INPUT, PATIENT, payload
from traffic import ANSWER_LIMIT, Load
from tritonclient.grpc import service_pb2, service_pb2_grpc

OPTIONS = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1),
           ("grpc.use_local_subchannel_pool", 1)]
# What HTTP says in their place, which is what a ledger counts by.
STATUS = {grpc.StatusCode.RESOURCE_EXHAUSTED: 429, grpc.StatusCode.DEADLINE_EXCEEDED: 504,
          grpc.StatusCode.INTERNAL: 500, grpc.StatusCode.UNAVAILABLE: 503}


def message(model, name, *, high=False, timeout=PATIENT, rows=1, columns=0):
    """A request. `name` comes back in its answer."""
    kind, shape, data = payload(model, rows, columns)
    request = service_pb2.ModelInferRequest(model_name=model, id=name)
    request.parameters["priority"].int64_param = 1 if high else 2
    request.parameters["timeout"].int64_param = timeout
    request.inputs.add(name=INPUT[model], datatype=kind, shape=shape)
    request.raw_input_contents.append(data)
    return request


def body(response):
    """What of a response a ledger looks at."""
    late = b',"strait_late":true' if "strait_late" in response.parameters else b""
    return f'"id":"{response.id}"'.encode() + late


def channel(port):
    return grpc.aio.insecure_channel(f"127.0.0.1:{port}", OPTIONS)


class Stream:
    """One ModelStreamInfer with any number of requests in flight."""

    def __init__(self, stub, ledger):
        self.ledger, self.call, self.waiting = ledger, stub.ModelStreamInfer(), {}
        self.is_open = True
        # One message after the other: a second one before the first is written is an error that nobody is told.
        self.writing = asyncio.Lock()
        self.reader = asyncio.create_task(self.read())

    async def read(self):
        try:
            async for answer in self.call:
                waiter = self.waiting.pop(answer.infer_response.id, None)
                if waiter is None:
                    # Nothing was asked by that name, or it was answered already.
                    self.ledger.twice += 1
                elif not waiter.done():
                    waiter.set_result(answer)
        except (grpc.RpcError, asyncio.CancelledError):
            pass
        finally:
            self.is_open = False
            for waiter in self.waiting.values():
                if not waiter.done():
                    waiter.set_result(None)
            self.waiting.clear()

    async def ask(self, request):
        """Its answer; None where the stream ends without one."""
        waiter = self.waiting[request.id] = asyncio.get_running_loop().create_future()
        try:
            async with self.writing:
                await self.call.write(request)
        except (grpc.RpcError, asyncio.InvalidStateError, asyncio.CancelledError):
            if not waiter.done():
                waiter.set_result(None)
        return await waiter

    async def end(self):
        """Says that nothing more comes, and waits for the server's end."""
        async with self.writing:
            await self.call.done_writing()
        await asyncio.wait_for(self.reader, ANSWER_LIMIT)


class Callers(Load):
    """Clients that share some channels to one server: one in `SINGLE` asks by a call of its own, the others in streams."""

    SINGLE = 4

    def __init__(self, port, ledger, prefix="g", channels=4):
        self.ledger, self.prefix, self.number = ledger, prefix, 0
        self.channels = [channel(port) for _ in range(channels)]
        self.stubs = [service_pb2_grpc.GRPCInferenceServiceStub(each) for each in self.channels]
        self.streams = [None] * channels

    def name(self):
        self.number += 1
        return f"{self.prefix}{self.number}"

    async def ask(self, model, *, high=False, tolerant=False, **options):
        """One request from its sending to its end; its status, None if it was lost."""
        name, counts, start = self.name(), self.ledger.of(high), time.monotonic()
        request = message(model, name, high=high, **options)
        counts.asked += 1
        alone = self.number % self.SINGLE == 0
        told = await (self.call(request) if alone else self.stream(request))
        if told is None or told[0] == 503 and b"drain" not in told[1]:
            # Never accepted, or not answered.
            if tolerant:
                counts.abandoned += 1
            else:
                counts.lost += 1
            return None
        self.ledger.note(high, *told, time.monotonic() - start, name)
        return told[0]

    async def call(self, request):
        stub = self.stubs[self.number % len(self.stubs)]
        try:
            return 200, body(await stub.ModelInfer(request, timeout=ANSWER_LIMIT))
        except grpc.aio.AioRpcError as error:
            return STATUS.get(error.code(), 0), error.details().encode()
        except asyncio.CancelledError:
            return None

    async def stream(self, request):
        place = self.number % len(self.stubs)
        if self.streams[place] is None or not self.streams[place].is_open:
            self.streams[place] = Stream(self.stubs[place], self.ledger)
        try:
            answer = await asyncio.wait_for(self.streams[place].ask(request), ANSWER_LIMIT)
        except TimeoutError:
            return None
        if answer is None:
            return None
        text = answer.error_message
        return (in_stream(text), text.encode()) if text else (200, body(answer.infer_response))

    async def close(self):
        for stream in self.streams:
            if stream is not None and stream.is_open:
                await stream.end()
        for each in self.channels:
            await each.close()


def in_stream(text):
    """The status that a message in a stream stands for: there it has no code of its own."""
    if "drain" in text:
        return 503
    if "full" in text or "in flight" in text:
        return 429
    return 504 if "deadline" in text or "predicted" in text else 500
