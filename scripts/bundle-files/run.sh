#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs strait's GPU check from this folder: `./run.sh` checks the first GPU and writes its data to a folder results-….
# `./run.sh --device cpu` does the same on the processor. `./run.sh COMMAND …`, such as serve, runs another command of strait.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
python=${STRAIT_PYTHON:-python3}

case ${1:-} in
    -h | --help | --version) command=$1 given=yes ;;
    # Options alone are the check's.
    '' | -*) command=gpu-check given= ;;
    *) command=$1 given=yes ;;
esac

# The check takes the GPU unless it is told otherwise; the other commands do not unless they are told so.
gpu=
[ "$command" = gpu-check ] && gpu=yes
for word; do
    case $word in
        cpu | --device=cpu) gpu= ;;
        cuda:* | --device=cuda:*) gpu=yes ;;
        -h | --help | --version) gpu= ;;
    esac
done

# Where pip's CUDA 13 wheels put their libraries: in the packages of whichever python3 is on PATH, or named by $STRAIT_PYTHON.
wheels() {
    "$python" - <<'END' 2>/dev/null || true
import importlib.util, os
spec = importlib.util.find_spec("nvidia")
for folder in (spec.submodule_search_locations if spec else []):
    for part in ("cu13/lib", "cudnn/lib", "cuda_runtime/lib", "cublas/lib", "curand/lib", "cufft/lib"):
        if os.path.isdir(os.path.join(folder, part)):
            print(os.path.join(folder, part), end=":")
END
}

# The provider comes packed, because all of it together is a tenth of its size; once unpacked it stays.
provider=$here/lib/libonnxruntime_providers_cuda.so
unpack() {
    # A name of its own, so that two who start at once, or one that is interrupted, leave no half of a library.
    part=$provider.$$
    echo "unpacking the CUDA provider (a quarter of a minute) …" >&2
    if "$python" "$here/cuda-provider" unpack "$here/cuda.pack" "$part" >&2; then
        mv "$part" "$provider"
    else
        rm -f "$part"
        echo "run.sh: the CUDA provider could not be unpacked; that needs python3 and libzstd.so.1. Without it there is no GPU." >&2
    fi
}

# Says at once which libraries the provider lacks here, before parts fail for the lack of one after the other.
lacking() {
    {
        ldd "$provider" 2>/dev/null | sed -n 's/^[[:space:]]*\([^ ]*\) => not found.*/\1/p'
        # Opened only when a model needs it, so ldd does not know of it.
        cudnn=libcudnn.so.9
        ldconfig -p 2>/dev/null | grep -q "$cudnn" && cudnn=
        oldifs=$IFS IFS=:
        for folder in $LD_LIBRARY_PATH; do [ -e "$folder/libcudnn.so.9" ] && cudnn=; done
        IFS=$oldifs
        [ -z "$cudnn" ] || echo "$cudnn"
    } | sort -u | while read -r library; do
        case $library in
            libcuda.so*) echo "  $library: NVIDIA's driver, which comes with the machine" ;;
            libcudart.so*) echo "  $library: CUDA 13's runtime (pip: nvidia-cuda-runtime)" ;;
            libcublas*) echo "  $library: CUDA 13's cuBLAS (pip: nvidia-cublas)" ;;
            libcurand.so*) echo "  $library: CUDA 13's cuRAND (pip: nvidia-curand)" ;;
            libcudnn.so*) echo "  $library: cuDNN 9 for CUDA 13 (pip: nvidia-cudnn-cu13)" ;;
            *) echo "  $library" ;;
        esac
    done
}

places=$here/lib
if [ -n "$gpu" ]; then
    places=$places:$(wheels)
    places=${places%:}
    for folder in /usr/local/nvidia/lib64 /usr/local/nvidia/lib /usr/local/cuda/lib64 /usr/local/cuda-13*/lib64 \
        /usr/local/cuda-13*/targets/x86_64-linux/lib /usr/lib/x86_64-linux-gnu/nvidia/current; do
        [ -d "$folder" ] && places=$places:$folder
    done
fi
LD_LIBRARY_PATH=$places${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export LD_LIBRARY_PATH
export STRAIT_ONNXRUNTIME="$here/lib/libonnxruntime.so"

if [ -n "$gpu" ]; then
    [ ! -f "$here/cuda.pack" ] || [ -f "$provider" ] || unpack
    if [ -f "$provider" ]; then
        lacking=$(lacking)
        [ -z "$lacking" ] || printf 'run.sh: a GPU cannot be used here without\n%s\n' "$lacking" >&2
    fi
fi

[ -n "$given" ] && exec "$here/strait" "$@"
exec "$here/strait" gpu-check --model-repository "$here/models" --out "results-$(date -u +%Y%m%dT%H%M%SZ)" "$@"
