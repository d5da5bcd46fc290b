# SPDX-License-Identifier: Apache-2.0
"""silero-vad finds where somebody speaks: a model with three inputs, one of them a scalar, whose state the client
carries from chunk to chunk. The speech is espeak-ng's, between a second of silence on either side."""

import ctypes

import espeakng_loader
import numpy as np
import pytest
import tritonclient.http
from reference import PATIENT, tensors
from server import ROOT, Server

RATE, CHUNK, CONTEXT = 16_000, 512, 64  # samples a second, in a chunk, and of the last chunk before it
SILENCE = 1.0  # seconds
SENTENCE = "The strait is narrow, and the ships have deadlines."
RETRIEVAL, CHARACTERS_UTF8 = 1, 1  # espeak-ng's constants


def speak(text):
    """The samples of a sentence, in -1..1, at RATE."""
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    rate = library.espeak_Initialize(RETRIEVAL, 0, espeakng_loader.get_data_path().encode(), 0)
    assert rate > 0
    chunks = []

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
    def take(samples, count, _):
        if count > 0:
            chunks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    library.espeak_SetSynthCallback(take)
    data = text.encode()
    assert library.espeak_Synth(data, len(data) + 1, 0, 1, 0, CHARACTERS_UTF8, None, None) == 0
    library.espeak_Synchronize()
    spoken = np.concatenate(chunks) / 32768
    places = np.arange(int(len(spoken) * RATE / rate)) * rate / RATE
    return np.interp(places, np.arange(len(spoken)), spoken).astype(np.float32)


@pytest.fixture(scope="module")
def sound():
    silence = np.zeros(int(SILENCE * RATE), np.float32)
    return np.concatenate([silence, speak(SENTENCE), silence])


@pytest.fixture(scope="module")
def demo_server():
    server = Server(ROOT / ".strait/models", "--model-control-mode", "explicit", "--load-model", "silero_vad")
    try:
        yield server.start()
    finally:
        server.kill()


@pytest.mark.parametrize("binary", [True, False])
def test_speech_is_found(demo_server, sound, binary):
    state, context = np.zeros((2, 1, 128), np.float32), np.zeros(CONTEXT, np.float32)
    likely = []
    with tritonclient.http.InferenceServerClient(demo_server.url) as client:
        for start in range(0, len(sound) - CHUNK, CHUNK):
            chunk = np.concatenate([context, sound[start:start + CHUNK]])
            inputs = {"input": chunk[None], "state": state, "sr": np.array(RATE)}
            outputs = [tritonclient.http.InferRequestedOutput(name, binary_data=binary) for name in ("output", "stateN")]
            answer = client.infer("silero_vad", tensors(inputs, binary), outputs=outputs, timeout=PATIENT, priority=1)
            likely.append(float(answer.as_numpy("output")[0, 0]))
            state, context = answer.as_numpy("stateN"), chunk[-CONTEXT:]
    spoken = np.flatnonzero(np.array(likely) > 0.5) * CHUNK / RATE
    end = len(sound) / RATE - SILENCE
    assert abs(spoken[0] - SILENCE) < 0.15 and abs(spoken[-1] - end) < 0.25, (spoken[0], spoken[-1], end)
    # Nothing in the first silence, and most of what lies between.
    assert max(likely[:int(SILENCE * RATE / CHUNK) - 1]) < 0.05
    assert np.mean((np.array(likely) > 0.5)[int(spoken[0] * RATE / CHUNK):int(spoken[-1] * RATE / CHUNK)]) > 0.8
