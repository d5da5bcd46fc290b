#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs strait's GPU check from this folder: `./run.sh` checks the first GPU and writes its data to a folder results-….
# `./run.sh --device cpu` does the same on the processor. `./run.sh COMMAND …`, such as serve, runs another command of strait.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

# Where pip's CUDA 13 wheels put their libraries: in the packages of whichever python3 is on PATH, or named by $STRAIT_PYTHON.
python=${STRAIT_PYTHON:-python3}
wheels=$("$python" - <<'END' 2>/dev/null || true
import importlib.util, os
spec = importlib.util.find_spec("nvidia")
for folder in (spec.submodule_search_locations if spec else []):
    for part in ("cu13/lib", "cudnn/lib", "cuda_runtime/lib", "cublas/lib", "curand/lib", "cufft/lib"):
        if os.path.isdir(os.path.join(folder, part)):
            print(os.path.join(folder, part), end=":")
END
)
places=$here/lib:$wheels
for folder in /usr/local/nvidia/lib64 /usr/local/nvidia/lib /usr/local/cuda/lib64 /usr/local/cuda-13*/lib64 \
    /usr/local/cuda-13*/targets/x86_64-linux/lib /usr/lib/x86_64-linux-gnu/nvidia/current; do
    [ -d "$folder" ] && places=$places:$folder
done
LD_LIBRARY_PATH=${places%:}${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export LD_LIBRARY_PATH
export STRAIT_ONNXRUNTIME="$here/lib/libonnxruntime.so"

# The provider comes packed, because all of it together is a tenth of its size; once unpacked it stays.
provider=$here/lib/libonnxruntime_providers_cuda.so
if [ -f "$here/cuda.pack" ] && [ ! -f "$provider" ]; then
    # A name of its own, so that two who start at once, or one that is interrupted, leave no half of a library.
    part=$provider.$$
    echo "unpacking the CUDA provider (a quarter of a minute) …" >&2
    if "$python" "$here/cuda-provider" unpack "$here/cuda.pack" "$part" >&2; then
        mv "$part" "$provider"
    else
        rm -f "$part"
        echo "run.sh: the CUDA provider could not be unpacked; that needs python3 and libzstd.so.1. Without it there is no GPU." >&2
    fi
fi

case ${1:-} in
    gpu-check | serve | load | models | profile | demo | simulate | evaluate | core | --help | --version)
        exec "$here/strait" "$@" ;;
    *)
        out=results-$(date -u +%Y%m%dT%H%M%SZ)
        exec "$here/strait" gpu-check --model-repository "$here/models" --out "$out" "$@" ;;
esac
